//! The ids of an account's users, end to end.
//!
//! Most ids are UUIDs or other hexadecimal numbers of up to 64 digits; two of them take one byte. Any other id is kept
//! as it is. An id has one form only, so two are equal if their bytes and forms are.

use std::borrow::Cow;

use crate::pack::{Malformed, Packer, Unpacker};

/// The longest id that the model lets in.
const LONGEST: usize = 512;
/// An id of more is kept as it is.
const MOST_DIGITS: usize = 64;

/// Ids in the order in which they were seen.
#[derive(Default)]
pub(crate) struct Ids(Vec<u8>);

/// Where an id lies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place(u32);

/// An id as it is kept.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Packed<'a> {
    /// The length of the bytes, and in the two lowest bits the form.
    head: u16,
    pub(crate) bytes: &'a [u8],
}

/// Room in which an id is packed.
pub(crate) struct Room([u8; MOST_DIGITS / 2]);

/// As it came.
const TEXT: u16 = 0;
/// Two lower-case hexadecimal digits a byte.
const HEX: u16 = 1;
/// The same with hyphens after 8, 12, 16 and 20 digits.
const UUID: u16 = 2;
const FORM_BITS: u32 = 2;
/// How many bytes the length and form of an id take at most.
const LONGEST_HEAD: usize = 2;

/// Sizes are rounded, so that one account can take the room that another has left.
const ROUND: usize = 128;

/// The places of hyphens in a UUID of 36 characters.
const HYPHENS: [usize; 4] = [8, 13, 18, 23];
const UUID_CHARACTERS: usize = 36;

impl Ids {
    /// Keeps an id.
    pub(crate) fn push(&mut self, id: Packed<'_>) -> Place {
        let at = u32::try_from(self.0.len()).expect("ids of an account stay under 4 GiB");
        // Doubling would leave a third of the memory of a large account unused.
        let len = id.bytes.len() + LONGEST_HEAD;
        if self.0.capacity() - self.0.len() < len {
            let more = (self.0.len() / 8).max(len);
            let room = (self.0.len() + more).next_multiple_of(ROUND);
            self.0.reserve_exact(room - self.0.len());
        }
        id.pack(&mut Packer(&mut self.0));
        Place(at)
    }

    pub(crate) fn get(&self, place: Place) -> Packed<'_> {
        let mut from = Unpacker(&self.0[place.0 as usize..]);
        Packed::read(&mut from).expect("what was put there can be read")
    }

    /// Bytes held.
    pub(crate) fn held(&self) -> usize {
        self.0.capacity()
    }
}

impl<'a> Packed<'a> {
    /// Packs an id of at most 512 bytes.
    pub(crate) fn of(id: &'a [u8], room: &'a mut Room) -> Packed<'a> {
        let (form, bytes) = match <&[u8; UUID_CHARACTERS]>::try_from(id) {
            Ok(id) if HYPHENS.iter().all(|place| id[*place] == b'-') => (UUID, room.uuid(id)),
            Ok(_) | Err(_) => (HEX, room.digits(id)),
        };
        let (form, bytes) = match bytes {
            Some(bytes) => (form, bytes),
            None => (TEXT, id),
        };
        let len = u16::try_from(bytes.len()).expect("an id has at most 512 bytes");
        Packed {
            head: len << FORM_BITS | form,
            bytes,
        }
    }

    /// The id as it came.
    pub(crate) fn text(self) -> Cow<'a, [u8]> {
        let form = self.head & ((1 << FORM_BITS) - 1);
        if form == TEXT {
            return Cow::Borrowed(self.bytes);
        }
        let mut text = Vec::with_capacity(2 * self.bytes.len() + HYPHENS.len());
        for byte in self.bytes {
            if form == UUID && HYPHENS.contains(&text.len()) {
                text.push(b'-');
            }
            text.extend([byte >> 4, byte & 15].map(|digit| DIGITS[usize::from(digit)]));
        }
        Cow::Owned(text)
    }

    fn read(from: &mut Unpacker<'a>) -> Result<Packed<'a>, Malformed> {
        let head = u16::try_from(from.uint()?).map_err(|_| Malformed)?;
        let bytes = from.take(usize::from(head >> FORM_BITS))?;
        Ok(Packed { head, bytes })
    }

    pub(crate) fn pack(self, to: &mut Packer<'_>) {
        to.uint(self.head.into());
        to.0.extend_from_slice(self.bytes);
    }

    /// # Errors
    /// When there is none, or one in another form than its own.
    pub(crate) fn unpack(from: &mut Unpacker<'a>) -> Result<Packed<'a>, Malformed> {
        let id = Packed::read(from)?;
        let text = id.text();
        let is_known = text.len() <= LONGEST && Packed::of(&text, &mut Room::new()) == id;
        is_known.then_some(id).ok_or(Malformed)
    }
}

impl Room {
    pub(crate) fn new() -> Room {
        Room([0; MOST_DIGITS / 2])
    }

    /// The values of digits, two a byte; `None` if not all are digits, or one has no other.
    fn digits(&mut self, digits: &[u8]) -> Option<&[u8]> {
        if digits.len() > MOST_DIGITS || !digits.len().is_multiple_of(2) {
            return None;
        }
        let (words, rest) = digits.as_chunks::<8>();
        let mut last = [b'0'; 8];
        last[..rest.len()].copy_from_slice(rest);
        let (packed, _) = self.0.as_chunks_mut::<4>();
        for (packed, word) in packed.iter_mut().zip(words.iter().chain([&last])) {
            *packed = values(u64::from_le_bytes(*word))?.to_le_bytes();
        }
        Some(&self.0[..digits.len() / 2])
    }

    /// The same without the hyphens.
    fn uuid(&mut self, id: &[u8; UUID_CHARACTERS]) -> Option<&[u8]> {
        let four = |at: usize| u32::from_le_bytes([id[at], id[at + 1], id[at + 2], id[at + 3]]);
        let eight = |at: [usize; 2]| u64::from(four(at[1])) << 32 | u64::from(four(at[0]));
        let words = [[0, 4], [9, 14], [19, 24], [28, 32]].map(|at| values(eight(at)));
        let [Some(a), Some(b), Some(c), Some(d)] = words.map(|word| word.map(u128::from)) else {
            return None;
        };
        let packed = (a | b << 32 | c << 64 | d << 96).to_le_bytes();
        let room = &mut self.0[..packed.len()];
        room.copy_from_slice(&packed);
        Some(room)
    }
}

const DIGITS: [u8; 16] = *b"0123456789abcdef";

/// A byte in each of eight.
const fn each(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

/// The values of eight digits, two a byte, looked at as one number: an id is packed for each event.
fn values(digits: u64) -> Option<u32> {
    // Letters have a bit that decimal digits have not, and begin with 1 where these begin with 0.
    let values = (digits & each(15)) + (digits >> 6 & each(1)) * 9;
    let letters = (values + each(6)) >> 4 & each(1);
    let are_digits = values + each(b'0') + letters * u64::from(b'a' - b'0' - 10) == digits;
    if !are_digits || values & each(0xF0) != 0 {
        return None;
    }
    let pairs = (values << 4 | values >> 8) & 0x00FF_00FF_00FF_00FF;
    let fours = (pairs | pairs >> 8) & 0x0000_FFFF_0000_FFFF;
    Some((fours | fours >> 16) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bytes_of(id: &str) -> usize {
        Packed::of(id.as_bytes(), &mut Room::new()).bytes.len()
    }

    #[test]
    fn a_number_takes_half_its_digits() {
        assert_eq!(bytes_of("3b2f47c7-6242-4d4a-a23d-7fd4532f5ffb"), 16);
        assert_eq!(bytes_of("3b2f47c762424d4aa23d7fd4532f5ffb"), 16);
        assert_eq!(bytes_of("1024"), 2);
    }

    #[test]
    fn what_is_no_number_in_one_of_the_forms_stays_as_it_is() {
        for id in [
            "",
            "102",
            "ada",
            "-",
            "3B2F47C7-6242-4D4A-A23D-7FD4532F5FFB",
            "3b2f47c7-6242-4d4a-a23d-7fd4532f5ff-",
            "3b2f47c7-6242-4d4a-a23d-7fd4532f5ffg",
            "3b2f47c7-6242-4d4a-a23d-7fd4532f5ffb0",
            "3b2f47c76-242-4d4a-a23d-7fd4532f5ffb",
            &"3b".repeat(33),
        ] {
            assert_eq!(bytes_of(id), id.len(), "{id}");
        }
    }

    #[test]
    fn an_id_in_a_form_that_is_not_its_own_is_refused() {
        let mut packed = Vec::new();
        let mut to = Packer(&mut packed);
        to.uint(u64::from(4 << FORM_BITS | TEXT));
        packed.extend(b"1024");
        assert!(Packed::unpack(&mut Unpacker(&packed)).is_err());
    }

    #[test]
    fn a_character_is_a_digit_or_is_not() {
        for character in 0..=u8::MAX {
            let value = DIGITS.iter().position(|digit| *digit == character);
            let expected = value.map(|value| [value as u8, 0, 0, 0x10 * value as u8]);
            let expected = expected.map(u32::from_le_bytes);
            let digits = [b'0', character, b'0', b'0', b'0', b'0', character, b'0'];
            assert_eq!(values(u64::from_le_bytes(digits)), expected, "{character}");
        }
    }

    proptest! {
        #[test]
        fn every_id_comes_back(
            ids in prop::collection::vec(
                prop_oneof!["[0-9a-f]{0,40}", "[0-9a-f-]{36}", ".{0,40}",
                    "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"],
                1..20,
            ),
        ) {
            let mut kept = Ids::default();
            let mut packed = Vec::new();
            let places: Vec<Place> = ids
                .iter()
                .map(|id| {
                    let mut room = Room::new();
                    let id = Packed::of(id.as_bytes(), &mut room);
                    id.pack(&mut Packer(&mut packed));
                    kept.push(id)
                })
                .collect();
            let mut from = Unpacker(&packed);
            for (id, place) in ids.iter().zip(places) {
                let text = kept.get(place).text();
                prop_assert_eq!(&*text, id.as_bytes());
                let back = Packed::unpack(&mut from).unwrap();
                prop_assert!(back == kept.get(place));
            }
            prop_assert!(from.is_empty());
        }

        #[test]
        fn any_bytes_are_refused_or_read(bytes: Vec<u8>) {
            if let Ok(id) = Packed::unpack(&mut Unpacker(&bytes)) {
                id.text();
            }
        }
    }
}
