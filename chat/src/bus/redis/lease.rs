//! Who works on which line: leases, renewed and shared out from time to time by one script.

use super::connection::{Connection, Open};
use super::{GROUP, Names, Server};
use crate::bus::intake::{LEASE, PARTITIONS};
use crate::bus::wire::WireError;
use ::redis::Script;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

/// How often a worker looks after its leases: soon enough to take a line that was given up. Renewed is what is used up by a third.
const TEND: Duration = Duration::from_millis(500);

/// Shows a sign of life, gives up, renews and takes leases.
///
/// Keys: the workers; every lease; every stream. Arguments: who; the generation of their connection; the lease in ms; a letter for
/// each line, `r` for one to give up. Gives a letter for each line, `m` for those that are the worker's still, `t` for those it takes now, and how many
/// it may have.
/// A lease holds `WHO/GENERATION`: what was asked on an earlier connection finds another owner, however late it arrives.
const TENDING: &str = r"
local who, generation, span, wish = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]
local me, lines = who .. '/' .. ARGV[2], #wish
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local seen = tonumber(redis.call('ZSCORE', KEYS[1], who) or '0')
if math.abs(now - seen) > span / 3 then
  redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - span)
  redis.call('ZADD', KEYS[1], now, who)
end
local live = redis.call('ZCOUNT', KEYS[1], now - span, '+inf')
local share = math.ceil(lines / math.max(live, 1))
local mine, free, held = {}, {}, 0
for i = 1, lines do
  local lease = KEYS[1 + i]
  local owner = redis.call('GET', lease)
  local name, turn = string.match(owner or '', '^(.*)/(%d+)$')
  mine[i] = '-'
  if not owner then
    free[#free + 1] = i
  elseif name == who then
    if tonumber(turn) > generation then
      return redis.error_reply('ERR an earlier connection')
    elseif wish:sub(i, i) == 'r' then
      redis.call('DEL', lease)
    else
      if owner ~= me then
        redis.call('SET', lease, me, 'PX', span)
      elseif redis.call('PTTL', lease) < span * 2 / 3 then
        redis.call('PEXPIRE', lease, span)
      end
      mine[i], held = 'm', held + 1
    end
  end
end
for _, i in ipairs(free) do
  if held < share then
    redis.call('SET', KEYS[1 + i], me, 'PX', span)
    redis.pcall('XGROUP', 'CREATE', KEYS[1 + lines + i], ARGV[5], '0', 'MKSTREAM')
    mine[i], held = 't', held + 1
  end
end
return {table.concat(mine), share}
";

/// Gives everything up. Keys: the workers; every lease. Argument: who.
const LEAVING: &str = r"
redis.call('ZREM', KEYS[1], ARGV[1])
for i = 2, #KEYS do
  if string.match(redis.call('GET', KEYS[i]) or '', '^(.*)/%d+$') == ARGV[1] then
    redis.call('DEL', KEYS[i])
  end
end
";

/// An entry's place in its stream.
pub(super) type Place = (u64, u64);

/// A line of this worker.
pub(super) struct Line {
    /// It was another's since it was last read here, or may have been: what that worker left is claimed first.
    pub(super) unclaimed: bool,
    /// There may be entries that were given and are not done: they come before new ones.
    pub(super) dirty: bool,
    /// What was given to the caller and is not done.
    pub(super) in_hand: BTreeSet<Place>,
    /// A request for more is on its way.
    pub(super) asking: bool,
    /// It goes to another worker as soon as nothing of it is in hand; nothing new is taken from it.
    pub(super) leaving: bool,
}

impl Line {
    /// Somebody else may have had it.
    fn look_again(&mut self) {
        (self.unclaimed, self.dirty) = (true, true);
    }

    pub(super) fn is_idle(&self) -> bool {
        self.in_hand.is_empty() && !self.asking
    }
}

/// What this worker has.
#[derive(Default)]
pub(super) struct Lines {
    /// The connection that knows of it; 0: none yet.
    pub(super) generation: u64,
    pub(super) held: BTreeMap<u16, Line>,
}

pub(super) struct Leases {
    pub(super) connection: Connection,
    pub(super) names: Names,
    /// The worker's name, and a draw: two of a name are two.
    who: String,
    lines: Mutex<Lines>,
    /// One at a time.
    tending: tokio::sync::Mutex<()>,
    /// There are other lines than before.
    pub(super) changed: Notify,
    /// A line can be given up now.
    pub(super) idle: Notify,
    script: Script,
}

impl Leases {
    pub(super) fn new(server: Server, worker: &str) -> Self {
        Self {
            names: server.names.clone(),
            connection: Connection::new(server),
            who: format!("{worker}/{:016x}", rand::random::<u64>()),
            lines: Mutex::default(),
            tending: tokio::sync::Mutex::default(),
            changed: Notify::new(),
            idle: Notify::new(),
            script: Script::new(TENDING),
        }
    }

    pub(super) fn lines(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The worker's name, also among the consumers of its lines.
    pub(super) fn who(&self) -> &str {
        &self.who
    }

    /// What a lease of ours holds while this connection is the present one.
    pub(super) fn owner(&self, generation: u64) -> String {
        format!("{}/{generation}", self.who)
    }

    /// Tends for as long as it is awaited.
    pub(super) async fn keep(self: Arc<Self>) {
        let mut told = false;
        loop {
            // While nothing answers, the keeper of the connection says so.
            if let Ok(mut open) = self.connection.open().await {
                match self.tend(&mut open).await {
                    Ok(()) => told = false,
                    Err(error) if !told => {
                        tracing::warn!(bus.error = %error, "the lines of a worker could not be looked after; it is tried again");
                        told = true;
                    }
                    Err(_) => {}
                }
            }
            tokio::select! {
                () = sleep(TEND) => {}
                () = self.idle.notified() => {}
            }
        }
    }

    /// Looks after the leases once, and again where something could be given up then.
    pub(super) async fn tend(&self, open: &mut Open) -> Result<(), WireError> {
        let _one_at_a_time = self.tending.lock().await;
        while self.tend_once(open).await? {}
        Ok(())
    }

    async fn tend_once(&self, open: &mut Open) -> Result<bool, WireError> {
        let wish = self.lines().give_up(open.generation);
        let mut script = self.script.prepare_invoke();
        script.key(self.names.workers());
        for partition in 0..PARTITIONS {
            script.key(self.names.lease(partition));
        }
        for partition in 0..PARTITIONS {
            script.key(self.names.submitted(partition));
        }
        script.arg(&self.who).arg(open.generation).arg(millis(LEASE)).arg(wish).arg(GROUP);
        let told: Result<(String, usize), _> = self.connection.script(open, &script).await;
        let mut lines = self.lines();
        let (mine, share) = told.inspect_err(|_| lines.held.values_mut().for_each(Line::look_again))?;
        if lines.take_over(open.generation, &mine) {
            self.changed.notify_one();
        }
        Ok(lines.share_out(share))
    }

    /// Gives everything up at once.
    pub(super) async fn leave(&self) {
        let _nobody_tends = self.tending.lock().await;
        self.lines().held.clear();
        let script = Script::new(LEAVING);
        let mut script = script.prepare_invoke();
        script.key(self.names.workers());
        for partition in 0..PARTITIONS {
            script.key(self.names.lease(partition));
        }
        script.arg(&self.who);
        // Where it cannot be said, others take the lines when the leases are over.
        let left = async {
            let mut open = self.connection.open().await?;
            self.connection.script::<()>(&mut open, &script).await
        };
        if !matches!(timeout(crate::bus::wire::PATIENCE, left).await, Ok(Ok(()))) {
            tracing::warn!("the lines of a worker could not be given up; others take them later");
        }
        self.connection.close();
    }
}

impl Lines {
    /// The letters for the script. What is given up is no longer ours from here on: if the answer is lost, the next one tells.
    fn give_up(&mut self, generation: u64) -> String {
        let mut wish = vec!['-'; PARTITIONS.into()];
        if self.generation == generation {
            self.held.retain(|partition, line| {
                let goes = line.leaving && line.is_idle();
                if goes {
                    wish[usize::from(*partition)] = 'r';
                }
                !goes
            });
        }
        wish.into_iter().collect()
    }

    /// Takes over what the server says. Says whether there are new lines.
    fn take_over(&mut self, generation: u64, mine: &str) -> bool {
        let mut news = false;
        for (partition, letter) in (0..PARTITIONS).zip(mine.chars()) {
            if letter == '-' {
                self.held.remove(&partition);
                continue;
            }
            let line = self.held.entry(partition).or_insert_with(|| {
                news = true;
                Line { unclaimed: true, dirty: true, in_hand: BTreeSet::new(), asking: false, leaving: false }
            });
            // Taken though it was ours already: a lease ran out, and somebody else may have had it meanwhile.
            if letter == 't' || self.generation != generation {
                line.look_again();
            }
        }
        news |= self.generation != generation;
        self.generation = generation;
        news
    }

    /// Marks what is more than a worker's share to be given up, idle lines first. Says whether one can be at once.
    fn share_out(&mut self, share: usize) -> bool {
        let mut extra = self.held.len().saturating_sub(share);
        let mut order: Vec<u16> = self.held.keys().copied().collect();
        order.sort_by_key(|partition| self.held.get(partition).map(|line| (!line.leaving, !line.is_idle())));
        let mut at_once = false;
        for partition in order {
            let Some(line) = self.held.get_mut(&partition) else { continue };
            line.leaving = extra > 0;
            extra = extra.saturating_sub(1);
            at_once |= line.leaving && line.is_idle();
        }
        at_once
    }
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
