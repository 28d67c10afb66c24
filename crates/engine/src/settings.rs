//! What an operator may decide about facts and metrics, already checked.
//!
//! The config file, its defaults and its errors are the app's; the engine is handed this.

use std::collections::{BTreeMap, BTreeSet};

use mainstay_model::{Currency, Zone};
use xxhash_rust::xxh3::xxh3_64;

use crate::ledger::{Rates, Rules};
use crate::pack::Packer;

/// What an operator may decide about facts and metrics.
///
/// [`Settings::default`] is what holds where a config says nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The zone of accounts that have none of their own.
    pub zone: Zone,
    /// How far the watermark stays behind stream time.
    pub lateness_ms: i64,
    /// How many days before the newest closed one can still be corrected: 0 to 35.
    pub correction_days: i32,
    /// How far an event may lie after its arrival.
    pub max_skew_ms: i64,
    /// The longest pause inside a session.
    pub session_gap_ms: i64,
    /// Names of the product events that make a user active; empty: all but the ignored.
    pub active_events: BTreeSet<String>,
    /// Names of product events that neither make active nor belong to a session.
    pub active_ignore: BTreeSet<String>,
    /// How many qualifying events make a user active on a day: 1 or more.
    pub active_min_events: u32,
    /// Names of the product events that are key actions.
    pub key_actions: BTreeSet<String>,
    /// How many key actions in 7 days make a user engaged: 1 or more.
    pub engaged_k: u32,
    /// The tracked features, by name, each with the names of the product events that are a use of it: at most
    /// [`Settings::MOST_FEATURES`].
    pub features: BTreeMap<String, BTreeSet<String>>,
    /// Names of the product events that all together make a user activated; empty: nobody is.
    pub activation_events: BTreeSet<String>,
    /// How long after the sign-up the last of them may come; `None`: at any time.
    pub activation_within_ms: Option<i64>,
    /// Names of the product events that are the steps of the onboarding checklist; empty: there is none.
    pub onboarding_steps: BTreeSet<String>,
    /// How many days without activity make a known user dormant: 1 to 60.
    pub dormant_days: i32,
    /// The account traits by which groups are made, besides the fleet: `plan`, `industry`, `size`, `region`,
    /// `owner`, or the name of a trait of the company's own; at most 16.
    pub segments: Vec<String>,
    /// How many groups a trait may make; accounts with further values count in the fleet only.
    pub segments_max: usize,
    /// What is decided about recurring revenue.
    pub revenue: Revenue,
    /// How long ids of product events are remembered.
    pub dedupe_product_ms: i64,
    /// How long ids of all other events are remembered.
    pub dedupe_business_ms: i64,
}

/// What an operator may decide about recurring revenue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revenue {
    /// What counts, and when.
    pub rules: Rules,
    /// The currency of the reports, and the rates into it.
    pub rates: Rates,
}

impl Settings {
    /// A user's day has a bit for each feature.
    pub const MOST_FEATURES: usize = 64;
    /// Each trait is a group more for every account.
    pub const MOST_SEGMENTS: usize = 16;

    /// A hash of all that shapes facts, kept with the state: the same settings have the same hash in every
    /// release.
    #[must_use]
    pub fn hash(&self) -> u64 {
        let mut bytes = Vec::new();
        let mut to = Packer(&mut bytes);
        to.bytes(self.zone.name().as_bytes());
        for number in [
            self.lateness_ms,
            i64::from(self.correction_days),
            self.max_skew_ms,
            self.session_gap_ms,
            i64::from(self.active_min_events),
            i64::from(self.engaged_k),
            self.dedupe_product_ms,
            self.dedupe_business_ms,
            self.activation_within_ms.unwrap_or(-1),
            i64::from(self.dormant_days),
            self.segments_max as i64,
        ] {
            to.int(number);
        }
        let names = [
            &self.active_events,
            &self.active_ignore,
            &self.key_actions,
            &self.activation_events,
            &self.onboarding_steps,
        ];
        for names in names.into_iter().chain(self.features.values()) {
            to.uint(names.len() as u64);
            names.iter().for_each(|name| to.bytes(name.as_bytes()));
        }
        for name in self.features.keys().chain(&self.segments) {
            to.bytes(name.as_bytes());
        }
        self.revenue.pack(&mut to);
        xxh3_64(&bytes)
    }
}

impl Revenue {
    fn pack(&self, to: &mut Packer<'_>) {
        self.rules.pack(to);
        to.bytes(self.rates.currency().code().as_bytes());
        for (currency, day, rate) in self.rates.all() {
            to.bytes(currency.code().as_bytes());
            to.int(day.0.into());
            to.wide(rate.parts());
        }
    }
}

const HOUR_MS: i64 = 3_600_000;

impl Default for Revenue {
    /// US dollars, without rates.
    fn default() -> Revenue {
        let dollars = Currency::of("USD").expect("ISO 4217 has it");
        Revenue {
            rules: Rules::default(),
            rates: Rates::into(dollars),
        }
    }
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            zone: Zone::UTC,
            lateness_ms: 2 * HOUR_MS,
            correction_days: 35,
            max_skew_ms: HOUR_MS,
            session_gap_ms: HOUR_MS / 2,
            active_events: BTreeSet::new(),
            active_ignore: BTreeSet::new(),
            active_min_events: 1,
            key_actions: BTreeSet::new(),
            engaged_k: 2,
            features: BTreeMap::new(),
            activation_events: BTreeSet::new(),
            activation_within_ms: None,
            onboarding_steps: BTreeSet::new(),
            dormant_days: 14,
            segments: Vec::new(),
            segments_max: 200,
            revenue: Revenue::default(),
            dedupe_product_ms: 2 * HOUR_MS,
            dedupe_business_ms: 35 * 24 * HOUR_MS,
        }
    }
}
