//! Frames and requests that are wrong in every way we know, each with the answers that are right.

pub mod wire;

use super::plan::Outcome as Happened;
use super::stage::Stage;
use crate::{DEADLINE, Error};
use protocol::{ConversationId, MessageId, limits};
use rand::RngExt;
use rand::rngs::StdRng;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::time::{Instant, interval};
use wire::{BINARY, CLOSE, CONTINUATION, LAST, Outcome, PING, TEXT, Wire, frame, header, text};

/// Connections that send a header byte by byte at the same time.
const SLOW: usize = 40;
/// Pause between two of their bytes.
const DRIP: Duration = Duration::from_millis(200);
/// Bytes of a body that is too large: more than any route but uploads takes.
const BODY: usize = (1 << 20) + (1 << 16);
/// Levels of nesting in the deep ones.
const DEEP: usize = 10_000;

/// Something wrong, and how it may be answered.
struct Case {
    name: &'static str,
    bytes: Vec<u8>,
    right: &'static [Outcome],
}

const MALFORMED: &[Outcome] = &[Outcome::Closed(1002)];
const REFUSED: &[Outcome] = &[Outcome::Refused];
/// Refused when the writer has looked, which may be after the `pong`.
const REFUSED_LATER: &[Outcome] = &[Outcome::Refused, Outcome::Ponged];
const EITHER: &[Outcome] = &[Outcome::Closed(1002), Outcome::Refused];
const ENDED: &[Outcome] =
    &[Outcome::Closed(1002), Outcome::Closed(1009), Outcome::Closed(1005), Outcome::Lost];
const BAD_REQUEST: &[Outcome] =
    &[Outcome::Status(400), Outcome::Status(414), Outcome::Status(431), Outcome::Lost];

/// Attacks while the others work, which must go on.
pub async fn happen(stage: &mut Stage, random: &mut StdRng) -> Result<Happened, Error> {
    let address = stage.address()?;
    let (token, conversation) = (stage.probe.token().to_owned(), stage.probe.conversation());
    let message = stage.probe.post(10).await?;
    let before = stage.team.acked();
    let lasting = Duration::from_millis(random.random_range(1_000..2_500));
    let report = tokio::select! {
        report = attack(address, &token, (conversation, message), random, lasting) => report?,
        () = slowloris(address) => return Err(Error::Deadline("the attack".into())),
    };
    let mut wrong = report.wrong;
    if stage.more_acks(before, DEADLINE).await.is_err() {
        wrong.push("nobody else's message was acknowledged during the attack".to_owned());
    }
    Ok(Happened { detail: format!("{} wrong frames and requests", report.tried), wrong })
}

/// What came of an attack.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// How many wrong things were said.
    pub tried: usize,
    /// Answers that are not right, in words.
    pub wrong: Vec<String>,
}

/// Says everything wrong there is, each on a connection of its own, then frames with random damage until the time is
/// over. `token` is of somebody who wrote the message and is a member of its conversation.
pub async fn attack(
    address: SocketAddr,
    token: &str,
    (conversation, message): (ConversationId, MessageId),
    random: &mut StdRng,
    lasting: Duration,
) -> Result<Report, Error> {
    let begun = Instant::now();
    let mut report = Report::default();
    for case in frames(conversation).into_iter().chain(acts(message)).chain(whispers(conversation)) {
        report.judge(case.name, case.right, on_socket(address, token, &case.bytes).await?);
    }
    for case in requests(token) {
        let mut wire = Wire::connect(address).await?;
        wire.say(&case.bytes).await;
        report.judge(case.name, case.right, wire.status().await);
    }
    while begun.elapsed() < lasting {
        let bytes = damaged(random, conversation, message);
        let outcome = on_socket(address, token, &bytes).await?;
        // Whatever it has become, it is answered or ended.
        if outcome == Outcome::Silence {
            report.wrong.push(format!("{} was met with silence", String::from_utf8_lossy(&bytes)));
        }
        report.tried += 1;
    }
    Ok(report)
}

impl Report {
    fn judge(&mut self, name: &str, right: &[Outcome], outcome: Outcome) {
        self.tried += 1;
        if !right.contains(&outcome) {
            self.wrong.push(format!("{name} was answered with {outcome:?}, not {right:?}"));
        }
    }
}

/// Says hello, then the wrong thing, then `ping`.
async fn on_socket(address: SocketAddr, token: &str, bytes: &[u8]) -> Result<Outcome, Error> {
    let mut wire = Wire::open(address, token).await?;
    wire.say(bytes).await;
    wire.say(&text(r#"{"type":"ping","n":1}"#)).await;
    Ok(wire.outcome().await)
}

/// Holds connections that never finish their header, until the future is dropped.
pub async fn slowloris(address: SocketAddr) {
    let head =
        b"GET / HTTP/1.1\r\nHost: somewhere\r\nX-Slow: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    let mut wires = Vec::new();
    for _ in 0..SLOW {
        if let Ok(wire) = Wire::connect(address).await {
            wires.push(wire);
        }
    }
    let mut drip = interval(DRIP);
    for byte in head.iter().cycle().take(head.len() * SLOW) {
        drip.tick().await;
        for wire in &mut wires {
            wire.say(&[*byte]).await;
        }
    }
}

fn frames(conversation: ConversationId) -> Vec<Case> {
    let case = |name, bytes, right| Case { name, bytes, right };
    let json = |name, words: &str, right| Case { name, bytes: text(words), right };
    let send = |rest: &str| format!(r#"{{"type":"send","conversation":"{conversation}",{rest}}}"#);
    let stranger = ConversationId::generate();
    let parts = |count: usize, size: usize| {
        let middle = frame(CONTINUATION, &vec![b' '; size], true).repeat(count);
        [frame(TEXT, b" ", true), middle, frame(LAST | CONTINUATION, br#"{"type":"ping","n":2}"#, true)]
            .concat()
    };
    vec![
        json("truncated JSON", r#"{"type":"send","nonce":"a"#, MALFORMED),
        json("no text at all", "", MALFORMED),
        json("an array", "[]", MALFORMED),
        json("a number", "7", MALFORMED),
        json("an object without a type", "{}", MALFORMED),
        json("a type that is a number", r#"{"type":7}"#, MALFORMED),
        json("nesting", &"[".repeat(DEEP), MALFORMED),
        json("nesting in a field", &send(&format!(r#""body":{}"#, r#"{"a":"#.repeat(DEEP))), MALFORMED),
        json("a second hello", r#"{"type":"hello","protocol":1}"#, MALFORMED),
        json("an unknown type", r#"{"type":"conquer","n":1}"#, REFUSED),
        json("a nonce that is a number", &send(r#""nonce":5,"body":{"kind":"text","text":"a"}"#), REFUSED),
        json("a body that is an array", &send(r#""nonce":"n","body":[]"#), REFUSED),
        json(
            "a body of an unknown kind",
            &send(r#""nonce":"hostile-kind","body":{"kind":"worm","text":"a"}"#),
            REFUSED,
        ),
        json(
            "a text with NUL",
            &send(r#""nonce":"hostile-nul","body":{"kind":"text","text":"a\u0000b"}"#),
            REFUSED,
        ),
        json(
            "half a surrogate",
            &send(r#""nonce":"hostile-half","body":{"kind":"text","text":"\ud800"}"#),
            EITHER,
        ),
        json(
            "a text that is too long",
            &send(&format!(
                r#""nonce":"hostile-long","body":{{"kind":"text","text":"{}"}}"#,
                "a".repeat(limits::TEXT_CHARS + 1)
            )),
            REFUSED,
        ),
        json("a number beyond all", r#"{"type":"ping","n":1e400}"#, EITHER),
        json(
            "a number below zero",
            &format!(r#"{{"type":"sync","conversation":"{conversation}","after":-1}}"#),
            REFUSED,
        ),
        json(
            "a foreign conversation",
            &format!(r#"{{"type":"sync","conversation":"{stranger}","after":0}}"#),
            REFUSED,
        ),
        json(
            "a read mark beyond the end",
            &format!(r#"{{"type":"read","conversation":"{conversation}","seq":{}}}"#, u64::MAX),
            &[Outcome::Ponged, Outcome::Refused],
        ),
        case("binary", frame(LAST | BINARY, br#"{"type":"ping","n":2}"#, true), &[Outcome::Closed(1003)]),
        case("invalid UTF-8", frame(LAST | TEXT, b"\"\xff\xfe\"", true), &[Outcome::Closed(1007)]),
        case(
            "one byte too many",
            frame(LAST | TEXT, &vec![b' '; limits::FRAME_BYTES + 1], true),
            &[Outcome::Closed(1009)],
        ),
        case("a frame in parts", parts(3, 1), &[Outcome::Ponged]),
        case("a frame in empty parts", parts(5_000, 0), &[Outcome::Ponged, Outcome::Closed(1009)]),
        case("parts that sum up to too much", parts(17, 4_096), &[Outcome::Closed(1009)]),
        case("a part of nothing", frame(LAST | CONTINUATION, b"{}", true), MALFORMED),
        case(
            "a frame within a frame",
            [frame(TEXT, b"{", true), frame(LAST | TEXT, b"{}", true)].concat(),
            MALFORMED,
        ),
        case("no mask", frame(LAST | TEXT, br#"{"type":"ping","n":2}"#, false), MALFORMED),
        case("a reserved bit", frame(LAST | 0x40 | TEXT, b"{}", true), MALFORMED),
        case("a reserved opcode", frame(LAST | 3, b"{}", true), MALFORMED),
        case("a ping that is too long", frame(LAST | PING, &[0; 126], true), MALFORMED),
        case("a ping in parts", frame(PING, b"", true), MALFORMED),
        case("a close of one byte", frame(LAST | CLOSE, &[3], true), ENDED),
        case("a close that may not be", frame(LAST | CLOSE, &999_u16.to_be_bytes(), true), ENDED),
        case("2^62 bytes announced", header(LAST | TEXT, 1 << 62, true), ENDED),
        case("2^63 bytes announced", header(LAST | TEXT, 1 << 63, true), ENDED),
    ]
}

/// Edits, recalls, reactions and pins.
fn acts(message: MessageId) -> Vec<Case> {
    let json = |name, words: &str, right| Case { name, bytes: text(words), right };
    let act =
        |kind: &str, rest: &str| format!(r#"{{"type":"{kind}","nonce":"n","message":"{message}"{rest}}}"#);
    let stranger = MessageId::generate();
    let long = "a".repeat(limits::TEXT_CHARS + 1);
    vec![
        json("an edit without words", &act("edit", ""), REFUSED),
        json("an edit to nothing", &act("edit", r#","body":{"kind":"text","text":" "}"#), REFUSED),
        json(
            "an edit that is too long",
            &act("edit", &format!(r#","body":{{"kind":"text","text":"{long}"}}"#)),
            REFUSED,
        ),
        json("an edit into a recall", &act("edit", r#","body":{"kind":"recalled"}"#), REFUSED),
        json("an edit of an unknown kind", &act("edit", r#","body":{"kind":"worm","text":"a"}"#), REFUSED),
        json("an edit without a nonce", &act("edit", "").replace(r#""nonce":"n","#, ""), REFUSED),
        json(
            "an edit of nobody's message",
            &format!(
                r#"{{"type":"edit","nonce":"hostile-edit","message":"{stranger}","body":{{"kind":"text","text":"a"}}}}"#
            ),
            REFUSED_LATER,
        ),
        json(
            "a recall of nobody's message",
            &format!(r#"{{"type":"recall","nonce":"hostile-recall","message":"{stranger}"}}"#),
            REFUSED_LATER,
        ),
        json("a recall of no message", r#"{"type":"recall","nonce":"n"}"#, REFUSED),
        json("a recall of a number", r#"{"type":"recall","nonce":"n","message":7}"#, REFUSED),
        json("a reaction without an emoji", &act("react", r#","on":true"#), REFUSED),
        json("a reaction that is a word", &act("react", r#","emoji":"yes","on":true"#), REFUSED),
        json("a reaction that is nothing", &act("react", r#","emoji":"","on":true"#), REFUSED),
        json(
            "a reaction without end",
            &act("react", &format!(r#","emoji":"{}","on":true"#, "👍".repeat(5_000))),
            REFUSED,
        ),
        json("a reaction with control", &act("react", r#","emoji":"\u0007","on":true"#), REFUSED),
        json("a reaction, perhaps", &act("react", r#","emoji":"👍","on":"maybe""#), REFUSED),
        json("a pin that is neither on nor off", &act("pin", ""), REFUSED),
        json("a pin that is two", &act("pin", r#","on":2"#), REFUSED),
    ]
}

/// What only one member sees, and what is only of the moment.
fn whispers(conversation: ConversationId) -> Vec<Case> {
    let json = |name, words: &str, right| Case { name, bytes: text(words), right };
    let stranger = ConversationId::generate();
    let set =
        |rest: &str| format!(r#"{{"type":"settings","conversation":"{conversation}","settings":{rest}}}"#);
    let long = "a".repeat(limits::TEXT_CHARS + 1);
    // What is only of the moment is never answered.
    const PONGED: &[Outcome] = &[Outcome::Ponged];
    vec![
        json(
            "a foreign conversation kept as unread",
            &format!(r#"{{"type":"unread","conversation":"{stranger}","seq":1}}"#),
            REFUSED,
        ),
        json(
            "unread from beyond the end",
            &format!(r#"{{"type":"unread","conversation":"{conversation}","seq":{}}}"#, u64::MAX),
            &[Outcome::Ponged, Outcome::Refused],
        ),
        json(
            "unread from below zero",
            &format!(r#"{{"type":"unread","conversation":"{conversation}","seq":-1}}"#),
            REFUSED,
        ),
        json(
            "foreign settings",
            &format!(r#"{{"type":"settings","conversation":"{stranger}","settings":{{"pinned":true}}}}"#),
            REFUSED,
        ),
        json("settings that are a list", &set("[[]]"), REFUSED),
        json("settings of a number", &set(r#"{"pinned":7}"#), REFUSED),
        json("silence until never", &set(r#"{"muted_until":"never"}"#), REFUSED),
        json("a draft that is too long", &set(&format!(r#"{{"draft":"{long}"}}"#)), REFUSED),
        json("a draft with NUL", &set(r#"{"draft":"a\u0000b"}"#), &[Outcome::Ponged, Outcome::Refused]),
        json("typing elsewhere", &format!(r#"{{"type":"typing","conversation":"{stranger}"}}"#), PONGED),
        json("typing nowhere", r#"{"type":"typing"}"#, REFUSED),
        json("typing as a number", r#"{"type":"typing","conversation":7}"#, REFUSED),
        json("presence of no known kind", r#"{"type":"presence","state":"everywhere"}"#, PONGED),
        json("presence without a state", r#"{"type":"presence"}"#, REFUSED),
        json("presence that is not there", r#"{"type":"presence","state":"offline"}"#, PONGED),
        json("a frame of the server's", r#"{"type":"present","online":[],"away":[]}"#, REFUSED),
    ]
}

fn requests(token: &str) -> Vec<Case> {
    let case = |name, words: String, right| Case { name, bytes: words.into_bytes(), right };
    let post = |body: &str, length: usize| {
        format!(
            "POST /api/v1/conversations HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        )
    };
    let whole = |body: &str| post(body, body.len());
    let wrong: &[Outcome] = &[Outcome::Status(422), Outcome::Status(400)];
    vec![
        case("no HTTP", "\u{16}\u{3}\u{1} hello\r\n\r\n".to_owned(), BAD_REQUEST),
        case("an unknown version", "GET / HTTP/9.9\r\n\r\n".to_owned(), BAD_REQUEST),
        case(
            "a flood of header fields",
            format!(
                "GET / HTTP/1.1\r\nHost: a\r\n{}\r\n",
                "X-Flood: aaaaaaaaaaaaaaaaaaaa\r\n".repeat(20_000)
            ),
            BAD_REQUEST,
        ),
        case(
            "a header field without end",
            format!("GET / HTTP/1.1\r\nHost: a\r\nX-Long: {}\r\n\r\n", "a".repeat(1 << 20)),
            BAD_REQUEST,
        ),
        case(
            "a path without end",
            format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(1 << 17)),
            BAD_REQUEST,
        ),
        case(
            "two lengths",
            whole("{}").replacen("Content-Length", "Content-Length: 9\r\nContent-Length", 1),
            BAD_REQUEST,
        ),
        case("truncated JSON over REST", whole(r#"{"kind":"#), wrong),
        case("nesting over REST", whole(&"[".repeat(DEEP)), wrong),
        case("an object for a text", whole(r#"{"kind":"direct","user":{"$ne":null}}"#), wrong),
        case(
            "a terabyte announced",
            post(&" ".repeat(BODY), 1 << 40),
            &[Outcome::Status(413), Outcome::Lost],
        ),
    ]
}

/// A frame that was right, with up to eight bytes changed, put in or taken out; its length is that of what it became.
fn damaged(random: &mut StdRng, conversation: ConversationId, message: MessageId) -> Vec<u8> {
    let right = [
        format!(
            r#"{{"type":"send","nonce":"damaged","conversation":"{conversation}","body":{{"kind":"text","text":"a b c"}}}}"#
        ),
        format!(r#"{{"type":"sync","conversation":"{conversation}","after":0}}"#),
        format!(r#"{{"type":"read","conversation":"{conversation}","seq":1}}"#),
        r#"{"type":"ping","n":2}"#.to_owned(),
        format!(
            r#"{{"type":"edit","nonce":"damaged-edit","message":"{message}","body":{{"kind":"text","text":"a b"}}}}"#
        ),
        format!(r#"{{"type":"recall","nonce":"damaged-recall","message":"{message}"}}"#),
        format!(r#"{{"type":"react","nonce":"damaged-react","message":"{message}","emoji":"👍","on":true}}"#),
        format!(r#"{{"type":"pin","nonce":"damaged-pin","message":"{message}","on":true}}"#),
        format!(r#"{{"type":"unread","conversation":"{conversation}","seq":1}}"#),
        format!(
            r#"{{"type":"settings","conversation":"{conversation}","settings":{{"pinned":true,"draft":"a"}}}}"#
        ),
        format!(r#"{{"type":"typing","conversation":"{conversation}"}}"#),
        r#"{"type":"presence","state":"away"}"#.to_owned(),
    ];
    let mut payload = right[random.random_range(0..right.len())].clone().into_bytes();
    for _ in 0..random.random_range(1..=8) {
        let place = random.random_range(0..payload.len());
        match random.random_range(0..3) {
            0 => payload[place] = random.random(),
            1 => payload.insert(place, random.random()),
            _ if payload.len() > 1 => drop(payload.remove(place)),
            _ => {}
        }
    }
    frame(LAST | TEXT, &payload, true)
}
