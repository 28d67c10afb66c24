//! Fractions of whole numbers of any size.

use num_bigint::BigInt;

/// A fraction; what it is divided by is above 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Big {
    part: BigInt,
    whole: BigInt,
}

impl Big {
    pub(super) fn zero() -> Big {
        Big::whole(0)
    }

    pub(super) fn whole(number: i64) -> Big {
        Big {
            part: number.into(),
            whole: 1.into(),
        }
    }

    /// A decimal number as JSON writes it.
    pub(super) fn decimal(text: &str) -> Big {
        let (number, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let (whole, decimals) = number.split_once('.').unwrap_or((number, ""));
        let digits: BigInt = format!("{whole}{decimals}")
            .parse()
            .expect("a number has digits");
        let exponent: i64 = exponent.parse().expect("an exponent is a whole number");
        let point = exponent - decimals.len() as i64;
        let ten = |power: i64| BigInt::from(10).pow(power.unsigned_abs() as u32);
        match point < 0 {
            true => Big::of(digits, ten(point)),
            false => Big::of(digits * ten(point), 1.into()),
        }
    }

    pub(super) fn plus(&self, other: &Big) -> Big {
        let part = &self.part * &other.whole + &other.part * &self.whole;
        Big::of(part, &self.whole * &other.whole)
    }

    pub(super) fn minus(&self, other: &Big) -> Big {
        self.plus(&other.times(&Big::whole(-1)))
    }

    pub(super) fn times(&self, other: &Big) -> Big {
        Big::of(&self.part * &other.part, &self.whole * &other.whole)
    }

    /// Divided by what is above 0.
    pub(super) fn over(&self, other: &Big) -> Big {
        Big::of(&self.part * &other.whole, &self.whole * &other.part)
    }

    pub(super) fn is_positive(&self) -> bool {
        self.part > 0.into()
    }

    /// The nearest whole number; of two as near the even one.
    pub(super) fn rounded(&self) -> i128 {
        // The digits before the point of twice the number tell on which side of a half it lies.
        let (two, one) = (BigInt::from(2), BigInt::from(1));
        let negative = self.part < 0.into();
        let part = if negative {
            -&self.part
        } else {
            self.part.clone()
        };
        let (floor, rest) = (&part / &self.whole, &part % &self.whole);
        let twice = rest * &two;
        let up = twice > self.whole || (twice == self.whole && &floor % &two == one);
        let nearest = if up { floor + one } else { floor };
        let nearest: i128 = nearest
            .try_into()
            .expect("revenue of a test fits in an i128");
        if negative { -nearest } else { nearest }
    }

    fn of(part: BigInt, whole: BigInt) -> Big {
        let zero = BigInt::from(0);
        let (mut one, mut other) = (
            if part < zero { -&part } else { part.clone() },
            whole.clone(),
        );
        while other != zero {
            (one, other) = (other.clone(), one % other);
        }
        Big {
            part: part / &one,
            whole: whole / one,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_goes_to_the_even_side_and_decimals_are_exact() {
        for (text, rounded) in [
            ("0.5", 0),
            ("1.5", 2),
            ("2.5", 2),
            ("2.6", 3),
            ("-0.5", 0),
            ("-1.5", -2),
            ("1.2e1", 12),
            ("1200e-2", 12),
        ] {
            assert_eq!(Big::decimal(text).rounded(), rounded, "{text}");
        }
    }
}
