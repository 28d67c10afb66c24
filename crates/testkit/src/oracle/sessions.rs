//! Chains of a user's events, and the sessions that they are cut into.
//!
//! An event joins a chain when it lies no more than the gap after the one before, by event times alone. A
//! chain of more than 24 hours from its first to its last event is cut at its start + k × 24 hours, as long
//! as an event follows later than the cut.

use mainstay_model::{Day, Timestamp, Zone};

/// An event as far as sessions care.
#[derive(Clone, Copy)]
pub(super) struct Moment {
    pub(super) at: Timestamp,
    pub(super) duration_ms: i64,
    pub(super) day: Day,
    pub(super) zone: Zone,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Session {
    /// The day in which it begins.
    pub(super) day: Day,
    /// From its first event to the latest end of any, or to the cut.
    pub(super) duration_ms: i64,
}

/// The sessions of one user's events.
pub(super) fn of(moments: &[Moment], gap_ms: i64) -> Vec<Session> {
    let mut moments = moments.to_vec();
    moments.sort_by_key(|moment| (moment.at, moment.day));
    moments
        .chunk_by(|before, after| after.at <= before.at.plus_ms(gap_ms))
        .flat_map(cut)
        .collect()
}

fn cut(chain: &[Moment]) -> Vec<Session> {
    const FULL_MS: i64 = 24 * 3_600_000;
    let (first, last) = (chain[0], chain[chain.len() - 1]);
    let ends = chain.iter().map(|m| m.at.plus_ms(m.duration_ms));
    let end = ends.max().unwrap_or(last.at);
    let mut sessions = Vec::new();
    let (mut begin, mut day) = (first.at, first.day);
    while last.at > begin.plus_ms(FULL_MS) {
        let duration_ms = FULL_MS;
        sessions.push(Session { day, duration_ms });
        begin = begin.plus_ms(FULL_MS);
        day = first.zone.day_of(begin);
    }
    let duration_ms = end.0 - begin.0;
    sessions.push(Session { day, duration_ms });
    sessions
}
