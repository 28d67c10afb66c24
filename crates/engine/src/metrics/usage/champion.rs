//! The champion: who does the most in an account, and whether that user is still there.
//!
//! Key actions decide where there are any in the config, else qualifying events; of equals the lesser id.

use mainstay_model::{Info, Levels, Parts, Unit};

use crate::metrics::{Deed, Metric, Moment, Read, Show, Why, tell};
use crate::view::View;

pub(in crate::metrics) static CHAMPION_SHARE: Metric = Metric {
    info: Info {
        id: "champion_share",
        unit: Unit::Ratio,
        levels: Levels::Account,
        help: "The share of the user who did most in 35 days of what all users did.",
        formula: "key actions of the champion in D-34…D / those of all users; qualifying events where no key action is configured",
        headline: false,
    },
    read: Read::Account(share),
    tell: tell::ratio,
    why: Why::users(Deed::Most, 35).of(&[
        Show::Champion,
        Show::Quotient("of the champion", "of all users"),
    ]),
};

pub(in crate::metrics) static CHAMPION_DAYS_AWAY: Metric = Metric {
    info: Info {
        id: "champion_days_away",
        unit: Unit::Days,
        levels: Levels::Account,
        help: "Days since the champion was active last, of the last 90 days.",
        formula: "D - the champion's last active day",
        headline: false,
    },
    read: Read::Account(days_away),
    tell: tell::count,
    why: Why::users(Deed::Most, 35)
        .of(&[Show::Champion])
        .by_user(&[Moment::LastActive]),
};

fn share(view: &View<'_>) -> Parts {
    let champion = &view.scan().champion;
    Parts::ratio(champion.most, champion.all)
}

fn days_away(view: &View<'_>) -> Parts {
    let days = view.scan().champion.days_away;
    days.map_or(Parts::Nothing, |days| Parts::count(days.into()))
}

#[cfg(test)]
mod tests {
    use super::super::story::*;

    #[test]
    fn the_champion_did_the_most_of_all() {
        let mut story = Story::default();
        (0..3).for_each(|n| _ = story.used("ada", day(n, 9)));
        story.used("bob", day(10, 9));
        assert_eq!(
            [
                story.tells("champion_share", 12),
                story.tells("champion_days_away", 12)
            ],
            ["0.75", "10"]
        );
        assert_eq!(story.tells("champion_share", 40), "1.0");
        assert_eq!(story.tells("champion_days_away", 40), "30");
        assert_eq!(
            [
                story.tells("champion_share", 45),
                story.tells("champion_days_away", 45)
            ],
            ["null"; 2]
        );
    }

    #[test]
    fn of_equals_the_lesser_id_is_the_champion_and_key_actions_go_first() {
        let mut story = Story::default();
        story.used("bob", day(0, 9)).used("ada", day(1, 9));
        assert_eq!(story.tells("champion_days_away", 3), "2");
        story.settings.key_actions.insert("report".into());
        story.did("cyd", "report", day(0, 9));
        assert_eq!(
            [
                story.tells("champion_share", 3),
                story.tells("champion_days_away", 3)
            ],
            ["1.0", "3"]
        );
    }
}
