//! The first things that happen to an account, for as long as its zone may still be told.
//!
//! A zone is often told minutes after the first use, or comes later by another way. Days told in another
//! zone would be wrong for ever, so what happened is kept, small and bounded, until the zone is told, a
//! day is told, or too much has happened; when the zone comes in time, everything is put on its days anew.

use mainstay_model::{Actor, Body, Timestamp};

use super::users::UserNo;
use crate::pack::{Malformed, Packer, Unpacker};
use crate::terms::{Meaning, Milestone, Terms};

/// What happened to an account so far; nothing once it is of no more use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Early {
    kept: Option<Kept>,
    pub(crate) dirty: bool,
    /// The record is in the changelog.
    pub(crate) written: bool,
}

/// Happenings, packed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Kept {
    packed: Vec<u8>,
    number: usize,
    /// When the last one happened.
    last: i64,
}

/// Something that happened to an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Happening {
    pub(crate) what: What,
    pub(crate) user: Option<UserNo>,
    pub(crate) at: Timestamp,
}

/// What an event means to an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    Used(Used),
    SignedUp,
    Removed,
    Created,
    Deleted,
    Other,
}

/// A use of the product, and what it counts as by the settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Used {
    pub(crate) duration_ms: i64,
    pub(crate) actor: Actor,
    pub(crate) meaning: Meaning,
}

/// An account with more before its zone keeps the days that it has.
const MOST: usize = 1024;

impl What {
    pub(crate) fn of(body: &Body<'_>, terms: &Terms) -> What {
        match body {
            Body::Product {
                name,
                duration_ms,
                actor,
            } => What::Used(Used {
                duration_ms: *duration_ms,
                actor: *actor,
                meaning: terms.meaning(name),
            }),
            Body::UserSignedUp(_) => What::SignedUp,
            Body::UserRemoved => What::Removed,
            Body::AccountCreated(_) => What::Created,
            Body::AccountDeleted => What::Deleted,
            Body::UserInvited(_)
            | Body::UserUpdated(_)
            | Body::AccountUpdated(_)
            | Body::Subscription(_)
            | Body::Payment(_)
            | Body::Cost(_)
            | Body::Other(_) => What::Other,
        }
    }

    /// Whether it makes its user one that facts are kept of.
    pub(crate) fn has_user(self) -> bool {
        match self {
            What::Used(_) | What::SignedUp | What::Removed => true,
            What::Created | What::Deleted | What::Other => false,
        }
    }
}

impl Used {
    fn pack(&self, to: &mut Packer<'_>) {
        let Meaning {
            qualifies,
            key_action,
            in_session,
            features,
            milestone,
        } = self.meaning;
        let flags = [qualifies, key_action, in_session];
        to.uint(
            flags
                .iter()
                .fold(0, |bits, flag| bits << 1 | u64::from(*flag)),
        );
        to.uint(match self.actor {
            Actor::Human => 0,
            Actor::Api => 1,
            Actor::Agent => 2,
        });
        to.int(self.duration_ms);
        to.uint(features);
        to.uint(milestone.map_or(0, |Milestone(no)| u64::from(no) + 1));
    }

    fn unpack(from: &mut Unpacker<'_>) -> Result<Used, Malformed> {
        let flags = from.uint()?;
        let actor = match from.uint()? {
            0 => Actor::Human,
            1 => Actor::Api,
            2 => Actor::Agent,
            _ => return Err(Malformed),
        };
        let (duration_ms, features) = (from.int()?, from.uint()?);
        let milestone = match from.uint()?.checked_sub(1) {
            Some(no) => Some(Milestone(u16::try_from(no).map_err(|_| Malformed)?)),
            None => None,
        };
        let meaning = Meaning {
            qualifies: flags & 4 != 0,
            key_action: flags & 2 != 0,
            in_session: flags & 1 != 0,
            features,
            milestone,
        };
        Ok(Used {
            duration_ms,
            actor,
            meaning,
        })
    }
}

impl Default for Early {
    fn default() -> Early {
        Early {
            kept: Some(Kept::default()),
            dirty: false,
            written: false,
        }
    }
}

impl Early {
    /// Of an account that keeps nothing, as far as is known.
    pub(crate) fn ended() -> Early {
        Early {
            kept: None,
            dirty: false,
            written: false,
        }
    }

    pub(crate) fn keep(&mut self, happening: Happening) {
        let Some(kept) = &mut self.kept else {
            return;
        };
        self.dirty = true;
        match kept.number < MOST {
            true => kept.push(happening),
            false => self.kept = None,
        }
    }

    /// Keeps nothing from now on, and hands over what was kept.
    pub(crate) fn end(&mut self) -> Option<Vec<Happening>> {
        let kept = self.kept.take()?;
        self.dirty = true;
        kept.unpack().ok()
    }

    /// Writes what is kept. False when nothing is.
    pub(crate) fn pack(&self, to: &mut Packer<'_>) -> bool {
        let kept = self.kept.as_ref();
        to.0.extend_from_slice(kept.map_or(&[], |kept| &kept.packed));
        kept.is_some()
    }

    pub(crate) fn unpack(bytes: &[u8]) -> Result<Early, Malformed> {
        let mut kept = Kept {
            packed: bytes.into(),
            ..Kept::default()
        };
        let happenings = kept.unpack()?;
        kept.number = happenings.len();
        kept.last = happenings.last().map_or(0, |last| last.at.0);
        Ok(Early {
            kept: Some(kept),
            dirty: false,
            written: true,
        })
    }
}

impl Kept {
    fn push(&mut self, Happening { what, user, at }: Happening) {
        let mut to = Packer(&mut self.packed);
        to.uint(user.map_or(0, |user| u64::from(user) + 1));
        to.int(at.0 - self.last);
        match what {
            What::SignedUp => to.uint(0),
            What::Removed => to.uint(1),
            What::Created => to.uint(2),
            What::Deleted => to.uint(3),
            What::Other => to.uint(4),
            What::Used(used) => {
                to.uint(5);
                used.pack(&mut to);
            }
        }
        self.last = at.0;
        self.number += 1;
    }

    fn unpack(&self) -> Result<Vec<Happening>, Malformed> {
        let mut from = Unpacker(&self.packed);
        let (mut happenings, mut before) = (Vec::new(), 0i64);
        while !from.is_empty() {
            let user = from.u32()?.checked_sub(1);
            before = before.checked_add(from.int()?).ok_or(Malformed)?;
            let what = match from.uint()? {
                0 => What::SignedUp,
                1 => What::Removed,
                2 => What::Created,
                3 => What::Deleted,
                4 => What::Other,
                5 => What::Used(Used::unpack(&mut from)?),
                _ => return Err(Malformed),
            };
            happenings.push(Happening {
                what,
                user,
                at: Timestamp(before),
            });
        }
        Ok(happenings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_kept_comes_back() {
        let used = Used {
            duration_ms: 7,
            actor: Actor::Agent,
            meaning: Meaning {
                qualifies: true,
                key_action: false,
                in_session: true,
                features: 0b101,
                milestone: Some(Milestone(3)),
            },
        };
        let mut early = Early::default();
        for (place, what) in [
            What::Used(used),
            What::SignedUp,
            What::Removed,
            What::Created,
            What::Deleted,
            What::Other,
        ]
        .into_iter()
        .enumerate()
        {
            let user = what.has_user().then_some(place as UserNo);
            early.keep(Happening {
                what,
                user,
                at: Timestamp(100 - place as i64),
            });
        }
        let mut packed = Vec::new();
        assert!(early.pack(&mut Packer(&mut packed)));
        (early.dirty, early.written) = (false, true);
        assert_eq!(Early::unpack(&packed), Ok(early));
    }

    #[test]
    fn too_much_ends_it() {
        let mut early = Early::default();
        let other = Happening {
            what: What::Other,
            user: None,
            at: Timestamp(0),
        };
        (0..=MOST).for_each(|_| early.keep(other));
        assert_eq!(early.end(), None);
    }
}
