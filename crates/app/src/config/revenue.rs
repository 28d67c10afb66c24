//! `[revenue]`: what counts as recurring revenue, and in which currency it is told.
//!
//! Whose rules are followed sets every switch; a switch that is given goes before it. What the rules of each
//! tool are is the engine's to know.

use std::collections::BTreeMap;
use std::str::FromStr;

use mainstay_engine::Revenue as Decided;
use mainstay_engine::ledger::{
    ChurnAt, Discounts, FreeAfterPaid, Mode, Passive, Paused, Rates, Rules,
};
use mainstay_model::{Currency, Day, Decimal};

use super::mistake::{Report, nearest};
use super::section::section;
use super::setting::{Setting, Shown, Span, Word, read_texts};
use super::tree::{Entry, Node, Table, Text, Value};

section! {
    /// What counts as recurring revenue, and when; docs/revenue.md tells what each switch does. Rates of days to come
    /// may be added at any time. After any other change, state has to be rebuilt from history (`mainstay reset
    /// --drop-state`), so that all is told by one rule.
    pub struct Revenue {
        /// The currency of the reports, ISO 4217. What is paid in another is converted by `fx`.
        currency: Currency = dollars();
        /// How many units of it one unit of another currency is, from each date on; rates in quotes, so that they are
        /// exact: `fx = { EUR = { 2026-01-01 = "1.08", 2026-02-01 = "1.1" } }`. Or a text with a line for each,
        /// `2026-01-01,EUR,1.08`: `fx = "${file:rates.csv}"`. What has no rate yet on its day is a dead letter.
        fx: Fx = Fx::default();
        /// Whose rules are followed: "mainstay", "stripe", "chartmogul", "profitwell", "maxio" or "chargebee". They set
        /// the switches below that are not given.
        rules: Mode = Mode::Mainstay;
        /// When a subscription that is given up stops to count: at "service_end", at "cancellation", or when it was
        /// "requested".
        churn_at: Option<ChurnAt> = None;
        /// After how many days past due a subscription is over: 1 to 90, or "off": when the billing system says so.
        past_due_churn_days: Option<PastDue> = None;
        /// What a paused subscription counts: "keep", what it counted before, or "zero".
        paused: Option<Paused> = None;
        /// Which discounts lower recurring revenue while they are active: "once", "repeating", "forever", and
        /// "repeating_unless_yearly" for those limited in time where not all is paid by the year.
        discounts: Option<Discounts> = None;
        /// Whether metered items are recurring revenue.
        metered: Option<bool> = None;
        /// What an account is that has paid and goes on for free: "customer", or "churned".
        free_after_paid: Option<FreeAfterPaid> = None;
        /// How long a customer may have been away to be a reactivation and not a new one: whole days, or "any".
        reactivation_max_gap: Option<MaxGap> = None;
        /// What makes a churn a passive one, not the customer's will: that it was past due or unpaid ("status"), that
        /// the billing system says so ("reason"), or "status_or_reason".
        passive: Option<Passive> = None;
    }
}

impl Revenue {
    /// What the engine is handed.
    pub(super) fn decided(&self) -> Decided {
        let of_mode = Rules::of(self.rules);
        let rules = Rules {
            churn_at: self.churn_at.unwrap_or(of_mode.churn_at),
            discounts: self.discounts.unwrap_or(of_mode.discounts),
            metered: self.metered.unwrap_or(of_mode.metered),
            past_due_churn_days: match self.past_due_churn_days {
                Some(PastDue(days)) => days,
                None => of_mode.past_due_churn_days,
            },
            paused: self.paused.unwrap_or(of_mode.paused),
            free_after_paid: self.free_after_paid.unwrap_or(of_mode.free_after_paid),
            reactivation_max_gap_days: match self.reactivation_max_gap {
                Some(MaxGap(days)) => days,
                None => of_mode.reactivation_max_gap_days,
            },
            passive: self.passive.unwrap_or(of_mode.passive),
        };
        Decided {
            rules,
            rates: self.fx.rates_into(self.currency),
        }
    }
}

/// Whose rules are followed, by the word of the config.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WhoseRules(pub Mode);

impl FromStr for WhoseRules {
    type Err = String;

    fn from_str(text: &str) -> Result<WhoseRules, String> {
        let mode = Mode::ALL.iter().find(|mode| mode.word() == text);
        mode.map(|mode| WhoseRules(*mode)).ok_or_else(|| {
            let words: Vec<_> = Mode::ALL.iter().map(|mode| mode.word()).collect();
            let near = nearest(text, words.iter().copied());
            let near = near.map(|near| format!("; did you mean {near}?"));
            let words = words.join(", ");
            format!(
                "found {text:?}, expected one of {words}{}",
                near.unwrap_or_default()
            )
        })
    }
}

impl WhoseRules {
    /// Its word in the config.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.0.word()
    }
}

/// Tells the report of rates from the currency of the reports into itself.
pub(super) fn check_rates(revenue: &Revenue, node: Option<&Node>, report: &mut Report) {
    let own = revenue.currency;
    if revenue.fx.0.contains_key(&own) {
        let path = format!("fx.{own}");
        let at = node.map(|node| node.place_of(&path)).unwrap_or_default();
        let message = format!("found rates of {own}, which is the currency of the reports itself");
        report.broken(&at, &format!("revenue.{path}"), message);
    }
}

fn dollars() -> Currency {
    Currency::of("USD").expect("ISO 4217 has it")
}

impl Setting for Currency {
    fn read(node: &Node, key: &str, report: &mut Report) -> Option<Currency> {
        let text = node.value.text();
        let currency = text.and_then(|text| Currency::of(text.value.trim()));
        if currency.is_none() {
            let near = text.and_then(|text| nearest(&text.written, Currency::codes()));
            report.unfit(&node.at, key, &node.value, CURRENCY_EXPECTED, near);
        }
        currency
    }

    fn shown(&self) -> Shown {
        Shown::Default(format!("{:?}", self.code()))
    }
}

const CURRENCY_EXPECTED: &str = "a currency of ISO 4217, like \"USD\"";

/// Rates into the currency of the reports, by the day from which they hold; each above 0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fx(BTreeMap<Currency, BTreeMap<Day, Decimal>>);

const FX_EXPECTED: &str =
    "rates by currency and date, or a text with lines like `2026-01-01,EUR,1.08`";
const DATE_EXPECTED: &str = "a date, like 2026-01-01";
const RATE_EXPECTED: &str = "a rate above 0 in quotes, like \"1.08\": without them it is not exact";

impl Fx {
    fn rates_into(&self, currency: Currency) -> Rates {
        let mut rates = Rates::into(currency);
        for (from, by_date) in &self.0 {
            for (day, rate) in by_date {
                let set = rates.set(*from, *day, *rate);
                set.expect("only rates above 0 are read");
            }
        }
        rates
    }

    fn read_table(table: &Table, key: &str, report: &mut Report) -> Fx {
        let mut fx = Fx::default();
        for (code, entry) in &table.0 {
            let key = format!("{key}.{code}");
            let Some(currency) = Currency::of(code) else {
                let near = nearest(code, Currency::codes());
                let found = format!("{code:?}");
                report.unfit(&entry.key_at, &key, &found, CURRENCY_EXPECTED, near);
                continue;
            };
            let Some(dates) = entry.node.value.table() else {
                let expected = "a rate for each date, like `{ 2026-01-01 = \"1.08\" }`";
                report.unfit(&entry.node.at, &key, &entry.node.value, expected, None);
                continue;
            };
            let rates = dates.0.iter().filter_map(|(date, entry)| {
                read_dated(date, entry, &format!("{key}.{date}"), report)
            });
            fx.0.insert(currency, rates.collect());
        }
        fx
    }

    /// Reads lines of a date, a currency and a rate. What they hold is not shown: it may come from a file.
    fn read_lines(text: &Text, node: &Node, key: &str, report: &mut Report) -> Fx {
        let mut fx = Fx::default();
        for (no, line) in text.value.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || (no == 0 && line == HEADER) {
                continue;
            }
            let put = read_line(line).and_then(|(currency, day, rate)| {
                let rates = fx.0.entry(currency).or_default();
                let before = rates.insert(day, rate);
                before.map_or(Ok(()), |_| Err("one rate for each currency and date"))
            });
            if let Err(expected) = put {
                let message = format!("line {} of the text: expected {expected}", no + 1);
                report.broken(&node.at, key, message);
            }
        }
        fx
    }
}

impl Setting for Fx {
    fn read(node: &Node, key: &str, report: &mut Report) -> Option<Fx> {
        match &node.value {
            Value::Table(table) => Some(Fx::read_table(table, key, report)),
            Value::Text(text) => Some(Fx::read_lines(text, node, key, report)),
            Value::Nothing
            | Value::Bool(_)
            | Value::Whole(_)
            | Value::Fraction(_)
            | Value::List(_) => {
                report.unfit(&node.at, key, &node.value, FX_EXPECTED, None);
                None
            }
        }
    }

    fn shown(&self) -> Shown {
        Shown::Default("{}".to_owned())
    }
}

/// What the first line of a text may say.
const HEADER: &str = "date,currency,rate";

fn read_dated(date: &str, entry: &Entry, key: &str, report: &mut Report) -> Option<(Day, Decimal)> {
    let day = read_day(date);
    if day.is_none() {
        let found = format!("{date:?}");
        report.unfit(&entry.key_at, key, &found, DATE_EXPECTED, None);
    }
    let rate = match &entry.node.value {
        Value::Text(text) => read_rate(&text.value),
        Value::Whole(number) => read_rate(&number.to_string()),
        Value::Nothing | Value::Bool(_) | Value::Fraction(_) | Value::List(_) | Value::Table(_) => {
            None
        }
    };
    if rate.is_none() {
        report.unfit(&entry.node.at, key, &entry.node.value, RATE_EXPECTED, None);
    }
    day.zip(rate)
}

/// A date, a currency and a rate; or what was expected.
fn read_line(line: &str) -> Result<(Currency, Day, Decimal), &'static str> {
    let mut fields = line.split(',').map(str::trim);
    let (Some(date), Some(code), Some(rate), None) =
        (fields.next(), fields.next(), fields.next(), fields.next())
    else {
        return Err("a date, a currency and a rate, like `2026-01-01,EUR,1.08`");
    };
    Ok((
        Currency::of(code).ok_or(CURRENCY_EXPECTED)?,
        read_day(date).ok_or(DATE_EXPECTED)?,
        read_rate(rate).ok_or("a rate above 0, like 1.08")?,
    ))
}

/// A day that is written in the one way that there is, so that none is there twice.
fn read_day(text: &str) -> Option<Day> {
    let day = text.parse::<Day>().ok()?;
    (day.to_string() == text).then_some(day)
}

fn read_rate(text: &str) -> Option<Decimal> {
    Decimal::parse(text.trim()).filter(|rate| *rate > Decimal::default())
}

/// After how many days past due a subscription is over, if at all by days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PastDue(Option<u8>);

impl Setting for Option<PastDue> {
    fn read(node: &Node, key: &str, report: &mut Report) -> Option<Option<PastDue>> {
        let text = node.value.text().map(|text| text.value.trim());
        let days = match &node.value {
            Value::Whole(days) => u8::try_from(*days).ok(),
            Value::Text(_) if node.at.is_text_only() => text.and_then(|text| text.parse().ok()),
            Value::Text(_)
            | Value::Nothing
            | Value::Bool(_)
            | Value::Fraction(_)
            | Value::List(_)
            | Value::Table(_) => None,
        };
        let days = days.filter(|days| (1..=90).contains(days));
        if days.is_none() && text != Some("off") {
            let expected = "a number of days, 1 to 90, or \"off\"";
            report.unfit(&node.at, key, &node.value, expected, None);
            return None;
        }
        Some(Some(PastDue(days)))
    }

    fn shown(&self) -> Shown {
        match self {
            Some(PastDue(Some(days))) => Shown::Default(days.to_string()),
            Some(PastDue(None)) => Shown::Default("\"off\"".to_owned()),
            None => Shown::Unset("\"off\"".to_owned()),
        }
    }
}

/// How many days a customer may have been away to be no new one, if there is a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxGap(Option<u16>);

const MOST_GAP_DAYS: u16 = 3650;

impl Setting for Option<MaxGap> {
    fn read(node: &Node, key: &str, report: &mut Report) -> Option<Option<MaxGap>> {
        let text = node.value.text().map(|text| text.value.trim());
        let days = text.and_then(|text| whole_days(text.parse().ok()?));
        if days.is_none() && text != Some("any") {
            let expected = format!("whole days, \"1d\" to \"{MOST_GAP_DAYS}d\", or \"any\"");
            report.unfit(&node.at, key, &node.value, &expected, None);
            return None;
        }
        Some(Some(MaxGap(days)))
    }

    fn shown(&self) -> Shown {
        match self {
            Some(MaxGap(Some(days))) => Span::days(i64::from(*days)).shown(),
            Some(MaxGap(None)) => Shown::Default("\"any\"".to_owned()),
            None => Shown::Unset("\"any\"".to_owned()),
        }
    }
}

fn whole_days(span: Span) -> Option<u16> {
    let day = Span::days(1).ms();
    let days = u16::try_from(span.ms() / day).ok()?;
    let fits = span.ms() % day == 0 && (1..=MOST_GAP_DAYS).contains(&days);
    fits.then_some(days)
}

/// A kind of discount that counts; each adds to those before it.
#[derive(Clone, Copy)]
enum Counted {
    Once,
    Repeating,
    RepeatingUnlessYearly,
    Forever,
}

impl Word for Counted {
    const ALL: &'static [Counted] = &[
        Counted::Once,
        Counted::Repeating,
        Counted::RepeatingUnlessYearly,
        Counted::Forever,
    ];

    fn word(self) -> &'static str {
        match self {
            Counted::Once => "once",
            Counted::Repeating => "repeating",
            Counted::RepeatingUnlessYearly => "repeating_unless_yearly",
            Counted::Forever => "forever",
        }
    }
}

impl Counted {
    fn count(self, discounts: &mut Discounts) {
        match self {
            Counted::Once => discounts.once = true,
            Counted::Repeating => {
                discounts.repeating = true;
                discounts.repeating_on_yearly = true;
            }
            Counted::RepeatingUnlessYearly => discounts.repeating = true,
            Counted::Forever => discounts.forever = true,
        }
    }

    fn is_of(self, discounts: Discounts) -> bool {
        let on_yearly = discounts.repeating_on_yearly;
        match self {
            Counted::Once => discounts.once,
            Counted::Repeating => discounts.repeating && on_yearly,
            Counted::RepeatingUnlessYearly => discounts.repeating && !on_yearly,
            Counted::Forever => discounts.forever,
        }
    }
}

impl Setting for Option<Discounts> {
    fn read(node: &Node, key: &str, report: &mut Report) -> Option<Option<Discounts>> {
        let items = read_texts(node, key, report, "a list of kinds of discounts")?;
        let kinds = items
            .iter()
            .filter_map(|item| Counted::read(item, key, report));
        let mut discounts = Discounts {
            once: false,
            repeating: false,
            repeating_on_yearly: false,
            forever: false,
        };
        kinds.for_each(|kind| kind.count(&mut discounts));
        Some(Some(discounts))
    }

    fn shown(&self) -> Shown {
        let shown = self.unwrap_or(Discounts::RECURRING);
        let words = Counted::ALL.iter().filter(|kind| kind.is_of(shown));
        let words = words.map(|kind| kind.word()).collect::<Vec<_>>();
        match self {
            Some(_) => Shown::Default(format!("{words:?}")),
            None => Shown::Unset(format!("{words:?}")),
        }
    }
}

impl Word for Mode {
    const ALL: &'static [Mode] = &[
        Mode::Mainstay,
        Mode::Stripe,
        Mode::Chartmogul,
        Mode::Profitwell,
        Mode::Maxio,
        Mode::Chargebee,
    ];

    fn word(self) -> &'static str {
        match self {
            Mode::Mainstay => "mainstay",
            Mode::Stripe => "stripe",
            Mode::Chartmogul => "chartmogul",
            Mode::Profitwell => "profitwell",
            Mode::Maxio => "maxio",
            Mode::Chargebee => "chargebee",
        }
    }
}

impl Word for ChurnAt {
    const ALL: &'static [ChurnAt] = &[
        ChurnAt::ServiceEnd,
        ChurnAt::Cancellation,
        ChurnAt::Requested,
    ];

    fn word(self) -> &'static str {
        match self {
            ChurnAt::ServiceEnd => "service_end",
            ChurnAt::Cancellation => "cancellation",
            ChurnAt::Requested => "requested",
        }
    }
}

impl Word for Paused {
    const ALL: &'static [Paused] = &[Paused::Keep, Paused::Zero];

    fn word(self) -> &'static str {
        match self {
            Paused::Keep => "keep",
            Paused::Zero => "zero",
        }
    }
}

impl Word for FreeAfterPaid {
    const ALL: &'static [FreeAfterPaid] = &[FreeAfterPaid::Customer, FreeAfterPaid::Churned];

    fn word(self) -> &'static str {
        match self {
            FreeAfterPaid::Customer => "customer",
            FreeAfterPaid::Churned => "churned",
        }
    }
}

impl Word for Passive {
    const ALL: &'static [Passive] = &[Passive::StatusOrReason, Passive::Status, Passive::Reason];

    fn word(self) -> &'static str {
        match self {
            Passive::StatusOrReason => "status_or_reason",
            Passive::Status => "status",
            Passive::Reason => "reason",
        }
    }
}
