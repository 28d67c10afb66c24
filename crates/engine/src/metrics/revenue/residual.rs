//! What is left of the books when all movements are added up: nothing.

use mainstay_model::{Info, Levels, Parts, Unit};

use crate::flows::Window;
use crate::metrics::{Metric, Read, Why, tell};

pub(in crate::metrics) static MRR_RECONCILIATION_RESIDUAL_30D: Metric = Metric {
    info: Info {
        id: "mrr_reconciliation_residual_30d",
        unit: Unit::Money,
        levels: Levels::Group,
        help: "What movements leave unexplained of mrr, in the last 30 days: 0.",
        formula: "mrr - (mrr on D-30 + all movements since)",
        headline: false,
    },
    read: Read::Flow(Window::Days30, |flows| Parts::sum(flows.residual())),
    tell: tell::count,
    why: Why::NUMBERS,
};

pub(in crate::metrics) static MRR_RECONCILIATION_RESIDUAL_MTD: Metric = Metric {
    info: Info {
        id: "mrr_reconciliation_residual_mtd",
        unit: Unit::Money,
        levels: Levels::Group,
        help: "What movements leave unexplained of mrr, in the month so far: 0.",
        formula: "mrr - (mrr at the end of the month before + all movements since)",
        headline: false,
    },
    read: Read::Flow(Window::MonthToDate, |flows| Parts::sum(flows.residual())),
    tell: tell::count,
    why: Why::NUMBERS,
};
