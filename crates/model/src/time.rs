//! Instants, calendar days and time zones.
//!
//! A [`Timestamp`] is an instant, a [`Day`] a date on a calendar; only a [`Zone`] turns one into the other.
//! Nothing here asks what time it is.

use std::fmt;
use std::str::FromStr;

use chrono::{
    DateTime, Datelike, Months, NaiveDate, NaiveDateTime, NaiveTime, Offset, TimeZone, Utc,
};

/// An instant: milliseconds since 1970-01-01T00:00:00Z. Finer digits are cut at the door.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// Earlier than every instant that an event can have.
    pub const MIN: Timestamp = Timestamp(i64::MIN / 4);

    /// This instant, `ms` milliseconds later.
    #[must_use]
    pub fn plus_ms(self, ms: i64) -> Timestamp {
        Timestamp(self.0.saturating_add(ms))
    }

    /// This instant, `ms` milliseconds earlier.
    #[must_use]
    pub fn minus_ms(self, ms: i64) -> Timestamp {
        Timestamp(self.0.saturating_sub(ms))
    }
}

/// RFC 3339 in UTC; milliseconds are written only where there are any.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let day = Day(i32::try_from(self.0.div_euclid(MS_A_DAY)).map_err(|_| fmt::Error)?);
        let ms = self.0.rem_euclid(MS_A_DAY);
        let (hours, minutes, seconds, ms) =
            (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60, ms % 1000);
        write!(f, "{day}T{hours:02}:{minutes:02}:{seconds:02}")?;
        if ms != 0 {
            write!(f, ".{ms:03}")?;
        }
        f.write_str("Z")
    }
}

const MS_A_DAY: i64 = 86_400_000;

/// A calendar day, counted from 1970-01-01.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(pub i32);

impl Day {
    /// The day `days` later.
    #[must_use]
    pub fn plus(self, days: i32) -> Day {
        Day(self.0.saturating_add(days))
    }

    /// The day `days` earlier.
    #[must_use]
    pub fn minus(self, days: i32) -> Day {
        Day(self.0.saturating_sub(days))
    }

    /// The same day of the month `months` later, or the last day of that month where it has none: a year
    /// after 29 February comes 28 February.
    #[must_use]
    pub fn plus_months(self, months: u32) -> Day {
        let later = self.date().checked_add_months(Months::new(months));
        later.map_or(self, |date| Day(date.to_epoch_days()))
    }

    /// How many days this one lies after `earlier`; negative when it lies before.
    #[must_use]
    pub fn since(self, earlier: Day) -> i32 {
        self.0.saturating_sub(earlier.0)
    }

    /// The first day of its ISO 8601 week, a Monday.
    #[must_use]
    pub fn first_of_week(self) -> Day {
        // Day 0 was a Thursday.
        self.minus((self.0 + 3).rem_euclid(7))
    }

    /// The first day of its month.
    #[must_use]
    pub fn first_of_month(self) -> Day {
        self.minus(self.date().day0().cast_signed())
    }

    /// The last day of its month.
    #[must_use]
    pub fn last_of_month(self) -> Day {
        let days = i32::from(self.date().num_days_in_month());
        self.first_of_month().plus(days - 1)
    }

    /// Its ISO 8601 week, `2026-W09`.
    #[must_use]
    pub fn week_name(self) -> String {
        let week = self.date().iso_week();
        format!("{:04}-W{:02}", week.year(), week.week())
    }

    /// Its month, `2026-03`.
    #[must_use]
    pub fn month_name(self) -> String {
        let date = self.date();
        format!("{:04}-{:02}", date.year(), date.month())
    }

    fn date(self) -> NaiveDate {
        NaiveDate::from_epoch_days(self.0).unwrap_or(NaiveDate::MAX)
    }
}

/// `2026-03-01`
impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let date = self.date();
        write!(
            f,
            "{:04}-{:02}-{:02}",
            date.year(),
            date.month(),
            date.day()
        )
    }
}

impl FromStr for Day {
    type Err = chrono::ParseError;

    fn from_str(text: &str) -> Result<Day, chrono::ParseError> {
        text.parse::<NaiveDate>()
            .map(|date| Day(date.to_epoch_days()))
    }
}

/// A time zone of the IANA database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Zone(chrono_tz::Tz);

/// A name that the IANA database does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZoneError(pub String);

impl fmt::Display for ZoneError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not a time zone of the IANA database", self.0)
    }
}

impl std::error::Error for ZoneError {}

impl Zone {
    /// Coordinated universal time, the default.
    pub const UTC: Zone = Zone(chrono_tz::Tz::UTC);

    /// The zone's name in the database, `Europe/Berlin`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.0.name()
    }

    /// All names of the database, to find the nearest to a mistyped one.
    pub fn names() -> impl Iterator<Item = &'static str> {
        chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name())
    }

    /// What a clock on the wall shows at an instant, less UTC, in milliseconds.
    #[must_use]
    pub fn offset_ms(&self, at: Timestamp) -> i64 {
        let utc = DateTime::from_timestamp_millis(at.0).unwrap_or(DateTime::<Utc>::MIN_UTC);
        let offset = self.0.offset_from_utc_datetime(&utc.naive_utc());
        i64::from(offset.fix().local_minus_utc()) * 1000
    }

    /// The calendar day of an instant.
    #[must_use]
    pub fn day_of(&self, at: Timestamp) -> Day {
        let local = at.0.saturating_add(self.offset_ms(at));
        Day(i32::try_from(local.div_euclid(MS_A_DAY)).unwrap_or(i32::MAX))
    }

    /// The first instant after a day: no later instant has this date or an earlier one.
    ///
    /// Where clocks go forward over midnight the day ends at the jump; where they go back over it, the day
    /// ends at the second midnight.
    #[must_use]
    pub fn end_of(&self, day: Day) -> Timestamp {
        let midnight = NaiveDateTime::new(day.plus(1).date(), NaiveTime::MIN);
        let naive_ms = midnight.and_utc().timestamp_millis();
        match self.0.from_local_datetime(&midnight) {
            chrono::LocalResult::Single(at) | chrono::LocalResult::Ambiguous(_, at) => {
                Timestamp(at.timestamp_millis())
            }
            chrono::LocalResult::None => {
                let before = Timestamp(naive_ms - MS_A_DAY);
                Timestamp(naive_ms - self.offset_ms(before))
            }
        }
    }
}

impl FromStr for Zone {
    type Err = ZoneError;

    fn from_str(name: &str) -> Result<Zone, ZoneError> {
        name.parse()
            .map(Zone)
            .map_err(|_| ZoneError(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp(
            DateTime::parse_from_rfc3339(text)
                .unwrap()
                .timestamp_millis(),
        )
    }

    #[test]
    fn an_instant_is_written_with_milliseconds_only_where_there_are_any() {
        assert_eq!(
            at("2026-03-02T02:00:00Z").to_string(),
            "2026-03-02T02:00:00Z"
        );
        assert_eq!(
            at("2026-03-02T02:00:00.120Z").to_string(),
            "2026-03-02T02:00:00.120Z"
        );
        assert_eq!(
            at("1969-12-31T23:59:59.999Z").to_string(),
            "1969-12-31T23:59:59.999Z"
        );
    }

    #[test]
    fn a_day_is_written_and_read_as_a_date() {
        assert_eq!(
            "2026-03-01".parse::<Day>().unwrap().to_string(),
            "2026-03-01"
        );
        assert_eq!(Day(0).to_string(), "1970-01-01");
    }

    #[test]
    fn a_month_later_is_the_same_day_or_the_last_of_the_month() {
        for (day, months, later) in [
            ("2026-03-15", 12, "2027-03-15"),
            ("2028-02-29", 12, "2029-02-28"),
            ("2026-01-31", 1, "2026-02-28"),
            ("2026-12-01", 1, "2027-01-01"),
        ] {
            let day: Day = day.parse().unwrap();
            assert_eq!(day.plus_months(months).to_string(), later);
        }
    }

    #[test]
    fn a_day_belongs_to_the_zone() {
        let tokyo: Zone = "Asia/Tokyo".parse().unwrap();
        assert_eq!(
            tokyo.day_of(at("2026-03-01T15:00:00Z")).to_string(),
            "2026-03-02"
        );
        assert_eq!(
            tokyo.day_of(at("2026-03-01T14:59:59.999Z")).to_string(),
            "2026-03-01"
        );
        assert_eq!(
            tokyo.end_of("2026-03-01".parse().unwrap()),
            at("2026-03-01T15:00:00Z")
        );
    }

    #[test]
    fn a_day_with_a_clock_change_has_23_or_25_hours() {
        let berlin: Zone = "Europe/Berlin".parse().unwrap();
        assert_eq!(
            berlin.end_of("2026-03-28".parse().unwrap()),
            at("2026-03-28T23:00:00Z")
        );
        assert_eq!(
            berlin.end_of("2026-03-29".parse().unwrap()),
            at("2026-03-29T22:00:00Z")
        );
        assert_eq!(
            berlin.end_of("2026-10-25".parse().unwrap()),
            at("2026-10-25T23:00:00Z")
        );
    }

    #[test]
    fn clocks_that_jump_over_midnight_end_the_day_at_the_jump() {
        // Sao Paulo, 2018-11-04: 00:00 becomes 01:00, at 03:00 UTC.
        let sao_paulo: Zone = "America/Sao_Paulo".parse().unwrap();
        let jump = at("2018-11-04T03:00:00Z");
        assert_eq!(sao_paulo.end_of("2018-11-03".parse().unwrap()), jump);
        assert_eq!(sao_paulo.day_of(jump).to_string(), "2018-11-04");
        assert_eq!(sao_paulo.day_of(jump.minus_ms(1)).to_string(), "2018-11-03");
    }

    #[test]
    fn clocks_that_go_back_over_midnight_end_the_day_at_the_second_midnight() {
        // Sao Paulo, 2018-02-18: 00:00 becomes 23:00 of the 17th again, at 02:00 UTC.
        let sao_paulo: Zone = "America/Sao_Paulo".parse().unwrap();
        assert_eq!(
            sao_paulo.end_of("2018-02-17".parse().unwrap()),
            at("2018-02-18T03:00:00Z")
        );
        assert_eq!(
            sao_paulo.day_of(at("2018-02-18T02:59:59Z")).to_string(),
            "2018-02-17"
        );
    }
}
