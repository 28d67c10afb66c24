//! What a value is against that of 30 days before.

use mainstay_model::{Info, Levels, Parts, Unit};

use super::depth;
use crate::metrics::revenue;
use crate::metrics::{Deed, Metric, Read, Show, Why, tell};
use crate::view::View;

pub(in crate::metrics) static MAU_GROWTH_30D: Metric = Metric {
    info: Info {
        id: "mau_growth_30d",
        unit: Unit::Ratio,
        levels: Levels::Account,
        help: "mau over mau 30 days before, less 1.",
        formula: "mau / mau on D-30 - 1",
        headline: false,
    },
    read: Read::Account(mau),
    tell: tell::change,
    why: Why::users(Deed::Active, 60).of(&[Show::Quotient("mau", "mau on D-30")]),
};

pub(in crate::metrics) static DEPTH_GROWTH_30D: Metric = Metric {
    info: Info {
        id: "depth_growth_30d",
        unit: Unit::Ratio,
        levels: Levels::Account,
        help: "depth over depth 30 days before, less 1.",
        formula: "depth / depth on D-30 - 1",
        headline: false,
    },
    read: Read::Account(depth),
    tell: tell::change,
    why: Why::NUMBERS.of(&[Show::Quotient("depth", "depth on D-30")]),
};

pub(in crate::metrics) static SEATS_GROWTH_30D: Metric = Metric {
    info: Info {
        id: "seats_growth_30d",
        unit: Unit::Ratio,
        levels: Levels::Account,
        help: "seats over seats 30 days before, less 1.",
        formula: "seats / seats on D-30 - 1",
        headline: false,
    },
    read: Read::Account(seats),
    tell: tell::change,
    why: Why::NUMBERS.of(&[Show::Quotient("seats", "seats on D-30")]),
};

pub(in crate::metrics) static MRR_GROWTH_30D: Metric = Metric {
    info: Info {
        id: "mrr_growth_30d",
        unit: Unit::Ratio,
        levels: Levels::Account,
        help: "mrr over mrr 30 days before, less 1.",
        formula: "mrr / mrr on D-30 - 1",
        headline: false,
    },
    read: Read::Account(mrr),
    tell: tell::change,
    why: Why::NUMBERS.of(&[Show::Quotient("mrr", "mrr on D-30")]),
};

fn mrr(view: &View<'_>) -> Parts {
    let (now, before) = (revenue::mrr(view), revenue::mrr_before(view, 30));
    Parts::Sums([now, before, 0, 0])
}

fn mau(view: &View<'_>) -> Parts {
    let scan = view.scan();
    Parts::ratio(scan.mau, scan.mau_before)
}

fn depth(view: &View<'_>) -> Parts {
    let depth = |day| depth::as_of(view, day);
    both(depth(view.day), depth(view.day.minus(30)))
}

fn seats(view: &View<'_>) -> Parts {
    let seats = |day| view.account.seats.as_of(day).map(|seats| u64::from(*seats));
    both(seats(view.day), seats(view.day.minus(30)))
}

fn both(now: Option<u64>, before: Option<u64>) -> Parts {
    let both = now.zip(before);
    both.map_or(Parts::Nothing, |(now, before)| Parts::ratio(now, before))
}

#[cfg(test)]
mod tests {
    use super::super::story::*;

    #[test]
    fn three_after_two_are_one_half_more() {
        let mut story = Story::default();
        story
            .tracks("report", &["viewed"])
            .tracks("chat", &["sent"])
            .tracks("call", &["called"]);
        story.has_seats(2, day(0, 8)).has_seats(3, day(30, 8));
        story
            .did("ada", "viewed", day(0, 9))
            .did("bob", "sent", day(0, 9));
        for (user, name) in [("ada", "viewed"), ("bob", "sent"), ("cyd", "called")] {
            story.did(user, name, day(30, 9));
        }
        for metric in ["mau_growth_30d", "depth_growth_30d", "seats_growth_30d"] {
            assert_eq!(
                [story.tells(metric, 29), story.tells(metric, 30)],
                ["null", "0.5"],
                "{metric}"
            );
        }
    }
}
