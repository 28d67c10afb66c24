//! Sessions of one user, by event times alone.
//!
//! An event joins a chain while it lies no more than the gap from one of its events. All that is kept of a
//! chain is an interval: its first event, its last event and the latest end. A chain longer than 24 hours
//! is several sessions, cut at its start + k x 24 h while an event follows; each session belongs to the day
//! in which it begins. What a chain is kept as, and what is counted, are these sessions; the law of this
//! file is that they depend on the set of events only, never on the order of arrival.

use mainstay_model::{Day, Timestamp};

use crate::pack::{Malformed, Packer, Unpacker};

pub(crate) const LONGEST_MS: i64 = 24 * 3_600_000;

/// A session: a chain, or one of the pieces of a chain longer than 24 hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Session {
    /// The day in which it begins.
    pub(crate) day: Day,
    pub(crate) start: i64,
    /// The last event; the cut, where the chain goes on in another piece.
    pub(crate) last: i64,
    /// The latest end of an event; the cut, where the chain goes on.
    pub(crate) end: i64,
    /// The session before it is the piece before it of one chain.
    pub(crate) continued: bool,
}

impl Session {
    pub(crate) fn duration_ms(&self) -> i64 {
        self.end - self.start
    }

    pub(crate) fn pack(&self, to: &mut Packer<'_>) {
        to.int(self.start - i64::from(self.day.0) * LONGEST_MS);
        to.uint((((self.last - self.start) as u64) << 1) | u64::from(self.continued));
        to.uint((self.end - self.last) as u64);
    }

    pub(crate) fn unpack(day: Day, from: &mut Unpacker<'_>) -> Result<Session, Malformed> {
        let start = from
            .int()?
            .checked_add(i64::from(day.0) * LONGEST_MS)
            .ok_or(Malformed)?;
        let length = from.uint()?;
        let last = start.checked_add((length >> 1) as i64).ok_or(Malformed)?;
        let tail = i64::try_from(from.uint()?).map_err(|_| Malformed)?;
        let end = last.checked_add(tail).ok_or(Malformed)?;
        Ok(Session {
            day,
            start,
            last,
            end,
            continued: length & 1 == 1,
        })
    }
}

/// What an event does to a user's sessions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Joined {
    /// The newest session is now this one.
    Extended(Session),
    /// A new chain after all others.
    Begun(Session),
    /// Sessions somewhere in the past become others.
    Rebuilt {
        removed: Vec<Session>,
        added: Vec<Session>,
    },
}

/// What an event at `at` does, when only the newest session has to be looked at. `None`: look at all.
pub(crate) fn join_newest(
    newest: Option<&Session>,
    at: Timestamp,
    duration_ms: i64,
    gap_ms: i64,
    day: Day,
) -> Option<Joined> {
    let (at, end) = (at.0, at.0 + duration_ms);
    let Some(newest) = newest else {
        return Some(Joined::Begun(Session {
            day,
            start: at,
            last: at,
            end,
            continued: false,
        }));
    };
    if at > newest.last + gap_ms {
        return Some(Joined::Begun(Session {
            day,
            start: at,
            last: at,
            end,
            continued: false,
        }));
    }
    let extended = Session {
        last: newest.last.max(at),
        end: newest.end.max(end),
        ..*newest
    };
    let fits = at >= newest.start && extended.last - newest.start <= LONGEST_MS;
    fits.then_some(Joined::Extended(extended))
}

/// What an event at `at` does, given all sessions of the user in the order of time.
pub(crate) fn join_any(
    sessions: &[Session],
    at: Timestamp,
    duration_ms: i64,
    gap_ms: i64,
    mut day_of: impl FnMut(Timestamp) -> Day,
) -> Joined {
    let mut chain = Chain {
        first: at.0,
        last: at.0,
        end: at.0 + duration_ms,
        continued: false,
    };
    let mut removed = Vec::new();
    for pieces in sessions.chunk_by(|_, next| next.continued) {
        let old = Chain::of(pieces);
        if old.first <= at.0 + gap_ms && at.0 <= old.last + gap_ms {
            chain = chain.with(old);
            removed.extend_from_slice(pieces);
        }
    }
    let added = chain.sessions().map(|(start, last, end, continued)| {
        // A piece that is still there keeps its day, also when the account has moved to another zone.
        let known = removed.iter().find(|old| old.start == start);
        let day = known.map_or_else(|| day_of(Timestamp(start)), |old| old.day);
        Session {
            day,
            start,
            last,
            end,
            continued,
        }
    });
    let mut added: Vec<Session> = added.collect();
    let same = removed
        .iter()
        .zip(&added)
        .take_while(|(old, new)| old == new)
        .count();
    added.drain(..same);
    removed.drain(..same);
    Joined::Rebuilt { removed, added }
}

#[derive(Clone, Copy)]
struct Chain {
    first: i64,
    last: i64,
    end: i64,
    /// The pieces before the first one are no longer known.
    continued: bool,
}

impl Chain {
    fn of(pieces: &[Session]) -> Chain {
        let (first, last) = (pieces[0], pieces[pieces.len() - 1]);
        Chain {
            first: first.start,
            last: last.last,
            end: last.end,
            continued: first.continued,
        }
    }

    fn with(self, other: Chain) -> Chain {
        Chain {
            first: self.first.min(other.first),
            last: self.last.max(other.last),
            end: self.end.max(other.end),
            continued: match self.first <= other.first {
                true => self.continued,
                false => other.continued,
            },
        }
    }

    /// Start, last event, end and whether it goes on from the one before, of each session.
    fn sessions(self) -> impl Iterator<Item = (i64, i64, i64, bool)> {
        let cuts = (self.last - self.first - 1).max(0) / LONGEST_MS;
        (0..=cuts).map(move |k| {
            let start = self.first + k * LONGEST_MS;
            let cut = start + LONGEST_MS;
            let continued = k > 0 || self.continued;
            match k == cuts {
                true => (start, self.last, self.end, continued),
                false => (start, cut, cut, continued),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GAP: i64 = 1_800_000;
    const HOUR: i64 = 3_600_000;

    /// Applies events in the order given and says (start, last, end) of each session, in order of time.
    fn sessions(events: &[(i64, i64)]) -> Vec<(i64, i64, i64)> {
        let day_of = |at: Timestamp| Day(at.0.div_euclid(LONGEST_MS) as i32);
        let mut sessions: Vec<Session> = Vec::new();
        for &(at, duration) in events {
            let at = Timestamp(at);
            let joined = join_newest(sessions.last(), at, duration, GAP, day_of(at))
                .unwrap_or_else(|| join_any(&sessions, at, duration, GAP, day_of));
            match joined {
                Joined::Extended(session) => *sessions.last_mut().unwrap() = session,
                Joined::Begun(session) => sessions.push(session),
                Joined::Rebuilt { removed, added } => {
                    sessions.retain(|session| !removed.contains(session));
                    sessions.extend(added);
                    sessions.sort_by_key(|session| session.start);
                }
            }
        }
        for session in &sessions {
            let mut packed = Vec::new();
            session.pack(&mut Packer(&mut packed));
            assert_eq!(
                Session::unpack(session.day, &mut Unpacker(&packed)),
                Ok(*session)
            );
        }
        sessions
            .iter()
            .map(|session| (session.start, session.last, session.end))
            .collect()
    }

    /// The definition, told in the plain way: sort, chain, cut.
    fn by_definition(events: &[(i64, i64)]) -> Vec<(i64, i64, i64)> {
        let mut events = events.to_vec();
        events.sort_unstable();
        let mut sessions = Vec::new();
        for chain in events.chunk_by(|before, after| after.0 - before.0 <= GAP) {
            let (first, last) = (chain[0].0, chain[chain.len() - 1].0);
            let end = chain
                .iter()
                .map(|(at, duration)| at + duration)
                .max()
                .unwrap();
            let mut start = first;
            while last > start + LONGEST_MS {
                sessions.push((start, start + LONGEST_MS, start + LONGEST_MS));
                start += LONGEST_MS;
            }
            sessions.push((start, last, end));
        }
        sessions
    }

    #[test]
    fn a_gap_of_30_minutes_joins_and_a_millisecond_more_cuts() {
        assert_eq!(sessions(&[(0, 0), (GAP, 0)]), [(0, GAP, GAP)]);
        assert_eq!(sessions(&[(0, 0), (GAP + 1, 0)]).len(), 2);
    }

    #[test]
    fn a_late_event_merges_two_sessions() {
        assert_eq!(
            sessions(&[(0, 0), (2 * GAP, 5), (GAP, 0)]),
            [(0, 2 * GAP, 2 * GAP + 5)]
        );
    }

    #[test]
    fn a_session_lasts_to_the_latest_end_of_an_event() {
        assert_eq!(sessions(&[(0, HOUR), (1000, 0)]), [(0, 1000, HOUR)]);
    }

    #[test]
    fn a_chain_of_24_hours_is_one_session_and_a_longer_one_is_two() {
        let day: Vec<(i64, i64)> = (0..=48).map(|half_hour| (half_hour * GAP, 0)).collect();
        assert_eq!(sessions(&day).len(), 1);
        let mut longer = day;
        longer.push((LONGEST_MS + 1, 0));
        let cut = LONGEST_MS;
        assert_eq!(sessions(&longer), [(0, cut, cut), (cut, cut + 1, cut + 1)]);
    }

    proptest! {
        #[test]
        fn sessions_are_a_function_of_the_set_of_events(
            mut events in prop::collection::vec((0i64..400, 0i64..4), 1..60),
            step in prop::sample::select(vec![GAP / 3, GAP / 2, GAP - 1, GAP, GAP + 1]),
        ) {
            events.iter_mut().for_each(|event| *event = (event.0 * step, event.1 * GAP));
            prop_assert_eq!(sessions(&events), by_definition(&events));
        }
    }
}
