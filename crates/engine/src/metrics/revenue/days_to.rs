//! Days until the next contract ends, and until the next trial does.

use mainstay_model::{Day, Info, Levels, Parts, Status, Subscription, Timestamp, Unit};

use crate::metrics::{Metric, Read, Why, tell};
use crate::view::View;

pub(in crate::metrics) static DAYS_TO_RENEWAL: Metric = Metric {
    info: Info {
        id: "days_to_renewal",
        unit: Unit::Days,
        levels: Levels::Account,
        help: "Days until the next contract ends.",
        formula: "the account's renewal_at while it lies ahead, else the next term_end, or current_period_end where \
                  there is none, of a subscription that is not on trial; less D",
        headline: false,
    },
    read: Read::Account(renewal),
    tell: tell::count,
    why: Why::NUMBERS,
};

pub(in crate::metrics) static DAYS_TO_TRIAL_END: Metric = Metric {
    info: Info {
        id: "days_to_trial_end",
        unit: Unit::Days,
        levels: Levels::Account,
        help: "Days until the next trial ends.",
        formula: "the next trial_end of a subscription on trial - D",
        headline: false,
    },
    read: Read::Account(trial_end),
    tell: tell::count,
    why: Why::NUMBERS,
};

fn renewal(view: &View<'_>) -> Parts {
    let told = view.account.renewal.as_of(view.day).copied();
    let told = told
        .map(|at| view.day_of(at))
        .filter(|day| *day >= view.day);
    let end = |(told, is_tried): (&Subscription<'_>, bool)| {
        told.term_end
            .or(told.current_period_end)
            .filter(|_| !is_tried)
    };
    days(told.or_else(|| next(view, end)), view)
}

fn trial_end(view: &View<'_>) -> Parts {
    let end = |(told, _): (&Subscription<'_>, bool)| {
        told.trial_end.filter(|_| told.status == Status::Trialing)
    };
    days(next(view, end), view)
}

/// The next day, today included, of what the subscriptions say that are there.
fn next(
    view: &View<'_>,
    end: impl Fn((&Subscription<'_>, bool)) -> Option<Timestamp>,
) -> Option<Day> {
    let revenue = view.account.revenue.as_deref()?;
    let in_force = revenue.ledger().in_force(view.last_instant(revenue));
    let ends = in_force.filter_map(|(state, is_tried)| end((&state.told, is_tried)));
    let days = ends.map(|at| view.day_of(at));
    days.filter(|day| *day >= view.day).min()
}

fn days(until: Option<Day>, view: &View<'_>) -> Parts {
    until.map_or(Parts::Nothing, |until| {
        Parts::sum(until.since(view.day).into())
    })
}

#[cfg(test)]
mod tests {
    use crate::ledger::story::{item, subscription};
    use crate::metrics::usage::story::*;
    use mainstay_model::{Span, Status};

    #[test]
    fn a_contract_goes_before_a_period_and_the_account_before_both() {
        let mut story = Story::default();
        let mut state = subscription(vec![item(500, 1, Span::Month, 1)], vec![]);
        state.current_period_end = Some(day(10, 0));
        story.billed(state.clone(), day(0, 9));
        state.term_end = Some(day(30, 0));
        story.billed(state, day(2, 9));
        story.renews(day(20, 0), day(4, 9));
        let told = [0, 1, 2, 3, 4, 20, 21, 30, 31].map(|on| story.tells("days_to_renewal", on));
        assert_eq!(told, ["10", "9", "28", "27", "16", "0", "9", "0", "null"]);
    }

    #[test]
    fn a_trial_ends_while_it_is_one() {
        let mut story = Story::default();
        let mut state = subscription(vec![item(500, 1, Span::Month, 1)], vec![]);
        state.status = Status::Trialing;
        state.trial_end = Some(day(14, 0));
        state.current_period_end = Some(day(14, 0));
        story.billed(state.clone(), day(0, 9));
        state.status = Status::Active;
        story.billed(state, day(10, 9));
        let told = |metric: &str, on| story.tells(metric, on);
        assert_eq!(
            [told("days_to_trial_end", 0), told("days_to_trial_end", 9)],
            ["14", "5"]
        );
        assert_eq!(
            [told("days_to_renewal", 9), told("days_to_renewal", 10)],
            ["null", "4"]
        );
        assert_eq!(told("days_to_trial_end", 10), "null");
    }
}
