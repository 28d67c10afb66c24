//! Committed recurring revenue: what is known to be paid within 12 months.

use mainstay_model::{Info, Levels, Parts, Unit};

use crate::metrics::{Metric, Read, Why, tell};
use crate::view::View;

pub(in crate::metrics) static CMRR: Metric = Metric {
    info: Info {
        id: "cmrr",
        unit: Unit::Money,
        levels: Levels::AccountAndGroup,
        help: "Recurring revenue with what is signed and less what is to end within 12 months.",
        formula: "mrr + signed and not yet started - scheduled cancellations ± planned changes, within 12 months",
        headline: false,
    },
    read: Read::Account(committed),
    tell: tell::count,
    why: Why::NUMBERS,
};

fn committed(view: &View<'_>) -> Parts {
    let committed = view.account.revenue.as_deref().map_or(0, |revenue| {
        revenue.committed(view.last_instant(revenue), view.terms)
    });
    Parts::sum(committed)
}

#[cfg(test)]
mod tests {
    use crate::ledger::story::{item, subscription};
    use crate::metrics::usage::story::*;
    use mainstay_model::Span;

    #[test]
    fn what_is_to_end_counts_until_then_and_is_committed_no_more() {
        let mut story = Story::default();
        let items = vec![item(5_000, 1, Span::Month, 1)];
        let mut leaves = subscription(items, vec![]);
        story.billed(leaves.clone(), day(0, 9));
        leaves.cancel_at = Some(day(20, 0));
        story.billed(leaves, day(5, 9));
        let told = |on| [story.tells("mrr", on), story.tells("cmrr", on)];
        assert_eq!(told(4), ["5000", "5000"]);
        assert_eq!(told(5), ["5000", "0"]);
        assert_eq!(told(20), ["0", "0"]);
    }

    #[test]
    fn what_is_signed_is_committed_before_it_starts() {
        let mut story = Story::default();
        let items = vec![item(5_000, 1, Span::Month, 1)];
        let mut signed = subscription(items, vec![]);
        signed.started_at = day(9, 0);
        story.billed(signed, day(0, 9));
        let told = |on| [story.tells("mrr", on), story.tells("cmrr", on)];
        assert_eq!(told(8), ["0", "5000"]);
        assert_eq!(told(9), ["5000", "5000"]);
    }
}
