//! What the items of a state come to in a month, line by line as an invoice would have them.

use mainstay_engine::ledger::Rules;
use mainstay_model::Timestamp;
use serde_json::Value;

use super::big::Big;
use super::subscription::time;

/// A line of the invoice.
struct Line<'s> {
    price_id: &'s str,
    interval: &'s str,
    count: i64,
    gross: Big,
    net: Big,
}

/// Net and gross of a month, at an instant.
pub(super) fn month(state: &Value, at: Timestamp, rules: &Rules) -> (Big, Big) {
    let mut lines: Vec<Line<'_>> = list(&state["items"])
        .iter()
        .filter(|item| item["usage_type"] != "metered" || rules.metered)
        .filter_map(line)
        .collect();
    let discounts = list(&state["discounts"]);
    let active = |discount: &&Value| {
        let begun = time(&discount["starts_at"]).is_none_or(|start| start <= at);
        let over = time(&discount["ends_at"]).is_some_and(|end| end <= at);
        begun && !over
    };
    let yearly = lines.iter().all(|line| line.interval == "year");
    let counts = |discount: &&Value| match discount["duration"].as_str() {
        Some("once") => rules.discounts.once,
        Some("repeating") if yearly => {
            rules.discounts.repeating && rules.discounts.repeating_on_yearly
        }
        Some("repeating") => rules.discounts.repeating,
        _ => rules.discounts.forever,
    };
    let of_items = |discount: &&Value| discount["price_id"].is_string();
    let active: Vec<&Value> = discounts.iter().filter(active).filter(counts).collect();
    for discount in active.iter().copied().filter(of_items) {
        let price = discount["price_id"].as_str();
        let mine = |line: &&mut Line<'_>| Some(line.price_id) == price;
        take_off(
            &mut lines.iter_mut().filter(mine).collect::<Vec<_>>(),
            discount,
        );
    }
    for discount in active
        .iter()
        .copied()
        .filter(|discount| !of_items(discount))
    {
        take_off(&mut lines.iter_mut().collect::<Vec<_>>(), discount);
    }
    let sum = |of: fn(&Line<'_>) -> Big| {
        let monthly = lines
            .iter()
            .map(|line| monthly(&of(line), line.interval, line.count));
        monthly.fold(Big::zero(), |sum, one| sum.plus(&one))
    };
    (sum(|line| line.net.clone()), sum(|line| line.gross.clone()))
}

fn take_off(lines: &mut [&mut Line<'_>], discount: &Value) {
    let all = lines
        .iter()
        .fold(Big::zero(), |sum, line| sum.plus(&line.net));
    for line in lines {
        let off = if let Value::Number(share) = &discount["percent_off"] {
            let share = Big::decimal(&share.to_string());
            line.net.times(&share).over(&Big::whole(100))
        } else if all.is_positive() {
            let off = Big::whole(discount["amount_off_minor"].as_i64().unwrap_or_default());
            off.times(&line.net).over(&all)
        } else {
            Big::zero()
        };
        let left = line.net.minus(&off);
        line.net = if left.is_positive() {
            left
        } else {
            Big::zero()
        };
    }
}

fn monthly(amount: &Big, interval: &str, count: i64) -> Big {
    let a_year = match interval {
        "day" => Big::whole(365),
        "week" => Big::whole(365).over(&Big::whole(7)),
        "month" => Big::whole(12),
        _ => Big::whole(1),
    };
    amount
        .times(&a_year)
        .over(&Big::whole(12))
        .over(&Big::whole(count))
}

/// The line of an item that is paid again and again.
fn line(item: &Value) -> Option<Line<'_>> {
    let interval = item["interval"]
        .as_str()
        .filter(|interval| *interval != "none")?;
    let mut units = item["quantity"].as_i64().unwrap_or_default();
    if let Some(size) = item["divide_by"].as_i64() {
        let full = units / size;
        let broken = units % size != 0 && item["round"] != "down";
        units = full + i64::from(broken);
    }
    let cost = match list(&item["tiers"]) {
        [] => money(&item["unit_amount_minor"]).times(&Big::whole(units)),
        tiers => tiered(tiers, &item["tiers_mode"], units),
    };
    Some(Line {
        price_id: item["price_id"].as_str().unwrap_or_default(),
        interval,
        count: item["interval_count"].as_i64().unwrap_or(1),
        gross: cost.clone(),
        net: cost,
    })
}

/// Unit by unit: each is paid in its own tier, or all in that of the last one.
fn tiered(tiers: &[Value], mode: &Value, units: i64) -> Big {
    let tier_of = |unit: i64| {
        let holds = |tier: &&Value| tier["up_to"].as_i64().is_none_or(|end| unit <= end);
        tiers
            .iter()
            .position(|tier| holds(&tier))
            .unwrap_or(tiers.len() - 1)
    };
    let flat = |tier: usize| money(&tiers[tier]["flat_amount_minor"]);
    let unit = |tier: usize| money(&tiers[tier]["unit_amount_minor"]);
    if units == 0 {
        return Big::zero();
    }
    if mode == "volume" {
        let tier = tier_of(units);
        return unit(tier).times(&Big::whole(units)).plus(&flat(tier));
    }
    let (mut cost, mut reached) = (Big::zero(), None);
    for number in 1..=units {
        let tier = tier_of(number);
        if reached != Some(tier) {
            cost = cost.plus(&flat(tier));
            reached = Some(tier);
        }
        cost = cost.plus(&unit(tier));
    }
    cost
}

fn money(amount: &Value) -> Big {
    match amount {
        Value::String(text) => Big::decimal(text),
        Value::Number(number) => Big::decimal(&number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => Big::zero(),
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}
