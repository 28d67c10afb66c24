//! The first things that happen to an account, for as long as its zone may still be told.
//!
//! A zone is often told minutes after the first use, or comes later by another way. Days told in another
//! zone would be wrong for ever, so what happened is kept, small and bounded, until the zone is told, a
//! day is told, or too much has happened; when the zone comes in time, everything is put on its days anew.

use mainstay_model::{Body, Timestamp};

use super::users::UserNo;
use crate::pack::{Malformed, Packer, Unpacker};
use crate::settings::Settings;

/// What happened to an account so far; nothing once it is of no more use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Early {
    happenings: Option<Vec<Happening>>,
    pub(crate) dirty: bool,
    /// The record is in the changelog.
    pub(crate) written: bool,
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
    pub(crate) qualifies: bool,
    pub(crate) key_action: bool,
    pub(crate) in_session: bool,
}

/// An account with more before its zone keeps the days that it has.
const MOST: usize = 1024;

impl What {
    pub(crate) fn of(body: &Body<'_>, settings: &Settings) -> What {
        match body {
            Body::Product {
                name, duration_ms, ..
            } => {
                let name = name.as_ref();
                let ignored = settings.active_ignore.contains(name);
                let qualifies = match settings.active_events.is_empty() {
                    true => !ignored,
                    false => settings.active_events.contains(name),
                };
                What::Used(Used {
                    duration_ms: *duration_ms,
                    qualifies,
                    key_action: settings.key_actions.contains(name),
                    in_session: !ignored,
                })
            }
            Body::UserSignedUp(_) => What::SignedUp,
            Body::UserRemoved => What::Removed,
            Body::AccountCreated(_) => What::Created,
            Body::AccountDeleted => What::Deleted,
            Body::UserInvited(_)
            | Body::UserUpdated(_)
            | Body::AccountUpdated(_)
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

impl Default for Early {
    fn default() -> Early {
        Early {
            happenings: Some(Vec::new()),
            dirty: false,
            written: false,
        }
    }
}

impl Early {
    /// Of an account that keeps nothing, as far as is known.
    pub(crate) fn ended() -> Early {
        Early {
            happenings: None,
            dirty: false,
            written: false,
        }
    }

    pub(crate) fn keep(&mut self, happening: Happening) {
        let Some(happenings) = &mut self.happenings else {
            return;
        };
        self.dirty = true;
        match happenings.len() < MOST {
            true => happenings.push(happening),
            false => self.happenings = None,
        }
    }

    /// Keeps nothing from now on, and hands over what was kept.
    pub(crate) fn end(&mut self) -> Option<Vec<Happening>> {
        self.dirty |= self.happenings.is_some();
        self.happenings.take()
    }

    /// Writes what is kept. False when nothing is.
    pub(crate) fn pack(&self, to: &mut Packer<'_>) -> bool {
        let mut before = 0;
        for Happening { what, user, at } in self.happenings.iter().flatten() {
            let (kind, duration_ms) = match what {
                What::Used(used) => {
                    let flags = [used.qualifies, used.key_action, used.in_session];
                    let bits = flags
                        .iter()
                        .fold(1, |bits, flag| bits << 1 | u64::from(*flag));
                    (bits, used.duration_ms)
                }
                What::SignedUp => (0, 0),
                What::Removed => (1, 0),
                What::Created => (2, 0),
                What::Deleted => (3, 0),
                What::Other => (4, 0),
            };
            to.uint(kind);
            to.uint(user.map_or(0, |user| u64::from(user) + 1));
            to.int(at.0 - before);
            to.int(duration_ms);
            before = at.0;
        }
        self.happenings.is_some()
    }

    pub(crate) fn unpack(bytes: &[u8]) -> Result<Early, Malformed> {
        let mut from = Unpacker(bytes);
        let (mut happenings, mut before) = (Vec::new(), 0i64);
        while !from.is_empty() {
            let kind = from.uint()?;
            let user = from.u32()?.checked_sub(1);
            before = before.checked_add(from.int()?).ok_or(Malformed)?;
            let duration_ms = from.int()?;
            let what = match kind {
                0 => What::SignedUp,
                1 => What::Removed,
                2 => What::Created,
                3 => What::Deleted,
                4 => What::Other,
                8..16 => What::Used(Used {
                    duration_ms,
                    qualifies: kind & 4 != 0,
                    key_action: kind & 2 != 0,
                    in_session: kind & 1 != 0,
                }),
                _ => return Err(Malformed),
            };
            happenings.push(Happening {
                what,
                user,
                at: Timestamp(before),
            });
        }
        Ok(Early {
            happenings: Some(happenings),
            dirty: false,
            written: true,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_kept_comes_back() {
        let used = Used {
            duration_ms: 7,
            qualifies: true,
            key_action: false,
            in_session: true,
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
