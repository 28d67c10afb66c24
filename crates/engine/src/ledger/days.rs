//! The days of an account, for its books.
//!
//! A zone that is told later holds from a day on: days before it end where they ended. So every instant lies
//! on exactly one day, also where two zones meet, and what was booked on a day stays there.

use mainstay_model::{Day, Timestamp, Zone};

/// Where the days of an account begin and end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Days {
    /// The zones before, each with the first day that is no longer in it, by rising day.
    before: Vec<(Day, Zone)>,
    zone: Zone,
}

impl Days {
    /// Days in one zone.
    #[must_use]
    pub fn of(zone: Zone) -> Days {
        Days {
            before: Vec::new(),
            zone,
        }
    }

    /// Days in the zones `before`, each until the first day that is no longer in it, and in `zone` from then on.
    #[must_use]
    pub fn after(before: Vec<(Day, Zone)>, zone: Zone) -> Days {
        Days { before, zone }
    }

    /// The zones before the present one, each with the first day that was no longer in it.
    #[must_use]
    pub fn before(&self) -> &[(Day, Zone)] {
        &self.before
    }

    /// From the day `from` on days are those of `zone`.
    pub fn move_to(&mut self, zone: Zone, from: Day) {
        if zone == self.zone {
            return;
        }
        // A zone that no day ended in leaves nothing.
        if self.before.last().is_none_or(|(until, _)| *until < from) {
            self.before.push((from, self.zone));
        }
        self.zone = zone;
    }

    /// The first instant after a day.
    #[must_use]
    pub fn end_of(&self, day: Day) -> Timestamp {
        let end = self.zone_of(day).end_of(day);
        if self.before.is_empty() {
            return end;
        }
        // Further east the next day may end before this one did.
        let before = day.minus(1);
        end.max(self.zone_of(before).end_of(before))
    }

    /// The first instant of a day.
    #[must_use]
    pub fn begin_of(&self, day: Day) -> Timestamp {
        self.end_of(day.minus(1))
    }

    /// The day of an instant.
    #[must_use]
    pub fn day_of(&self, at: Timestamp) -> Day {
        if self.before.is_empty() {
            return self.zone.day_of(at);
        }
        let mut day = self.zone.day_of(at).minus(2);
        while self.end_of(day) <= at {
            day = day.plus(1);
        }
        day
    }

    fn zone_of(&self, day: Day) -> Zone {
        let mut before = self.before.iter();
        let of_then = before.find(|(until, _)| day < *until);
        of_then.map_or(self.zone, |(_, zone)| *zone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(name: &str) -> Zone {
        name.parse().unwrap()
    }

    #[test]
    fn every_instant_lies_on_one_day_wherever_an_account_moves() {
        let zones = ["Pacific/Kiritimati", "Etc/GMT+12", "Asia/Tokyo", "UTC"].map(zone);
        for from in zones {
            for to in zones {
                let mut days = Days::of(from);
                days.move_to(to, Day(20_000));
                days.move_to(Zone::UTC, Day(20_001));
                for day in (19_995..20_006).map(Day) {
                    assert!(days.begin_of(day) <= days.end_of(day));
                    for at in [days.begin_of(day), days.end_of(day).minus_ms(1)] {
                        let is_empty = days.begin_of(day) == days.end_of(day);
                        assert!(is_empty || days.day_of(at) == day, "{from:?} {to:?} {day}");
                    }
                }
                assert_eq!(days.end_of(Day(19_999)), from.end_of(Day(19_999)));
            }
        }
    }

    #[test]
    fn a_zone_in_which_no_day_ended_leaves_nothing() {
        let mut days = Days::of(Zone::UTC);
        days.move_to(zone("Asia/Tokyo"), Day(20_000));
        days.move_to(zone("Europe/Berlin"), Day(20_000));
        assert_eq!(days.before(), [(Day(20_000), Zone::UTC)]);
    }
}
