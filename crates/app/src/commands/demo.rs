//! `demo`: the whole product in one process, with nothing to install.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write, stdout};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use mainstay_connectors::prometheus::{self, Listener, Metrics};
use mainstay_model::Currency;
use mainstay_testkit::company::{self, Company, IGNORED, KEY_ACTIONS, RATES, Story};
use tokio::signal::unix::{SignalKind, signal};

use super::run::metrics_settings;
use crate::arguments;
use crate::config::{Config, Given, Needs};
use crate::demo::picture::{Picture, number};
use crate::demo::report::{Report, progress, progress_line};
use crate::demo::screen::Screen;
use crate::demo::{Demo, Ended, INPUT, MOST_EVENTS, Pace, Phase, Seen, Watcher};
use crate::exit::Interrupted;
use crate::shard::Target;
use crate::wiring;

const DAY_MS: i64 = 86_400_000;
/// How often the table is drawn.
const FRAME: Duration = Duration::from_millis(250);
const NAP: Duration = Duration::from_millis(25);

pub(crate) fn run(
    arguments: &arguments::Demo,
    set: &[String],
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let begun = Instant::now();
    let config = config(set)?;
    let plan = Arc::new(wiring::plan(&config, Target::Topics));
    let threads = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .context("cannot start the HTTP thread")?;
    let metrics = Arc::new(Metrics::new(metrics_settings(&config, &plan)));
    let listener = threads.block_on(listen(config.http.listen))?;
    let url = format!("http://{}/metrics", listener.address());
    threads.spawn(listener.serve(Arc::clone(&metrics), std::future::pending()));
    let interrupts = Arc::new(AtomicU32::new(0));
    threads.block_on(async { count_interrupts(&interrupts) })?;

    let company = company_of(arguments);
    let stories = Company::new(company.clone()).stories().into_iter();
    let mut shown = Shown {
        arguments,
        begun,
        stories: stories
            .map(|story| (story.account.clone(), story))
            .collect(),
        watcher: Arc::new(Watcher::new(metrics)),
        currency: config.revenue.currency,
        url,
        paced: (begun, 0, 0.0),
    };
    let stop = Arc::new(AtomicBool::new(false));
    let demo = Demo {
        pace: Pace {
            live_from: company.begin.plus_ms(i64::from(arguments.history) * DAY_MS),
            speed: arguments.speed.0,
        },
        company: company.clone(),
        plan,
        settings: wiring::runtime(&config),
        watcher: Arc::clone(&shown.watcher),
        stop: Arc::clone(&stop),
    };
    let ended = shown.until_the_end(demo, &stop, &interrupts, out)?;
    let report = Report {
        ended: &ended,
        seen: &shown.watcher.seen().clone(),
        stories: &shown.stories,
        begin: company.begin,
        currency: shown.currency,
        seed: arguments.seed,
        speed: arguments.speed.0,
    };
    if arguments.json {
        let mut answer = report.to_json();
        answer["ended_at_limit"] = ended.at_limit.into();
        writeln!(out, "{answer}")?;
    } else {
        let mut lines = at_limit(&ended).into_iter().chain(report.lines());
        lines.try_for_each(|line| writeln!(out, "{line}"))?;
    }
    out.flush()?;
    match ended.verdict.is_verified() {
        true => Ok(()),
        false => Err(anyhow!("what was published could not be verified")),
    }
}

/// Why a demo ended that nobody ended.
fn at_limit(ended: &Ended) -> Option<String> {
    ended.at_limit.then(|| {
        format!(
            "ended by itself after {} events: the truth that they are compared with is kept in memory, and \
             has room for no more; a lower --speed, fewer --users or less --history last longer\n",
            number(MOST_EVENTS)
        )
    })
}

/// What this company's operator would write into the config, and what the command line adds.
fn config(set: &[String]) -> anyhow::Result<Config> {
    let given = Given {
        set: [
            format!("sources.product.topic={INPUT}"),
            format!("key_actions={}", KEY_ACTIONS.join(",")),
            format!("active.ignore={IGNORED}"),
            format!("revenue.fx={RATES}"),
        ]
        .into_iter()
        .chain(set.iter().cloned())
        .collect(),
        ..Given::default()
    };
    Ok(Config::load(&given, Needs::Nothing)?)
}

fn company_of(arguments: &arguments::Demo) -> company::Plan {
    company::Plan {
        seed: arguments.seed,
        accounts: arguments.accounts,
        users: arguments.users,
        billing: true,
        ..company::Plan::default()
    }
}

/// The port of the config, or any if somebody has it: two demos may run side by side.
async fn listen(wanted: SocketAddr) -> anyhow::Result<Listener> {
    match prometheus::listen(wanted).await {
        Ok(listener) => Ok(listener),
        Err(_) => Ok(prometheus::listen(SocketAddr::new(wanted.ip(), 0)).await?),
    }
}

fn count_interrupts(interrupts: &Arc<AtomicU32>) -> anyhow::Result<()> {
    for kind in [SignalKind::interrupt(), SignalKind::terminate()] {
        let mut signals = signal(kind).context("cannot listen for signals")?;
        let interrupts = Arc::clone(interrupts);
        tokio::spawn(async move {
            while signals.recv().await.is_some() {
                interrupts.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    Ok(())
}

/// When a line was last told, the phase then, and whether there were numbers.
type Told = (Instant, Phase, bool);

/// A demo as it is shown.
struct Shown<'a> {
    arguments: &'a arguments::Demo,
    begun: Instant,
    stories: BTreeMap<String, Story>,
    watcher: Arc<Watcher>,
    currency: Currency,
    url: String,
    /// When the rate was last taken, at how many events, and what it was.
    paced: (Instant, u64, f64),
}

impl Shown<'_> {
    /// Runs a demo and shows it until it has ended. The first interrupt ends the feed, the second everything.
    fn until_the_end(
        &mut self,
        demo: Demo,
        stop: &AtomicBool,
        interrupts: &AtomicU32,
        out: &mut dyn Write,
    ) -> anyhow::Result<Ended> {
        let on_screen = !self.arguments.json && stdout().is_terminal();
        let mut screen = if on_screen {
            Some(Screen::open()?)
        } else {
            None
        };
        let duration = self.duration();
        let running = std::thread::Builder::new().name("demo".to_owned());
        let running = running.spawn(move || demo.run())?;
        let (mut drawn, mut told) = (self.begun, None);
        while !running.is_finished() {
            let late = duration.is_some_and(|duration| self.begun.elapsed() >= duration);
            match interrupts.load(Ordering::Relaxed) {
                0 if !late => {}
                0 | 1 => stop.store(true, Ordering::Relaxed),
                _ => return Err(Interrupted.into()),
            }
            match &mut screen {
                Some(screen) if drawn.elapsed() >= FRAME => {
                    drawn = Instant::now();
                    let picture = self.picture();
                    screen.draw(|width, height, colour| picture.lines(width, height, colour))?;
                }
                Some(_) => {}
                None => self.tell(&mut told, out)?,
            }
            std::thread::sleep(NAP);
        }
        drop(screen);
        if on_screen {
            self.leave_picture(out)?;
        }
        running.join().map_err(|_| anyhow!("the demo panicked"))?
    }

    /// A line a second, and one whenever another phase begins, and with the first numbers.
    fn tell(&mut self, told: &mut Option<Told>, out: &mut dyn Write) -> anyhow::Result<()> {
        let (phase, has_numbers) = {
            let seen = self.watcher.seen();
            (seen.phase, seen.events() > 0)
        };
        let is_new = told.is_none_or(|(at, before, had_numbers)| {
            (phase, has_numbers) != (before, had_numbers) || at.elapsed() >= Duration::from_secs(1)
        });
        if !is_new {
            return Ok(());
        }
        *told = Some((Instant::now(), phase, has_numbers));
        let picture = self.picture();
        match self.arguments.json {
            true => writeln!(out, "{}", progress(&picture))?,
            false => writeln!(out, "{}", progress_line(&picture))?,
        }
        Ok(out.flush()?)
    }

    /// The last picture stays where the prompt comes back.
    fn leave_picture(&mut self, out: &mut dyn Write) -> anyhow::Result<()> {
        let (_, width) = console::Term::stdout().size();
        let colour = crate::demo::screen::is_coloured();
        for line in self.picture().lines(width.into(), 24, colour) {
            writeln!(out, "{line}")?;
        }
        Ok(writeln!(out)?)
    }

    fn duration(&self) -> Option<Duration> {
        self.arguments.duration.map(|span| span.duration())
    }

    fn picture(&mut self) -> Picture {
        let seen = self.watcher.seen().clone();
        Picture {
            phase: seen.phase,
            now: seen.now,
            speed: self.arguments.speed.0,
            elapsed: self.begun.elapsed(),
            duration: self.duration(),
            events: seen.events(),
            rate: self.rate(&seen),
            late: seen.counts.late,
            duplicates: seen.counts.duplicates,
            dead_letters: seen
                .counts
                .rejected_by_code()
                .map(|(code, count)| (code.name(), count))
                .collect(),
            lag: seen.lag(),
            latency: seen.latency(),
            rows: Picture::rows_of(&seen, &self.stories),
            movements: seen.movements_so_far(),
            currency: self.currency,
            url: self.url.clone(),
        }
    }

    /// Events a second, of about the last one.
    fn rate(&mut self, seen: &Seen) -> f64 {
        let (at, events, _) = self.paced;
        let seconds = at.elapsed().as_secs_f64();
        if seconds >= 0.9 {
            let rate = (seen.events() - events) as f64 / seconds;
            self.paced = (Instant::now(), seen.events(), rate);
        }
        self.paced.2
    }
}

#[cfg(test)]
mod tests {
    use mainstay_model::Timestamp;

    use super::*;
    use crate::demo::Verdict;

    #[test]
    fn a_demo_that_nobody_ended_says_why_it_did() {
        let mut ended = Ended {
            fed: MOST_EVENTS,
            until: Timestamp(0),
            at_limit: false,
            verdict: Verdict::default(),
        };
        assert_eq!(at_limit(&ended), None);
        ended.at_limit = true;
        let told = at_limit(&ended).unwrap();
        assert!(
            told.starts_with("ended by itself after 5 000 000 events"),
            "{told}"
        );
    }
}
