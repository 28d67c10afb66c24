//! The small binary alphabet of everything that the engine keeps: variable-length integers and bytes.
//!
//! Knows nothing of what is written in it; each fact writes and reads its own record kinds.

/// Writes at the end of a buffer.
pub(crate) struct Packer<'a>(pub(crate) &'a mut Vec<u8>);

impl Packer<'_> {
    /// Seven bits a byte, the low ones first.
    pub(crate) fn uint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push((value as u8) | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    /// Zigzag, so that small negative numbers are short too.
    pub(crate) fn int(&mut self, value: i64) {
        self.uint(((value << 1) ^ (value >> 63)) as u64);
    }

    /// Zigzag too, for numbers that 64 bits may not hold.
    pub(crate) fn wide(&mut self, value: i128) {
        let mut value = ((value << 1) ^ (value >> 127)) as u128;
        while value >= 0x80 {
            self.0.push((value as u8) | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.uint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }
}

/// Bytes that end too early or hold a number out of its range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// Reads from the front of a slice.
#[derive(Clone, Copy, Default)]
pub(crate) struct Unpacker<'a>(pub(crate) &'a [u8]);

impl<'a> Unpacker<'a> {
    #[inline]
    pub(crate) fn uint(&mut self) -> Result<u64, Malformed> {
        match self.0 {
            [byte, rest @ ..] if *byte < 0x80 => {
                self.0 = rest;
                Ok((*byte).into())
            }
            _ => self.long_uint(),
        }
    }

    fn long_uint(&mut self) -> Result<u64, Malformed> {
        let mut value = 0u64;
        for (place, byte) in self.0.iter().enumerate().take(10) {
            value |= u64::from(byte & 0x7f) << (7 * place);
            if byte & 0x80 == 0 {
                self.0 = &self.0[place + 1..];
                return Ok(value);
            }
        }
        Err(Malformed)
    }

    pub(crate) fn int(&mut self) -> Result<i64, Malformed> {
        let value = self.uint()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    pub(crate) fn wide(&mut self) -> Result<i128, Malformed> {
        let mut value = 0u128;
        for (place, byte) in self.0.iter().enumerate().take(19) {
            value |= u128::from(byte & 0x7f) << (7 * place);
            if byte & 0x80 == 0 {
                self.0 = &self.0[place + 1..];
                return Ok((value >> 1) as i128 ^ -((value & 1) as i128));
            }
        }
        Err(Malformed)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Malformed> {
        u32::try_from(self.uint()?).map_err(|_| Malformed)
    }

    pub(crate) fn day(&mut self) -> Result<mainstay_model::Day, Malformed> {
        let day = i32::try_from(self.int()?).map_err(|_| Malformed)?;
        Ok(mainstay_model::Day(day))
    }

    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], Malformed> {
        let len = usize::try_from(self.uint()?).map_err(|_| Malformed)?;
        self.take(len)
    }

    pub(crate) fn text(&mut self) -> Result<&'a str, Malformed> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Malformed)
    }

    pub(crate) fn take(&mut self, len: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or(Malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_packed_comes_back(unsigned: u64, signed: i64, wide: i128, bytes: Vec<u8>) {
            let mut packed = Vec::new();
            let mut packer = Packer(&mut packed);
            packer.uint(unsigned);
            packer.int(signed);
            packer.wide(wide);
            packer.bytes(&bytes);
            let mut unpacker = Unpacker(&packed);
            prop_assert_eq!(unpacker.uint(), Ok(unsigned));
            prop_assert_eq!(unpacker.int(), Ok(signed));
            prop_assert_eq!(unpacker.wide(), Ok(wide));
            prop_assert_eq!(unpacker.bytes(), Ok(&bytes[..]));
            prop_assert!(unpacker.is_empty());
        }

        #[test]
        fn any_bytes_are_refused_or_read(bytes: Vec<u8>) {
            let mut unpacker = Unpacker(&bytes);
            while unpacker.bytes().is_ok() && !unpacker.is_empty() {}
        }
    }
}
