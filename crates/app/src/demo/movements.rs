//! The movements of recurring revenue that a demo saw, of each the last that was told.

use std::collections::BTreeMap;

use mainstay_model::Currency;
use serde_json::Value;

use super::picture::number;

/// The movements that were seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Movements(BTreeMap<String, Movement>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Movement {
    kind: String,
    amount: i64,
}

/// How many movements of a kind there were, and by how much, in minor units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// How many.
    pub count: u64,
    /// By how much.
    pub amount: i64,
}

/// The kinds, in the order in which they are told.
const KINDS: [&str; 6] = [
    "new",
    "expansion",
    "contraction",
    "churn",
    "reactivation",
    "fx",
];

impl Movements {
    /// Takes a record of `mrr-movements` in, over what it told of the same movement before.
    pub(super) fn take(&mut self, record: &[u8]) {
        let Ok(record) = serde_json::from_slice::<Value>(record) else {
            return;
        };
        let text = |name: &str| record[name].as_str().unwrap_or_default().to_owned();
        let movement = Movement {
            kind: text("kind"),
            amount: record["amount_minor"].as_i64().unwrap_or_default(),
        };
        self.0.insert(text("movement_id"), movement);
    }

    /// The sum of each kind of which there were some; what was withdrawn does not count.
    #[must_use]
    pub fn by_kind(&self) -> Vec<(&'static str, Sum)> {
        let of_kind = |kind: &'static str| {
            let mut sum = Sum::default();
            let mine = self.0.values().filter(|it| it.kind == kind);
            for movement in mine.filter(|it| it.amount != 0) {
                sum.count += 1;
                sum.amount += movement.amount;
            }
            (kind, sum)
        };
        let sums = KINDS.into_iter().map(of_kind);
        sums.filter(|(_, sum)| sum.count > 0).collect()
    }

    /// What all accounts pay, each so many minor units, and how that came about; none before any of them pays.
    pub(super) fn told(&self, paid: &[i64], currency: Currency) -> Option<String> {
        let paying = paid.iter().filter(|mrr| **mrr > 0).count();
        let all = format!(
            "mrr {} {currency} of {}",
            major(paid.iter().sum(), currency),
            number(paying as u64)
        );
        let moved = self.by_kind().into_iter().map(|(kind, sum)| {
            let amount = major(sum.amount, currency);
            format!("{kind} {amount} ({})", number(sum.count))
        });
        let parts: Vec<String> = std::iter::once(all).chain(moved).collect();
        (paying > 0).then(|| parts.join("   "))
    }
}

/// Money in whole units, its thousands apart: what is less than one is cut off.
pub(super) fn major(minor: i64, currency: Currency) -> String {
    let whole = minor / 10i64.pow(currency.minor_digits());
    let sign = if whole < 0 { "-" } else { "" };
    format!("{sign}{}", number(whole.unsigned_abs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_record_of_a_movement_holds_and_one_that_is_withdrawn_does_not_count() {
        let mut movements = Movements::default();
        for (id, kind, amount) in [
            ("a", "new", 500),
            ("b", "churn", -500),
            ("c", "new", 70),
            ("a", "new", 400),
            ("b", "churn", 0),
        ] {
            let record =
                serde_json::json!({ "movement_id": id, "kind": kind, "amount_minor": amount });
            movements.take(record.to_string().as_bytes());
        }
        let sum = Sum {
            count: 2,
            amount: 470,
        };
        assert_eq!(movements.by_kind(), [("new", sum)]);
    }
}
