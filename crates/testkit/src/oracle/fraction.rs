//! Exact quotients, and the one rounding with which they leave.

use std::cmp::Ordering;
use std::ops::Add;

/// A quotient of integers in its lowest terms; what it is divided by is above 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fraction {
    part: i128,
    whole: i128,
}

impl Fraction {
    /// A whole number.
    pub(super) fn of(number: i128) -> Fraction {
        Fraction {
            part: number,
            whole: 1,
        }
    }

    /// `None` where `whole` is 0.
    pub(super) fn new(part: i128, whole: i128) -> Option<Fraction> {
        let common = common_divisor(part.abs(), whole.abs()) * whole.signum();
        (common != 0).then(|| Fraction {
            part: part / common,
            whole: whole / common,
        })
    }

    /// `None` where `other` is 0.
    pub(super) fn over(self, other: Fraction) -> Option<Fraction> {
        Fraction::new(self.part * other.whole, self.whole * other.part)
    }

    pub(super) fn less_one(self) -> Fraction {
        self + Fraction::of(-1)
    }

    /// The nearest whole number; of two as near the even one.
    pub(super) fn nearest(self) -> i128 {
        let (below, rest) = (
            self.part.div_euclid(self.whole),
            self.part.rem_euclid(self.whole),
        );
        match (2 * rest).cmp(&self.whole) {
            Ordering::Less => below,
            Ordering::Equal => below + below.rem_euclid(2),
            Ordering::Greater => below + 1,
        }
    }

    /// The nearest float; of two as near the even one.
    pub(super) fn rounded(self) -> f64 {
        const EXACT: i128 = 1 << 53;
        if self.part.abs() <= EXACT && self.whole <= EXACT {
            return self.part as f64 / self.whole as f64;
        }
        // 64 binary digits from the first that is not 0 on; what is left only says that there is more.
        let (mut digits, mut rest) = (self.part.abs() / self.whole, self.part.abs() % self.whole);
        let mut scale = 0;
        while digits < 1 << 63 && scale < 1000 {
            rest *= 2;
            digits = digits * 2 + rest / self.whole;
            rest %= self.whole;
            scale += 1;
        }
        let nearest = (digits | i128::from(rest != 0)) as f64 / 2_f64.powi(scale);
        match self.part.cmp(&0) {
            Ordering::Less => -nearest,
            Ordering::Equal | Ordering::Greater => nearest,
        }
    }
}

impl Add for Fraction {
    type Output = Fraction;

    fn add(self, other: Fraction) -> Fraction {
        let common = common_divisor(self.whole, other.whole);
        let part = self.part * (other.whole / common) + other.part * (self.whole / common);
        Fraction::new(part, self.whole / common * other.whole)
            .expect("a product of what is above 0 is above 0")
    }
}

fn common_divisor(mut one: i128, mut other: i128) -> i128 {
    while other != 0 {
        (one, other) = (other, one % other);
    }
    one
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_and_quotients_are_exact() {
        let fraction = |part, whole| Fraction::new(part, whole).unwrap();
        assert_eq!(fraction(1, 3) + fraction(1, 6), fraction(1, 2));
        assert_eq!(fraction(1, 3).over(fraction(-2, 3)), Some(fraction(-1, 2)));
        assert_eq!(fraction(7, 10).less_one(), fraction(-3, 10));
        assert_eq!(fraction(1, 2).over(Fraction::of(0)), None);
        assert_eq!(Fraction::new(1, 0), None);
    }

    #[test]
    fn the_nearest_whole_number_of_two_as_near_is_the_even_one() {
        let nearest = |part, whole| Fraction::new(part, whole).unwrap().nearest();
        assert_eq!(
            [(1, 2), (3, 2), (5, 2)].map(|(a, b)| nearest(a, b)),
            [0, 2, 2]
        );
        assert_eq!(
            [(-1, 2), (-3, 2), (-4, 3)].map(|(a, b)| nearest(a, b)),
            [0, -2, -1]
        );
        assert_eq!(
            [(1, 3), (2, 3), (7, 1)].map(|(a, b)| nearest(a, b)),
            [0, 1, 7]
        );
    }

    #[test]
    fn a_quotient_of_large_numbers_is_rounded_once() {
        let fraction = |part, whole| Fraction::new(part, whole).unwrap().rounded();
        assert_eq!(fraction(-3, 10), -0.3);
        let large = 10_i128.pow(20) + 7;
        assert_eq!(fraction(large, 3 * large), 1.0 / 3.0);
        assert_eq!(fraction(-large, large - 1), -1.0);
        // Half way between two floats goes to the even one, and a trifle more goes up.
        let half = (1 << 53) + 1;
        assert_eq!(fraction(half, 1), 9_007_199_254_740_992.0);
        assert_eq!(fraction(half * large + 1, large), 9_007_199_254_740_994.0);
        assert_eq!(fraction(1, 10_i128.pow(20)), 1e-20);
    }
}
