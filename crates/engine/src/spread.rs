//! Durations in the buckets of an HDR histogram: 3 significant digits, from a millisecond up.
//!
//! The buckets are those of Gil Tene's HdrHistogram, so a merged spread tells what the histogram of all
//! durations would tell (a test holds them together). A live histogram takes 147 KB; kept are pairs of
//! bucket and count.

use mainstay_model::{Sorted, Timestamp};

/// Values below this have a bucket each: 2 x 10^3, rounded up to a power of two.
const EXACT: u64 = 2048;
const HALF: u64 = EXACT / 2;

/// The bucket of a duration in milliseconds.
pub(crate) fn bucket(ms: i64) -> u16 {
    let ms = u64::try_from(ms).unwrap_or(0);
    let shift = u64::from(64 - (ms | (EXACT - 1)).leading_zeros()) - 11;
    (shift * HALF + (ms >> shift)) as u16
}

/// The bucket of the time from one instant to another; what came before counts as at once.
pub(crate) fn bucket_between(from: Timestamp, to: Timestamp) -> u16 {
    bucket((to.0 - from.0).max(0))
}

/// The greatest duration of a bucket, in milliseconds.
pub(crate) fn greatest(bucket: u16) -> i64 {
    let bucket = u64::from(bucket);
    let shift = (bucket / HALF).saturating_sub(1);
    let within = bucket - shift * HALF;
    (((within + 1) << shift) - 1) as i64
}

/// A percentile by nearest rank, in milliseconds: the greatest duration that the histogram cannot tell
/// from it. `None` when nothing was recorded.
pub(crate) fn percentile(spread: &Sorted<u16>, per_cent: u64) -> Option<i64> {
    let rank = (spread.total() * per_cent).div_ceil(100).max(1);
    spread.at_rank(rank).map(greatest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hdrhistogram::Histogram;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_spread_tells_what_the_histogram_tells(
            durations in prop::collection::vec(
                prop_oneof![0i64..5000, 0i64..100_000_000, 0i64..1_000_000_000_000], 1..200),
        ) {
            let mut histogram = Histogram::<u64>::new(3).unwrap();
            let mut spread = Sorted::default();
            for duration in &durations {
                histogram.record(*duration as u64).unwrap();
                spread.count(bucket(*duration), 1);
            }
            for per_cent in [50, 90] {
                let expected = histogram.value_at_quantile(per_cent as f64 / 100.0);
                // The highest value is not rounded up past what was recorded.
                let told = percentile(&spread, per_cent).unwrap() as u64;
                prop_assert!(histogram.equivalent(told, expected), "{told} {expected}");
            }
        }
    }

    #[test]
    fn short_durations_are_exact() {
        for ms in 0..2048 {
            assert_eq!(greatest(bucket(ms)), ms);
        }
        assert_eq!(percentile(&Sorted::default(), 50), None);
    }
}
