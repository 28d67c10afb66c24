//! Gauges of segments and the fleet: a family for each metric of groups by one rule, series for each group.
//!
//! A metric of tracked features has a label for the feature; one whose values are lists has a label for the place in
//! the list, from 1; money has one for its currency, and is in whole units. A value that is undefined has no series. There is no number of groups to be bounded here: what a
//! dimension may have is bounded where groups are made (`segments.max`).

use std::collections::BTreeMap;

use mainstay_commit::ShardNo;
use mainstay_model::{Column, Currency, Info, Unit, Value};
use prometheus::{GaugeVec, Registry};

use super::families::{float_vec, major, number, set, with_unit};
use crate::ShownGroup;

/// The gauges of groups.
pub(super) struct Segments {
    /// In the order of the columns of groups.
    columns: Vec<Shows>,
    /// The place of what movements of revenue leave unexplained.
    residual: Option<usize>,
    shown: BTreeMap<Group, Place>,
}

/// A dimension and a segment of it.
type Group = (String, String);

/// How the values of a column are shown.
enum Shows {
    /// They are no numbers.
    Nothing,
    Number(GaugeVec),
    OfFeature(GaugeVec, String),
    Money(GaugeVec, Currency),
    List(GaugeVec),
}

struct Place {
    shard: ShardNo,
    /// So many places of lists may have series.
    longest: usize,
    /// Minor units by which its books are off.
    residual: i64,
}

/// What movements of revenue leave unexplained.
const RESIDUAL: &str = "mrr_reconciliation_residual_30d";

/// What tells the series of one group from those of another.
const LABELS: [&str; 2] = ["dimension", "segment"];

impl Segments {
    pub(super) fn register(
        registry: &Registry,
        columns: &[Column],
        currency: Currency,
    ) -> Segments {
        let mut families: BTreeMap<&str, GaugeVec> = BTreeMap::new();
        let mut family = |info: &'static Info, more: &[&'static str]| {
            let labels = [&LABELS, more].concat();
            let register = || float_vec(registry, &with_unit(info), info.help, &labels);
            families.entry(info.id).or_insert_with(register).clone()
        };
        let shows = |column: &Column| match (column.info.unit, &column.feature) {
            (Unit::Date | Unit::Name, _) => Shows::Nothing,
            (Unit::Money, _) => Shows::Money(family(column.info, &["currency"]), currency),
            (Unit::Histogram, None) => Shows::List(family(column.info, &["days"])),
            // No list has a feature yet.
            (Unit::Histogram, Some(_)) => Shows::Nothing,
            (Unit::Count | Unit::Mean | Unit::Ratio | Unit::Seconds | Unit::Days, None) => {
                Shows::Number(family(column.info, &[]))
            }
            (
                Unit::Count | Unit::Mean | Unit::Ratio | Unit::Seconds | Unit::Days,
                Some(feature),
            ) => Shows::OfFeature(family(column.info, &["feature"]), feature.to_string()),
        };
        Segments {
            columns: columns.iter().map(shows).collect(),
            residual: columns.iter().position(|column| column.info.id == RESIDUAL),
            shown: BTreeMap::new(),
        }
    }

    /// Takes a group's newest values, or takes the group back.
    pub(super) fn show(&mut self, shard: ShardNo, group: &ShownGroup) {
        let name = (group.dimension.clone(), group.segment.clone());
        let Some(values) = &group.values else {
            return self.remove(&name);
        };
        let before = self.shown.get(&name).map_or(0, |place| place.longest);
        let mut longest = before;
        for (shows, value) in self.columns.iter().zip(values) {
            if let Value::List(list) = value {
                longest = longest.max(list.len());
            }
            show(shows, &name, value, before);
        }
        let residual = self.residual(values);
        let before = self.shown.get(&name).map_or(0, |place| place.residual);
        if residual != 0 && residual != before {
            let (dimension, segment) = &name;
            tracing::error!(
                "the books of {dimension}={segment} are off by {residual} minor units: `{RESIDUAL}` has to be 0"
            );
        }
        let place = Place {
            shard,
            longest,
            residual,
        };
        self.shown.insert(name, place);
    }

    /// Minor units by which the books of any group are off, with its sign: 0, unless there is a bug.
    pub(super) fn largest_residual(&self) -> i64 {
        let all = self.shown.values().map(|place| place.residual);
        all.max_by_key(|residual| residual.unsigned_abs())
            .unwrap_or(0)
    }

    fn residual(&self, values: &[Value]) -> i64 {
        match self.residual.and_then(|place| values.get(place)) {
            Some(Value::Count(residual)) => *residual,
            Some(
                Value::Undefined
                | Value::Ratio(_)
                | Value::Seconds(_)
                | Value::List(_)
                | Value::Day(_)
                | Value::Name(_),
            )
            | None => 0,
        }
    }

    /// A shard is no longer ours.
    pub(super) fn gone(&mut self, shard: ShardNo) {
        let gone = self.shown.iter().filter(|(_, place)| place.shard == shard);
        let gone: Vec<Group> = gone.map(|(name, _)| name.clone()).collect();
        gone.iter().for_each(|name| self.remove(name));
    }

    fn remove(&mut self, name: &Group) {
        let Some(place) = self.shown.remove(name) else {
            return;
        };
        for shows in &self.columns {
            show(shows, name, &Value::Undefined, place.longest);
        }
    }
}

/// Shows a value. `before` places of a list may have series.
fn show(shows: &Shows, (dimension, segment): &Group, value: &Value, before: usize) {
    match shows {
        Shows::Nothing => {}
        Shows::Number(family) => set(family, &[dimension, segment], number(value)),
        Shows::OfFeature(family, feature) => {
            set(family, &[dimension, segment, feature], number(value));
        }
        Shows::Money(family, currency) => {
            let labels = [dimension, segment, currency.code()];
            set(family, &labels, major(value, *currency));
        }
        Shows::List(family) => {
            let counts: &[u64] = match value {
                Value::List(counts) => counts,
                Value::Undefined
                | Value::Count(_)
                | Value::Ratio(_)
                | Value::Seconds(_)
                | Value::Day(_)
                | Value::Name(_) => &[],
            };
            for place in 0..counts.len().max(before) {
                let count = counts.get(place).map(|count| *count as f64);
                set(
                    family,
                    &[dimension, segment, &(place + 1).to_string()],
                    count,
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use mainstay_model::Levels;

    use super::*;

    static DAU: Info = info("dau", Unit::Count);
    static STICKINESS: Info = info("stickiness", Unit::Ratio);
    static TIME: Info = info("time_in_product_7d", Unit::Seconds);
    static DAYS: Info = info("active_days_histogram", Unit::Histogram);
    static MRR: Info = info("mrr", Unit::Money);
    static OFF: Info = info(RESIDUAL, Unit::Money);
    static USERS: Info = info("feature_users_7d", Unit::Count);

    const fn info(id: &'static str, unit: Unit) -> Info {
        Info {
            id,
            unit,
            levels: Levels::AccountAndGroup,
            help: "Help.",
            formula: "",
            headline: false,
        }
    }

    fn segments() -> (Registry, Segments) {
        let registry = Registry::new();
        let column = |info: &'static Info, feature: Option<&str>| Column {
            info,
            feature: feature.map(Into::into),
        };
        let columns = [
            column(&DAU, None),
            column(&STICKINESS, None),
            column(&TIME, None),
            column(&DAYS, None),
            column(&USERS, Some("chat")),
            column(&USERS, Some("report")),
        ];
        let dollars = Currency::of("USD").unwrap();
        let segments = Segments::register(&registry, &columns, dollars);
        (registry, segments)
    }

    fn group(segment: &str, values: Option<Vec<Value>>) -> ShownGroup {
        ShownGroup {
            dimension: "plan".to_owned(),
            segment: segment.to_owned(),
            values,
        }
    }

    fn values(dau: i64) -> Option<Vec<Value>> {
        Some(vec![
            Value::Count(dau),
            Value::Undefined,
            Value::Seconds(1500),
            Value::List(vec![4, 0]),
            Value::Count(1),
            Value::Undefined,
        ])
    }

    fn series(registry: &Registry) -> Vec<String> {
        let text = prometheus::TextEncoder::new()
            .encode_to_string(&registry.gather())
            .unwrap();
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        lines.map(str::to_owned).collect()
    }

    #[test]
    fn every_number_of_a_group_is_a_series_by_one_rule() {
        let (registry, mut segments) = segments();
        segments.show(ShardNo(0), &group("pro", values(3)));
        assert_eq!(
            series(&registry),
            [
                r#"mainstay_active_days_histogram{days="1",dimension="plan",segment="pro"} 4"#,
                r#"mainstay_active_days_histogram{days="2",dimension="plan",segment="pro"} 0"#,
                r#"mainstay_dau{dimension="plan",segment="pro"} 3"#,
                r#"mainstay_feature_users_7d{dimension="plan",feature="chat",segment="pro"} 1"#,
                r#"mainstay_time_in_product_7d_seconds{dimension="plan",segment="pro"} 1.5"#,
            ]
        );
    }

    #[test]
    fn money_is_in_whole_units_with_its_currency() {
        for (code, shown) in [("USD", "12.34"), ("JPY", "1234")] {
            let registry = Registry::new();
            let column = Column {
                info: &MRR,
                feature: None,
            };
            let currency = Currency::of(code).unwrap();
            let mut segments = Segments::register(&registry, &[column], currency);
            let mrr = group("pro", Some(vec![Value::Count(1234)]));
            segments.show(ShardNo(0), &mrr);
            let labels = format!(r#"currency="{code}",dimension="plan",segment="pro""#);
            assert_eq!(
                series(&registry),
                [format!("mainstay_mrr{{{labels}}} {shown}")]
            );
            segments.show(ShardNo(0), &group("pro", None));
            assert_eq!(series(&registry), [""; 0]);
        }
    }

    #[test]
    fn books_that_are_off_are_told_until_they_are_right_or_gone() {
        let column = Column {
            info: &OFF,
            feature: None,
        };
        let dollars = Currency::of("USD").unwrap();
        let mut segments = Segments::register(&Registry::new(), &[column], dollars);
        let mut show = |segment, off| {
            let values = Some(vec![Value::Count(off)]);
            segments.show(ShardNo(0), &group(segment, values));
            segments.largest_residual()
        };
        assert_eq!(show("pro", 0), 0);
        assert_eq!(show("free", 5), 5);
        assert_eq!(show("pro", -7), -7);
        assert_eq!(show("pro", 0), 5);
        segments.show(ShardNo(0), &group("free", None));
        assert_eq!(segments.largest_residual(), 0);
    }

    #[test]
    fn what_is_no_longer_defined_has_no_series() {
        let (registry, mut segments) = segments();
        segments.show(ShardNo(0), &group("pro", values(3)));
        let mut now = vec![Value::Undefined; 6];
        now[1] = Value::Ratio(0.5);
        segments.show(ShardNo(0), &group("pro", Some(now)));
        let stickiness = r#"mainstay_stickiness_ratio{dimension="plan",segment="pro"} 0.5"#;
        assert_eq!(series(&registry), [stickiness]);
    }

    #[test]
    fn series_leave_with_their_group_and_with_their_shard() {
        let (registry, mut segments) = segments();
        segments.show(ShardNo(0), &group("pro", values(3)));
        segments.show(ShardNo(1), &group("free", values(2)));
        segments.show(ShardNo(0), &group("pro", None));
        segments.show(ShardNo(0), &group("never shown", None));
        assert!(series(&registry).iter().all(|line| line.contains("free")));
        segments.gone(ShardNo(0));
        assert_eq!(series(&registry).len(), 5);
        segments.gone(ShardNo(1));
        assert_eq!(series(&registry), [""; 0]);
    }
}
