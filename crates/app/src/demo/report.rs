//! What a demo says in words and in JSON: while it runs, and in the end.

use std::collections::BTreeMap;

use mainstay_engine::account_infos;
use mainstay_model::{Currency, Timestamp};
use mainstay_testkit::company::{Fortune, Story};
use serde_json::{Map, Value as Json, json};

use super::picture::{Picture, number};
use super::values::{count, ratio};
use super::{Ended, Seen};

/// How many differences are told.
const FEW: usize = 5;
/// How many stories of each kind are told.
const STORIES_OF_A_KIND: usize = 2;

/// A demo, for its report.
pub struct Report<'a> {
    /// How it ended.
    pub ended: &'a Ended,
    /// What was seen last.
    pub seen: &'a Seen,
    /// Who the company's customers are, by their ids.
    pub stories: &'a BTreeMap<String, Story>,
    /// When the company's stream began.
    pub begin: Timestamp,
    /// What money is told in.
    pub currency: Currency,
    /// The seed of the company.
    pub seed: u64,
    /// How much faster than life.
    pub speed: u32,
}

impl Report<'_> {
    /// One JSON object.
    #[must_use]
    pub fn to_json(&self) -> Json {
        let verdict = &self.ended.verdict;
        json!({
            "events": self.ended.fed,
            "accounts": self.seen.ever.len(),
            "users": self.users(),
            "verified": verdict.is_verified(),
            "account_days_verified": verdict.account_days,
            "differences": verdict.differences.iter().take(FEW).collect::<Vec<_>>(),
            "differences_count": verdict.differences.len(),
            "events_per_second": self.seen.rate().round(),
            "seed": self.seed,
            "speed": self.speed,
            "simulated_days": (self.simulated_days() * 100.0).round() / 100.0,
            "late": self.seen.counts.late,
            "duplicates": self.seen.counts.duplicates,
            "dead_letters": dead_letters(self.seen),
            "mrr_minor": self.mrr().iter().sum::<i64>(),
            "currency": self.currency.code(),
            "movements": self.movements(),
        })
    }

    /// What each account pays a month, in minor units.
    fn mrr(&self) -> Vec<i64> {
        let paid = self.seen.accounts.values();
        paid.filter_map(|values| count(values, "mrr")).collect()
    }

    fn movements(&self) -> Json {
        let sums = self.seen.movements_so_far().by_kind().into_iter();
        let sums = sums.map(|(kind, sum)| {
            let sum = json!({ "count": sum.count, "amount_minor": sum.amount });
            (kind.to_owned(), sum)
        });
        Json::Object(sums.collect())
    }

    /// For people: some stories and what was seen of them, then the verdict.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let mut lines = self.told_stories();
        if !lines.is_empty() {
            let head = "What the company knows, and what Mainstay saw:";
            lines.insert(0, head.to_owned());
            lines.push(String::new());
        }
        lines.push(format!(
            "{} events of {:.1} days, {} a second, from {} accounts with {} users",
            number(self.ended.fed),
            self.simulated_days(),
            number(self.seen.rate() as u64),
            number(self.seen.ever.len() as u64),
            number(self.users()),
        ));
        let movements = self.seen.movements_so_far();
        lines.extend(movements.told(&self.mrr(), self.currency));
        lines.extend(self.verdict());
        lines
    }

    fn verdict(&self) -> Vec<String> {
        let verdict = &self.ended.verdict;
        let days = number(verdict.account_days as u64);
        if verdict.is_verified() {
            return vec![format!(
                "verified: {days} account-days equal the truth of the generator, each in all {} metrics",
                account_infos().len()
            )];
        }
        if verdict.differences.is_empty() {
            return vec!["not verified: no day was closed; let it run for longer".to_owned()];
        }
        let mut lines = vec![format!(
            "NOT VERIFIED: {} differences in {days} account-days",
            number(verdict.differences.len() as u64)
        )];
        let few = verdict.differences.iter().take(FEW);
        lines.extend(few.map(|difference| format!("  {difference}")));
        lines
    }

    fn simulated_days(&self) -> f64 {
        let ms = (self.ended.until.0 - self.begin.0).max(0);
        ms as f64 / 86_400_000.0
    }

    fn users(&self) -> u64 {
        let known = self.seen.accounts.values();
        let known = known.filter_map(|values| count(values, "known_users"));
        known.map(i64::unsigned_abs).sum()
    }

    /// The largest accounts of every kind of fate that is not too far ahead.
    fn told_stories(&self) -> Vec<String> {
        let mut stories: Vec<&Story> = self.stories.values().collect();
        stories.sort_by_key(|story| std::cmp::Reverse(story.users));
        let mut told: BTreeMap<u8, Vec<String>> = BTreeMap::new();
        for story in stories {
            let Some((kind, saw)) = self.saw(story) else {
                continue;
            };
            let of_kind = told.entry(kind).or_default();
            if of_kind.len() < STORIES_OF_A_KIND {
                of_kind.push(format!("  {story}: {saw}"));
            }
        }
        told.into_values().flatten().collect()
    }

    /// What was seen of a story, with its kind; none while there is nothing to see yet.
    fn saw(&self, story: &Story) -> Option<(u8, String)> {
        let values = self.seen.accounts.get(&story.account);
        let passed = story
            .date
            .is_some_and(|date| story.zone.day_of(self.ended.until) > date.plus(1));
        let number = |id| values.and_then(|values| count(values, id));
        let trend = values.and_then(|values| ratio(values, "usage_trend"));
        let trend = || trend.map(|trend| format!("usage_trend {trend:+.2}"));
        match story.fortune {
            Fortune::Steady | Fortune::WorksAtNight => None,
            Fortune::Grows { .. } => {
                let known = number("known_users")?;
                Some((0, format!("known users {known}, {}", trend()?)))
            }
            Fortune::Fades { .. } => Some((1, trend()?)),
            Fortune::GoesSilent { .. } if passed => {
                let days = number("days_since_last_seen")?;
                Some((2, format!("nobody for {days} days, {}", trend()?)))
            }
            Fortune::Leaves { .. } if passed => Some((
                3,
                match values {
                    None => "no longer told".to_owned(),
                    Some(_) => "still told".to_owned(),
                },
            )),
            Fortune::Arrives { .. } if passed => {
                let (age, known) = (number("account_age_days")?, number("known_users")?);
                Some((4, format!("{age} days old, {known} known users")))
            }
            Fortune::GoesSilent { .. } | Fortune::Leaves { .. } | Fortune::Arrives { .. } => None,
        }
    }
}

/// How it goes, as a JSON object.
#[must_use]
pub fn progress(picture: &Picture) -> Json {
    let ms = |at: fn(&(std::time::Duration, std::time::Duration)) -> u128| {
        picture.latency.as_ref().map(at).map(|ms| ms as u64)
    };
    json!({
        "phase": picture.phase.name(),
        "time": picture.now.map(|now| now.to_string()),
        "seconds": (picture.elapsed.as_secs_f64() * 10.0).round() / 10.0,
        "events": picture.events,
        "events_per_second": picture.rate.round(),
        "accounts": picture.rows.len(),
        "late": picture.late,
        "duplicates": picture.duplicates,
        "dead_letters": object(&picture.dead_letters),
        "lag": picture.lag,
        "commit_p50_ms": ms(|(median, _)| median.as_millis()),
        "commit_p99_ms": ms(|(_, slow)| slow.as_millis()),
    })
}

/// How it goes, in a short line.
#[must_use]
pub fn progress_line(picture: &Picture) -> String {
    let time = picture.now.map_or("-".to_owned(), |now| now.to_string());
    format!(
        "{}: {time}, {} events, {}/s, {} accounts, {} waiting",
        picture.phase.name(),
        number(picture.events),
        number(picture.rate as u64),
        picture.rows.len(),
        number(picture.lag),
    )
}

fn dead_letters(seen: &Seen) -> Json {
    let codes: Vec<_> = seen.counts.rejected_by_code().collect();
    let codes: Vec<_> = codes
        .iter()
        .map(|(code, count)| (code.name(), *count))
        .collect();
    object(&codes)
}

fn object(counts: &[(&'static str, u64)]) -> Json {
    let counts = counts
        .iter()
        .map(|(name, count)| ((*name).to_owned(), json!(count)));
    Json::Object(counts.collect::<Map<_, _>>())
}
