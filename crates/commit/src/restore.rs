//! Reads a changelog partition in log order and refuses what no sound shard could have left behind.
//!
//! Compaction may have taken any record but the newest of its key, so the checks rest on what survives it:
//! every value carries its epoch, and a `position` is the last record of its slice. The checker hands the
//! payloads on and keeps nothing of them; what they mean, only the shard's logic knows.

use crate::envelope::{self, Damage};
use crate::{Epoch, Mark, Position};

/// Takes the records of one changelog partition, read committed, in log order.
#[derive(Clone, Debug, Default)]
pub struct Restoring {
    /// The epoch of the last value.
    newest: Epoch,
    /// The last `position`, with its offset.
    position: Option<(i64, Position)>,
    /// The highest n of each term seen, newest terms last, so that a zombie stands out once the position
    /// that says where its successor began is known.
    terms: Vec<Epoch>,
    /// The offset of the last record of all.
    last: Option<i64>,
}

/// What the shard's logic is to be handed of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handed<'a> {
    /// The key.
    pub key: &'a [u8],
    /// The value without its envelope; none is a tombstone.
    pub payload: Option<&'a [u8]>,
}

/// Why a changelog is not used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A value that cannot be read.
    #[error("changelog record at offset {offset}: {why}")]
    Damaged {
        /// Where.
        offset: i64,
        /// What is wrong with it.
        why: Damage,
    },
    /// The reader gave the records out of order.
    #[error("changelog record at offset {offset} after that at {last}: not in log order")]
    Disorder {
        /// Where.
        offset: i64,
        /// The one before.
        last: i64,
    },
    /// An epoch below that of an earlier record.
    #[error(
        "changelog record at offset {offset}: epoch {found} after epoch {newest}; a fenced owner or a \
         stranger wrote it"
    )]
    Falls {
        /// Where.
        offset: i64,
        /// Its epoch.
        found: Epoch,
        /// The epoch that was reached before it.
        newest: Epoch,
    },
    /// A slice goes on after its position, or has two.
    #[error("changelog record at offset {offset}: epoch {epoch} was closed by its position before")]
    AfterItsPosition {
        /// Where.
        offset: i64,
        /// The epoch.
        epoch: Epoch,
    },
    /// Another state's position.
    #[error(
        "changelog record at offset {offset}: position of state {found}, the ones before of {before}"
    )]
    OtherState {
        /// Where.
        offset: i64,
        /// What it says.
        found: Mark,
        /// What the ones before said.
        before: Mark,
    },
    /// A position whose own numbers contradict each other.
    #[error(
        "changelog record at offset {offset}: position of epoch {epoch} in a term begun at {began}"
    )]
    Contradiction {
        /// Where.
        offset: i64,
        /// Its epoch.
        epoch: Epoch,
        /// Where it says that its term began.
        began: Epoch,
    },
    /// An older term went on after a newer one had begun.
    #[error(
        "changelog: a record of epoch {found}, but a newer term began at {began}; a fenced owner wrote it"
    )]
    Zombie {
        /// The old owner's epoch.
        found: Epoch,
        /// Where the newer term began.
        began: Epoch,
    },
    /// Records without a whole slice.
    #[error("changelog: the last record, at offset {last}, lies after the last position")]
    NoEnd {
        /// The last record.
        last: i64,
    },
    /// Keys are missing, or there are strange ones.
    #[error(
        "changelog: {found} live keys, but the last position counts {expected}; records were cut off by \
         retention or by hand"
    )]
    LiveKeys {
        /// What the logic counted.
        found: u64,
        /// What the position says.
        expected: u64,
    },
}

impl Restoring {
    /// Before the first record.
    #[must_use]
    pub fn new() -> Restoring {
        Restoring::default()
    }

    /// Takes the next record and says what of it the shard's logic is to be handed: nothing, if it is the
    /// `position`.
    ///
    /// # Errors
    /// When the changelog must not be used.
    pub fn feed<'a>(
        &mut self,
        offset: i64,
        key: &'a [u8],
        value: Option<&'a [u8]>,
    ) -> Result<Option<Handed<'a>>, Refusal> {
        if let Some(last) = self.last.replace(offset)
            && last >= offset
        {
            return Err(Refusal::Disorder { offset, last });
        }
        let Some(value) = value else {
            return Ok(self.tombstone(key));
        };
        let damaged = |why| Refusal::Damaged { offset, why };
        let (epoch, payload) = envelope::unwrap(key, value).map_err(damaged)?;
        self.grows(offset, epoch)?;
        if key != Position::KEY {
            let payload = Some(payload);
            return Ok(Some(Handed { key, payload }));
        }
        let position = Position::of_payload(epoch, payload).ok_or(damaged(Damage::Short))?;
        self.close(offset, position)?;
        Ok(None)
    }

    /// The last position so far.
    #[must_use]
    pub fn position(&self) -> Option<&Position> {
        self.position.as_ref().map(|(_, position)| position)
    }

    /// All records were fed, and the logic counted its live keys: gives the position of the state, or none
    /// if there is no state.
    ///
    /// # Errors
    /// When the changelog must not be used.
    pub fn finish(self, live_keys: u64) -> Result<Option<Position>, Refusal> {
        let (closed, expected) = match &self.position {
            Some((at, position)) => (Some(*at), position.live_keys),
            None => (None, 0),
        };
        // Without a position there may be tombstones, of a state that was dropped, and nothing else.
        if let Some(last) = self.last.filter(|last| Some(*last) != closed)
            && (closed.is_some() || self.newest != Epoch::NONE)
        {
            return Err(Refusal::NoEnd { last });
        }
        if live_keys != expected {
            return Err(Refusal::LiveKeys {
                found: live_keys,
                expected,
            });
        }
        Ok(self.position.map(|(_, position)| position))
    }

    /// A dropped state ends with the tombstone of its `position`: what comes after it is another state.
    fn tombstone<'a>(&mut self, key: &'a [u8]) -> Option<Handed<'a>> {
        if key != Position::KEY {
            return Some(Handed { key, payload: None });
        }
        *self = Restoring {
            last: self.last,
            ..Restoring::default()
        };
        None
    }

    /// Neither the term nor n ever falls; and a slice ends with its position.
    fn grows(&mut self, offset: i64, found: Epoch) -> Result<(), Refusal> {
        let newest = self.newest;
        if found.term < newest.term || found.n < newest.n {
            return Err(Refusal::Falls {
                offset,
                found,
                newest,
            });
        }
        // The next term begins one n after the last commit of the one before, so one n has one term.
        if found.n == newest.n && found.term != newest.term {
            return Err(Refusal::Zombie {
                found: newest,
                began: found,
            });
        }
        if self.position().is_some_and(|p| p.mark.epoch == found) {
            return Err(Refusal::AfterItsPosition {
                offset,
                epoch: found,
            });
        }
        self.newest = found;
        match self.terms.last_mut() {
            Some(last) if last.term == found.term => *last = found,
            Some(_) | None => self.terms.push(found),
        }
        Ok(())
    }

    fn close(&mut self, offset: i64, position: Position) -> Result<(), Refusal> {
        let (epoch, began) = (position.mark.epoch, position.began);
        if began.term != epoch.term || began.n > epoch.n {
            return Err(Refusal::Contradiction {
                offset,
                epoch,
                began,
            });
        }
        if let Some((_, before)) = &self.position
            && before.mark.state != position.mark.state
        {
            return Err(Refusal::OtherState {
                offset,
                found: position.mark,
                before: before.mark,
            });
        }
        let zombie = |seen: &&Epoch| seen.term < began.term && seen.n >= began.n;
        if let Some(&found) = self.terms.iter().find(zombie) {
            return Err(Refusal::Zombie { found, began });
        }
        // All terms before this one are judged by where this one began; those after it by their own.
        self.terms.retain(|seen| seen.term >= began.term);
        self.position = Some((offset, position));
        Ok(())
    }
}

#[cfg(test)]
mod tests;
