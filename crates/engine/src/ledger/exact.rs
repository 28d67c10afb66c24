//! Exact quotients of money, and the one rounding with which they leave.
//!
//! They are fractions of integers without bound. A share of a discount has the whole subscription under its
//! line, and several subscriptions are added up before anything is rounded, so no fixed width would hold
//! what a few honest contracts add up to; here nothing overflows, and nothing is lost on the way.

use std::iter::Sum;
use std::ops::{Add, AddAssign, Mul, MulAssign, Sub, SubAssign};

use mainstay_model::Decimal;
use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::{One, Signed, ToPrimitive, Zero};

/// An exact quotient.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Exact(BigRational);

impl Exact {
    /// 0.
    #[must_use]
    pub fn zero() -> Exact {
        Exact(BigRational::zero())
    }

    /// 1.
    #[must_use]
    pub fn one() -> Exact {
        Exact(BigRational::one())
    }

    /// A whole number.
    #[must_use]
    pub fn whole(number: impl Into<i128>) -> Exact {
        Exact(BigRational::from_integer(BigInt::from(number.into())))
    }

    /// A quotient of whole numbers.
    ///
    /// # Panics
    /// When `whole` is 0.
    #[must_use]
    pub fn quotient(part: impl Into<i128>, whole: impl Into<i128>) -> Exact {
        let (part, whole) = (BigInt::from(part.into()), BigInt::from(whole.into()));
        Exact(BigRational::new(part, whole))
    }

    /// A decimal number.
    #[must_use]
    pub fn decimal(number: Decimal) -> Exact {
        Exact::quotient(number.parts(), Decimal::ONE)
    }

    /// What it is of `whole`; `None` when that is 0.
    #[must_use]
    pub fn share_of(&self, whole: &Exact) -> Option<Exact> {
        (!whole.0.is_zero()).then(|| Exact(&self.0 / &whole.0))
    }

    /// Whether it is 0.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        self.0.is_zero()
    }

    /// Whether it is above 0.
    #[must_use]
    pub fn is_positive(&self) -> bool {
        self.0.is_positive()
    }

    /// The nearest whole number; of two as near the even one.
    ///
    /// Of what the door lets in no sum comes near the ends of an `i128`; what would pass one stays there.
    #[must_use]
    pub fn rounded(&self) -> i128 {
        let below = self.0.floor();
        let rest = &self.0 - &below;
        let half = BigRational::new(BigInt::one(), BigInt::from(2));
        let below = below.to_integer();
        let up = match rest.cmp(&half) {
            std::cmp::Ordering::Less => false,
            std::cmp::Ordering::Greater => true,
            std::cmp::Ordering::Equal => below.bit(0),
        };
        let nearest = if up { below + 1 } else { below };
        let end = if nearest.is_negative() {
            i128::MIN
        } else {
            i128::MAX
        };
        nearest.to_i128().unwrap_or(end)
    }
}

impl Add<&Exact> for Exact {
    type Output = Exact;

    fn add(self, other: &Exact) -> Exact {
        Exact(self.0 + &other.0)
    }
}

impl Sub<&Exact> for Exact {
    type Output = Exact;

    fn sub(self, other: &Exact) -> Exact {
        Exact(self.0 - &other.0)
    }
}

impl Mul<&Exact> for Exact {
    type Output = Exact;

    fn mul(self, other: &Exact) -> Exact {
        Exact(self.0 * &other.0)
    }
}

impl AddAssign<&Exact> for Exact {
    fn add_assign(&mut self, other: &Exact) {
        self.0 += &other.0;
    }
}

impl SubAssign<&Exact> for Exact {
    fn sub_assign(&mut self, other: &Exact) {
        self.0 -= &other.0;
    }
}

impl MulAssign<&Exact> for Exact {
    fn mul_assign(&mut self, other: &Exact) {
        self.0 *= &other.0;
    }
}

impl Sum for Exact {
    fn sum<I: Iterator<Item = Exact>>(all: I) -> Exact {
        all.fold(Exact::zero(), |sum, one| sum + &one)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_unit_goes_to_the_even_side() {
        for (part, whole, rounded) in [
            (1, 2, 0),
            (3, 2, 2),
            (5, 2, 2),
            (-1, 2, 0),
            (-3, 2, -2),
            (26, 10, 3),
            (24, 10, 2),
            (-26, 10, -3),
            (7, 1, 7),
        ] {
            assert_eq!(
                Exact::quotient(part, whole).rounded(),
                rounded,
                "{part}/{whole}"
            );
        }
    }

    #[test]
    fn nothing_overflows_on_the_way() {
        let large = Exact::whole(i128::MAX);
        let squared = large.clone() * &large;
        assert_eq!(squared.share_of(&large).unwrap().rounded(), i128::MAX);
        assert_eq!(squared.rounded(), i128::MAX);
        assert_eq!((Exact::zero() - &squared).rounded(), i128::MIN);
        assert_eq!(Exact::one().share_of(&Exact::zero()), None);
    }
}
