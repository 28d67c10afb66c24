//! What a metric is told from, for one account, and for a group of them merged.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use hdrhistogram::Histogram;
use serde_json::{Value, json};

use super::Metrics;
use super::fraction::Fraction;

/// What one metric is told from. Parts of one metric are always of one kind.
#[derive(Clone, Debug)]
pub(super) enum Part {
    /// Something that adds up; `None` where it is not known.
    Count(Option<i128>),
    /// Milliseconds that add up.
    Time(i128),
    /// A numerator and a denominator; `None` where one of them is not known, which leaves the account out.
    Ratio(Option<(Fraction, Fraction)>),
    /// An amount of money and by how many it is shared, told in whole minor units.
    Share(i128, i128),
    /// The same as a ratio, told as the change from the second to the first.
    Change(Option<(Fraction, Fraction)>),
    /// A quotient that adds up; `None` where it is not known.
    Sum(Option<Fraction>),
    /// Counts of which the middle is told.
    Median(Vec<i128>),
    /// Durations in milliseconds of which a percentile is told, given in tenths.
    Percentile(usize, Vec<i64>),
    /// Durations in milliseconds of which the mean is told.
    Mean(Vec<i64>),
    /// How many for each of 1, 2, ….
    Histogram(Vec<u64>),
    /// What is told of accounts alone.
    Alone(Value),
}

/// By the id of the metric.
pub(super) type Parts = BTreeMap<String, Part>;

/// Takes the parts of another account into those of a group.
pub(super) fn merge(group: &mut Parts, account: &Parts) {
    for (id, part) in account {
        match group.get_mut(id) {
            Some(sum) => sum.add(part),
            None => {
                group.insert(id.clone(), part.clone());
            }
        }
    }
}

/// The values.
pub(super) fn told(parts: &Parts) -> Metrics {
    let values = parts.iter().map(|(id, part)| (id.clone(), part.told()));
    values.collect()
}

impl Part {
    pub(super) fn count(n: usize) -> Part {
        Part::Count(Some(n as i128))
    }

    pub(super) fn ratio(part: i128, whole: i128) -> Part {
        Part::Ratio(Some((Fraction::of(part), Fraction::of(whole))))
    }

    /// The same where something is known, or nothing at all.
    pub(super) fn known(self, is_known: bool) -> Part {
        if is_known {
            return self;
        }
        match self {
            Part::Count(_) => Part::Count(None),
            Part::Ratio(_) => Part::Ratio(None),
            Part::Change(_) => Part::Change(None),
            Part::Sum(_) => Part::Sum(None),
            Part::Median(_) => Part::Median(Vec::new()),
            Part::Percentile(tenths, _) => Part::Percentile(tenths, Vec::new()),
            Part::Mean(_) => Part::Mean(Vec::new()),
            Part::Share(..) | Part::Time(_) | Part::Histogram(_) | Part::Alone(_) => {
                Part::Alone(Value::Null)
            }
        }
    }

    /// Whether it is a sum, or a quotient of two, and there is something to add up.
    pub(super) fn is_something(&self) -> bool {
        let nothing = Fraction::of(0);
        matches!(self, Part::Count(Some(sum)) if *sum != 0)
            || matches!(self, Part::Ratio(Some(both)) if *both != (nothing, nothing))
    }

    fn add(&mut self, other: &Part) {
        match (self, other) {
            (Part::Count(mine), Part::Count(theirs)) => *mine = sum(*mine, *theirs),
            (Part::Sum(mine), Part::Sum(theirs)) => *mine = sum(*mine, *theirs),
            (Part::Time(mine), Part::Time(theirs)) => *mine += theirs,
            (Part::Ratio(mine), Part::Ratio(theirs))
            | (Part::Change(mine), Part::Change(theirs)) => {
                *mine = match (*mine, *theirs) {
                    (Some(mine), Some(theirs)) => Some((mine.0 + theirs.0, mine.1 + theirs.1)),
                    (mine, theirs) => mine.or(theirs),
                };
            }
            (Part::Share(mine, mine_of), Part::Share(theirs, theirs_of)) => {
                *mine += theirs;
                *mine_of += theirs_of;
            }
            (Part::Median(mine), Part::Median(theirs)) => mine.extend(theirs),
            (Part::Percentile(_, mine), Part::Percentile(_, theirs))
            | (Part::Mean(mine), Part::Mean(theirs)) => mine.extend(theirs),
            (Part::Histogram(mine), Part::Histogram(theirs)) => {
                let both = mine.iter_mut().zip(theirs);
                both.for_each(|(mine, theirs)| *mine += theirs);
            }
            (mine, theirs) => unreachable!("no two kinds in one metric: {mine:?}, {theirs:?}"),
        }
    }

    pub(super) fn told(&self) -> Value {
        match self {
            Part::Count(n) => n.map_or(Value::Null, count),
            Part::Time(ms) => seconds(i64::try_from(*ms).expect("durations fit into 63 bits")),
            Part::Ratio(known) => fraction(known.and_then(|(part, whole)| part.over(whole))),
            Part::Share(sum, of) => {
                Fraction::new(*sum, *of).map_or(Value::Null, |share| count(share.nearest()))
            }
            Part::Change(known) => {
                let over = known.and_then(|(now, before)| now.over(before));
                fraction(over.map(Fraction::less_one))
            }
            Part::Sum(known) => fraction(*known),
            Part::Median(counts) => median(counts),
            Part::Percentile(tenths, durations) => percentile(durations, *tenths),
            Part::Mean(durations) => mean_seconds(durations),
            Part::Histogram(counts) => json!(counts),
            Part::Alone(value) => value.clone(),
        }
    }
}

fn sum<T: std::ops::Add<Output = T>>(mine: Option<T>, theirs: Option<T>) -> Option<T> {
    match (mine, theirs) {
        (Some(mine), Some(theirs)) => Some(mine + theirs),
        (mine, theirs) => mine.or(theirs),
    }
}

pub(super) fn count(n: i128) -> Value {
    json!(i64::try_from(n).expect("counts of events fit into 63 bits"))
}

pub(super) fn fraction(value: Option<Fraction>) -> Value {
    value.map_or(Value::Null, |value| float(value.rounded()))
}

/// A float as a reader of the written record gets it.
fn float(value: f64) -> Value {
    let written = json!(value).to_string();
    serde_json::from_str(&written).expect("a finite float is JSON")
}

fn seconds(ms: i64) -> Value {
    float(ms as f64 / 1000.0)
}

/// The mean of the two in the middle when their number is even.
fn median(counts: &[i128]) -> Value {
    let mut sorted = counts.to_vec();
    sorted.sort_unstable();
    match sorted.len() {
        0 => Value::Null,
        n => fraction(Fraction::new(sorted[(n - 1) / 2] + sorted[n / 2], 2)),
    }
}

/// Nearest rank: the least value that no fewer than so many tenths of all are not above; told by the highest
/// value of its bucket in an HDR histogram of milliseconds with 3 significant digits.
pub(super) fn percentile(durations_ms: &[i64], tenths: usize) -> Value {
    static BUCKETS: LazyLock<Histogram<u64>> =
        LazyLock::new(|| Histogram::new(3).expect("3 digits are allowed"));
    let mut sorted = durations_ms.to_vec();
    sorted.sort_unstable();
    let rank = (sorted.len() * tenths).div_ceil(10);
    let Some(ms) = rank.checked_sub(1).map(|place| sorted[place]) else {
        return Value::Null;
    };
    let ms = u64::try_from(ms).expect("nothing ends before it begins");
    let ms = BUCKETS.highest_equivalent(ms);
    seconds(i64::try_from(ms).expect("a duration fits into 63 bits"))
}

/// The exact mean, rounded half to even to the millisecond.
fn mean_seconds(durations_ms: &[i64]) -> Value {
    let n = durations_ms.len() as i64;
    if n == 0 {
        return Value::Null;
    }
    let sum: i64 = durations_ms.iter().sum();
    let (whole, rest) = (sum / n, sum % n);
    let up = match (2 * rest).cmp(&n) {
        std::cmp::Ordering::Less => 0,
        std::cmp::Ordering::Equal => whole % 2,
        std::cmp::Ordering::Greater => 1,
    };
    seconds(whole + up)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_what_a_histogram_of_the_same_durations_says() {
        let mut rng = crate::Rng::new(1);
        for n in 1..60 {
            let mut histogram = Histogram::<u64>::new(3).unwrap();
            let draw = |_| rng.between(0, 1 << (n % 40));
            let durations: Vec<i64> = (0..n).map(draw).collect();
            for ms in &durations {
                histogram.record(u64::try_from(*ms).unwrap()).unwrap();
            }
            for (tenths, quantile) in [(5, 0.5), (9, 0.9)] {
                let expected = seconds(histogram.value_at_quantile(quantile) as i64);
                assert_eq!(percentile(&durations, tenths), expected, "{n}");
            }
        }
        assert_eq!(percentile(&[], 5), Value::Null);
    }
}
