//! RFC 3339 to an instant, exactly and without a calendar library.
//!
//! An event has two of these, and they are a good part of the time that decoding it takes. The offset is
//! required: a time without one is not an instant. Fractions are cut to milliseconds; a leap second (:60)
//! is folded into the second before it.

use mainstay_model::Timestamp;

/// The years that an event may lie in. Earlier ones are the zero values of some language, not dates.
const YEARS: std::ops::RangeInclusive<i64> = 1970..=9999;

/// The instant, or what is wrong with the text.
pub(crate) fn parse(text: &str) -> Result<Timestamp, &'static str> {
    let bytes = text.as_bytes();
    let Some((head, tail)) = bytes.split_first_chunk::<19>() else {
        return Err(NOT_RFC_3339);
    };
    let [
        y0,
        y1,
        y2,
        y3,
        b'-',
        m0,
        m1,
        b'-',
        d0,
        d1,
        t,
        h0,
        h1,
        b':',
        n0,
        n1,
        b':',
        s0,
        s1,
    ] = *head
    else {
        return Err(NOT_RFC_3339);
    };
    if !matches!(t, b'T' | b't' | b' ') {
        return Err(NOT_RFC_3339);
    }
    let year = two(y0, y1)? * 100 + two(y2, y3)?;
    let (month, day) = (two(m0, m1)?, two(d0, d1)?);
    let (hour, minute, second) = (two(h0, h1)?, two(n0, n1)?, two(s0, s1)?);
    if !YEARS.contains(&year) {
        return Err("the year is not between 1970 and 9999");
    }
    if !(1..=12).contains(&month) || day < 1 || day > days_in(year, month) {
        return Err("there is no such day");
    }
    if hour > 23 || minute > 59 || second > 60 {
        return Err("there is no such time of day: 00:00:00 to 23:59:60");
    }
    let (ms, zone) = fraction(tail)?;
    let offset_minutes = offset(zone)?;
    let seconds = days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second.min(59)
        - offset_minutes * 60;
    Ok(Timestamp(seconds * 1000 + ms))
}

const NOT_RFC_3339: &str = "expected RFC 3339 with an offset, as in 2026-03-01T09:30:00Z";
const NO_OFFSET: &str =
    "a time without an offset is not an instant; expected Z or an offset as in +01:00 at its end";

fn two(tens: u8, ones: u8) -> Result<i64, &'static str> {
    let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
    if tens > 9 || ones > 9 {
        return Err(NOT_RFC_3339);
    }
    Ok(i64::from(tens * 10 + ones))
}

/// The milliseconds of a fraction, if there is one, and what follows it.
fn fraction(tail: &[u8]) -> Result<(i64, &[u8]), &'static str> {
    let Some((b'.', rest)) = tail.split_first() else {
        return Ok((0, tail));
    };
    let len = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if len == 0 {
        return Err(NOT_RFC_3339);
    }
    let digit = |place: usize| {
        rest[..len]
            .get(place)
            .map_or(0, |byte| i64::from(byte - b'0'))
    };
    Ok((digit(0) * 100 + digit(1) * 10 + digit(2), &rest[len..]))
}

/// Minutes east of UTC.
fn offset(zone: &[u8]) -> Result<i64, &'static str> {
    match *zone {
        [b'Z' | b'z'] => Ok(0),
        [sign @ (b'+' | b'-'), h0, h1, b':', m0, m1] => {
            let (hours, minutes) = (two(h0, h1)?, two(m0, m1)?);
            if hours > 23 || minutes > 59 {
                return Err("there is no such offset");
            }
            let east = hours * 60 + minutes;
            Ok(if sign == b'-' { -east } else { east })
        }
        [] => Err(NO_OFFSET),
        _ => Err(NOT_RFC_3339),
    }
}

fn days_in(year: i64, month: i64) -> i64 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01. The year is taken to begin in March, so that the leap day is its last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    year * 365 + year / 4 - year / 100 + year / 400 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn times_are_read() {
        for (text, ms) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2026-03-01T09:30:00Z", 1_772_357_400_000),
            ("2026-03-01t09:30:00z", 1_772_357_400_000),
            ("2026-03-01 09:30:00+00:00", 1_772_357_400_000),
            ("2026-03-01T10:30:00+01:00", 1_772_357_400_000),
            ("2026-03-01T00:00:00-09:30", 1_772_357_400_000),
            ("2026-03-01T09:30:00.1Z", 1_772_357_400_100),
            (
                "2026-03-01T09:30:00.1239999999999999999999Z",
                1_772_357_400_123,
            ),
            ("2016-12-31T23:59:60Z", 1_483_228_799_000),
            ("2016-12-31T23:59:60.75Z", 1_483_228_799_750),
            ("2024-02-29T00:00:00Z", 1_709_164_800_000),
        ] {
            assert_eq!(parse(text), Ok(Timestamp(ms)), "{text}");
        }
    }

    #[test]
    fn what_is_no_instant_is_refused() {
        for text in [
            "",
            "2026-03-01",
            "2026-03-01T09:30Z",
            "2026-03-01T09:30:00",
            "2026-03-01T24:00:00Z",
            "2026-03-01T09:60:00Z",
            "2026-03-01T09:30:61Z",
            "2026-02-29T00:00:00Z",
            "2100-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-00-01T00:00:00Z",
            "2026-01-00T00:00:00Z",
            "0001-01-01T00:00:00Z",
            "2026-03-01T09:30:00.Z",
            "2026-03-01T09:30:00+1:00",
            "2026-03-01T09:30:00+24:00",
            "2026-03-01T09:30:00+0100",
            "2026-03-01T09:30:00Z ",
            "+2026-03-01T09:30:00Z",
            "2026-03-01T09:30:00,5Z",
            "２026-03-01T09:30:00Z",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_time_is_what_a_calendar_library_says(
            seconds in 0i64..253_402_214_400, nanos in 0u32..1_000_000_000, east in -1439i32..1440,
        ) {
            let zone = chrono::FixedOffset::east_opt(east * 60).unwrap();
            let at = chrono::DateTime::from_timestamp(seconds, nanos).unwrap().with_timezone(&zone);
            let text = at.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true);
            prop_assume!(!text.starts_with("1969"));
            prop_assert_eq!(parse(&text), Ok(Timestamp(at.timestamp_millis())));
        }

        #[test]
        fn nothing_is_read_that_a_calendar_library_refuses(
            text in "(19|20|99)[0-9]{2}-[01][0-9]-[0-3][0-9][Tt ][0-2][0-9]:[0-6][0-9]:[0-6][0-9](\\.[0-9]{1,12})?(Z|z|[+-][0-2][0-9]:[0-6][0-9])",
        ) {
            match (parse(&text), chrono::DateTime::parse_from_rfc3339(&text)) {
                (Ok(mine), Ok(theirs)) if !text.contains(":60") => {
                    prop_assert_eq!(mine.0, theirs.timestamp_millis());
                }
                (Ok(mine), Err(why)) => prop_assert!(false, "{text}: {mine:?}, {why}"),
                (Err(why), Ok(_)) if !text.starts_with("19") => prop_assert!(false, "{text}: {why}"),
                (Ok(_), Ok(_)) | (Err(_), _) => {}
            }
        }
    }
}
