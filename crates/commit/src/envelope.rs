//! What every value of a changelog carries around its payload.
//!
//! ```text
//! version 1 byte | CRC-32C 4 bytes, little endian | term varint | n varint | payload
//! ```
//!
//! Compaction keeps records of many ages side by side and may take any but the newest of a key, so nothing
//! can rest on the neighbours of a record: each says for itself when it was written and that it is whole.
//! The checksum covers the key too, so a value cannot pass under another key.
//!
//! What the payload means, only the shard's logic knows; but for [`Position`](crate::Position), ours.

use crate::{Epoch, varint};

/// The format that [`wrap`] writes.
pub const VERSION: u8 = 1;

/// Why a value of the changelog cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// Fewer bytes than any envelope has, or numbers that are cut.
    #[error("too short for a changelog value")]
    Short,
    /// Written by a release after this one.
    #[error("format {0} of a newer release; this one reads formats up to {VERSION}")]
    Newer(u8),
    /// Format 0 was never written.
    #[error("no changelog value: format {0} was never written")]
    NotOurs(u8),
    /// The checksum is of other bytes.
    #[error("checksum of other bytes: the record was damaged or moved to another key")]
    Checksum,
}

/// Appends the value of a changelog record to `out`.
pub fn wrap(key: &[u8], epoch: Epoch, payload: &[u8], out: &mut Vec<u8>) {
    out.push(VERSION);
    let checksum_at = out.len();
    out.extend_from_slice(&[0; 4]);
    let body_at = out.len();
    varint::put(out, u64::from(epoch.term));
    varint::put(out, epoch.n);
    out.extend_from_slice(payload);
    let checksum = checksum(key, &out[body_at..]);
    out[checksum_at..body_at].copy_from_slice(&checksum.to_le_bytes());
}

/// Takes a value apart again.
///
/// # Errors
/// When it is not, byte for byte, what [`wrap`] made for this key, or when a newer release made it.
pub fn unwrap<'a>(key: &[u8], value: &'a [u8]) -> Result<(Epoch, &'a [u8]), Damage> {
    let (&version, mut rest) = value.split_first().ok_or(Damage::Short)?;
    // The version comes first, outside the checksum: a newer format may be laid out in any other way.
    match version {
        VERSION => {}
        0 => return Err(Damage::NotOurs(version)),
        newer => return Err(Damage::Newer(newer)),
    }
    let stored = u32::from_le_bytes(varint::take_array(&mut rest).ok_or(Damage::Short)?);
    if stored != checksum(key, rest) {
        return Err(Damage::Checksum);
    }
    let term = varint::take(&mut rest).ok_or(Damage::Short)?;
    let n = varint::take(&mut rest).ok_or(Damage::Short)?;
    let term = u32::try_from(term).map_err(|_| Damage::Short)?;
    Ok((Epoch { term, n }, rest))
}

/// Of the key's length, the key and the body: the length keeps bytes from moving between the two.
fn checksum(key: &[u8], body: &[u8]) -> u32 {
    let length = (key.len() as u64).to_le_bytes();
    crc32c::crc32c_append(crc32c::crc32c_append(crc32c::crc32c(&length), key), body)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EPOCH: Epoch = Epoch { term: 3, n: 300 };

    fn wrapped() -> Vec<u8> {
        let mut value = Vec::new();
        wrap(b"key", EPOCH, b"payload", &mut value);
        value
    }

    #[test]
    fn a_value_reads_back_as_written() {
        assert_eq!(unwrap(b"key", &wrapped()), Ok((EPOCH, &b"payload"[..])));
    }

    #[test]
    fn the_bytes_of_format_1_never_change() {
        let golden = [
            &[1, 0x9f, 0xc7, 0x5f, 0xa2, 3, 0xac, 2][..],
            &b"payload"[..],
        ]
        .concat();
        assert_eq!(wrapped(), golden);
    }

    #[test]
    fn any_changed_bit_is_refused() {
        for bit in 0..wrapped().len() * 8 {
            let mut value = wrapped();
            value[bit / 8] ^= 1 << (bit % 8);
            assert!(unwrap(b"key", &value).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn any_cut_is_refused() {
        for len in 0..wrapped().len() {
            assert!(unwrap(b"key", &wrapped()[..len]).is_err(), "{len} bytes");
        }
    }

    #[test]
    fn a_value_does_not_pass_under_another_key() {
        assert_eq!(unwrap(b"yek", &wrapped()), Err(Damage::Checksum));
    }

    #[test]
    fn a_newer_release_is_named_as_such() {
        let mut value = wrapped();
        value[0] = 2;
        assert_eq!(unwrap(b"key", &value), Err(Damage::Newer(2)));
    }
}
