//! The movements of recurring revenue that a demo saw, of each the last that was told.

use std::collections::BTreeMap;

use mainstay_model::{Currency, Day, Timestamp};
use serde_json::Value;

use super::picture::number;

/// The movements that were seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Movements(BTreeMap<String, Movement>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Movement {
    account: String,
    at: Timestamp,
    kind: String,
    amount: i64,
    withdrawn: bool,
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
            account: text("account_id"),
            at: instant(&text("at")).unwrap_or(Timestamp::MIN),
            kind: text("kind"),
            amount: record["amount_minor"].as_i64().unwrap_or_default(),
            withdrawn: record["withdrawn"] == true,
        };
        self.0.insert(text("movement_id"), movement);
    }

    /// The sum of each kind of which there were some; what was withdrawn does not count.
    #[must_use]
    pub fn by_kind(&self) -> Vec<(&'static str, Sum)> {
        let of_kind = |kind: &'static str| {
            let mut sum = Sum::default();
            let mine = self.0.values().filter(|it| it.kind == kind);
            for movement in mine.filter(|it| !it.withdrawn) {
                sum.count += 1;
                sum.amount += movement.amount;
            }
            (kind, sum)
        };
        let sums = KINDS.into_iter().map(of_kind);
        sums.filter(|(_, sum)| sum.count > 0).collect()
    }

    /// What the movements of an account before an instant add up to, in minor units.
    pub(super) fn sum(&self, account: &str, before: Timestamp) -> i64 {
        let mine = self.0.values().filter(|it| it.account == account);
        let mine = mine.filter(|it| it.at < before);
        mine.map(|movement| movement.amount).sum()
    }

    /// Those up to an instant.
    pub(super) fn until(&self, until: Timestamp) -> Movements {
        let until = self.0.iter().filter(|(_, it)| it.at <= until);
        Movements(until.map(|(id, it)| (id.clone(), it.clone())).collect())
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

/// An instant as records have it: `2026-03-01T09:30:00Z`, or with milliseconds.
fn instant(text: &str) -> Option<Timestamp> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let (time, ms) = time.split_once('.').unwrap_or((time, "0"));
    let days = i64::from(date.parse::<Day>().ok()?.0);
    let mut parts = time.splitn(3, ':').map(|part| part.parse::<i64>().ok());
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next()??);
    let seconds = ((days * 24 + hour) * 60 + minute) * 60 + second;
    Some(Timestamp(seconds * 1000 + ms.parse::<i64>().ok()?))
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
    fn instants_are_read_as_records_have_them() {
        for ms in [0, 1, 1_772_357_400_123, 1_772_357_400_000, -1] {
            let at = Timestamp(ms);
            assert_eq!(instant(&at.to_string()), Some(at));
        }
        for text in ["", "2026-03-01", "2026-03-01T09:30:00", "yesterday"] {
            assert_eq!(instant(text), None, "{text}");
        }
    }

    #[test]
    fn movements_are_added_up_by_account_up_to_an_instant() {
        let mut movements = Movements::default();
        for (id, account, at, amount) in [
            ("1", "a", "2026-03-01T00:00:00Z", 500),
            ("2", "a", "2026-03-02T00:00:00Z", -200),
            ("3", "b", "2026-03-01T00:00:00Z", 70),
        ] {
            let record = serde_json::json!({
                "movement_id": id, "account_id": account, "at": at, "kind": "new", "amount_minor": amount,
            });
            movements.take(record.to_string().as_bytes());
        }
        let day = |n: i64| Timestamp(1_772_323_200_000 + n * 86_400_000);
        assert_eq!(movements.sum("a", day(1)), 500);
        assert_eq!(movements.sum("a", day(2)), 300);
        assert_eq!(movements.until(day(0)).by_kind()[0].1.count, 2);
    }

    #[test]
    fn the_last_record_of_a_movement_holds_and_one_that_is_withdrawn_does_not_count() {
        let mut movements = Movements::default();
        for (id, kind, amount) in [
            ("a", "new", 500),
            ("b", "churn", -500),
            ("c", "new", 70),
            ("a", "new", 400),
        ] {
            let record =
                serde_json::json!({ "movement_id": id, "kind": kind, "amount_minor": amount });
            movements.take(record.to_string().as_bytes());
        }
        movements.take(
            br#"{"movement_id":"b","kind":"churn","amount_minor":0,"revision":1,"withdrawn":true}"#,
        );
        let sum = Sum {
            count: 2,
            amount: 470,
        };
        assert_eq!(movements.by_kind(), [("new", sum)]);
    }
}
