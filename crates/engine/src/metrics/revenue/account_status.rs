//! Where an account stands: free, on trial, a customer, or lost.

use mainstay_model::{Info, Levels, Parts, Unit, Value};

use super::balance;
use crate::ledger::Life;
use crate::metrics::{Asked, Metric, Read, Why};
use crate::view::View;

pub(in crate::metrics) static ACCOUNT_STATUS: Metric = Metric {
    info: Info {
        id: "account_status",
        unit: Unit::Name,
        levels: Levels::Account,
        help: "Where the account stands: `free`, `trial`, `customer`, `churned`.",
        formula: "`customer` from the first mrr > 0 until churn, else `trial` while one runs, else `churned` after \
                  a churn, else `free`",
        headline: false,
    },
    read: Read::Account(status),
    tell,
    why: Why::NUMBERS,
};

const STATUSES: [&str; 4] = ["free", "trial", "customer", "churned"];

fn status(view: &View<'_>) -> Parts {
    Parts::count(balance(view).map_or(0, |balance| match balance.life {
        Life::Customer { .. } => 2,
        Life::NeverPaid | Life::Churned { .. } if balance.in_trial => 1,
        Life::NeverPaid => 0,
        Life::Churned { .. } => 3,
    }))
}

fn tell(parts: &Parts, _: Asked) -> Value {
    let Parts::Sums([place, ..]) = parts else {
        return Value::Undefined;
    };
    let name = usize::try_from(*place)
        .ok()
        .and_then(|place| STATUSES.get(place));
    name.map_or(Value::Undefined, |name| Value::Name(name))
}

#[cfg(test)]
mod tests {
    use crate::ledger::story::{item, subscription};
    use crate::metrics::usage::story::*;
    use mainstay_model::{Span, Status};

    #[test]
    fn an_account_is_free_then_on_trial_then_a_customer_then_lost_and_may_try_again() {
        let mut story = Story::default();
        let mut state = subscription(vec![item(500, 1, Span::Month, 1)], vec![]);
        story.used("ada", day(0, 9));
        for (on, status) in [
            (1, Status::Trialing),
            (2, Status::Active),
            (3, Status::Canceled),
        ] {
            state.status = status;
            story.billed(state.clone(), day(on, 9));
        }
        let mut other = state;
        other.id = mainstay_model::Id::new("another".into()).unwrap();
        other.status = Status::Trialing;
        story.billed(other, day(4, 9));
        let told = [0, 1, 2, 3, 4].map(|on| story.tells("account_status", on));
        assert_eq!(told, ["free", "trial", "customer", "churned", "trial"]);
    }
}
