//! When somebody of the account last used the product.

use mainstay_model::{Day, Info, Levels, Parts, Unit, Value};

use crate::metrics::{Asked, Metric, Moment, Read, Why};
use crate::view::View;

pub(in crate::metrics) static LAST_SEEN: Metric = Metric {
    info: Info {
        id: "last_seen",
        unit: Unit::Date,
        levels: Levels::Account,
        help: "The newest day with an active user.",
        formula: "the newest day up to D with an active user",
        headline: true,
    },
    read: Read::Account(newest),
    tell: tell_day,
    why: Why::NUMBERS.by_user(&[Moment::LastActive]),
};

pub(in crate::metrics) static DAYS_SINCE_LAST_SEEN: Metric = Metric {
    info: Info {
        id: "days_since_last_seen",
        unit: Unit::Days,
        levels: Levels::Account,
        help: "Days since the newest day with an active user.",
        formula: "D - last_seen",
        headline: false,
    },
    read: Read::Account(newest),
    tell: tell_days,
    why: Why::NUMBERS.by_user(&[Moment::LastActive]),
};

fn newest(view: &View<'_>) -> Parts {
    let newest = view.account.totals.last_active(view.day);
    newest.map_or(Parts::Nothing, |day| Parts::Newest(day.0.into()))
}

fn day_of(parts: &Parts) -> Option<Day> {
    let Parts::Newest(day) = parts else {
        return None;
    };
    i32::try_from(*day).ok().map(Day)
}

fn tell_day(parts: &Parts, _: Asked) -> Value {
    day_of(parts).map_or(Value::Undefined, Value::Day)
}

fn tell_days(parts: &Parts, asked: Asked) -> Value {
    day_of(parts).map_or(Value::Undefined, |day| {
        Value::Count(asked.day.since(day).into())
    })
}

#[cfg(test)]
mod tests {
    use super::super::story::*;

    #[test]
    fn days_count_from_the_newest_active_day() {
        let mut story = Story::default();
        story.signed_up("ada", day(0, 9)).used("ada", day(1, 9));
        assert_eq!(
            [
                story.tells("last_seen", 0),
                story.tells("days_since_last_seen", 0)
            ],
            ["null"; 2]
        );
        assert_eq!(story.tells("last_seen", 9), "2026-03-02");
        assert_eq!(story.tells("days_since_last_seen", 9), "8");
    }

    #[test]
    fn it_is_remembered_longer_than_anything_else() {
        let mut story = Story::default();
        story.used("ada", day(0, 9)).invited("bob", day(300, 9));
        assert_eq!(story.tells("days_since_last_seen", 300), "300");
    }
}
