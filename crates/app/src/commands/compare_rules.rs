//! `replay --compare-rules`: why the recurring revenue of accounts differs by the rules of two tools.

use std::io::Write;

use mainstay_model::Currency;
use serde_json::json;

use crate::arguments::TwoRules;
use crate::compare::{Difference, switches};
use crate::config::Config;
use crate::replay::Replay;
use crate::table::{self, printable};

/// Reads the files of a replay and prints each balance that differs, with the switches that make the difference.
pub(super) fn run(
    replay: &Replay,
    rules: &TwoRules,
    config: &Config,
    json: bool,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let revenue = &replay.plan.settings.revenue;
    let mut books = replay.books()?;
    let found = books.differences(rules.modes(), revenue, config.time.zone);
    if books.refused > 0 {
        tracing::warn!(
            "{} records were refused; `mainstay replay` writes why",
            books.refused
        );
    }
    let currency = revenue.rates.currency();
    match json {
        true => writeln!(out, "{}", to_json(rules, currency, &found))?,
        false => write_table(rules, currency, &found, out)?,
    }
    Ok(())
}

fn to_json(rules: &TwoRules, currency: Currency, found: &[Difference]) -> serde_json::Value {
    let differences = found.iter().map(|found| {
        let because = found
            .because
            .iter()
            .map(|(switch, amount)| json!({ "switch": switch, "amount_minor": number(*amount) }));
        json!({
            "account_id": found.account,
            "date": found.date.to_string(),
            "mrr": found.mrr.map(number),
            "because": because.collect::<Vec<_>>(),
        })
    });
    json!({
        "rules": rules.names(),
        "switches": switches(rules.modes()),
        "currency": currency.code(),
        "differences": differences.collect::<Vec<_>>(),
    })
}

/// Money as a number of JSON: a ledger's bounds keep real amounts far inside 64 bits.
fn number(amount: i128) -> serde_json::Value {
    i64::try_from(amount).map_or_else(|_| amount.to_string().into(), Into::into)
}

fn write_table(
    rules: &TwoRules,
    currency: Currency,
    found: &[Difference],
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let [one, other] = rules.names();
    let switches = switches(rules.modes());
    if switches.is_empty() {
        writeln!(out, "{one} and {other} set every switch alike.")?;
        return Ok(());
    }
    writeln!(
        out,
        "{one} and {other} differ in {}; mrr in {currency} at the end of the day.\n",
        switches.join(", ")
    )?;
    if found.is_empty() {
        writeln!(out, "No account has another mrr by them.")?;
        return Ok(());
    }
    let money = |amount: i128| major(amount, currency);
    let rows: Vec<[String; 6]> = found
        .iter()
        .map(|found| {
            let [one, other] = found.mrr;
            let because = found.because.iter();
            let because = because.map(|(switch, amount)| format!("{switch} {}", money(*amount)));
            [
                printable(&found.account),
                found.date.to_string(),
                money(one),
                money(other),
                money(other - one),
                because.collect::<Vec<_>>().join(", "),
            ]
        })
        .collect();
    let heads = ["account", "date", one, other, "difference", "because of"];
    table::write(out, heads, &rows)?;
    Ok(())
}

/// Minor units as people write them: `-12.50`.
fn major(amount: i128, currency: Currency) -> String {
    let digits = currency.minor_digits() as usize;
    let sign = if amount < 0 { "-" } else { "" };
    let text = format!("{:0>width$}", amount.unsigned_abs(), width = digits + 1);
    let (whole, rest) = text.split_at(text.len() - digits);
    match digits {
        0 => format!("{sign}{whole}"),
        _ => format!("{sign}{whole}.{rest}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minor_units_are_written_as_their_currency_has_them() {
        for (amount, code, text) in [
            (-1250, "USD", "-12.50"),
            (5, "USD", "0.05"),
            (0, "USD", "0.00"),
            (-700, "JPY", "-700"),
            (1, "KWD", "0.001"),
        ] {
            assert_eq!(major(amount, Currency::of(code).unwrap()), text);
        }
    }
}
