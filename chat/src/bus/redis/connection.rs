//! One connection for commands: asked from time to time whether it is there, and made again when it is not.

use super::{KEEPALIVE, Pause, Server};
use crate::bus::wire::{PATIENCE, WireError};
use ::redis::aio::{ConnectionLike, MultiplexedConnection};
use ::redis::{
    AsyncConnectionConfig, Client, ErrorKind, FromRedisValue, Pipeline, RedisError, ScriptInvocation,
    ServerErrorKind, Value, cmd,
};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_util::sync::{CancellationToken, DropGuard};

/// A connection that answered. Requests on one are done in the order in which they were made; on two, in any order.
#[derive(Clone)]
pub(super) struct Open {
    /// How many there were before it, and one.
    pub(super) generation: u64,
    pub(super) requests: MultiplexedConnection,
}

/// The present connection, if any.
pub(super) struct Connection {
    open: watch::Receiver<Option<Open>>,
    /// The last generation that broke.
    broken: watch::Sender<u64>,
    closing: CancellationToken,
    _ends_with_this: DropGuard,
}

impl Connection {
    /// Begins to connect.
    pub(super) fn new(server: Server) -> Self {
        let (opens, open) = watch::channel(None);
        let (broken, breaks) = watch::channel(0);
        let closing = CancellationToken::new();
        let keeping = keep(server, opens, breaks);
        tokio::spawn(closing.clone().run_until_cancelled_owned(keeping));
        Self { open, broken, closing: closing.clone(), _ends_with_this: closing.drop_guard() }
    }

    pub(super) fn is_up(&self) -> bool {
        !self.closing.is_cancelled() && self.open.borrow().is_some()
    }

    /// Every connection, one after the other; the present one first.
    pub(super) fn opens(&self) -> watch::Receiver<Option<Open>> {
        self.open.clone()
    }

    /// Ends the connecting. What was asked before is still answered.
    pub(super) fn close(&self) {
        self.closing.cancel();
    }

    /// Waits for a connection, within [`PATIENCE`].
    pub(super) async fn open(&self) -> Result<Open, WireError> {
        if self.closing.is_cancelled() {
            return Err(WireError("closed".to_owned()));
        }
        let mut open = self.open.clone();
        let open = timeout(PATIENCE, open.wait_for(Option::is_some))
            .await
            .map_err(|_| WireError("redis is not connected".to_owned()))?;
        let open = open.map_err(|_| WireError("closed".to_owned()))?;
        open.clone().ok_or_else(|| WireError("closed".to_owned()))
    }

    /// Runs a pipeline in one write and gives every answer, also the refusals, within [`PATIENCE`].
    pub(super) async fn run(&self, pipeline: &Pipeline) -> Result<Vec<Value>, WireError> {
        let until = Instant::now() + PATIENCE;
        let mut open = self.open().await?;
        let answers = open.requests.req_packed_commands(pipeline, 0, pipeline.len());
        let answers = timeout_at(until, answers).await;
        self.judge(open.generation, answers)
    }

    /// Runs a script on the given connection, within [`PATIENCE`].
    pub(super) async fn script<T: FromRedisValue>(
        &self,
        open: &mut Open,
        script: &ScriptInvocation<'_>,
    ) -> Result<T, WireError> {
        let answer = timeout(PATIENCE, script.invoke_async(&mut open.requests)).await;
        self.judge(open.generation, answer)
    }

    /// Gives a failure its words, and a connection up where it tells that it is of no more use. One that is only late is left to
    /// the keeper, which asks it whether it is there.
    fn judge<T>(
        &self,
        generation: u64,
        answer: Result<Result<T, RedisError>, tokio::time::error::Elapsed>,
    ) -> Result<T, WireError> {
        let error = match answer {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => error,
            Err(_) => return Err(WireError("redis did not answer in time".to_owned())),
        };
        let demoted = error.kind() == ErrorKind::Server(ServerErrorKind::ReadOnly);
        if demoted || error.is_unrecoverable_error() {
            self.give_up(generation);
        }
        Err(in_words(&error))
    }

    /// Makes another connection in the place of this one.
    pub(super) fn give_up(&self, generation: u64) {
        self.broken.send_if_modified(|broken| {
            let news = *broken < generation;
            *broken = generation.max(*broken);
            news
        });
    }
}

/// The client's words; what a cluster says holds addresses.
pub(super) fn in_words(error: &RedisError) -> WireError {
    if error.is_cluster_error() {
        return WireError("this is a redis cluster, which is not supported".to_owned());
    }
    WireError(error.to_string())
}

/// The answer of a command in a pipeline: a refusal is an error.
pub(super) fn accepted(answer: &Value) -> Result<(), WireError> {
    match answer {
        Value::ServerError(refusal) => Err(in_words(&RedisError::from(refusal.clone()))),
        Value::Nil => Err(WireError("redis did not do it".to_owned())),
        _ => Ok(()),
    }
}

/// Connects to one of the hosts. The client sets no times of its own: whoever asks has a deadline.
pub(super) async fn connect(server: &Server, host: usize) -> Result<MultiplexedConnection, WireError> {
    let host = &server.hosts[host % server.hosts.len()];
    let connecting = async {
        let client = Client::open(server.info(host)?)?;
        let config = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
        let mut connection = client.get_multiplexed_async_connection_with_config(&config).await?;
        // A server that still loads what it kept accepts connections and answers this with an error.
        cmd("PING").exec_async(&mut connection).await?;
        Ok(connection)
    };
    match timeout(PATIENCE, connecting).await {
        Ok(connected) => connected.map_err(|error: RedisError| in_words(&error)),
        Err(_) => Err(WireError("redis did not answer in time".to_owned())),
    }
}

async fn keep(server: Server, opens: watch::Sender<Option<Open>>, mut breaks: watch::Receiver<u64>) {
    let mut pause = Pause::new();
    let mut told = false;
    let mut generation = 0;
    for host in (0..server.hosts.len()).cycle() {
        let failure = match connect(&server, host).await {
            Ok(requests) => {
                generation += 1;
                pause = Pause::new();
                if told {
                    tracing::info!("redis is there again");
                    told = false;
                }
                opens.send_replace(Some(Open { generation, requests: requests.clone() }));
                let failure = watch_over(generation, requests, &mut breaks).await;
                opens.send_replace(None);
                failure
            }
            Err(failure) => failure,
        };
        if !told {
            tracing::warn!(bus.error = %failure, "redis is away; it is tried again until it is there");
            told = true;
        }
        sleep(pause.next()).await;
    }
}

/// Returns when the connection is of no more use, with the reason.
async fn watch_over(
    generation: u64,
    mut requests: MultiplexedConnection,
    breaks: &mut watch::Receiver<u64>,
) -> WireError {
    loop {
        tokio::select! {
            () = sleep(KEEPALIVE) => {}
            broke = breaks.wait_for(|broken| *broken >= generation) => {
                drop(broke);
                return WireError("the connection broke".to_owned());
            }
        }
        match timeout(KEEPALIVE, cmd("PING").exec_async(&mut requests)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return in_words(&error),
            Err(_) => return WireError("redis did not answer in time".to_owned()),
        }
    }
}
