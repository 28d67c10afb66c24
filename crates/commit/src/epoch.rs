//! The words by which a shard's commits are told apart.
//!
//! An epoch counts up for as long as a state lives: a takeover begins a term, a commit counts n, and neither
//! ever falls. So what a stranger or a paused owner wrote stands out by its number alone.

use std::fmt;
use std::str::FromStr;

/// A number of milliseconds that only grows, from any clock the caller likes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Millis(pub u64);

impl Millis {
    /// This instant, `ms` later.
    #[must_use]
    pub fn plus(self, ms: u64) -> Millis {
        Millis(self.0.saturating_add(ms))
    }

    /// Milliseconds since `earlier`.
    #[must_use]
    pub fn since(self, earlier: Millis) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// A shard: the partition of that number of every keyed input and of the changelog.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardNo(pub u32);

impl fmt::Display for ShardNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How often a state was taken over, and how often it was committed.
///
/// A new owner counts `term` up by one; every commit counts `n` up by one, through all terms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch {
    /// Counts owners.
    pub term: u32,
    /// Counts commits.
    pub n: u64,
}

impl Epoch {
    /// Before the first commit of a state.
    pub const NONE: Epoch = Epoch { term: 0, n: 0 };

    /// The first epoch of whoever takes over a state that was last committed at this one.
    #[must_use]
    pub fn taken_over(self) -> Epoch {
        Epoch {
            term: self.term + 1,
            n: self.n + 1,
        }
    }

    /// The same owner's next one.
    #[must_use]
    pub fn next(self) -> Epoch {
        Epoch {
            term: self.term,
            n: self.n + 1,
        }
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.term, self.n)
    }
}

/// A state's name: random, made with its first commit, kept until the state is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StateId(pub u128);

impl fmt::Display for StateId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// Which commit of which state. As text, `state id:epoch`, it is the metadata of every offset we commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mark {
    /// The state.
    pub state: StateId,
    /// The commit.
    pub epoch: Epoch,
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.state, self.epoch)
    }
}

/// An offset's metadata that none of our commits wrote.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("offset metadata `{0}` is not of the form `state id:epoch`")]
pub struct MarkError(pub String);

impl Mark {
    /// Reads an offset's metadata; an empty one is `None`: someone else set the offset.
    ///
    /// # Errors
    /// When there is a text, but not ours.
    pub fn parse(metadata: &str) -> Result<Option<Mark>, MarkError> {
        if metadata.is_empty() {
            return Ok(None);
        }
        metadata.parse().map(Some)
    }
}

impl FromStr for Mark {
    type Err = MarkError;

    fn from_str(text: &str) -> Result<Mark, MarkError> {
        fields(text)
            // Only the one way of writing it is ours: no signs, no leading zeros, no capitals.
            .filter(|mark| mark.to_string() == text)
            .ok_or_else(|| MarkError(text.to_owned()))
    }
}

fn fields(text: &str) -> Option<Mark> {
    let (state, epoch) = text.split_once(':')?;
    let (term, n) = epoch.split_once('.')?;
    Some(Mark {
        state: StateId(u128::from_str_radix(state, 16).ok()?),
        epoch: Epoch {
            term: term.parse().ok()?,
            n: n.parse().ok()?,
        },
    })
}

/// One stay of a shard in this process, from assignment to drop.
///
/// A shard that leaves and comes back gets a new lease, so an answer or a slice that was still on its way
/// when it left cannot be taken for one of the new stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lease(pub u64);

/// A closed slice, whose bytes the driver keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SliceToken {
    /// Whose.
    pub shard: ShardNo,
    /// Of which stay.
    pub lease: Lease,
    /// At which epoch.
    pub epoch: Epoch,
}

/// What a shard needs to know to say anything: its state's name and the epoch of its first slice, which is
/// the epoch at which its term begins. Each slice after it has the [`next`](Epoch::next) one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Term {
    /// The state's name.
    pub state: StateId,
    /// The epoch of the first slice of this stay.
    pub began: Epoch,
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARK: Mark = Mark {
        state: StateId(0xab),
        epoch: Epoch { term: 6, n: 1234 },
    };
    const TEXT: &str = "000000000000000000000000000000ab:6.1234";

    #[test]
    fn a_takeover_begins_a_term_and_n_goes_on_counting() {
        let last = Epoch { term: 5, n: 10 };
        assert_eq!(last.taken_over(), Epoch { term: 6, n: 11 });
        assert_eq!(last.taken_over().next(), Epoch { term: 6, n: 12 });
        assert_eq!(Epoch::NONE.taken_over(), Epoch { term: 1, n: 1 });
    }

    #[test]
    fn offset_metadata_reads_back_as_written() {
        assert_eq!(MARK.to_string(), TEXT);
        assert_eq!(Mark::parse(TEXT), Ok(Some(MARK)));
    }

    #[test]
    fn no_metadata_is_no_mark() {
        assert_eq!(Mark::parse(""), Ok(None));
    }

    #[test]
    fn metadata_of_others_is_refused_whatever_it_looks_like() {
        for text in [
            "reset by ops",
            "ab:6.1234",
            "000000000000000000000000000000AB:6.1234",
            "000000000000000000000000000000ab:06.1234",
            "000000000000000000000000000000ab:+6.1234",
            "000000000000000000000000000000ab:6",
            "000000000000000000000000000000ab:6.1234 ",
            "000000000000000000000000000000ab:6.99999999999999999999999",
        ] {
            assert_eq!(Mark::parse(text), Err(MarkError(text.to_owned())), "{text}");
        }
    }
}
