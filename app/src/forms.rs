//! What the page's forms post to, so that everything works before and without script. Each takes a URL-encoded
//! form and answers 303: to where the result is seen, or back to the form with `?error=CODE`, which the page turns
//! into a sentence.
//!
//! Signing in and out and the language use these with script too: a new page then starts from a new state and a
//! new socket. Everything else is done over the socket or [`api`](crate::api) once the page is live.
#![expect(missing_docs, reason = "the structs of arguments are the macro's")]

use leptos::prelude::*;
use leptos::server_fn::codec::PostUrl;
use protocol::{ConversationId, History, SessionId, UserId};

/// What a form's handler must know about its request, and cannot see for itself.
///
/// The server provides one in leptos' context (`provide_context`) for every request below `/fn`.
#[cfg(feature = "ssr")]
#[derive(Clone, Debug)]
pub struct Edge {
    /// The session's cookie, as it is named and kept on this server.
    pub cookies: crate::cookie::Cookies,
    /// Who is at the other end, for slowing down guesses of passwords.
    pub peer: std::net::IpAddr,
    /// What the device calls itself: its `User-Agent`.
    pub device: String,
}

/// Where to go after signing in: only a path of this site, anything else is `/`. A second slash or a backslash
/// would let a link lead to another host, and other bytes could not stand in a header.
pub fn same_site(next: &str) -> &str {
    let safe = next.starts_with('/')
        && !next.contains("//")
        && !next.contains('\\')
        && next.bytes().all(|byte| byte.is_ascii_graphic());
    if safe { next } else { "/" }
}

#[cfg(feature = "ssr")]
mod edge {
    //! Who asks, and how a form is answered.

    use super::Edge;
    use crate::cookie::Cookies;
    use axum::Extension;
    use chat::{Chat, Error, Identity};
    use http::{HeaderValue, StatusCode, header};
    use leptos::prelude::*;
    use leptos_axum::ResponseOptions;
    use leptos_router::location::Url;
    use protocol::ConversationId;
    use std::net::{IpAddr, Ipv4Addr};

    /// The `Chat` of the context, and what is known about the request.
    pub(super) fn chat() -> Result<(Chat, Edge), Error> {
        let chat = use_context::<Chat>().ok_or(Error::Internal)?;
        let edge = use_context::<Edge>().unwrap_or(Edge {
            cookies: Cookies::new(false),
            peer: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            device: String::new(),
        });
        Ok((chat, edge))
    }

    /// The request's identity, put into its extensions by the server's session layer.
    pub(super) async fn asking() -> Result<(Identity, Chat), Error> {
        let Ok(Extension(who)) = leptos_axum::extract::<Extension<Identity>>().await else {
            return Err(Error::Unauthorized);
        };
        Ok((who, chat()?.0))
    }

    /// 303 to a path of this site.
    pub(super) fn see(path: &str) {
        let response = expect_context::<ResponseOptions>();
        response.set_status(StatusCode::SEE_OTHER);
        // Paths are built here from ids and escaped words, so this always succeeds.
        let location = HeaderValue::from_str(path).unwrap_or(HeaderValue::from_static("/"));
        response.insert_header(header::LOCATION, location);
    }

    /// 303 to a path with a query; empty values are left out.
    pub(super) fn see_with(path: &str, query: &[(&str, &str)]) {
        let query: Vec<String> = query
            .iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(key, value)| format!("{key}={}", Url::escape(value)))
            .collect();
        if query.is_empty() { see(path) } else { see(&format!("{path}?{}", query.join("&"))) }
    }

    /// 303 to where the result is seen, or back to `form` with the reason.
    pub(super) fn answer<T>(result: Result<T, Error>, form: &str, seen: impl FnOnce(T) -> String) {
        match result {
            Ok(value) => see(&seen(value)),
            Err(Error::Unauthorized) => see_with("/sign-in", &[("next", form)]),
            Err(error) => {
                let join = if form.contains('?') { '&' } else { '?' };
                see(&format!("{form}{join}error={}", error.code()));
            }
        }
    }

    /// Address of a conversation.
    pub(super) fn at(conversation: ConversationId) -> String {
        format!("/c/{conversation}")
    }

    /// Puts the session into the browser, or with an empty token takes it out.
    pub(super) fn set_session(edge: &Edge, token: &str) {
        let cookie = if token.is_empty() { edge.cookies.clear() } else { edge.cookies.set(token) };
        match cookie {
            Some(cookie) => expect_context::<ResponseOptions>().append_header(header::SET_COOKIE, cookie),
            // Tokens are letters and digits; a cookie that could not be set leaves the person signed out.
            None => see("/sign-in?error=internal"),
        }
    }
}
#[cfg(feature = "ssr")]
use edge::{answer, asking, at, chat, see, see_with, set_session};

/// Signs in and goes to `next`.
#[server(prefix = "/fn", endpoint = "sign-in", input = PostUrl)]
pub async fn sign_in(
    username: String,
    password: String,
    #[server(default)] next: String,
) -> Result<(), ServerFnError> {
    let signed_in = async {
        let (chat, edge) = chat()?;
        let asked = protocol::rest::SignIn { username: username.clone(), password };
        let signed_in = chat.sign_in(asked, &edge.device, edge.peer).await?;
        Ok::<_, chat::Error>((edge, signed_in))
    }
    .await;
    match signed_in {
        Ok((edge, signed_in)) => {
            see(same_site(&next));
            set_session(&edge, &signed_in.token);
        }
        Err(error) => see_with(
            "/sign-in",
            &[("error", error.code().as_str()), ("username", &username), ("next", &next)],
        ),
    }
    Ok(())
}

/// Creates an account, signs in and goes to `next`.
#[server(prefix = "/fn", endpoint = "register", input = PostUrl)]
pub async fn register(
    username: String,
    password: String,
    #[server(default)] display_name: String,
    #[server(default)] next: String,
) -> Result<(), ServerFnError> {
    let registered = async {
        let (chat, edge) = chat()?;
        let asked = protocol::rest::Register {
            username: username.clone(),
            password,
            display_name: Some(display_name.clone()).filter(|name| !name.trim().is_empty()),
        };
        let signed_in = chat.register(asked, &edge.device, edge.peer).await?;
        Ok::<_, chat::Error>((edge, signed_in))
    }
    .await;
    match registered {
        Ok((edge, signed_in)) => {
            see(same_site(&next));
            set_session(&edge, &signed_in.token);
        }
        Err(error) => see_with(
            "/register",
            &[
                ("error", error.code().as_str()),
                ("username", &username),
                ("display_name", &display_name),
                ("next", &next),
            ],
        ),
    }
    Ok(())
}

/// Ends this session, here and on the server.
#[server(prefix = "/fn", endpoint = "sign-out", input = PostUrl)]
pub async fn sign_out() -> Result<(), ServerFnError> {
    let ended = async {
        let (who, chat) = asking().await?;
        chat.sign_out(who).await
    }
    .await;
    match (ended, chat()) {
        // A session that had ended before is what was asked for.
        (Ok(()) | Err(chat::Error::Unauthorized), Ok((_, edge))) => {
            set_session(&edge, "");
            see("/sign-in");
        }
        (Err(error), _) | (_, Err(error)) => see(&format!("/settings?error={}", error.code())),
    }
    Ok(())
}

/// Posts a message. The form's nonce makes sending it twice store one message.
#[server(prefix = "/fn", endpoint = "send", input = PostUrl)]
pub async fn post(conversation: ConversationId, text: String, nonce: String) -> Result<(), ServerFnError> {
    let sent = async {
        let (who, chat) = asking().await?;
        // Browsers write a form's line breaks as CR LF.
        let invalid = |_| chat::Error::Invalid(Vec::new());
        let text = protocol::Text::try_from(text.replace("\r\n", "\n")).map_err(invalid)?;
        let nonce = protocol::Nonce::try_from(nonce).map_err(invalid)?;
        let message =
            protocol::rest::NewMessage { nonce, body: protocol::Body::Text { text }, reply_to: None };
        chat.post(who, conversation, message).await
    }
    .await;
    answer(sent, &at(conversation), |_| at(conversation));
    Ok(())
}

/// I have read up to `seq`.
#[server(prefix = "/fn", endpoint = "read", input = PostUrl)]
pub async fn read(conversation: ConversationId, seq: u64) -> Result<(), ServerFnError> {
    let read = async {
        let (who, chat) = asking().await?;
        chat.read(who, conversation, seq, None).await
    }
    .await;
    answer(read, &at(conversation), |_| at(conversation));
    Ok(())
}

/// Opens the conversation with somebody.
#[server(prefix = "/fn", endpoint = "start", input = PostUrl)]
pub async fn start(user: UserId) -> Result<(), ServerFnError> {
    let started = async {
        let (who, chat) = asking().await?;
        chat.create(who, protocol::rest::NewConversation::Direct { user }).await
    }
    .await;
    answer(started, "/new", |(conversation, _)| at(conversation.id));
    Ok(())
}

/// Founds a group.
#[server(prefix = "/fn", endpoint = "start-group", input = PostUrl)]
pub async fn start_group(
    title: String,
    #[server(default)] members: Vec<UserId>,
    #[server(default)] public: bool,
    #[server(default)] history: History,
) -> Result<(), ServerFnError> {
    let started = async {
        let (who, chat) = asking().await?;
        let new = protocol::rest::NewConversation::Group { title, members, nonce: None, public, history };
        chat.create(who, new).await
    }
    .await;
    answer(started, "/new?kind=group", |(conversation, _)| at(conversation.id));
    Ok(())
}

/// Joins a group that everybody can join.
#[server(prefix = "/fn", endpoint = "enter", input = PostUrl)]
pub async fn enter(conversation: ConversationId) -> Result<(), ServerFnError> {
    let joined = async {
        let (who, chat) = asking().await?;
        chat.join(who, conversation).await
    }
    .await;
    answer(joined, "/new?kind=find", |_| at(conversation));
    Ok(())
}

/// Adds people to a group, one after the other; the first refusal ends it.
#[server(prefix = "/fn", endpoint = "invite", input = PostUrl)]
pub async fn invite(
    conversation: ConversationId,
    #[server(default)] members: Vec<UserId>,
) -> Result<(), ServerFnError> {
    let added = async {
        let (who, chat) = asking().await?;
        for user in members {
            chat.add_member(who, conversation, user).await?;
        }
        Ok(())
    }
    .await;
    answer(added, &format!("/new?to={conversation}"), |()| at(conversation));
    Ok(())
}

/// Takes somebody out of a group.
#[server(prefix = "/fn", endpoint = "remove", input = PostUrl)]
pub async fn remove(conversation: ConversationId, user: UserId) -> Result<(), ServerFnError> {
    let removed = async {
        let (who, chat) = asking().await?;
        chat.remove_member(who, conversation, user).await
    }
    .await;
    answer(removed, &at(conversation), |()| at(conversation));
    Ok(())
}

/// Leaves a group.
#[server(prefix = "/fn", endpoint = "quit", input = PostUrl)]
pub async fn quit(conversation: ConversationId) -> Result<(), ServerFnError> {
    let left = async {
        let (who, chat) = asking().await?;
        chat.remove_member(who, conversation, who.user).await
    }
    .await;
    answer(left, &at(conversation), |()| "/".to_owned());
    Ok(())
}

/// Gives a group another title.
#[server(prefix = "/fn", endpoint = "retitle", input = PostUrl)]
pub async fn retitle(conversation: ConversationId, title: String) -> Result<(), ServerFnError> {
    let renamed = async {
        let (who, chat) = asking().await?;
        chat.rename(who, conversation, title).await
    }
    .await;
    answer(renamed, &at(conversation), |_| at(conversation));
    Ok(())
}

/// Says who may find a group, and what newcomers see.
#[server(prefix = "/fn", endpoint = "access", input = PostUrl)]
pub async fn access(
    conversation: ConversationId,
    #[server(default)] public: bool,
    #[server(default)] history: History,
) -> Result<(), ServerFnError> {
    let patch = protocol::rest::PatchConversation {
        public: Some(public),
        history: Some(history),
        ..Default::default()
    };
    let changed = async {
        let (who, chat) = asking().await?;
        chat.patch(who, conversation, patch).await
    }
    .await;
    answer(changed, &at(conversation), |_| at(conversation));
    Ok(())
}

/// Changes the name others see.
#[server(prefix = "/fn", endpoint = "profile", input = PostUrl)]
pub async fn profile(display_name: String) -> Result<(), ServerFnError> {
    let change = protocol::rest::PatchMe { display_name: Some(display_name), ..Default::default() };
    let saved = async {
        let (who, chat) = asking().await?;
        chat.update_me(who, change).await
    }
    .await;
    answer(saved, "/settings", |_| "/settings?saved=profile".to_owned());
    Ok(())
}

/// Chooses the language; empty: the browser's.
#[server(prefix = "/fn", endpoint = "language", input = PostUrl)]
pub async fn language(#[server(default)] locale: String) -> Result<(), ServerFnError> {
    let change = protocol::rest::PatchMe { locale: Some(locale), ..Default::default() };
    let saved = async {
        let (who, chat) = asking().await?;
        chat.update_me(who, change).await
    }
    .await;
    answer(saved, "/settings", |_| "/settings?saved=language".to_owned());
    Ok(())
}

/// Signs out another device of mine.
#[server(prefix = "/fn", endpoint = "revoke", input = PostUrl)]
pub async fn revoke(session: SessionId) -> Result<(), ServerFnError> {
    let revoked = async {
        let (who, chat) = asking().await?;
        chat.revoke(who, session).await
    }
    .await;
    answer(revoked, "/settings", |()| "/settings?saved=devices".to_owned());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::same_site;

    #[test]
    fn after_signing_in_nobody_lands_elsewhere() {
        for path in ["/", "/c/0190", "/new?q=a%20b", "/c/0190/m/7#x"] {
            assert_eq!(same_site(path), path);
        }
        for foreign in [
            "",
            "https://evil.example",
            "//evil.example",
            "/\\evil.example",
            "/a//b",
            "evil",
            "/a b",
            "/a\r\nb",
            "/é",
        ] {
            assert_eq!(same_site(foreign), "/", "{foreign:?}");
        }
    }
}
