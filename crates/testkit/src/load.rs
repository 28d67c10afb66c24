//! Streams of any size for measuring: nothing goes wrong, nothing has a story.
//!
//! Users come on a planned share of days with a planned number of sessions, spread evenly over the day, so
//! that memory and rates can be set against plain numbers.

use std::io::{self, Write};

use mainstay_model::Timestamp;
use serde::Deserialize;

use crate::rng::Rng;

/// How much of everything there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// Another seed is another stream.
    pub seed: u64,
    /// How many accounts: 1 or more. Users are spread evenly over them.
    pub accounts: u32,
    /// How many users.
    pub users: u32,
    /// When the first day begins: a midnight in UTC.
    pub begin: Timestamp,
    /// How many days.
    pub days: u32,
    /// On how many of 1000 days a user comes.
    pub active_of_1000: u32,
    /// How many sessions a user has on an active day, in tenths.
    pub sessions_of_10: u32,
    /// How many events a session has.
    pub events: u32,
}

impl Default for Load {
    /// The load for which the bars are given: a user is there on 10 of 35 days, with 15 sessions.
    fn default() -> Load {
        Load {
            seed: 1,
            accounts: 2_000,
            users: 60_000,
            begin: Timestamp(1_772_323_200_000), // 2026-03-01T00:00:00Z
            days: 35,
            active_of_1000: 286,
            sessions_of_10: 15,
            events: 5,
        }
    }
}

/// One event of a load, before it is bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LoadEvent {
    /// When it happens, and arrives.
    pub time: Timestamp,
    /// The user's number.
    pub user: u32,
    /// Unique in the load.
    pub id: u64,
}

const NAMES: [&str; 8] = [
    "page_viewed",
    "report_opened",
    "search_run",
    "comment_added",
    "report_sent",
    "dashboard_shared",
    "file_uploaded",
    "meeting_held",
];

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 24 * 60 * MINUTE_MS;

impl Load {
    /// All events, in the order of their times.
    pub fn events(&self) -> impl Iterator<Item = LoadEvent> + '_ {
        (0..self.days).flat_map(|day| self.day(day))
    }

    fn day(&self, day: u32) -> Vec<LoadEvent> {
        let mut rng = Rng::fork(self.seed, u64::from(day));
        let midnight = self.begin.plus_ms(i64::from(day) * DAY_MS);
        let span_ms = i64::from(self.events) * 3 * MINUTE_MS;
        let mut events = Vec::new();
        for user in 0..self.users {
            if !rng.happens(self.active_of_1000 * 1000) {
                continue;
            }
            let extra = rng.happens(self.sessions_of_10 % 10 * 100_000);
            for _ in 0..self.sessions_of_10 / 10 + u32::from(extra) {
                let begin = midnight.plus_ms(rng.between(0, DAY_MS - span_ms));
                for n in 0..i64::from(self.events) {
                    let time = begin.plus_ms(n * 3 * MINUTE_MS + rng.between(0, 2 * MINUTE_MS));
                    let id = rng.next();
                    events.push(LoadEvent { time, user, id });
                }
            }
        }
        events.sort_unstable();
        events
    }

    /// The account of an event: the record's key.
    #[must_use]
    pub fn account(&self, event: &LoadEvent) -> String {
        format!("acc_{:05}", event.user % self.accounts.max(1))
    }

    /// Appends an event of about 300 bytes in the native format.
    pub fn render(&self, event: &LoadEvent, out: &mut Vec<u8>) {
        let LoadEvent { time, user, id } = event;
        let name = NAMES[(id >> 8) as usize % NAMES.len()];
        let account = self.account(event);
        let (page, check) = (id % 9000, id.rotate_left(20) & 0xFFFF_FFFF_FFFF);
        // Writing to memory does not fail.
        let _ = write!(
            out,
            concat!(
                r#"{{"id":"{:08x}-{:04x}-4{:03x}-a000-{:012x}","type":"product.event","#,
                r#""account_id":"{}","user_id":"{:08x}-0000-4000-8000-{:012x}","source":"web","#,
                r#""time":"{}","data":{{"name":"{}","duration_ms":{},"#,
                r#""properties":{{"path":"/w/{}","client":"web 5.2"}}}}}}"#
            ),
            id >> 32,
            id >> 16 & 0xFFFF,
            id & 0xFFF,
            check,
            account,
            user,
            user,
            time,
            name,
            id % 60_000,
            page
        );
    }

    /// Writes all events as JSON lines and says how many there were.
    ///
    /// # Errors
    /// When `out` cannot be written to.
    pub fn write(&self, out: &mut impl Write) -> io::Result<u64> {
        let mut line = Vec::with_capacity(512);
        let mut written = 0;
        for event in self.events() {
            line.clear();
            self.render(&event, &mut line);
            line.push(b'\n');
            out.write_all(&line)?;
            written += 1;
        }
        Ok(written)
    }
}

/// Reads a product event with serde_json into a struct of borrowed fields, checks nothing but types and leaves
/// times as text: the floor that decoding is measured against. Says whether it could be read.
#[must_use]
pub fn read_unchecked(value: &[u8]) -> bool {
    let event = serde_json::from_slice::<Unchecked<'_>>(value);
    std::hint::black_box(event).is_ok()
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "read for the time that it takes")]
struct Unchecked<'a> {
    id: &'a str,
    r#type: &'a str,
    account_id: &'a str,
    user_id: Option<&'a str>,
    source: Option<&'a str>,
    time: &'a str,
    #[serde(borrow)]
    data: UncheckedData<'a>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "read for the time that it takes")]
struct UncheckedData<'a> {
    name: &'a str,
    duration_ms: Option<f64>,
    session_id: Option<&'a str>,
    actor: Option<&'a str>,
}

#[cfg(test)]
mod tests {
    use mainstay_engine::Settings;

    use super::*;
    use crate::oracle::{Fate, Oracle};

    #[test]
    fn every_event_of_a_load_counts_and_users_come_as_planned() {
        let load = Load {
            accounts: 3,
            users: 300,
            days: 7,
            ..Load::default()
        };
        let mut file = Vec::new();
        let written = load.write(&mut file).unwrap();
        let mut oracle = Oracle::new(Settings::default());
        let mut read = 0;
        for line in file
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
        {
            assert_eq!(oracle.take(line, None), Fate::Applied);
            assert!(read_unchecked(line));
            read += 1;
        }
        assert_eq!(read, written);
        // 300 users, 7 days, 10 of 35 days, 1.5 sessions of 5 events.
        assert!((4_000..5_000).contains(&written), "{written}");
        let bytes = file.len() as u64 / written;
        assert!((260..340).contains(&bytes), "{bytes}");
    }
}
