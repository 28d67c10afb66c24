//! Active accounts: how many accounts of a group had an active user in 1, 7 and 30 days.

use mainstay_model::{Info, Levels, Parts, Unit};

use crate::metrics::{Metric, Read, Why, tell};

pub(in crate::metrics) static ACTIVE_ACCOUNTS_1D: Metric = Metric {
    info: Info {
        id: "active_accounts_1d",
        unit: Unit::Count,
        levels: Levels::Group,
        help: "Accounts with an active user on this day.",
        formula: "accounts with dau > 0",
        headline: false,
    },
    read: Read::Account(|view| one_if(view.sum(1, |row| row.active_users.into()))),
    tell: tell::count,
    why: Why::NUMBERS,
};

pub(in crate::metrics) static ACTIVE_ACCOUNTS_7D: Metric = Metric {
    info: Info {
        id: "active_accounts_7d",
        unit: Unit::Count,
        levels: Levels::Group,
        help: "Accounts with an active user in the last 7 days.",
        formula: "accounts with wau > 0",
        headline: false,
    },
    read: Read::Account(|view| one_if(view.scan().wau[0])),
    tell: tell::count,
    why: Why::NUMBERS,
};

pub(in crate::metrics) static ACTIVE_ACCOUNTS_30D: Metric = Metric {
    info: Info {
        id: "active_accounts_30d",
        unit: Unit::Count,
        levels: Levels::Group,
        help: "Accounts with an active user in the last 30 days.",
        formula: "accounts with mau > 0",
        headline: true,
    },
    read: Read::Account(|view| one_if(view.scan().mau)),
    tell: tell::count,
    why: Why::NUMBERS,
};

fn one_if(users: u64) -> Parts {
    Parts::count(u64::from(users > 0))
}

#[cfg(test)]
mod tests {
    use super::super::story::*;

    #[test]
    fn accounts_with_an_active_user_in_the_window_count() {
        let mut fleet = Fleet::default();
        fleet
            .account("acme")
            .used("ada", day(0, 9))
            .used("bob", day(0, 9));
        fleet.account("byte").used("ada", day(5, 9));
        fleet.account("corp").invited("ada", day(5, 9));
        assert_eq!(fleet.tells("active_accounts_1d", 5), "1");
        assert_eq!(fleet.tells("active_accounts_7d", 5), "2");
        assert_eq!(fleet.tells("active_accounts_30d", 40), "0");
    }
}
