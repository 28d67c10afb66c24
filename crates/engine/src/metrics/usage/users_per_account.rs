//! How many monthly active users the accounts of a group have, those with none left out.

use mainstay_model::{Info, Levels, Parts, Sorted, Unit};

use crate::metrics::{Metric, Read, Why, tell};
use crate::view::View;

pub(in crate::metrics) static USERS_PER_ACCOUNT_MEDIAN: Metric = Metric {
    info: Info {
        id: "users_per_account_median",
        unit: Unit::Mean,
        levels: Levels::Group,
        help: "Median of mau over the accounts that have one.",
        formula: "median of mau over the accounts with mau > 0",
        headline: false,
    },
    read: Read::Account(table),
    tell: tell::median,
    why: Why::NUMBERS,
};

pub(in crate::metrics) static USERS_PER_ACCOUNT_MEAN: Metric = Metric {
    info: Info {
        id: "users_per_account_mean",
        unit: Unit::Mean,
        levels: Levels::Group,
        help: "Mean of mau over the accounts that have one.",
        formula: "mau / accounts with mau > 0",
        headline: false,
    },
    read: Read::Account(mean),
    tell: tell::ratio,
    why: Why::NUMBERS,
};

fn table(view: &View<'_>) -> Parts {
    let mut table = Sorted::default();
    let mau = u32::try_from(view.scan().mau).unwrap_or(u32::MAX);
    table.count(mau, u64::from(mau > 0));
    Parts::Table(table)
}

fn mean(view: &View<'_>) -> Parts {
    let mau = view.scan().mau;
    Parts::ratio(mau, u64::from(mau > 0))
}

#[cfg(test)]
mod tests {
    use super::super::story::*;

    #[test]
    fn accounts_without_users_are_left_out() {
        let mut fleet = Fleet::default();
        for (account, users) in [("acme", 1), ("byte", 2), ("corp", 6), ("deal", 7)] {
            let account = fleet.account(account);
            (0..users).for_each(|n| _ = account.used(&format!("user {n}"), day(0, 9)));
        }
        fleet.account("echo").invited("ada", day(0, 9));
        assert_eq!(fleet.tells("users_per_account_median", 0), "4.0");
        assert_eq!(fleet.tells("users_per_account_mean", 0), "4.0");
    }
}
