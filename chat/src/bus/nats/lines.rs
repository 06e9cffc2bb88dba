//! The task of a worker that takes lines, keeps them and gives them back.

use super::super::intake::{LEASE, PARTITIONS};
use super::super::wire::WireError;
use super::failed;
use super::held::{Line, Shared, WINDOW};
use super::streams::Streams;
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, pull};
use async_nats::jetstream::{self, stream::ConsumerErrorKind};
use async_nats::{Message, Subscriber};
use futures::StreamExt;
use futures::future::join_all;
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

/// How long the server keeps a request for more. Each is a sign of life.
pub(super) const ASKED: Duration = Duration::from_secs(3);
/// How long the server waits before it gives something again to a worker that has it and is alive, which ignores that.
/// It counts what is younger as a sign of life, so it is far less than the lease.
const AGAIN: Duration = Duration::from_secs(3);
/// How often a worker looks who has what; it also does when it hears of a change.
const LOOKED: Duration = Duration::from_secs(1);
/// Messages taken from the client together.
const TOGETHER: usize = 256;

/// The task of a worker.
pub(super) struct Keeper {
    pub(super) streams: Arc<Streams>,
    pub(super) shared: Arc<Shared>,
    pub(super) closing: CancellationToken,
    /// Among the workers.
    id: String,
    /// Where the server sends to, before the number of the line.
    inbox: String,
    /// Until when the server knows that this worker is there.
    member_until: Option<Instant>,
}

#[derive(Deserialize)]
struct Names {
    consumers: Option<Vec<String>>,
}

impl Keeper {
    pub(super) fn new(streams: Arc<Streams>, shared: Arc<Shared>, closing: CancellationToken) -> Self {
        let inbox = streams.connection.client.new_inbox();
        let id = format!("{:016x}", rand::random::<u64>());
        Self { streams, shared, closing, id, inbox, member_until: None }
    }

    /// Until it is closed; then gives everything back.
    pub(super) async fn run(mut self) -> Result<(), WireError> {
        let client = self.streams.connection.client.clone();
        let messages = client.subscribe(format!("{}.*", self.inbox)).await.map_err(failed)?;
        // Without leave to hear these a worker sees changes later.
        let changes = format!("$JS.EVENT.ADVISORY.CONSUMER.*.{}.*", self.streams.submitted());
        let changes = client.subscribe(changes).await.map_err(failed)?;
        self.keep(messages, changes).await;
        self.give_all_back().await;
        Ok(())
    }

    async fn keep(&mut self, messages: Subscriber, changes: Subscriber) {
        let (mut messages, mut changes) = (messages.ready_chunks(TOGETHER), changes.ready_chunks(TOGETHER));
        let (shared, closing) = (self.shared.clone(), self.closing.clone());
        let mut tick = interval(LOOKED);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut news = self.streams.connection.news();
        let mut connects = 0;
        loop {
            let mut look = false;
            tokio::select! {
                () = closing.cancelled() => return,
                some = messages.next() => match some {
                    Some(some) => look = self.arrive(some),
                    None => return,
                },
                some = changes.next() => look = some.is_some(),
                () = shared.done.notified() => {}
                changed = news.changed() => if changed.is_err() { return },
                _ = tick.tick() => look = true,
            }
            if !self.streams.connection.is_up() {
                continue;
            }
            let now = self.streams.connection.connects();
            if now != connects {
                // What was on its way is lost: all lines from their oldest again. The worker finishes what it has.
                self.shared.lines().iter_mut().flatten().for_each(Line::leave);
                (connects, self.member_until, look) = (now, None, true);
            }
            let kept = closing.run_until_cancelled(self.change(look)).await;
            if let Some(Err(error)) = kept {
                tracing::warn!(%error, "a worker could not look after its lines");
                self.streams.forget();
            }
        }
    }

    /// Takes in what arrived; whether something of it says that the lines have changed.
    fn arrive(&self, messages: Vec<Message>) -> bool {
        let (mut look, mut ready) = (false, false);
        let mut lines = self.shared.lines();
        for message in messages {
            if message.status.is_some() {
                // A request has ended, or there is no such consumer any more.
                let number =
                    message.subject.rsplit('.').next().and_then(|number| number.parse::<usize>().ok());
                if let Some(line) = number.and_then(|number| lines.get_mut(number)).and_then(Option::as_mut) {
                    (line.asked, line.until) = (0, line.until.min(Instant::now() + LOOKED));
                }
                look |= message.status != Some(async_nats::StatusCode::TIMEOUT);
                continue;
            }
            let message = jetstream::Message { message, context: self.streams.context.clone() };
            let Ok(info) = message.info() else { continue };
            let (sequence, arrived) = (info.stream_sequence, info.consumer_sequence);
            let line =
                partition_of(info.consumer).and_then(|number| lines.get_mut(number)).and_then(Option::as_mut);
            if let Some(line) = line.filter(|line| line.consumer == info.consumer) {
                line.arrive(message.message, sequence, arrived);
                ready |= !line.held.is_empty();
            }
        }
        if ready {
            self.shared.ready.notify_one();
        }
        look
    }

    async fn change(&mut self, look: bool) -> Result<(), WireError> {
        self.release().await?;
        if look {
            self.look().await?;
        }
        self.ask().await
    }

    /// Gives back the lines that are left and of which nothing is in hand.
    async fn release(&self) -> Result<(), WireError> {
        let mut left = Vec::new();
        for line in self.shared.lines().iter_mut() {
            if line.as_ref().is_some_and(|line| line.leaving && line.taken() == 0) {
                left.extend(line.take().map(|line| line.consumer));
            }
        }
        self.delete(left).await
    }

    async fn delete(&self, consumers: Vec<String>) -> Result<(), WireError> {
        if consumers.is_empty() {
            return Ok(());
        }
        let stream =
            self.streams.context.get_stream_no_info(self.streams.submitted()).await.map_err(failed)?;
        for deleted in join_all(consumers.iter().map(|consumer| stream.delete_consumer(consumer))).await {
            // One that cannot be deleted goes by itself.
            if let Err(error) = deleted {
                tracing::debug!(%error, "a line was given back late");
            }
        }
        Ok(())
    }

    /// Sees who is there and who has what, leaves what is more than this worker's share and takes what nobody has.
    async fn look(&mut self) -> Result<(), WireError> {
        self.streams.ready().await?;
        let member = format!("worker-{}", self.id);
        let mut names = self.names().await?;
        if !names.contains(&member) {
            self.create(&member, self.streams.worker(&self.id)).await?;
            self.member_until = Some(Instant::now());
            names = self.names().await?;
        }
        let mut workers = names.iter().filter(|name| name.starts_with("worker-")).collect::<Vec<_>>();
        workers.sort_unstable();
        let Some(rank) = workers.iter().position(|name| **name == member) else { return Ok(()) };
        let share = usize::from(PARTITIONS) / workers.len()
            + usize::from(rank < usize::from(PARTITIONS) % workers.len());

        let mut free = vec![true; usize::from(PARTITIONS)];
        for number in names.iter().filter_map(|name| partition_of(name)) {
            if let Some(free) = free.get_mut(number) {
                *free = false;
            }
        }
        let mut room = {
            let mut lines = self.shared.lines();
            for line in lines.iter_mut() {
                // Away for too long: the server has removed it.
                if line.as_ref().is_some_and(|line| !names.contains(&line.consumer)) {
                    *line = None;
                }
            }
            let has = lines.iter().flatten().filter(|line| !line.leaving).count();
            // First those that nothing is in hand of.
            let mut most = lines.iter_mut().flatten().filter(|line| !line.leaving).collect::<Vec<_>>();
            most.sort_by_key(|line| line.given);
            most.into_iter().take(has.saturating_sub(share)).for_each(Line::leave);
            share.saturating_sub(lines.iter().flatten().count())
        };
        self.release().await?;
        for partition in 0..PARTITIONS {
            if room > 0 && free[usize::from(partition)] && self.take(partition).await? {
                room -= 1;
            }
        }
        Ok(())
    }

    async fn names(&self) -> Result<Vec<String>, WireError> {
        let subject = format!("CONSUMER.NAMES.{}", self.streams.submitted());
        let names: Names = self.streams.context.request(subject, &()).await.map_err(failed)?;
        Ok(names.consumers.unwrap_or_default())
    }

    /// Tries to take a line.
    async fn take(&self, partition: u16) -> Result<bool, WireError> {
        let consumer = format!("line-{partition}-{:016x}", rand::random::<u64>());
        let taken = self.create(&consumer, self.streams.line(partition)).await?;
        if taken {
            self.shared.lines()[usize::from(partition)] = Some(Line::new(consumer));
        }
        Ok(taken)
    }

    /// Makes a consumer; `false`: somebody else has one of that subject.
    async fn create(&self, name: &str, subject: String) -> Result<bool, WireError> {
        let config = pull::Config {
            durable_name: Some(name.to_owned()),
            filter_subject: subject,
            deliver_policy: DeliverPolicy::All,
            ack_policy: AckPolicy::Explicit,
            ack_wait: AGAIN,
            max_deliver: -1,
            max_ack_pending: i64::try_from(WINDOW).unwrap_or(i64::MAX),
            inactive_threshold: LEASE,
            ..pull::Config::default()
        };
        match self.streams.context.create_consumer_on_stream(config, self.streams.submitted()).await {
            Ok(_) => Ok(true),
            Err(error) => match error.kind() {
                ConsumerErrorKind::JetStream(error)
                    if error.error_code() == jetstream::ErrorCode::CONSUMER_WQ_CONSUMER_NOT_UNIQUE =>
                {
                    Ok(false)
                }
                _ => Err(failed(error)),
            },
        }
    }

    /// Asks for more where there is room, and says that this worker is alive where there is none.
    async fn ask(&mut self) -> Result<(), WireError> {
        let now = Instant::now();
        let mut requests = Vec::new();
        for (number, line) in self.shared.lines().iter_mut().enumerate() {
            let Some(line) = line else { continue };
            let late = line.until <= now;
            let asked = if late { 0 } else { line.asked };
            let room = if line.leaving { 0 } else { WINDOW.saturating_sub(line.taken() + asked) };
            if late || room >= WINDOW / 2 {
                (line.asked, line.until) = (asked + room.max(1), now + ASKED);
                requests.push((number, line.consumer.clone(), room.max(1)));
            }
        }
        if self.member_until.is_some_and(|until| until <= now) {
            self.member_until = Some(now + ASKED);
            requests.push((usize::from(PARTITIONS), format!("worker-{}", self.id), 1));
        }
        let stream = self.streams.submitted();
        for (number, consumer, batch) in requests {
            let subject = format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}");
            let request = format!("{{\"batch\":{batch},\"expires\":{}}}", ASKED.as_nanos());
            let inbox = format!("{}.{number}", self.inbox);
            let client = &self.streams.connection.client;
            client.publish_with_reply(subject, inbox, request.into()).await.map_err(failed)?;
        }
        Ok(())
    }

    async fn give_all_back(&self) {
        let taken = self
            .shared
            .lines()
            .iter_mut()
            .filter_map(Option::take)
            .map(|line| line.consumer)
            .collect::<Vec<_>>();
        let all = taken.into_iter().chain([format!("worker-{}", self.id)]).collect();
        if self.streams.connection.is_up()
            && let Err(error) = self.delete(all).await
        {
            tracing::warn!(%error, "lines are free only when their lease has ended");
        }
    }
}

/// The line that a consumer is named after.
fn partition_of(consumer: &str) -> Option<usize> {
    consumer.strip_prefix("line-")?.split('-').next()?.parse().ok()
}
