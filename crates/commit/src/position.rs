//! The `position` record: the last record of every slice, which says what the slice brought the state to.
//!
//! It has one key, so compaction keeps the newest and only the newest: whoever restores a shard finds in it
//! where the state stands, by whom it was written, and how many other keys must be there.

use std::collections::BTreeMap;

use crate::envelope::{self, Damage};
use crate::{Epoch, Mark, StateId, varint};

/// What a state is at, as of one commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// State id and epoch, which the offsets of the same transaction carry as metadata.
    pub mark: Mark,
    /// The epoch at which the writer's term began.
    pub began: Epoch,
    /// The slot of the instance that wrote it, for people.
    pub writer: String,
    /// How many shards there were.
    pub shards: u32,
    /// Where each source stands, by topic.
    pub sources: BTreeMap<String, SourceAt>,
    /// A hash of the settings that shape facts.
    pub settings_hash: u64,
    /// How many keys of the changelog are alive, this one not counted.
    pub live_keys: u64,
}

/// Where a source stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceAt {
    /// The next offset to apply.
    pub next: i64,
    /// Its stream time, in milliseconds of the epoch of Unix.
    pub stream_time: i64,
}

impl Position {
    /// The key of the record. Keys of a shard's logic must differ from it.
    pub const KEY: &'static [u8] = b"position";

    /// Appends the record's value, envelope and all.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut payload = Vec::with_capacity(128);
        payload.extend_from_slice(&self.mark.state.0.to_le_bytes());
        varint::put(&mut payload, u64::from(self.began.term));
        varint::put(&mut payload, self.began.n);
        varint::put_text(&mut payload, &self.writer);
        varint::put(&mut payload, u64::from(self.shards));
        varint::put(&mut payload, self.settings_hash);
        varint::put(&mut payload, self.live_keys);
        varint::put(&mut payload, self.sources.len() as u64);
        for (topic, at) in &self.sources {
            varint::put_text(&mut payload, topic);
            payload.extend_from_slice(&at.next.to_le_bytes());
            payload.extend_from_slice(&at.stream_time.to_le_bytes());
        }
        envelope::wrap(Position::KEY, self.mark.epoch, &payload, out);
    }

    /// Reads the record's value.
    ///
    /// # Errors
    /// As [`envelope::unwrap`], and when the payload is not a position.
    pub fn decode(value: &[u8]) -> Result<Position, Damage> {
        let (epoch, payload) = envelope::unwrap(Position::KEY, value)?;
        Position::of_payload(epoch, payload).ok_or(Damage::Short)
    }

    pub(crate) fn of_payload(epoch: Epoch, mut payload: &[u8]) -> Option<Position> {
        let bytes = &mut payload;
        let state = StateId(u128::from_le_bytes(varint::take_array(bytes)?));
        let position = Position {
            mark: Mark { state, epoch },
            began: Epoch {
                term: u32::try_from(varint::take(bytes)?).ok()?,
                n: varint::take(bytes)?,
            },
            writer: varint::take_text(bytes)?,
            shards: u32::try_from(varint::take(bytes)?).ok()?,
            settings_hash: varint::take(bytes)?,
            live_keys: varint::take(bytes)?,
            sources: sources(bytes)?,
        };
        bytes.is_empty().then_some(position)
    }
}

fn sources(bytes: &mut &[u8]) -> Option<BTreeMap<String, SourceAt>> {
    let count = varint::take(bytes)?;
    let mut sources = BTreeMap::new();
    for _ in 0..count {
        let topic = varint::take_text(bytes)?;
        let at = SourceAt {
            next: i64::from_le_bytes(varint::take_array(bytes)?),
            stream_time: i64::from_le_bytes(varint::take_array(bytes)?),
        };
        sources.insert(topic, at);
    }
    Some(sources)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position() -> Position {
        Position {
            mark: Mark {
                state: StateId(7),
                epoch: Epoch { term: 2, n: 130 },
            },
            began: Epoch { term: 2, n: 128 },
            writer: "a-0".into(),
            shards: 4,
            sources: BTreeMap::from([(
                "in".into(),
                SourceAt {
                    next: 1000,
                    stream_time: -1,
                },
            )]),
            settings_hash: 5,
            live_keys: 9,
        }
    }

    fn encoded(position: &Position) -> Vec<u8> {
        let mut value = Vec::new();
        position.encode(&mut value);
        value
    }

    #[test]
    fn a_position_reads_back_as_written() {
        assert_eq!(Position::decode(&encoded(&position())), Ok(position()));
    }

    #[test]
    fn the_bytes_of_format_1_never_change() {
        let hex: String = encoded(&position())
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(
            hex,
            "01\
             e1bcc173\
             028201\
             07000000000000000000000000000000\
             028001\
             03612d30\
             04\
             05\
             09\
             01\
             02696e\
             e803000000000000\
             ffffffffffffffff"
        );
    }

    #[test]
    fn bytes_after_the_last_source_are_refused() {
        let value = encoded(&position());
        let (epoch, payload) = envelope::unwrap(Position::KEY, &value).unwrap();
        let longer = [payload, &[0]].concat();
        assert_eq!(Position::of_payload(epoch, &longer), None);
    }

    #[test]
    fn a_payload_cut_anywhere_is_refused() {
        let value = encoded(&position());
        let (epoch, payload) = envelope::unwrap(Position::KEY, &value).unwrap();
        for len in 0..payload.len() {
            assert_eq!(Position::of_payload(epoch, &payload[..len]), None);
        }
    }
}
