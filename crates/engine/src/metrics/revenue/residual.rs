//! What is left of an account's books when all movements are added up: nothing.

use mainstay_model::{Info, Levels, Parts, Unit};

use super::{movements, mrr, mrr_before};
use crate::ledger::Movement;
use crate::metrics::{Metric, Read, Why, tell};
use crate::view::View;

pub(in crate::metrics) static MRR_RECONCILIATION_RESIDUAL_30D: Metric = Metric {
    info: Info {
        id: "mrr_reconciliation_residual_30d",
        unit: Unit::Money,
        levels: Levels::Group,
        help: "What movements of the last 30 days leave unexplained of mrr: 0.",
        formula: "mrr - (mrr on D-30 + all movements of D-29…D)",
        headline: false,
    },
    read: Read::Account(|view| residual(view, 30)),
    tell: tell::count,
    why: Why::NUMBERS,
};

fn residual(view: &View<'_>, days: i32) -> Parts {
    let moved: i128 = movements(view, days).iter().map(Movement::amount).sum();
    Parts::Sums([mrr(view) - (mrr_before(view, days) + moved), 0, 0, 0])
}
