//! Text to frames. What cannot be read is told apart: a frame that is none, a type we do not know, a field that is
//! wrong.

use protocol::{ClientFrame, Code, FieldError, Refusal};
use serde_json::Value;

/// Types of [`ClientFrame`]; another one may be a newer client's.
const KNOWN: [&str; 13] = [
    "hello", "send", "edit", "recall", "react", "pin", "sync", "read", "unread", "settings", "typing",
    "presence", "ping",
];
/// Characters of a client's own words that an answer repeats.
const REPEATED: usize = 256;

/// What a text frame turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// A frame.
    Frame(Box<ClientFrame>),
    /// An object with a type, but not one we can carry out: the answer.
    Refused(Refusal),
    /// Not a frame at all.
    Malformed,
}

/// Reads one text frame.
pub(super) fn read(text: &str) -> Read {
    match serde_json::from_str(text) {
        Ok(frame) => Read::Frame(Box::new(frame)),
        Err(error) => why(text, &error),
    }
}

/// The slow way, for frames that are wrong.
fn why(text: &str, error: &serde_json::Error) -> Read {
    let Ok(Value::Object(object)) = serde_json::from_str(text) else { return Read::Malformed };
    let Some(Value::String(kind)) = object.get("type") else { return Read::Malformed };
    let nonce = match object.get("nonce") {
        Some(Value::String(nonce)) if nonce.chars().count() <= REPEATED => Some(nonce.clone()),
        _ => None,
    };
    let in_reply_to = nonce.is_none().then(|| kind.chars().take(REPEATED).collect());
    if KNOWN.contains(&kind.as_str()) {
        let wrong = chat::Error::Invalid(vec![FieldError {
            field: kind.clone(),
            message: format!("frame: {error}"),
        }]);
        Read::Refused(wrong.refusal(nonce, in_reply_to))
    } else {
        Read::Refused(Refusal {
            nonce,
            in_reply_to,
            code: Code::UnknownType,
            message: "This server does not know this type of frame.".to_owned(),
            retryable: false,
            retry_after_ms: None,
        })
    }
}

/// What a refusal of `frame` refers to: its nonce, or its type.
pub(super) fn reference(frame: &ClientFrame) -> (Option<String>, Option<String>) {
    let kind = match frame {
        ClientFrame::Send { nonce, .. }
        | ClientFrame::Edit { nonce, .. }
        | ClientFrame::Recall { nonce, .. }
        | ClientFrame::React { nonce, .. }
        | ClientFrame::Pin { nonce, .. } => return (Some(nonce.to_string()), None),
        ClientFrame::Unread { .. } => "unread",
        ClientFrame::Settings { .. } => "settings",
        ClientFrame::Typing { .. } => "typing",
        ClientFrame::Presence { .. } => "presence",
        ClientFrame::Hello { .. } => "hello",
        ClientFrame::Sync { .. } => "sync",
        ClientFrame::Read { .. } => "read",
        ClientFrame::Ping { .. } => "ping",
    };
    (None, Some(kind.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::rest::PatchSettings;
    use protocol::{Body, ConversationId, MessageId, Nonce, Presence, Text};

    fn refused(text: &str) -> Refusal {
        match read(text) {
            Read::Refused(refusal) => refusal,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn every_type_we_have_is_known() {
        let conversation = ConversationId::generate();
        let frames = [
            ClientFrame::Hello { protocol: 1, epoch: None, cursors: None, states: None },
            ClientFrame::Send {
                nonce: Nonce::generate(),
                conversation,
                body: Body::Text { text: Text::try_from("hi".to_owned()).unwrap() },
                reply_to: None,
            },
            ClientFrame::Edit {
                nonce: Nonce::generate(),
                message: MessageId::generate(),
                body: Body::Text { text: Text::try_from("hi".to_owned()).unwrap() },
            },
            ClientFrame::Recall { nonce: Nonce::generate(), message: MessageId::generate() },
            ClientFrame::React {
                nonce: Nonce::generate(),
                message: MessageId::generate(),
                emoji: "👍".parse().unwrap(),
                on: true,
            },
            ClientFrame::Pin { nonce: Nonce::generate(), message: MessageId::generate(), on: true },
            ClientFrame::Sync { conversation, after: 0 },
            ClientFrame::Read { conversation, seq: 1 },
            ClientFrame::Unread { conversation, seq: 1 },
            ClientFrame::Settings { conversation, settings: PatchSettings::default() },
            ClientFrame::Typing { conversation },
            ClientFrame::Presence { state: Presence::Away },
            ClientFrame::Ping { n: 1 },
        ];
        assert_eq!(frames.len(), KNOWN.len());
        for (frame, kind) in frames.into_iter().zip(KNOWN) {
            let text = serde_json::to_string(&frame).unwrap();
            assert!(text.contains(&format!("\"type\":\"{kind}\"")), "{text}");
            match reference(&frame) {
                (Some(nonce), None) => assert!(text.contains(&nonce)),
                (_, of) => assert_eq!(of.as_deref(), Some(kind)),
            }
            assert_eq!(read(&text), Read::Frame(Box::new(frame)));
        }
    }

    #[test]
    fn what_is_no_frame_is_malformed() {
        for text in [
            "",
            "hello",
            "[]",
            "1",
            "null",
            "{}",
            "{\"type\":1}",
            "{\"type\":null}",
            "{\"type\":\"ping\"",
            "\u{0}",
        ] {
            assert_eq!(read(text), Read::Malformed, "{text}");
        }
        assert_eq!(read(&"[".repeat(10_000)), Read::Malformed);
        assert_eq!(read(&format!("{{\"type\":\"ping\",\"n\":{}", "[".repeat(10_000))), Read::Malformed);
    }

    #[test]
    fn an_unknown_type_is_refused_by_name() {
        let refusal = refused(r#"{"type":"dance"}"#);
        assert_eq!((refusal.code, refusal.in_reply_to.as_deref()), (Code::UnknownType, Some("dance")));
        let refusal = refused(r#"{"type":"forward","nonce":"n1"}"#);
        assert_eq!((refusal.code, refusal.nonce.as_deref()), (Code::UnknownType, Some("n1")));
        assert_eq!(refusal.in_reply_to, None);
    }

    #[test]
    fn a_wrong_field_is_refused_under_its_nonce() {
        for text in [
            r#"{"type":"send","nonce":"n1"}"#,
            r#"{"type":"send","nonce":"n1","conversation":"x","body":{"kind":"text","text":"a"}}"#,
            r#"{"type":"send","nonce":"n1","conversation":7,"body":7}"#,
        ] {
            let refusal = refused(text);
            assert_eq!((refusal.code, refusal.nonce.as_deref()), (Code::Invalid, Some("n1")), "{text}");
        }
        let refusal = refused(r#"{"type":"send","nonce":{"a":1}}"#);
        assert_eq!((refusal.code, refusal.in_reply_to.as_deref()), (Code::Invalid, Some("send")));
        assert_eq!(refused(r#"{"type":"read"}"#).in_reply_to.as_deref(), Some("read"));
    }

    #[test]
    fn unknown_fields_are_ignored() {
        assert!(matches!(read(r#"{"n":1,"type":"ping","extra":[{}]}"#), Read::Frame(_)));
    }
}
