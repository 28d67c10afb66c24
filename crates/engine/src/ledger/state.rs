//! A state of a subscription as it became known, and which of two states is the later one.
//!
//! Billing systems send states late, twice and in any order. What counts is never when a state arrived: it
//! is its version, then its time, then the rank of its status.

use std::cmp::Ordering;

use mainstay_model::{Status, Subscription, Timestamp};

/// The whole state of a subscription, from one event.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// The id of the event that told it.
    pub event: Box<str>,
    /// The source of the event; of two sources each may have an event of one id.
    pub source: Option<Box<str>>,
    /// The time of the event: from when on it holds.
    pub at: Timestamp,
    /// The state.
    pub told: Subscription<'static>,
    /// Before this instant it changes nothing: what it says of earlier times is booked here. None where it says
    /// nothing of times that the books were closed for when it came.
    pub booked_from: Option<Timestamp>,
}

impl State {
    pub(super) fn status(&self) -> Status {
        self.told.status
    }

    /// By version, then time, then rank of status; a state without version comes before all that have one.
    /// Where all of these are equal the ids of the events decide, so that the order of arrival never does.
    pub(super) fn order(&self, other: &State) -> Ordering {
        let key = |state: &State| (state.told.version, state.at, state.told.status.rank());
        key(self)
            .cmp(&key(other))
            .then_with(|| (&self.source, &self.event).cmp(&(&other.source, &other.event)))
    }
}
