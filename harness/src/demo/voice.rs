//! One person's live connection: says what it is given, from several conversations at once, and tells each what
//! became of it.

use crate::{DEADLINE, Error, Person, Socket};
use protocol::{Body, ClientFrame, Code, ConversationId, Nonce, ServerFrame};
use std::collections::HashMap;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

/// Lines that may wait for one socket. Each conversation has one under way, so this is never reached.
const WAITING: usize = 64;
/// Times a line is said again after a refusal that allows it.
const ATTEMPTS: usize = 20;
/// Wait before the next attempt where the refusal names none.
const PAUSE: Duration = Duration::from_millis(500);

/// What became of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// Stored now.
    Stored,
    /// Stored by an earlier run.
    Known,
}

enum Outcome {
    Said(Said),
    Refused(protocol::Refusal),
}

struct Line {
    nonce: Nonce,
    conversation: ConversationId,
    body: Body,
    outcome: oneshot::Sender<Outcome>,
}

/// Somebody who can speak.
#[derive(Debug)]
pub struct Voice {
    lines: mpsc::Sender<Line>,
    speaking: JoinHandle<Result<(), Error>>,
}

impl Voice {
    /// Connects somebody.
    pub async fn of(person: &Person) -> Result<Self, Error> {
        let (socket, hello) = person.live().await?;
        let (lines, inbox) = mpsc::channel(WAITING);
        let beat = Duration::from_millis(u64::from(hello.heartbeat_ms.max(1000)));
        Ok(Self { lines, speaking: tokio::spawn(speak(socket, inbox, beat)) })
    }

    /// Says a line and waits until it is stored. Said again where the server asks for patience.
    pub async fn say(&self, conversation: ConversationId, nonce: Nonce, body: Body) -> Result<Said, Error> {
        for _ in 0..ATTEMPTS {
            let (outcome, answer) = oneshot::channel();
            let line = Line { nonce: nonce.clone(), conversation, body: body.clone(), outcome };
            let ended = |_| Error::Unreadable("the socket ended while somebody was speaking".into());
            self.lines.send(line).await.map_err(|_| Error::Unreadable("the socket has ended".into()))?;
            let answer = timeout(DEADLINE * 3, answer).await;
            match answer.map_err(|_| Error::Deadline("an ack".into()))?.map_err(ended)? {
                Outcome::Said(said) => return Ok(said),
                // An earlier version of the script said something else here: it stays as it was said.
                Outcome::Refused(refusal) if refusal.code == Code::IdempotencyConflict => {
                    return Ok(Said::Known);
                }
                Outcome::Refused(refusal) if refusal.retryable => {
                    sleep(refusal.retry_after_ms.map_or(PAUSE, Duration::from_millis)).await;
                }
                Outcome::Refused(refusal) => return Err(Error::Unreadable(format!("refused: {refusal:?}"))),
            }
        }
        Err(Error::Deadline("a refusal that kept asking for patience".into()))
    }

    /// Hangs up, after everything said is answered.
    pub async fn fall_silent(self) -> Result<(), Error> {
        drop(self.lines);
        self.speaking.await.map_err(|error| Error::Unreadable(error.to_string()))?
    }
}

async fn speak(mut socket: Socket, mut inbox: mpsc::Receiver<Line>, beat: Duration) -> Result<(), Error> {
    // Bounded by the channel: a line is asked for again only after its answer.
    let mut waiting: HashMap<Nonce, oneshot::Sender<Outcome>> = HashMap::new();
    let mut beats = interval(beat);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut n = 0;
    loop {
        tokio::select! {
            line = inbox.recv() => {
                let Some(line) = line else { return socket.close().await };
                waiting.insert(line.nonce.clone(), line.outcome);
                socket.post_as(line.conversation, line.nonce, line.body).await?;
            }
            frame = socket.recv() => match frame? {
                ServerFrame::Ack { nonce, duplicate, .. } => {
                    let said = if duplicate { Said::Known } else { Said::Stored };
                    waiting.remove(&nonce).map(|outcome| outcome.send(Outcome::Said(said)));
                }
                ServerFrame::Refused(refusal) => {
                    let nonce = refusal.nonce.as_deref().and_then(|nonce| nonce.parse::<Nonce>().ok());
                    let outcome = nonce.and_then(|nonce| waiting.remove(&nonce));
                    outcome.map(|outcome| outcome.send(Outcome::Refused(refusal)));
                }
                _ => {}
            },
            _ = beats.tick() => {
                n += 1;
                socket.frame(&ClientFrame::Ping { n }).await?;
            }
        }
    }
}
