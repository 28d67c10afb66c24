//! From a story's text to records and expectations.

use std::collections::BTreeMap;

use chrono::DateTime;
use mainstay_engine::Settings;
use mainstay_model::{Code, Timestamp};
use serde_json::{Value, json};

use super::{Expected, ParseError, Place, Scenario};

pub(super) fn scenario(text: &str) -> Result<Scenario, ParseError> {
    let mut scenario = Scenario {
        settings: Settings::default(),
        records: Vec::new(),
        text: Vec::new(),
    };
    for (n, line) in text.lines().enumerate() {
        let expected = take(&mut scenario, line).map_err(|why| ParseError { line: n + 1, why })?;
        scenario.text.push((line.to_owned(), expected));
    }
    Ok(scenario)
}

fn take(scenario: &mut Scenario, line: &str) -> Result<Option<Expected>, String> {
    let line = line.trim();
    if let Some(raw) = line.strip_prefix("line ") {
        scenario.records.push(raw.trim().to_owned());
        return Ok(None);
    }
    let line = line.split('#').next().unwrap_or_default();
    let mut words = Words::of(line);
    let Some(verb) = words.plain.pop_front() else {
        return Ok(None);
    };
    let expected = match verb.as_str() {
        "set" => set(&mut scenario.settings, &mut words).map(|()| None)?,
        "expect" => Some(values(&mut words)?),
        "absent" => Some(Expected::Absent {
            account: words.next("an account")?,
            date: words.parsed("a date")?,
        }),
        "dead" => Some(dead(&mut words)?),
        "close" => close(scenario, &mut words).map(|()| None)?,
        _ => event(scenario, &verb, &mut words).map(|()| None)?,
    };
    words.are_used_up()?;
    Ok(expected)
}

/// The words of a line: plain ones in their order, and those with a name.
struct Words {
    plain: std::collections::VecDeque<String>,
    named: Vec<(String, String)>,
}

impl Words {
    fn of(line: &str) -> Words {
        let mut words = Words {
            plain: std::collections::VecDeque::new(),
            named: Vec::new(),
        };
        for word in line.split_whitespace() {
            match word.split_once('=') {
                Some((name, value)) => words.named.push((name.to_owned(), value.to_owned())),
                None => words.plain.push_back(word.to_owned()),
            }
        }
        words
    }

    fn next(&mut self, what: &str) -> Result<String, String> {
        let word = self.plain.pop_front();
        word.ok_or_else(|| format!("{what} is missing"))
    }

    fn parsed<T: std::str::FromStr>(&mut self, what: &str) -> Result<T, String> {
        let word = self.next(what)?;
        word.parse().map_err(|_| format!("`{word}` is not {what}"))
    }

    fn named(&mut self, name: &str) -> Option<String> {
        let place = self.named.iter().position(|(known, _)| known == name)?;
        Some(self.named.remove(place).1)
    }

    fn are_used_up(&self) -> Result<(), String> {
        let named = self.named.iter().map(|(name, _)| format!("{name}="));
        match self.plain.iter().cloned().chain(named).next() {
            None => Ok(()),
            Some(word) => Err(format!("`{word}` has no meaning here")),
        }
    }
}

fn set(settings: &mut Settings, words: &mut Words) -> Result<(), String> {
    for (name, value) in std::mem::take(&mut words.named) {
        let names = || value.split(',').map(str::to_owned).collect();
        let number = || {
            value
                .parse()
                .map_err(|_| format!("{name}={value}: no number"))
        };
        match name.as_str() {
            "zone" => settings.zone = value.parse().map_err(|e| format!("{e}"))?,
            "lateness" => settings.lateness_ms = span_ms(&value)?,
            "gap" => settings.session_gap_ms = span_ms(&value)?,
            "skew" => settings.max_skew_ms = span_ms(&value)?,
            "active" => settings.active_events = names(),
            "ignore" => settings.active_ignore = names(),
            "key_actions" => settings.key_actions = names(),
            "min_events" => settings.active_min_events = number()?,
            "engaged_k" => settings.engaged_k = number()?,
            "correction_days" => {
                settings.correction_days = number()?.try_into().map_err(|_| "too many days")?;
            }
            _ => return Err(format!("no setting is called `{name}`")),
        }
    }
    Ok(())
}

fn event(scenario: &mut Scenario, verb: &str, words: &mut Words) -> Result<(), String> {
    let kind = match verb {
        "event" => "product.event",
        "signup" => "user.signed_up",
        "invited" => "user.invited",
        "removed" => "user.removed",
        "created" => "account.created",
        "updated" => "account.updated",
        "deleted" => "account.deleted",
        _ => return Err(format!("`{verb}` is no word of a story")),
    };
    let (text, time) = instant(&words.next("a time")?)?;
    let account = words.next("an account")?;
    let mut data = json!({});
    let user = match kind.split_once('.') {
        Some(("account", _)) => None,
        _ => Some(words.next("a user, or -")?).filter(|user| user != "-"),
    };
    if verb == "event" {
        data["name"] = json!(words.next("the event's name")?);
    }
    if let Some(duration) = words.named("duration") {
        data["duration_ms"] = json!(span_ms(&duration)?);
    }
    for name in ["actor", "tz", "plan"] {
        if let Some(value) = words.named(name) {
            data[name] = json!(value);
        }
    }
    let (times, every_ms) = (words.named("times"), words.named("every"));
    let times: i64 = times.map_or(Ok(1), |n| n.parse().map_err(|_| "times= is no number"))?;
    let every_ms = every_ms.map_or(Ok(0), |every| span_ms(&every))?;
    let arrival = words.named("at").map(|at| instant(&at)).transpose()?;
    let (id, source) = (words.named("id"), words.named("source"));
    for n in 0..times {
        let at = match n {
            0 => text.clone(),
            _ => time.plus_ms(n * every_ms).to_string(),
        };
        let mut event = BTreeMap::from([
            ("account_id", json!(account)),
            ("data", data.clone()),
            ("time", json!(at)),
            ("type", json!(kind)),
        ]);
        let next_id = || format!("e{}", scenario.records.len() + 1);
        event.insert("id", json!(id.clone().unwrap_or_else(next_id)));
        event.extend(user.as_ref().map(|user| ("user_id", json!(user))));
        event.extend(source.as_ref().map(|source| ("source", json!(source))));
        let received = arrival.as_ref().map(|(_, at)| at.plus_ms(n * every_ms));
        event.extend(received.map(|at| ("received_at", json!(at.to_string()))));
        scenario.records.push(json!(event).to_string());
    }
    Ok(())
}

fn close(scenario: &mut Scenario, words: &mut Words) -> Result<(), String> {
    let (text, _) = instant(&words.next("a time")?)?;
    let id = format!("e{}", scenario.records.len() + 1);
    let event = json!({"id": id, "type": "account.updated", "account_id": "time passes",
        "time": text, "data": {}});
    scenario.records.push(event.to_string());
    Ok(())
}

fn values(words: &mut Words) -> Result<Expected, String> {
    let (account, date) = (words.next("an account")?, words.parsed("a date")?);
    let revision = words.named("revision").map(|revision| revision.parse());
    let named = std::mem::take(&mut words.named);
    let values = named.into_iter().map(|(name, text)| {
        let value = serde_json::from_str(&text).unwrap_or(Value::String(text));
        match name.strip_prefix("corrects.") {
            Some(name) => (Place::Corrects, name.to_owned(), value),
            None => (Place::Metrics, name, value),
        }
    });
    Ok(Expected::Values {
        account,
        date,
        revision: revision.transpose().map_err(|e| format!("revision: {e}"))?,
        values: values.collect(),
    })
}

fn dead(words: &mut Words) -> Result<Expected, String> {
    let code = words.next("a code")?;
    if !Code::ALL.iter().any(|known| known.name() == code) {
        return Err(format!("`{code}` is no code of a dead letter"));
    }
    let account = words.next("an account, or -")?;
    Ok(Expected::Dead { code, account })
}

/// An instant, as RFC 3339; seconds may be left out.
fn instant(text: &str) -> Result<(String, Timestamp), String> {
    let zone_at = text.rfind(['Z', '+', '-']).unwrap_or(text.len());
    let (clock, zone) = text.split_at(zone_at);
    let whole = match clock.matches(':').count() {
        1 => format!("{clock}:00{zone}"),
        _ => text.to_owned(),
    };
    let at = DateTime::parse_from_rfc3339(&whole).map_err(|e| format!("`{text}`: {e}"))?;
    Ok((whole, Timestamp(at.timestamp_millis())))
}

/// A span such as `1800.001s`, `30m`, `2h` or `1d`, in milliseconds.
fn span_ms(text: &str) -> Result<i64, String> {
    let wrong = || format!("`{text}` is no span: 90s, 30m, 2h, 1d");
    let (number, unit) = text.split_at(text.len().saturating_sub(1));
    let unit_ms = match unit {
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(wrong()),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let whole: i64 = whole.parse().map_err(|_| wrong())?;
    let thousandths: i64 = format!("{fraction:0<3}").parse().map_err(|_| wrong())?;
    Ok(whole * unit_ms + thousandths * unit_ms / 1000)
}
