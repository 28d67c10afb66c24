//! The share of dead letters over the last minute, and whether it is an alarm.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Over so long the share is taken.
const WINDOW: Duration = Duration::from_secs(60);
/// Counts of so long are kept as one.
const STEP: Duration = Duration::from_secs(1);
/// One dead letter in so many records is the limit: 5 %.
const LIMIT: u64 = 20;

/// Records and dead letters of the last minute.
#[derive(Default)]
pub(super) struct Letters {
    steps: VecDeque<Step>,
    alarm: bool,
}

struct Step {
    since: Instant,
    records: u64,
    letters: u64,
}

impl Letters {
    /// So many records were committed, and so many of them are dead letters. Says whether the alarm went on.
    pub(super) fn committed(&mut self, records: u64, letters: u64, now: Instant) -> bool {
        match self.steps.back_mut() {
            Some(step) if now.saturating_duration_since(step.since) < STEP => {
                step.records += records;
                step.letters += letters;
            }
            Some(_) | None => self.steps.push_back(Step {
                since: now,
                records,
                letters,
            }),
        }
        let before = self.alarm;
        self.alarm(now) && !before
    }

    /// Whether more than the limit of the last minute's records are dead letters.
    pub(super) fn alarm(&mut self, now: Instant) -> bool {
        let old = |step: &Step| now.saturating_duration_since(step.since) >= WINDOW;
        while self.steps.front().is_some_and(old) {
            self.steps.pop_front();
        }
        let records: u64 = self.steps.iter().map(|step| step.records).sum();
        let letters: u64 = self.steps.iter().map(|step| step.letters).sum();
        self.alarm = letters * LIMIT > records;
        self.alarm
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_one_dead_letter_in_twenty_over_a_minute_is_an_alarm_that_goes_on_once() {
        let began = Instant::now();
        let at = |seconds| began + Duration::from_secs(seconds);
        let mut letters = Letters::default();
        assert!(!letters.committed(100, 5, at(0)), "5 % is not above 5 %");
        assert!(letters.committed(100, 6, at(10)));
        assert!(!letters.committed(10, 9, at(20)), "it is on already");
        assert!(letters.alarm(at(79)));
        assert!(!letters.alarm(at(80)), "a minute without any");
        assert!(letters.committed(1, 1, at(90)));
    }
}
