//! Working: reading fenced by the lease, and reporting what is done.

use super::connection::accepted;
use super::intake::Entry;
use super::lease::{Leases, Place};
use super::wait::Waiting;
use super::{DEAD, FIELD, GROUP, Pause, Server};
use crate::bus::intake::{Delivery, DeliveryId, Work};
use crate::bus::wire::WireError;
use ::redis::{Pipeline, Script, Value};
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::time::sleep;
use tokio_util::sync::{CancellationToken, DropGuard};

/// Longest reason of a dead letter, in bytes.
const REASON: usize = 1024;

/// Gives what is not done, then what is new, of the lines whose leases are the caller's.
///
/// Keys: lease and stream of each line. Arguments: owner of the leases; how many at most; group; consumer; for each line `c`
/// (first claims what others left, then as `p`), `p` (what is not done, then new), `o` (only what is not done) or `n` (only new). Gives
/// for each line nothing when the lease is another's, or whether everything that was not done is given, and the entries. A line gets its
/// fair part of the batch first, then what is left.
///
/// Claiming takes all pages at once: what was left is what one worker had in hand. Entries that somebody deleted are no longer
/// pending after it; a server before 7.0 leaves them, and the reading does it.
const READING: &str = r"
local lines = #KEYS / 2
local left = tonumber(ARGV[2])
local fair = math.ceil(left / lines)
local answer, from, hungry = {}, {}, {}
local function ask(i, count)
  return redis.pcall('XREADGROUP', 'GROUP', ARGV[3], ARGV[4], 'COUNT', count, 'STREAMS', KEYS[2 * i], from[i])
end
local function claim(i)
  local stream, cursor = KEYS[2 * i], '0-0'
  repeat
    local got = redis.pcall('XAUTOCLAIM', stream, ARGV[3], ARGV[4], 0, cursor, 'COUNT', 100, 'JUSTID')
    if got.err and string.find(got.err, 'NOGROUP', 1, true) then return nil end
    if got.err then return got end
    cursor = got[1]
  until cursor == '0-0'
  for _, about in ipairs(redis.call('XINFO', 'CONSUMERS', stream, ARGV[3])) do
    local consumer = {}
    for k = 1, #about, 2 do consumer[about[k]] = about[k + 1] end
    if consumer.name ~= ARGV[4] and consumer.pending == 0 then
      redis.call('XGROUP', 'DELCONSUMER', stream, ARGV[3], consumer.name)
    end
  end
end
local function take(i, count)
  local taken = 0
  while taken < count and from[i] ~= '' do
    local got = ask(i, count - taken)
    if got and got.err and string.find(got.err, 'NOGROUP', 1, true) then
      redis.call('XGROUP', 'CREATE', KEYS[2 * i], ARGV[3], '0', 'MKSTREAM')
      got = ask(i, count - taken)
    end
    if got and got.err then return got end
    local entries = got and got[1][2] or {}
    for _, entry in ipairs(entries) do
      if entry[2] then
        table.insert(answer[i][2], entry)
      else
        redis.call('XACK', KEYS[2 * i], ARGV[3], entry[1])
      end
    end
    local whole = #entries == count - taken
    taken = taken + #entries
    if from[i] == '>' then
      hungry[i] = whole
      break
    elseif whole then
      from[i], hungry[i] = entries[#entries][1], true
    else
      from[i], answer[i][1], hungry[i] = ARGV[4 + i] == 'o' and '' or '>', 1, false
    end
  end
  left = left - taken
end
for i = 1, lines do
  answer[i] = false
  if redis.call('GET', KEYS[2 * i - 1]) == ARGV[1] then
    from[i] = ARGV[4 + i] == 'n' and '>' or '0'
    answer[i] = {ARGV[4 + i] == 'n' and 1 or 0, {}}
    local failed = ARGV[4 + i] == 'c' and claim(i)
    if failed then return failed end
    failed = take(i, math.min(fair, left))
    if failed then return failed end
  end
end
for i = 1, lines do
  if hungry[i] and left > 0 then
    local failed = take(i, left)
    if failed then return failed end
  end
end
return answer
";

/// Moves an entry to the dead letters, unless that was done. Keys: stream; dead letters. Arguments: id; group; partition; reason;
/// how many letters are kept; field. Gives how many there were.
const BURYING: &str = r"
local found = redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[1])
local kept = redis.call('XLEN', KEYS[2])
if #found > 0 then
  local fields, sealed = found[1][2], ''
  for i = 1, #fields, 2 do
    if fields[i] == ARGV[6] then sealed = fields[i + 1] end
  end
  redis.call('XADD', KEYS[2], 'MAXLEN', '=', ARGV[5], '*', 'partition', ARGV[3], 'reason', ARGV[4], ARGV[6], sealed)
  redis.call('XACK', KEYS[1], ARGV[2], ARGV[1])
  redis.call('XDEL', KEYS[1], ARGV[1])
end
return kept
";

pub(super) struct Worker {
    leases: Arc<Leases>,
    /// Begins one line further every time, so that no line is always the last.
    turn: usize,
    reading: Script,
    burying: Script,
    waiting: Waiting,
    /// Reading failed, and that was told.
    troubled: bool,
    closed: bool,
    tending: CancellationToken,
    _ends_with_this: DropGuard,
}

impl Worker {
    pub(super) fn new(server: Server, worker: &str) -> Self {
        let leases = Arc::new(Leases::new(server.clone(), worker));
        let tending = CancellationToken::new();
        tokio::spawn(tending.clone().run_until_cancelled_owned(Arc::clone(&leases).keep()));
        Self {
            leases,
            turn: 0,
            reading: Script::new(READING),
            burying: Script::new(BURYING),
            waiting: Waiting::new(server),
            troubled: false,
            closed: false,
            _ends_with_this: tending.clone().drop_guard(),
            tending,
        }
    }

    async fn read(&mut self, most: usize) -> Result<Vec<Delivery>, WireError> {
        let leases = Arc::clone(&self.leases);
        let mut open = leases.connection.open().await?;
        if leases.lines().generation != open.generation {
            leases.tend(&mut open).await?;
        }
        let asking = Asking::begin(&leases, self.turn);
        self.turn = self.turn.wrapping_add(1);
        if asking.lines.is_empty() {
            return Ok(Vec::new());
        }
        let mut script = self.reading.prepare_invoke();
        script.arg(leases.owner(open.generation)).arg(most).arg(GROUP).arg(leases.who());
        for (partition, mode) in &asking.lines {
            script.key(leases.names.lease(*partition)).key(leases.names.submitted(*partition));
            script.arg(*mode);
        }
        let answers: Vec<Value> = leases.connection.script(&mut open, &script).await?;
        Ok(asking.end(answers))
    }
}

#[async_trait]
impl Work for Worker {
    async fn next(&mut self, most: usize) -> Vec<Delivery> {
        while !self.closed {
            match self.read(most.max(1)).await {
                Ok(deliveries) if deliveries.is_empty() => {
                    self.troubled = false;
                    self.waiting.wait(&self.leases).await;
                }
                Ok(deliveries) => {
                    self.troubled = false;
                    return deliveries;
                }
                Err(error) => {
                    if !self.troubled && self.leases.connection.is_up() {
                        tracing::warn!(bus.error = %error, "no work could be read; it is tried again");
                        self.troubled = true;
                    }
                    sleep(Pause::new().next()).await;
                }
            }
        }
        Vec::new()
    }

    async fn done(&mut self, deliveries: &[Delivery]) -> Result<(), WireError> {
        let mut lines: BTreeMap<u16, Vec<&str>> = BTreeMap::new();
        for delivery in deliveries {
            if let DeliveryId::Text(id) = &delivery.id {
                lines.entry(delivery.partition).or_default().push(id);
            }
        }
        if lines.is_empty() {
            return Ok(());
        }
        // Together: what is acknowledged and not deleted would be found by nobody.
        let mut pipeline = Pipeline::with_capacity(2 * lines.len() + 2);
        pipeline.cmd("MULTI");
        for (partition, ids) in &lines {
            let stream = self.leases.names.submitted(*partition);
            pipeline.cmd("XACK").arg(&stream).arg(GROUP).arg(ids);
            pipeline.cmd("XDEL").arg(&stream).arg(ids);
        }
        pipeline.cmd("EXEC");
        let leases = Arc::clone(&self.leases);
        let answers = leases.connection.run(&pipeline).await?;
        answers.iter().try_for_each(accepted)?;
        if let Some(Value::Array(done)) = answers.last() {
            done.iter().try_for_each(accepted)?;
        }
        self.put_down(lines.iter().flat_map(|(partition, ids)| ids.iter().map(|id| (*partition, *id))));
        Ok(())
    }

    async fn bury(&mut self, delivery: &Delivery, reason: &str) -> Result<(), WireError> {
        let DeliveryId::Text(id) = &delivery.id else { return Ok(()) };
        let mut script = self.burying.prepare_invoke();
        script.key(self.leases.names.submitted(delivery.partition)).key(self.leases.names.dead());
        script.arg(id).arg(GROUP).arg(delivery.partition);
        script.arg(&reason[..reason.floor_char_boundary(REASON)]).arg(DEAD).arg(FIELD);
        let leases = Arc::clone(&self.leases);
        let mut open = leases.connection.open().await?;
        let kept: usize = leases.connection.script(&mut open, &script).await?;
        if kept >= DEAD {
            tracing::warn!(count = kept, "too many dead letters; the oldest is forgotten");
        }
        self.put_down(std::iter::once((delivery.partition, id.as_str())));
        Ok(())
    }

    async fn close(&mut self) {
        if !std::mem::replace(&mut self.closed, true) {
            self.tending.cancel();
            self.waiting.stop();
            self.leases.leave().await;
        }
    }
}

impl Worker {
    /// These are no longer in hand.
    fn put_down<'a>(&self, done: impl Iterator<Item = (u16, &'a str)>) {
        let mut lines = self.leases.lines();
        let mut goes = false;
        for (partition, id) in done {
            if let Some(line) = lines.held.get_mut(&partition) {
                line.in_hand.remove(&place(id));
                goes |= line.leaving && line.is_idle();
            }
        }
        if goes {
            self.leases.idle.notify_one();
        }
    }
}

/// A request for work that is on its way. Dropped before its answer, what it was given for is looked at again.
struct Asking<'a> {
    leases: &'a Leases,
    /// Each with what is asked of it.
    lines: Vec<(u16, &'static str)>,
}

impl<'a> Asking<'a> {
    fn begin(leases: &'a Leases, turn: usize) -> Self {
        let mut lines = Vec::new();
        for (partition, line) in &mut leases.lines().held {
            let mode = match (line.leaving, line.dirty || !line.in_hand.is_empty()) {
                (true, true) => "o",
                (true, false) => continue,
                (false, _) if line.unclaimed => "c",
                (false, true) => "p",
                (false, false) => "n",
            };
            line.asking = true;
            lines.push((*partition, mode));
        }
        if !lines.is_empty() {
            let first = turn % lines.len();
            lines.rotate_left(first);
        }
        Self { leases, lines }
    }

    fn end(mut self, answers: Vec<Value>) -> Vec<Delivery> {
        let mut deliveries = Vec::new();
        let mut lines = self.leases.lines();
        let mut answers = answers.into_iter();
        for (partition, mode) in std::mem::take(&mut self.lines) {
            let Some(Value::Array(answer)) = answers.next() else {
                // Another's. The next look after the leases tells whether it is ours again.
                lines.held.remove(&partition);
                continue;
            };
            let Some(line) = lines.held.get_mut(&partition) else { continue };
            line.asking = false;
            let Ok([Value::Int(whole), Value::Array(entries)]) = <[Value; 2]>::try_from(answer) else {
                line.dirty = true;
                continue;
            };
            if mode == "c" {
                line.unclaimed = false;
            }
            if mode != "n" {
                line.in_hand.clear();
                line.dirty = whole == 0;
            }
            for mut entry in entries.into_iter().filter_map(Entry::new) {
                line.in_hand.insert(place(&entry.id));
                let sealed = entry.take(FIELD);
                deliveries.push(Delivery { partition, id: DeliveryId::Text(entry.id), sealed });
            }
            if line.leaving && line.is_idle() {
                self.leases.idle.notify_one();
            }
        }
        deliveries
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        if self.lines.is_empty() {
            return;
        }
        let mut lines = self.leases.lines();
        for (partition, _) in &self.lines {
            if let Some(line) = lines.held.get_mut(partition) {
                line.asking = false;
                line.dirty = true;
            }
        }
    }
}

/// Where an entry stands, from its id.
pub(super) fn place(id: &str) -> Place {
    let (time, number) = id.split_once('-').unwrap_or((id, "0"));
    (time.parse().unwrap_or(0), number.parse().unwrap_or(0))
}
