//! Who came, stayed, came back and went: the users of a window against those of the window before.
//!
//! Active now = new + returning + resurrected; active before = returning + lapsed.

use mainstay_model::{Info, Levels, Parts, Unit};

use crate::metrics::{Deed, Metric, Moment, Read, Why, tell};

pub(in crate::metrics) static NEW_USERS_7D: Metric = Metric {
    info: Info {
        id: "new_users_7d",
        unit: Unit::Count,
        levels: Levels::AccountAndGroup,
        help: "Users active in the last 7 days for the first time ever.",
        formula: "users whose first active day ever is in D-6…D",
        headline: false,
    },
    read: Read::Account(|view| Parts::count(view.scan().week.new)),
    tell: tell::count,
    why: Why::users(Deed::Active, 7).by_user(&[Moment::FirstActive]),
};

pub(in crate::metrics) static NEW_USERS_30D: Metric = Metric {
    info: Info {
        id: "new_users_30d",
        unit: Unit::Count,
        levels: Levels::AccountAndGroup,
        help: "Users active in the last 30 days for the first time ever.",
        formula: "users whose first active day ever is in D-29…D",
        headline: false,
    },
    read: Read::Account(|view| Parts::count(view.scan().month.new)),
    tell: tell::count,
    why: Why::users(Deed::Active, 30).by_user(&[Moment::FirstActive]),
};

pub(in crate::metrics) static RETURNING_USERS_7D: Metric = Metric {
    info: Info {
        id: "returning_users_7d",
        unit: Unit::Count,
        levels: Levels::AccountAndGroup,
        help: "Users active in the last 7 days and in the 7 before.",
        formula: "users active in D-6…D and in D-13…D-7",
        headline: false,
    },
    read: Read::Account(|view| Parts::count(view.scan().week.returning)),
    tell: tell::count,
    why: Why::users(Deed::Active, 14),
};

pub(in crate::metrics) static RETURNING_USERS_30D: Metric = Metric {
    info: Info {
        id: "returning_users_30d",
        unit: Unit::Count,
        levels: Levels::AccountAndGroup,
        help: "Users active in the last 30 days and in the 30 before.",
        formula: "users active in D-29…D and in D-59…D-30",
        headline: false,
    },
    read: Read::Account(|view| Parts::count(view.scan().month.returning)),
    tell: tell::count,
    why: Why::users(Deed::Active, 60),
};

pub(in crate::metrics) static RESURRECTED_USERS_7D: Metric = Metric {
    info: Info {
        id: "resurrected_users_7d",
        unit: Unit::Count,
        levels: Levels::AccountAndGroup,
        help: "Users active in the last 7 days, not in the 7 before, but earlier.",
        formula: "users active in D-6…D, not in D-13…D-7, but before",
        headline: false,
    },
    read: Read::Account(|view| Parts::count(view.scan().week.resurrected)),
    tell: tell::count,
    why: Why::users(Deed::Active, 14).by_user(&[Moment::FirstActive]),
};

pub(in crate::metrics) static RESURRECTED_USERS_30D: Metric = Metric {
    info: Info {
        id: "resurrected_users_30d",
        unit: Unit::Count,
        levels: Levels::AccountAndGroup,
        help: "Users active in the last 30 days, not in the 30 before, but earlier.",
        formula: "users active in D-29…D, not in D-59…D-30, but before",
        headline: false,
    },
    read: Read::Account(|view| Parts::count(view.scan().month.resurrected)),
    tell: tell::count,
    why: Why::users(Deed::Active, 60).by_user(&[Moment::FirstActive]),
};

pub(in crate::metrics) static LAPSED_USERS_7D: Metric = Metric {
    info: Info {
        id: "lapsed_users_7d",
        unit: Unit::Count,
        levels: Levels::AccountAndGroup,
        help: "Users active in the 7 days before the last 7, and not since.",
        formula: "users active in D-13…D-7 and not in D-6…D",
        headline: false,
    },
    read: Read::Account(|view| Parts::count(view.scan().week.lapsed)),
    tell: tell::count,
    why: Why::users(Deed::Active, 14),
};

pub(in crate::metrics) static LAPSED_USERS_30D: Metric = Metric {
    info: Info {
        id: "lapsed_users_30d",
        unit: Unit::Count,
        levels: Levels::AccountAndGroup,
        help: "Users active in the 30 days before the last 30, and not since.",
        formula: "users active in D-59…D-30 and not in D-29…D",
        headline: false,
    },
    read: Read::Account(|view| Parts::count(view.scan().month.lapsed)),
    tell: tell::count,
    why: Why::users(Deed::Active, 60),
};

#[cfg(test)]
mod tests {
    use super::super::story::*;
    use proptest::prelude::*;

    #[test]
    fn each_user_is_one_of_four() {
        let mut story = Story::default();
        for (user, days) in [
            ("new", vec![20]),
            ("back", vec![0, 20]),
            ("stays", vec![8, 20]),
            ("gone", vec![9]),
        ] {
            days.into_iter()
                .for_each(|n| _ = story.used(user, day(n, 9)));
        }
        for (metric, users) in [
            ("new", "1"),
            ("resurrected", "1"),
            ("returning", "1"),
            ("lapsed", "1"),
        ] {
            assert_eq!(
                story.tells(&format!("{metric}_users_7d"), 20),
                users,
                "{metric}"
            );
        }
        assert_eq!(
            [
                story.tells("new_users_30d", 20),
                story.tells("lapsed_users_30d", 50)
            ],
            ["4", "4"]
        );
    }

    proptest! {
        #[test]
        fn users_add_up_to_those_active_now_and_before(
            mut uses in prop::collection::vec((0usize..6, 0i32..100), 1..60),
            shown in 0i32..100,
        ) {
            let mut story = Story::default();
            story.invited("nobody", day(0, 1));
            uses.sort_unstable_by_key(|(_, on)| *on);
            for (user, on) in uses {
                story.used(["a", "b", "c", "d", "e", "f"][user], day(on, 9));
            }
            let told = |metric: &str, on: i32| match on {
                ..0 => 0,
                _ => story.tells(metric, on).parse::<i64>().unwrap(),
            };
            for (days, active) in [(7, "wau"), (30, "mau")] {
                let users = |kind: &str| told(&format!("{kind}_users_{days}d"), shown);
                let now = users("new") + users("returning") + users("resurrected");
                prop_assert_eq!(now, told(active, shown));
                let before = users("returning") + users("lapsed");
                prop_assert_eq!(before, told(active, shown - days));
            }
        }
    }
}
