//! Exact decimal numbers: prices below a cent, per cents, rates of exchange.
//!
//! A number is kept as a whole number of the smallest part that can be told, so that it is what was
//! written and two numbers are equal when they mean the same. No float is ever made of it.

use std::fmt;

/// A decimal number with at most 16 digits before and 18 after the point.
///
/// Kept in parts of 10^-18, so that an `i128` holds it with room to spare.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Decimal(i128);

impl Decimal {
    /// How many parts are 1.
    pub const ONE: i128 = 1_000_000_000_000_000_000;
    /// How many digits may stand before the point.
    pub const MOST_WHOLE_DIGITS: usize = 16;
    /// How many digits may stand after the point, zeros at the end left out.
    pub const MOST_DECIMALS: usize = 18;

    /// A whole number.
    #[must_use]
    pub fn whole(number: i64) -> Decimal {
        Decimal(i128::from(number) * Decimal::ONE)
    }

    /// The number of so many parts of 10^-18; `None` when it has more digits than can be kept.
    #[must_use]
    pub fn of_parts(parts: i128) -> Option<Decimal> {
        let end = Decimal::ONE * 10i128.pow(Decimal::MOST_WHOLE_DIGITS as u32);
        (-end < parts && parts < end).then_some(Decimal(parts))
    }

    /// The number in parts of 10^-18.
    #[must_use]
    pub fn parts(self) -> i128 {
        self.0
    }

    /// Reads a number as JSON writes it, exactly: `10`, `-0.05`, `1.5e1`.
    ///
    /// `None` when it is no number, or has more digits than can be kept: nothing is rounded.
    #[must_use]
    pub fn parse(text: &str) -> Option<Decimal> {
        let (number, exponent) = match text.split_once(['e', 'E']) {
            Some((number, exponent)) => (number, exponent.parse::<i32>().ok()?),
            None => (text, 0),
        };
        let (negative, number) = match number.strip_prefix('-') {
            Some(number) => (true, number),
            None => (false, number),
        };
        let (whole, decimals) = match number.split_once('.') {
            Some((whole, decimals)) => (digits(whole)?, digits(decimals)?),
            None => (digits(number)?, ""),
        };
        let point = i64::try_from(whole.len()).ok()? + i64::from(exponent);
        let parts = whole
            .bytes()
            .chain(decimals.bytes())
            .enumerate()
            .filter(|(_, digit)| *digit != b'0')
            .try_fold(0i128, |sum, (place, digit)| {
                // The place of the digit, counted from the smallest part that is kept.
                let power = point - i64::try_from(place).ok()? - 1 + Decimal::MOST_DECIMALS as i64;
                let most = Decimal::MOST_WHOLE_DIGITS + Decimal::MOST_DECIMALS;
                let power = u32::try_from(power)
                    .ok()
                    .filter(|power| *power < most as u32)?;
                Some(sum + i128::from(digit - b'0') * 10i128.pow(power))
            })?;
        Some(Decimal(if negative { -parts } else { parts }))
    }
}

/// One digit or more, and nothing else.
fn digits(text: &str) -> Option<&str> {
    (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())).then_some(text)
}

/// Without zeros at the end: `0.05`.
impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let (whole, decimals) = (self.0.abs() / Decimal::ONE, self.0.abs() % Decimal::ONE);
        write!(f, "{sign}{whole}")?;
        if decimals != 0 {
            write!(f, ".{}", format!("{decimals:018}").trim_end_matches('0'))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_kept_exactly() {
        for (text, shown) in [
            ("0", "0"),
            ("-0.0", "0"),
            ("10", "10"),
            ("0.05", "0.05"),
            ("-0.050", "-0.05"),
            ("1.5e1", "15"),
            ("25E-1", "2.5"),
            ("1000e-3", "1"),
            ("0e999999", "0"),
            ("33.333333333333336", "33.333333333333336"),
            (
                "9999999999999999.999999999999999999",
                "9999999999999999.999999999999999999",
            ),
            ("0.0000000000000000010", "0.000000000000000001"),
        ] {
            assert_eq!(
                Decimal::parse(text).map(|d| d.to_string()).as_deref(),
                Some(shown),
                "{text}"
            );
        }
        assert_eq!(Decimal::parse("7"), Some(Decimal::whole(7)));
        let most = Decimal::parse("9999999999999999.999999999999999999").unwrap();
        assert_eq!(Decimal::of_parts(most.parts()), Some(most));
        assert_eq!(Decimal::of_parts(most.parts() + 1), None);
    }

    #[test]
    fn what_cannot_be_kept_exactly_is_no_decimal() {
        for text in [
            "",
            "-",
            ".5",
            "5.",
            "1,5",
            "NaN",
            "1e",
            "1e99999999999",
            "--1",
            "1e16",
            "10000000000000000",
            "0.0000000000000000001",
            "1 ",
        ] {
            assert_eq!(Decimal::parse(text), None, "{text}");
        }
    }
}
