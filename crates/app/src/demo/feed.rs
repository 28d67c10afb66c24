//! Sends what the company does, to the broker and to whoever keeps the truth, in one order.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant};

use anyhow::Context;
use mainstay_connectors::kafka::{Sender, ShardNo, partition_of};
use mainstay_model::Timestamp;
use mainstay_testkit::company::{Company, Fortune, Record};
use serde_json::json;

use super::SHARDS;
use super::pace::{Pace, has_room};
use super::watcher::{Phase, Watcher};

/// The truth of so many events fits into the memory of a small machine; there a demo ends by itself.
pub const MOST_EVENTS: u64 = 5_000_000;
/// How many events the keeper of the truth is handed at once.
const BATCH: usize = 256;
/// After so long the day of an instant is over in every zone, and so is its grace.
const CLOSES_EVERY_DAY_MS: i64 = 28 * 3_600_000;
/// How long the broker may take for what it was sent.
const DELIVERY: Duration = Duration::from_secs(10);
/// The values of an account that changed are told once a second.
const TOLD_WITHIN: Duration = Duration::from_millis(1100);
const NAP: Duration = Duration::from_millis(2);

/// What the feed does all the time.
pub(super) struct Feed {
    pub(super) company: Company,
    pub(super) pace: Pace,
    pub(super) sender: Sender,
    pub(super) truth: SyncSender<Vec<Record>>,
    pub(super) watcher: Arc<Watcher>,
    pub(super) stop: Arc<AtomicBool>,
}

/// What was fed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fed {
    pub(super) events: u64,
    /// When the last of them arrived, in the company's time.
    pub(super) until: Timestamp,
    /// There would have been more, but no memory for their truth.
    pub(super) at_limit: bool,
}

impl Feed {
    /// Feeds until it is told to stop, then waits until the broker has everything.
    pub(super) fn live(mut self) -> anyhow::Result<Fed> {
        let mut fed = Fed {
            events: 0,
            until: Timestamp::MIN,
            at_limit: false,
        };
        let mut batch = Vec::with_capacity(BATCH);
        let mut live_since = None;
        while fed.events < MOST_EVENTS
            && let Some(record) = self.company.next()
        {
            if !self.waited_for(record.arrival, &mut live_since, &mut batch)? {
                break;
            }
            let shard = ShardNo(partition_of(record.key.as_bytes(), SHARDS));
            let bytes = record.value.len() as u64;
            if !self.found_room(shard, bytes, &mut batch)? {
                break;
            }
            self.sender
                .send(shard, record.key.as_bytes(), &record.value, record.arrival)
                .context("the embedded broker takes no events")?;
            fed.events += 1;
            fed.until = record.arrival;
            batch.push(record);
            if batch.len() >= BATCH {
                self.hand_over(&mut batch)?;
            }
        }
        fed.at_limit = fed.events >= MOST_EVENTS;
        self.watcher.enter(Phase::Finishing);
        self.close_the_last_days(&mut fed, &mut batch)?;
        self.hand_over(&mut batch)?;
        let delivered = self.sender.finish(DELIVERY);
        delivered.context("the embedded broker did not take all events")?;
        Ok(fed)
    }

    /// One more event in every shard, without any effect but that time passes: with it the day of the last
    /// event closes everywhere, and what was to be corrected is told. So all that was fed is compared.
    fn close_the_last_days(&self, fed: &mut Fed, batch: &mut Vec<Record>) -> anyhow::Result<()> {
        if fed.events == 0 {
            return Ok(());
        }
        self.hand_over(batch)?;
        self.sender.finish(DELIVERY)?;
        self.wait_for_values();
        self.watcher.keep_what_is_shown();
        let at = fed.until.plus_ms(CLOSES_EVERY_DAY_MS);
        let mut accounts = BTreeMap::new();
        for story in self.company.stories() {
            let shard = ShardNo(partition_of(story.account.as_bytes(), SHARDS));
            // Nobody comes back from a deletion by this.
            if story.fortune == Fortune::Steady {
                accounts.entry(shard).or_insert(story.account);
            }
        }
        for (shard, account) in accounts {
            let event = json!({
                "id": format!("the-end-{account}"),
                "type": "account.updated",
                "account_id": account,
                "time": at.to_string(),
                "data": {},
            });
            let record = Record {
                arrival: at,
                topic: "accounts",
                key: account,
                value: event.to_string().into_bytes(),
            };
            self.watcher
                .send_if(shard, record.value.len() as u64, |_| true);
            self.send(shard, record, fed, batch)?;
        }
        Ok(())
    }

    /// Waits until everything is committed and the newest values of all accounts had time to be told. They are
    /// for the eye alone, so this does not wait for ever.
    fn wait_for_values(&self) {
        let begun = Instant::now();
        while self.watcher.seen().lag() > 0 && begun.elapsed() < DELIVERY {
            std::thread::sleep(NAP);
        }
        std::thread::sleep(TOLD_WITHIN);
    }

    fn send(
        &self,
        to: ShardNo,
        record: Record,
        fed: &mut Fed,
        batch: &mut Vec<Record>,
    ) -> anyhow::Result<()> {
        let key = record.key.as_bytes();
        let sent = self.sender.send(to, key, &record.value, record.arrival);
        sent.context("the embedded broker takes no events")?;
        fed.events += 1;
        batch.push(record);
        if batch.len() >= BATCH {
            self.hand_over(batch)?;
        }
        Ok(())
    }

    /// Waits until the company's time has come to an arrival. False: the feed is to stop.
    fn waited_for(
        &self,
        arrival: Timestamp,
        live_since: &mut Option<Instant>,
        batch: &mut Vec<Record>,
    ) -> anyhow::Result<bool> {
        if self.pace.is_history(arrival) {
            return Ok(!self.is_stopped());
        }
        let since = *live_since.get_or_insert_with(|| {
            self.watcher.history_is_over();
            Instant::now()
        });
        while arrival > self.pace.now(since.elapsed()) {
            if self.is_stopped() {
                return Ok(false);
            }
            self.hand_over(batch)?;
            std::thread::sleep(NAP);
        }
        Ok(!self.is_stopped())
    }

    /// Waits until a partition has room for another event, and takes it. False: the feed is to stop.
    fn found_room(
        &self,
        shard: ShardNo,
        bytes: u64,
        batch: &mut Vec<Record>,
    ) -> anyhow::Result<bool> {
        // Taken before the event is sent: its commit must never come first.
        while !self.watcher.send_if(shard, bytes, has_room) {
            if self.is_stopped() {
                return Ok(false);
            }
            self.hand_over(batch)?;
            std::thread::sleep(NAP);
        }
        Ok(true)
    }

    fn hand_over(&self, batch: &mut Vec<Record>) -> anyhow::Result<()> {
        self.sender
            .settle()
            .context("the embedded broker refused an event")?;
        if batch.is_empty() {
            return Ok(());
        }
        let full = std::mem::replace(batch, Vec::with_capacity(BATCH));
        // Slow to take them in, it holds the feed back, so that nothing piles up.
        self.truth
            .send(full)
            .context("the keeper of the truth is gone")
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}
