//! Stream time: how far the inputs of a shard have come, told by their records alone.
//!
//! The stream time of a source is the highest min(event time, arrival) applied, so that one sender's fast
//! clock moves nothing; that of the shard is the lowest over its sources that are not idle. It never goes
//! back. Nothing here reads a clock.

use mainstay_model::Timestamp;

/// The stream time of a shard and of each of its sources.
#[derive(Clone, Debug)]
pub(crate) struct StreamTime {
    sources: Vec<Source>,
    now: Timestamp,
}

#[derive(Clone, Debug)]
struct Source {
    time: Timestamp,
    idle: bool,
}

impl StreamTime {
    pub(crate) fn new(sources: usize) -> StreamTime {
        let source = Source {
            time: Timestamp::MIN,
            idle: false,
        };
        StreamTime {
            sources: vec![source; sources],
            now: Timestamp::MIN,
        }
    }

    /// The stream time of the shard.
    pub(crate) fn now(&self) -> Timestamp {
        self.now
    }

    /// The stream time of one source.
    pub(crate) fn of(&self, source: usize) -> Timestamp {
        self.sources[source].time
    }

    /// A record of a source was applied.
    pub(crate) fn saw(&mut self, source: usize, time: Timestamp) {
        let source = &mut self.sources[source];
        source.idle = false;
        if time > source.time {
            source.time = time;
            self.advance();
        }
    }

    /// A source has been silent for long, or speaks again.
    pub(crate) fn set_idle(&mut self, source: usize, idle: bool) {
        self.sources[source].idle = idle;
        self.advance();
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.sources.iter().all(|source| source.idle)
    }

    /// The wall clock moves time while every source is idle.
    pub(crate) fn tick(&mut self, to: Timestamp) {
        self.now = self.now.max(to);
    }

    pub(crate) fn restore(&mut self, source: usize, time: Timestamp) {
        self.sources[source].time = time;
    }

    fn advance(&mut self) {
        let awake = self.sources.iter().filter(|source| !source.idle);
        let lowest = awake.map(|source| source.time).min();
        let highest = self.sources.iter().map(|source| source.time).max();
        self.now = self.now.max(lowest.or(highest).unwrap_or(Timestamp::MIN));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slowest_source_holds_time_until_it_is_idle() {
        let mut time = StreamTime::new(2);
        time.saw(0, Timestamp(100));
        assert_eq!(time.now(), Timestamp::MIN);
        time.saw(1, Timestamp(40));
        assert_eq!(time.now(), Timestamp(40));
        time.set_idle(1, true);
        assert_eq!(time.now(), Timestamp(100));
        time.saw(1, Timestamp(50));
        assert_eq!(time.now(), Timestamp(100), "never back");
    }

    #[test]
    fn when_all_are_idle_the_furthest_one_counts() {
        let mut time = StreamTime::new(2);
        time.saw(0, Timestamp(100));
        time.saw(1, Timestamp(40));
        time.set_idle(0, true);
        assert_eq!(time.now(), Timestamp(40));
        time.set_idle(1, true);
        assert_eq!(time.now(), Timestamp(100));
    }
}
