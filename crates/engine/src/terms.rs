//! The settings of a shard, and the numbers that the names in them were given.
//!
//! Facts know features, milestones and traits by number, so a number is given once and for ever: what was
//! kept under it must never be read as something else after the config has changed. A name that leaves the
//! config keeps its number; one that comes back finds its own facts again.

use hashbrown::HashTable;
use mainstay_model::Column;
use xxhash_rust::xxh3::xxh3_64;

use crate::changelog::BrokenState;
use crate::metrics::{Readers, account_columns, group_columns};
use crate::pack::{Malformed, Packer, Unpacker};
use crate::settings::Settings;

/// The number of a trait of accounts.
pub(crate) type TraitNo = u16;

/// Settings with the numbers that facts are kept under.
#[derive(Debug)]
pub(crate) struct Terms {
    pub(crate) settings: Settings,
    given: Given,
    meanings: Meanings,
    /// Which values an account has, as a number.
    columns: u64,
    /// The numbers of today's features, in the order of their names.
    features: Vec<u8>,
    activation: Vec<Milestone>,
    onboarding: Vec<Milestone>,
    /// The numbers of the traits that make groups, in the order of the config.
    segments: Vec<TraitNo>,
    readers: Readers,
}

/// The number of a product event that counts when it happens for the first time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Milestone(pub(crate) u16);

/// Names by the number that they were given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Given {
    features: Vec<Box<str>>,
    milestones: Vec<Box<str>>,
    traits: Vec<Box<str>>,
}

/// What a product event of a name means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Meaning {
    pub(crate) qualifies: bool,
    pub(crate) key_action: bool,
    pub(crate) in_session: bool,
    /// A bit for each feature that it is a use of.
    pub(crate) features: u64,
    pub(crate) milestone: Option<Milestone>,
}

/// Meanings by name: one look-up for an event.
#[derive(Debug)]
struct Meanings {
    named: HashTable<(Box<str>, Meaning)>,
    /// Of a name that the settings do not have.
    other: Meaning,
}

/// More features were tracked than a user's day has bits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooManyFeatures;

/// The plan is always kept: cohorts go by it.
const PLAN: &str = "plan";

impl Terms {
    /// The terms of a new shard.
    pub(crate) fn new(settings: Settings) -> Terms {
        let mut terms = Terms {
            settings,
            given: Given::default(),
            meanings: Meanings::none(),
            columns: 0,
            features: Vec::new(),
            activation: Vec::new(),
            onboarding: Vec::new(),
            segments: Vec::new(),
            readers: Readers::new(0),
        };
        terms
            .number()
            .expect("settings have at most as many features as a day has bits");
        terms
    }

    /// Gives numbers to the names that have none.
    fn number(&mut self) -> Result<(), TooManyFeatures> {
        let settings = &self.settings;
        let given = &mut self.given;
        let features = settings.features.keys();
        self.features = features
            .map(|name| number_of(&mut given.features, name) as u8)
            .collect();
        if given.features.len() > Settings::MOST_FEATURES {
            return Err(TooManyFeatures);
        }
        let mut milestones = |names: &std::collections::BTreeSet<String>| -> Vec<Milestone> {
            let number = |name: &String| Milestone(number_of(&mut given.milestones, name));
            names.iter().map(number).collect()
        };
        self.activation = milestones(&settings.activation_events);
        self.onboarding = milestones(&settings.onboarding_steps);
        number_of(&mut given.traits, PLAN);
        self.segments = settings
            .segments
            .iter()
            .map(|name| number_of(&mut given.traits, name))
            .collect();
        self.meanings = Meanings::of(settings, &self.given);
        let columns = [account_columns(settings), group_columns(settings)];
        let mut names: Vec<String> = columns.iter().flatten().map(Column::name).collect();
        names.extend(settings.segments.iter().map(|name| format!("by {name}")));
        // What a value counts hangs on the settings too: one of other settings is another value.
        names.push(format!("{:x}", settings.hash()));
        self.columns = xxh3_64(names.join(" ").as_bytes());
        self.readers = Readers::new(settings.features.len());
        Ok(())
    }

    pub(crate) fn meaning(&self, name: &str) -> Meaning {
        self.meanings.find(name)
    }

    /// The numbers of the tracked features, in the order of their names.
    pub(crate) fn features(&self) -> &[u8] {
        &self.features
    }

    /// A number for the values that accounts and groups have, their order, and what groups are made by: two that
    /// differ have different ones.
    pub(crate) fn columns(&self) -> u64 {
        self.columns
    }

    pub(crate) fn activation(&self) -> &[Milestone] {
        &self.activation
    }

    pub(crate) fn onboarding(&self) -> &[Milestone] {
        &self.onboarding
    }

    pub(crate) const PLAN: TraitNo = 0;

    /// The traits that make groups, by number and name, in the order of the config.
    pub(crate) fn segments(&self) -> impl Iterator<Item = (TraitNo, &str)> {
        let names = self.settings.segments.iter().map(String::as_str);
        self.segments.iter().copied().zip(names)
    }

    /// What is read and told.
    pub(crate) fn readers(&self) -> &Readers {
        &self.readers
    }

    /// The traits that are kept of an account, by number and name.
    pub(crate) fn traits(&self) -> impl Iterator<Item = (TraitNo, &str)> {
        let kept = |no: &TraitNo| *no == Terms::PLAN || self.segments.contains(no);
        let numbers = (0..self.given.traits.len() as TraitNo).filter(kept);
        numbers.map(|no| (no, &*self.given.traits[usize::from(no)]))
    }

    pub(crate) fn pack(&self, to: &mut Packer<'_>) {
        let Given {
            features,
            milestones,
            traits,
        } = &self.given;
        for names in [features, milestones, traits] {
            to.uint(names.len() as u64);
            names.iter().for_each(|name| to.bytes(name.as_bytes()));
        }
    }

    /// Takes the numbers that were given before, and gives more to what is new in the settings.
    pub(crate) fn unpack(&mut self, from: &mut Unpacker<'_>) -> Result<(), BrokenState> {
        let mut names = || -> Result<Vec<Box<str>>, Malformed> {
            let len = from.uint()?;
            (0..len).map(|_| Ok(from.text()?.into())).collect()
        };
        self.given = Given {
            features: names()?,
            milestones: names()?,
            traits: names()?,
        };
        self.number()
            .map_err(|TooManyFeatures| BrokenState::TooManyFeatures)
    }
}

fn number_of(names: &mut Vec<Box<str>>, name: &str) -> u16 {
    let known = names.iter().position(|known| **known == *name);
    let place = known.unwrap_or_else(|| {
        names.push(name.into());
        names.len() - 1
    });
    u16::try_from(place).expect("a config names fewer than 65 536 things")
}

impl Meanings {
    fn none() -> Meanings {
        Meanings {
            named: HashTable::new(),
            other: Meaning::default(),
        }
    }

    fn of(settings: &Settings, given: &Given) -> Meanings {
        let all_but_ignored = Meaning {
            qualifies: settings.active_events.is_empty(),
            in_session: true,
            ..Meaning::default()
        };
        let mut meanings = Meanings {
            named: HashTable::new(),
            other: all_but_ignored,
        };
        for name in &settings.active_events {
            meanings.entry(name).qualifies = true;
        }
        for name in &settings.active_ignore {
            let meaning = meanings.entry(name);
            meaning.in_session = false;
            meaning.qualifies &= !settings.active_events.is_empty();
        }
        for name in &settings.key_actions {
            meanings.entry(name).key_action = true;
        }
        for (feature, names) in &settings.features {
            let no = given.features.iter().position(|known| **known == **feature);
            let bit = no.map_or(0, |no| 1 << no);
            names
                .iter()
                .for_each(|name| meanings.entry(name).features |= bit);
        }
        for name in settings
            .activation_events
            .iter()
            .chain(&settings.onboarding_steps)
        {
            let no = given.milestones.iter().position(|known| **known == **name);
            meanings.entry(name).milestone = no.map(|no| Milestone(no as u16));
        }
        meanings
    }

    fn entry(&mut self, name: &str) -> &mut Meaning {
        let hash = |named: &(Box<str>, Meaning)| xxh3_64(named.0.as_bytes());
        let other = self.other;
        let entry = self
            .named
            .entry(xxh3_64(name.as_bytes()), |known| *known.0 == *name, hash);
        &mut entry.or_insert_with(|| (name.into(), other)).into_mut().1
    }

    fn find(&self, name: &str) -> Meaning {
        if self.named.is_empty() {
            return self.other;
        }
        let found = self
            .named
            .find(xxh3_64(name.as_bytes()), |known| *known.0 == *name);
        found.map_or(self.other, |(_, meaning)| *meaning)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(features: &[(&str, &str)], steps: &[&str]) -> Settings {
        let mut settings = Settings::default();
        for (feature, event) in features {
            let events = settings.features.entry((*feature).into()).or_default();
            events.insert((*event).into());
        }
        settings.onboarding_steps = steps.iter().map(|step| (*step).into()).collect();
        settings
    }

    #[test]
    fn a_name_keeps_its_number_whatever_comes_before_it_later() {
        let before = Terms::new(settings(&[("m", "sent"), ("x", "drawn")], &["invited"]));
        let mut bytes = Vec::new();
        before.pack(&mut Packer(&mut bytes));
        let mut after = Terms::new(settings(
            &[("a", "called"), ("x", "drawn")],
            &["asked", "invited"],
        ));
        after.unpack(&mut Unpacker(&bytes)).unwrap();
        assert_eq!(after.features(), [2, 1]);
        assert_eq!(after.onboarding(), [Milestone(1), Milestone(0)]);
        assert_eq!(after.meaning("drawn").features, 0b10);
        assert_eq!(after.meaning("sent").features, 0);
    }

    #[test]
    fn more_features_than_bits_are_refused_over_time_too() {
        let names: Vec<String> = (0..64).map(|n| format!("f{n}")).collect();
        let features: Vec<(&str, &str)> = names.iter().map(|name| (&name[..], "e")).collect();
        let full = Terms::new(settings(&features, &[]));
        let mut bytes = Vec::new();
        full.pack(&mut Packer(&mut bytes));
        let mut one_more = Terms::new(settings(&[("other", "e")], &[]));
        let told = one_more.unpack(&mut Unpacker(&bytes));
        assert_eq!(told, Err(BrokenState::TooManyFeatures));
    }

    #[test]
    fn a_name_can_mean_several_things_and_an_unknown_one_is_an_ordinary_use() {
        let mut settings = settings(&[("mail", "sent")], &["sent"]);
        settings.active_ignore = ["sent".into(), "ping".into()].into();
        settings.key_actions = ["sent".into()].into();
        let terms = Terms::new(settings);
        let sent = Meaning {
            qualifies: false,
            key_action: true,
            in_session: false,
            features: 1,
            milestone: Some(Milestone(0)),
        };
        assert_eq!(terms.meaning("sent"), sent);
        assert!(!terms.meaning("ping").qualifies);
        assert!(terms.meaning("look").qualifies && terms.meaning("look").in_session);
    }
}
