//! The slot of a process: its name among its like, held as long as it lives.
//!
//! The name becomes the transactional id, so two processes must never share one: the second would fence the
//! first. On one machine a locked file keeps them apart.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

/// A name that this process holds.
#[derive(Debug)]
pub struct Slot {
    name: String,
    _lock: Option<File>,
}

/// Why no slot could be had.
#[derive(Debug, thiserror::Error)]
pub enum SlotError {
    /// The directory or the file.
    #[error("state.dir: could not lock `{}`", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Another process has the name.
    #[error("kafka.instance: another process on this machine runs as `{0}`")]
    Taken(String),
}

/// More processes than this on one machine are a mistake.
const MOST: u32 = 256;

impl Slot {
    /// Takes the slot that the operator named, or else the host's first that is free.
    ///
    /// # Errors
    /// When the named one is taken, or no file can be locked.
    pub fn claim(
        state_dir: &Path,
        application: &str,
        instance: Option<&str>,
    ) -> Result<Slot, SlotError> {
        if let Some(instance) = instance {
            return Slot::try_claim(state_dir, application, instance)?
                .ok_or_else(|| SlotError::Taken(instance.to_owned()));
        }
        let host = host_name();
        for number in 0..MOST {
            if let Some(slot) =
                Slot::try_claim(state_dir, application, &format!("{host}-{number}"))?
            {
                return Ok(slot);
            }
        }
        Err(SlotError::Taken(format!("{host}-{MOST}")))
    }

    /// The slot's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    fn try_claim(dir: &Path, application: &str, name: &str) -> Result<Option<Slot>, SlotError> {
        let path = dir.join(format!("{}.lock", file_name(application, name)));
        let failed = |source| SlotError::File {
            path: path.clone(),
            source,
        };
        std::fs::create_dir_all(dir).map_err(failed)?;
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Slot {
                name: name.to_owned(),
                _lock: Some(file),
            })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }

    /// A slot for a broker that nobody else can reach.
    pub(super) fn alone() -> Slot {
        Slot {
            name: "0".to_owned(),
            _lock: None,
        }
    }
}

/// Names are the operator's; a file's name gets only letters, digits, `-` and `.` of them.
fn file_name(application: &str, name: &str) -> String {
    let text = format!("{application}-{name}");
    text.chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || c == '-' || c == '.' {
                c
            } else {
                '_'
            }
        })
        .collect()
}

fn host_name() -> String {
    let told = std::env::var("HOSTNAME").ok();
    told.or_else(|| std::fs::read_to_string("/proc/sys/kernel/hostname").ok())
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "host".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dir(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("mainstay-slot-{name}-{}", std::process::id()))
    }

    #[test]
    fn processes_of_one_host_get_different_slots_and_a_free_one_is_used_again() {
        let dir = dir("free");
        let first = Slot::claim(&dir, "app", None).unwrap();
        let second = Slot::claim(&dir, "app", None).unwrap();
        assert_ne!(first.name(), second.name());
        let name = first.name().to_owned();
        drop(first);
        assert_eq!(Slot::claim(&dir, "app", None).unwrap().name(), name);
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn a_named_slot_is_held_by_one_process() {
        let dir = dir("named");
        let held = Slot::claim(&dir, "app", Some("a")).unwrap();
        assert!(matches!(
            Slot::claim(&dir, "app", Some("a")),
            Err(SlotError::Taken(_))
        ));
        assert_eq!(held.name(), "a");
        std::fs::remove_dir_all(dir).unwrap();
    }
}
