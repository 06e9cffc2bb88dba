use super::*;

fn uri(text: &str) -> Uri {
    text.parse().unwrap()
}

#[test]
fn an_address_shows_a_place() {
    let id = ConversationId::generate();
    for (path, place) in [
        ("/".to_owned(), Place::Home),
        ("/?x=1".to_owned(), Place::Home),
        (format!("/c/{id}"), Place::Conversation(id, None)),
        (format!("/c/{id}/m/7"), Place::Conversation(id, Some(7))),
        ("/new".to_owned(), Place::New(None)),
        ("/new?q=".to_owned(), Place::New(Some(String::new()))),
        ("/new?kind=group&q=a%20b%26".to_owned(), Place::New(Some("a b&".to_owned()))),
        ("/new?kind=find&q=a".to_owned(), Place::Find("a".to_owned())),
        ("/settings".to_owned(), Place::Settings),
        ("/sign-in?next=/new".to_owned(), Place::Door),
        ("/register".to_owned(), Place::Door),
        ("/c/7".to_owned(), Place::Unknown),
        (format!("/c/{id}/m/x"), Place::Unknown),
        (format!("/c/{id}/x/7"), Place::Unknown),
        (format!("/c/{id}/m/7/8"), Place::Unknown),
        ("/nowhere".to_owned(), Place::Unknown),
        ("//".to_owned(), Place::Unknown),
    ] {
        assert_eq!(Place::of(&uri(&path)), place, "{path}");
    }
}

#[test]
fn signing_in_leads_back_here_and_nowhere_else() {
    assert_eq!(sign_in(&uri("/")), "/sign-in");
    assert_eq!(sign_in(&uri("/new?q=a%20b&c")), "/sign-in?next=/new%3Fq%3Da%2520b%26c");
    assert_eq!(sign_in(&uri("//evil.example/")), "/sign-in");
    let next = uri(&sign_in(&uri("/new?q=a%20b&c")));
    assert_eq!(query(&next, "next").as_deref(), Some("/new?q=a%20b&c"));
}

#[test]
fn the_browsers_first_language_that_we_speak() {
    let locale = |text: &'static str| {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT_LANGUAGE, HeaderValue::from_static(text));
        accepted_locale(&headers)
    };
    for text in ["zh", "zh-TW,en", "ZH-Hans;q=0.9, en;q=0.8", "fr, zh;q=0.5, en;q=0.4", "en;q=0.1,zh"] {
        assert_eq!(locale(text), "zh-CN", "{text}");
    }
    for text in ["en-GB,zh", "", "fr", "zh;q=0", "*", "zh;q=x"] {
        assert_eq!(locale(text), "en", "{text}");
    }
    assert_eq!(accepted_locale(&HeaderMap::new()), "en");
}
