//! What became of an account's invoices: what was collected, and which payments failed.
//!
//! Amounts stand in the currency of the reports, each brought there at the rate of its own day and rounded once.
//! An invoice is failing from its first failed payment until it is paid or voided; whether its account was lost
//! meanwhile is the ledger's to know. No order of arrival makes a difference.

use std::collections::BTreeMap;

use mainstay_model::{Day, Outcome, Timestamp};

use crate::pack::{Malformed, Packer, Unpacker};

/// The invoices of an account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Invoices {
    /// What was collected, less what was given back, before the days that are kept.
    older: i128,
    collected: Vec<Collected>,
    by_id: BTreeMap<Box<str>, Invoice>,
    pub(crate) dirty: bool,
    /// The record is in the changelog.
    pub(crate) written: bool,
}

/// Money that came, or went back: then it is below 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Collected {
    on: Dated,
    amount: i128,
    refund: bool,
    recurring: bool,
}

/// The first time that something happened to an invoice: by day before time, see `Firsts::saw`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Dated {
    day: Day,
    at: Timestamp,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Invoice {
    failed: Option<Dated>,
    paid: Option<Dated>,
    voided: Option<Dated>,
}

/// An event of an invoice.
pub(crate) struct Happened<'e> {
    pub(crate) outcome: Outcome,
    pub(crate) invoice: &'e str,
    /// In minor units of the currency of the reports.
    pub(crate) amount: i128,
    pub(crate) recurring: bool,
    pub(crate) at: Timestamp,
    pub(crate) day: Day,
}

impl Invoice {
    fn is_settled_by(&self, day: Day) -> bool {
        let settled = [self.paid, self.voided].into_iter().flatten();
        settled.min().is_some_and(|on| on.day <= day)
    }

    fn newest(&self) -> Option<Dated> {
        [self.failed, self.paid, self.voided]
            .into_iter()
            .flatten()
            .max()
    }
}

impl Invoices {
    /// Takes in what became of an invoice.
    pub(crate) fn take(&mut self, happened: &Happened<'_>) {
        let on = Dated {
            day: happened.day,
            at: happened.at,
        };
        let (amount, refund) = match happened.outcome {
            Outcome::Paid => (happened.amount, false),
            Outcome::Refunded => (-happened.amount, true),
            Outcome::Failed | Outcome::Voided | Outcome::Disputed => (0, false),
        };
        if amount != 0 {
            self.collected.push(Collected {
                on,
                amount,
                refund,
                recurring: happened.recurring,
            });
        }
        let of = |invoices: &mut Invoices, first: fn(&mut Invoice) -> &mut Option<Dated>| {
            let invoice = invoices.by_id.entry(happened.invoice.into()).or_default();
            let first = first(invoice);
            *first = Some(first.map_or(on, |first| first.min(on)));
        };
        match happened.outcome {
            Outcome::Failed => of(self, |invoice| &mut invoice.failed),
            Outcome::Paid => of(self, |invoice| &mut invoice.paid),
            Outcome::Voided => of(self, |invoice| &mut invoice.voided),
            Outcome::Refunded | Outcome::Disputed => {}
        }
        self.dirty = true;
    }

    /// What was collected up to a day, less what was given back.
    pub(crate) fn lifetime(&self, day: Day) -> i128 {
        let until = self.collected.iter().filter(|one| one.on.day <= day);
        self.older + until.map(|one| one.amount).sum::<i128>()
    }

    /// What was collected from day `first` to `last` for what is recurring, and for all.
    pub(crate) fn paid(&self, first: Day, last: Day) -> (i128, i128) {
        let within = self.collected.iter().filter(|one| !one.refund);
        let within = within.filter(|one| (first..=last).contains(&one.on.day));
        within.fold((0, 0), |(recurring, all), one| {
            let is_recurring = if one.recurring { one.amount } else { 0 };
            (recurring + is_recurring, all + one.amount)
        })
    }

    /// The instants and days on which those invoices failed first that are failing at the end of a day.
    pub(crate) fn failing(&self, day: Day) -> impl Iterator<Item = (Timestamp, Day)> {
        let open = self
            .by_id
            .values()
            .filter(move |one| !one.is_settled_by(day));
        let failed = open.filter_map(|one| one.failed);
        let failed = failed.filter(move |on| on.day <= day);
        failed.map(|on| (on.at, on.day))
    }

    /// How many invoices failed first from day `first` to `last`, and how many of them were paid by then.
    pub(crate) fn recovered(&self, first: Day, last: Day) -> (u64, u64) {
        let within = |on: Dated| (first..=last).contains(&on.day);
        let failed = self
            .by_id
            .values()
            .filter(|one| one.failed.is_some_and(within));
        failed.fold((0, 0), |(failed, paid), one| {
            let is_paid = one.paid.is_some_and(|on| on.day <= last);
            (failed + 1, paid + u64::from(is_paid))
        })
    }

    /// Forgets what no question can reach any more.
    pub(crate) fn forget_before(&mut self, oldest: Day) {
        let kept = (self.collected.len(), self.by_id.len());
        let older = self.collected.iter().filter(|one| one.on.day < oldest);
        self.older += older.map(|one| one.amount).sum::<i128>();
        self.collected.retain(|one| one.on.day >= oldest);
        self.by_id.retain(|_, invoice| {
            let is_old = invoice.newest().is_some_and(|newest| newest.day < oldest);
            !(is_old && invoice.is_settled_by(oldest))
        });
        self.dirty |= kept != (self.collected.len(), self.by_id.len());
    }

    /// Puts everything on its day in another zone.
    pub(crate) fn redate(&mut self, mut day_of: impl FnMut(Timestamp) -> Day) {
        let collected = self.collected.iter_mut().map(|one| &mut one.on);
        let invoices = self.by_id.values_mut();
        let invoices = invoices.flat_map(|one| [&mut one.failed, &mut one.paid, &mut one.voided]);
        for on in collected.chain(invoices.flatten()) {
            on.day = day_of(on.at);
        }
        self.dirty = true;
    }

    /// Bytes of what is kept.
    pub(crate) fn bytes(&self) -> usize {
        let ids = self.by_id.keys().map(|id| id.len());
        size_of::<Invoices>()
            + self.collected.capacity() * size_of::<Collected>()
            + self.by_id.len() * size_of::<(Box<str>, Invoice)>()
            + ids.sum::<usize>()
    }

    pub(crate) fn pack(&self, to: &mut Packer<'_>) {
        to.wide(self.older);
        to.uint(self.collected.len() as u64);
        for one in &self.collected {
            one.on.pack(to);
            to.wide(one.amount);
            to.uint(u64::from(one.refund) | u64::from(one.recurring) << 1);
        }
        for (id, invoice) in &self.by_id {
            to.bytes(id.as_bytes());
            let all = [invoice.failed, invoice.paid, invoice.voided];
            to.uint(
                all.iter()
                    .fold(0, |bits, on| bits << 1 | u64::from(on.is_some())),
            );
            all.iter().flatten().for_each(|on| on.pack(to));
        }
    }

    pub(crate) fn unpack(bytes: &[u8]) -> Result<Invoices, Malformed> {
        let mut from = Unpacker(bytes);
        let older = from.wide()?;
        let collected = (0..from.uint()?).map(|_| {
            let (on, amount) = (Dated::unpack(&mut from)?, from.wide()?);
            let flags = from.uint()?;
            Ok(Collected {
                on,
                amount,
                refund: flags & 1 != 0,
                recurring: flags & 2 != 0,
            })
        });
        let collected = collected.collect::<Result<_, Malformed>>()?;
        let mut by_id = BTreeMap::new();
        while !from.is_empty() {
            let (id, has) = (from.text()?.into(), from.uint()?);
            let mut dated = |bit: u64| match has & bit {
                0 => Ok(None),
                _ => Dated::unpack(&mut from).map(Some),
            };
            let invoice = Invoice {
                failed: dated(4)?,
                paid: dated(2)?,
                voided: dated(1)?,
            };
            by_id.insert(id, invoice);
        }
        Ok(Invoices {
            older,
            collected,
            by_id,
            dirty: false,
            written: true,
        })
    }
}

impl Dated {
    fn pack(self, to: &mut Packer<'_>) {
        to.int(self.day.0.into());
        to.int(self.at.0);
    }

    fn unpack(from: &mut Unpacker<'_>) -> Result<Dated, Malformed> {
        Ok(Dated {
            day: from.day()?,
            at: Timestamp(from.int()?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(invoices: &mut Invoices, outcome: Outcome, invoice: &str, day: i32, amount: i128) {
        invoices.take(&Happened {
            outcome,
            invoice,
            amount,
            recurring: amount % 2 == 0,
            at: Timestamp(i64::from(day)),
            day: Day(day),
        });
    }

    fn some() -> Invoices {
        let mut invoices = Invoices::default();
        take(&mut invoices, Outcome::Failed, "a", 3, 500);
        take(&mut invoices, Outcome::Failed, "a", 2, 500);
        take(&mut invoices, Outcome::Paid, "a", 5, 500);
        take(&mut invoices, Outcome::Failed, "b", 4, 300);
        take(&mut invoices, Outcome::Paid, "c", 4, 301);
        take(&mut invoices, Outcome::Refunded, "c", 6, 101);
        take(&mut invoices, Outcome::Failed, "d", 6, 700);
        take(&mut invoices, Outcome::Voided, "d", 7, 700);
        take(&mut invoices, Outcome::Disputed, "c", 8, 301);
        invoices
    }

    #[test]
    fn an_invoice_is_failing_until_it_is_paid_or_voided() {
        let invoices = some();
        let failing = |day| -> Vec<i32> {
            let failing = invoices.failing(Day(day));
            failing.map(|(_, since)| since.0).collect()
        };
        assert_eq!(
            [1, 2, 4, 5, 6, 7].map(failing),
            [vec![], vec![2], vec![2, 4], vec![4], vec![4, 6], vec![4]]
        );
        assert_eq!(invoices.recovered(Day(2), Day(4)), (2, 0));
        assert_eq!(invoices.recovered(Day(2), Day(5)), (2, 1));
    }

    #[test]
    fn what_is_given_back_was_not_collected_but_was_paid() {
        let invoices = some();
        assert_eq!(
            [3, 4, 5, 6].map(|day| invoices.lifetime(Day(day))),
            [0, 301, 801, 700]
        );
        assert_eq!(invoices.paid(Day(0), Day(9)), (500, 801));
        assert_eq!(invoices.paid(Day(5), Day(9)), (500, 500));
    }

    #[test]
    fn what_is_forgotten_stays_in_the_sum_and_what_is_failing_is_not_forgotten() {
        let mut invoices = some();
        invoices.forget_before(Day(6));
        assert_eq!(invoices.lifetime(Day(9)), 700);
        assert_eq!(invoices.failing(Day(9)).count(), 1);
        assert_eq!(invoices.by_id.len(), 2, "b is failing, d may be asked for");
    }

    #[test]
    fn invoices_come_back_from_their_bytes() {
        let mut invoices = some();
        invoices.forget_before(Day(5));
        let mut bytes = Vec::new();
        invoices.pack(&mut Packer(&mut bytes));
        (invoices.dirty, invoices.written) = (false, true);
        assert_eq!(Invoices::unpack(&bytes), Ok(invoices));
    }
}
