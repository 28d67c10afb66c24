//! The calendars of a shard: which day an instant is in each zone, and which days are over.
//!
//! Asking the zone database costs more than all else that an event needs, so offsets are kept for a few
//! days of each zone. A zone's number is its place here, private to the running engine; records name zones.

use mainstay_model::{Day, Timestamp, Zone};

/// A zone's place in [`Zones`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ZoneNo(pub(crate) u16);

/// The zones that accounts of a shard live in, the default one first.
pub(crate) struct Zones {
    calendars: Vec<Calendar>,
    watermark: Timestamp,
    /// The nearest end of a day anywhere: before it the watermark moves for nothing.
    next_end: Timestamp,
}

struct Calendar {
    zone: Zone,
    /// The newest day that has ended by the watermark.
    over: Day,
    next_end: Timestamp,
    offsets: [CachedOffset; 8],
}

/// The offset during one day of UTC; `None` where it changes within it.
#[derive(Clone, Copy)]
struct CachedOffset {
    utc_day: i64,
    offset_ms: Option<i64>,
}

const MS_A_DAY: i64 = 86_400_000;

impl Zones {
    pub(crate) const DEFAULT: ZoneNo = ZoneNo(0);

    pub(crate) fn new(default: Zone) -> Zones {
        let mut zones = Zones {
            calendars: Vec::new(),
            watermark: Timestamp::MIN,
            next_end: Timestamp(i64::MAX),
        };
        zones.number(default);
        zones
    }

    /// The number of a zone, new or known.
    pub(crate) fn number(&mut self, zone: Zone) -> ZoneNo {
        let place = self
            .calendars
            .iter()
            .position(|calendar| calendar.zone == zone);
        let place = place.unwrap_or_else(|| {
            let mut calendar = Calendar::new(zone);
            calendar.advance(self.watermark);
            self.next_end = self.next_end.min(calendar.next_end);
            self.calendars.push(calendar);
            self.calendars.len() - 1
        });
        ZoneNo(u16::try_from(place).expect("there are fewer zones than numbers"))
    }

    pub(crate) fn zone(&self, no: ZoneNo) -> Zone {
        self.calendars[usize::from(no.0)].zone
    }

    /// The day of an instant.
    pub(crate) fn day_of(&mut self, no: ZoneNo, at: Timestamp) -> Day {
        self.calendars[usize::from(no.0)].day_of(at)
    }

    /// The newest day that has ended by the watermark.
    pub(crate) fn over(&self, no: ZoneNo) -> Day {
        self.calendars[usize::from(no.0)].over
    }

    /// Moves the watermark. Says whether a day ended anywhere.
    pub(crate) fn advance(&mut self, watermark: Timestamp) -> bool {
        self.watermark = watermark;
        if watermark < self.next_end {
            return false;
        }
        self.calendars
            .iter_mut()
            .for_each(|calendar| calendar.advance(watermark));
        let ends = self.calendars.iter().map(|calendar| calendar.next_end);
        self.next_end = ends.min().unwrap_or(Timestamp(i64::MAX));
        true
    }

    /// How many zones there are.
    pub(crate) fn len(&self) -> usize {
        self.calendars.len()
    }

    /// When the next day begins somewhere.
    pub(crate) fn next_today(&self, now: Timestamp) -> Timestamp {
        let zones = self.calendars.iter().map(|calendar| calendar.zone);
        let ends = zones.map(|zone| zone.end_of(zone.day_of(now)));
        ends.min().unwrap_or(Timestamp(i64::MAX))
    }

    /// When the watermark will end the next day somewhere.
    pub(crate) fn next_end(&self) -> Timestamp {
        self.next_end
    }
}

impl Calendar {
    fn new(zone: Zone) -> Calendar {
        let over = Day(-1_000_000);
        let none = CachedOffset {
            utc_day: i64::MIN,
            offset_ms: None,
        };
        Calendar {
            zone,
            over,
            next_end: Timestamp::MIN,
            offsets: [none; 8],
        }
    }

    fn advance(&mut self, watermark: Timestamp) {
        if watermark < self.next_end || watermark <= Timestamp::MIN {
            return;
        }
        // Near the right day at once, whatever the jump; the ends then decide.
        self.over = self.over.max(self.zone.day_of(watermark).minus(2));
        while self.zone.end_of(self.over.plus(1)) <= watermark {
            self.over = self.over.plus(1);
        }
        self.next_end = self.zone.end_of(self.over.plus(1));
    }

    fn day_of(&mut self, at: Timestamp) -> Day {
        let utc_day = at.0.div_euclid(MS_A_DAY);
        let cached = &mut self.offsets[(utc_day & 7) as usize];
        if cached.utc_day != utc_day {
            let first = self.zone.offset_ms(Timestamp(utc_day * MS_A_DAY));
            let last = self
                .zone
                .offset_ms(Timestamp(utc_day * MS_A_DAY + MS_A_DAY - 1));
            *cached = CachedOffset {
                utc_day,
                offset_ms: (first == last).then_some(first),
            };
        }
        match cached.offset_ms {
            Some(offset_ms) => Day((at.0 + offset_ms).div_euclid(MS_A_DAY) as i32),
            None => self.zone.day_of(at),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NAMES: [&str; 6] = [
        "UTC",
        "Europe/Berlin",
        "America/Sao_Paulo",
        "Asia/Kolkata",
        "Pacific/Apia",
        "America/St_Johns",
    ];

    proptest! {
        #[test]
        fn a_kept_offset_gives_the_same_day(
            zone in 0..NAMES.len(),
            times in prop::collection::vec(1_200_000_000_000i64..1_900_000_000_000, 1..50),
        ) {
            let zone: Zone = NAMES[zone].parse().unwrap();
            let mut zones = Zones::new(zone);
            for time in times {
                let at = Timestamp(time);
                prop_assert_eq!(zones.day_of(Zones::DEFAULT, at), zone.day_of(at));
            }
        }

        #[test]
        fn a_day_is_over_when_the_watermark_reaches_its_end(
            zone in 0..NAMES.len(),
            start in 1_200_000_000_000i64..1_900_000_000_000,
            steps in prop::collection::vec(0i64..200_000_000, 1..20),
        ) {
            let zone: Zone = NAMES[zone].parse().unwrap();
            let mut zones = Zones::new(zone);
            let mut at = start;
            for step in steps {
                at += step;
                zones.advance(Timestamp(at));
                let over = zones.over(Zones::DEFAULT);
                prop_assert!(zone.end_of(over) <= Timestamp(at));
                prop_assert!(zone.end_of(over.plus(1)) > Timestamp(at));
            }
        }
    }
}
