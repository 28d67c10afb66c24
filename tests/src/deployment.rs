//! A Mainstay on a broker: its topics, its config, and the processes that run it.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::folder::{Folder, profile_dir, repository, target_dir};
use crate::reader::{Follower, read_all};
use crate::{Admin, Company, Ended, Feed, Process, Record, judge, patience, ports, read_committed};

/// How many partitions the input has, and so how many shards there are.
pub const SHARDS: i32 = 4;

/// An application of its own on a broker: no topic, group or id of it is anyone else's.
pub struct Deployment {
    /// Hands on its broker.
    pub admin: Admin,
    brokers: String,
    /// Where instances and commands find the broker, and what their client has to know besides.
    client: (String, String),
    name: String,
    input: String,
    /// The topic of the billing system, where it has one of its own.
    billing: Option<String>,
    /// How long ids of product events are remembered.
    dedupe: &'static str,
    folder: Folder,
}

impl Deployment {
    /// Makes the input topic and, by `mainstay topics --create`, all others.
    ///
    /// # Panics
    /// When the broker or the command refuses.
    #[must_use]
    pub fn new(brokers: &str, name: &str) -> Deployment {
        let deployment = Deployment::without_topics(brokers, name);
        deployment.admin.create(&deployment.input(), SHARDS, &[]);
        deployment.make_topics();
        deployment
    }

    /// The same with a topic of the billing system beside the input.
    ///
    /// # Panics
    /// When the broker or the command refuses.
    #[must_use]
    pub fn with_billing(brokers: &str, name: &str) -> Deployment {
        let mut deployment = Deployment::without_topics(brokers, name);
        let billing = format!("{}.billing-events", deployment.name);
        deployment.admin.create(&deployment.input, SHARDS, &[]);
        deployment.admin.create(&billing, SHARDS, &[]);
        deployment.billing = Some(billing);
        deployment.make_topics();
        deployment
    }

    /// Makes nothing on the broker, which may not even be there.
    ///
    /// # Panics
    /// When a folder for it cannot be made.
    #[must_use]
    pub fn without_topics(brokers: &str, name: &str) -> Deployment {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = Folder::new(name);
        let name = format!("{name}-{}-{count}", std::process::id());
        Deployment {
            admin: Admin::new(brokers),
            brokers: brokers.to_owned(),
            client: (brokers.to_owned(), String::new()),
            input: format!("{name}.product-events"),
            billing: None,
            name,
            dedupe: "35d",
            folder,
        }
    }

    /// One to be measured: it reads a topic that is there already, and does no more work than Mainstay
    /// does by default.
    ///
    /// # Panics
    /// When the command that makes its own topics refuses.
    #[must_use]
    pub fn to_measure(brokers: &str, name: &str, input: &str) -> Deployment {
        let deployment = Deployment {
            input: input.to_owned(),
            dedupe: "2h",
            ..Deployment::without_topics(brokers, name)
        };
        deployment.make_topics();
        deployment
    }

    /// From now on, instances and commands come by this address and with these options of their client,
    /// lines of the config; the test itself comes as before.
    pub fn come_by(&mut self, brokers: &str, options: &str) {
        self.client = (brokers.to_owned(), options.to_owned());
    }

    fn make_topics(&self) {
        let made = self.command(&["topics", "--create"]);
        assert!(
            made.status.success(),
            "`mainstay topics --create`: {}",
            said(&made)
        );
    }

    /// The topic that the company's events are on.
    #[must_use]
    pub fn input(&self) -> String {
        self.input.clone()
    }

    /// The full name of one of Mainstay's own topics.
    #[must_use]
    pub fn topic(&self, name: &str) -> String {
        format!("{}.{name}", self.name)
    }

    pub(crate) fn brokers(&self) -> &str {
        &self.brokers
    }

    /// The consumer group.
    #[must_use]
    pub fn group(&self) -> &str {
        &self.name
    }

    /// A producer for the input.
    #[must_use]
    pub fn feed(&self) -> Feed {
        Feed::new(&self.brokers, &self.input()).with_billing(self.billing.as_deref())
    }

    /// What a reader gets from one of Mainstay's topics.
    #[must_use]
    pub fn committed(&self, name: &str) -> Vec<Record> {
        read_committed(&self.brokers, &self.topic(name))
    }

    /// How many records of the inputs are not yet counted by the group's offsets. Markers of transactions
    /// count too: the feed has none.
    #[must_use]
    pub fn lag(&self) -> i64 {
        let inputs = std::iter::once(&self.input).chain(&self.billing);
        inputs.map(|input| self.lag_of(input)).sum()
    }

    fn lag_of(&self, input: &str) -> i64 {
        let offsets = self.admin.offsets(self.group(), input, SHARDS);
        let lag = (0..SHARDS).zip(offsets).map(|(partition, offset)| {
            let (first, end) = self.admin.ends(input, partition);
            end - offset.unwrap_or(first)
        });
        lag.sum()
    }

    /// Waits until every record of the input is counted.
    ///
    /// # Panics
    /// When that does not happen.
    pub fn wait_for_no_lag(&self) {
        patience::until("the group has no lag", patience::CATCHING_UP, || {
            (self.lag() == 0).then_some(())
        });
    }

    /// Waits until every shard has committed something more than now, or there is nothing more to commit.
    ///
    /// # Panics
    /// When that does not happen.
    pub fn wait_for_progress(&self) {
        let input = self.input();
        let before = self.admin.offsets(self.group(), &input, SHARDS);
        let what = "the offsets of every shard move, or there is no lag";
        patience::until(what, patience::CATCHING_UP, || {
            let now = self.admin.offsets(self.group(), &input, SHARDS);
            let all = before.iter().zip(&now).all(|(before, now)| now > before);
            (all || self.lag() == 0).then_some(())
        });
    }

    /// Waits until readers have been told the whole truth about a company, exactly once.
    ///
    /// # Panics
    /// When that does not happen: with what is still wrong.
    pub fn tells(&self, company: &Company) {
        self.wait_for_no_lag();
        let start = Instant::now();
        let follow = |topic| Follower::committed(&self.brokers, &self.topic(topic));
        let (mut days, mut accounts) = (follow("account-daily"), judge::AccountDaily::default());
        let (mut group_days, mut groups) =
            (follow("segment-daily"), judge::SegmentDaily::default());
        let (mut curves, mut cohorts) = (follow("cohorts"), judge::Cohorts::default());
        let (mut books, mut movements) = (follow("mrr-movements"), judge::Movements::default());
        let (mut refused, mut letters) = (follow("dead-letter"), Vec::new());
        loop {
            days.read_on(|record| accounts.take(&record));
            refused.read_on(|record| letters.push(record));
            books.read_on(|record| movements.take(&record));
            let mut wrong = accounts.wrong(&company.truth);
            wrong.extend(movements.wrong(&company.truth));
            wrong.extend(judge::dead_letters(&letters, &company.refused));
            // Groups follow their accounts; asking for all of them costs more than all the rest.
            if wrong.is_empty() {
                group_days.read_on(|record| groups.take(&record));
                curves.read_on(|record| cohorts.take(&record));
                wrong = groups.wrong(&company.truth);
                wrong.extend(cohorts.wrong(&company.truth));
            }
            if wrong.is_empty() {
                return;
            }
            if start.elapsed() > patience::CATCHING_UP {
                let wrong = &wrong[..wrong.len().min(20)];
                panic!("{wrong:#?}\n{}", self.keep_topics());
            }
            std::thread::sleep(Duration::from_millis(500));
        }
    }

    /// Writes what lies in the topics into the folder of logs, for whoever looks for what went wrong; says how much
    /// that is.
    fn keep_topics(&self) -> String {
        let topics = [
            "account-daily",
            "mrr-movements",
            "segment-daily",
            "cohorts",
            "partials",
            "changelog",
            "dead-letter",
        ];
        let kept = topics.map(|name| {
            let all = read_all(&self.brokers, &self.topic(name));
            let place = |record: &Record| (record.partition, record.offset);
            let committed: BTreeSet<_> = self.committed(name).iter().map(place).collect();
            let text: String = all
                .iter()
                .map(|record| {
                    let mark = if committed.contains(&place(record)) {
                        ' '
                    } else {
                        '-'
                    };
                    let text = |bytes: &Option<Vec<u8>>| {
                        let bytes = bytes.as_deref();
                        bytes.map_or("none".into(), |bytes| bytes.escape_ascii().to_string())
                    };
                    let (partition, offset) = place(record);
                    let (key, value) = (text(&record.key), text(&record.value));
                    format!("{mark} {partition} {offset} {key} {value}\n")
                })
                .collect();
            let path = self.folder.path().join(format!("{name}.txt"));
            let written = std::fs::write(&path, text);
            written.unwrap_or_else(|err| panic!("could not write {}: {err}", path.display()));
            format!(
                "{name}: {} records, {} of them committed",
                all.len(),
                committed.len()
            )
        });
        kept.join("\n")
    }

    /// Waits until the fleet as it is now is the sum of what is told of its accounts: as the newest record of it says,
    /// and the gauges of one instance alone. Every dimension is the fleet, too.
    ///
    /// # Panics
    /// When that does not happen: with what is still wrong.
    pub fn adds_up(&self, instances: &[Instance]) {
        let start = Instant::now();
        loop {
            let (accounts, groups) = ("account-metrics", "segment-metrics");
            let scraped: Vec<String> = instances.iter().filter_map(Instance::metrics).collect();
            let [accounts, groups] = [accounts, groups].map(|topic| self.committed(topic));
            let wrong = judge::fleet_now(&accounts, &groups, &scraped);
            if wrong.is_empty() {
                return;
            }
            assert!(start.elapsed() < patience::CATCHING_UP, "{wrong:#?}");
            std::thread::sleep(Duration::from_millis(500));
        }
    }

    /// Starts an instance in a slot: the same slot is the same instance to the group and to the broker,
    /// and has its state folder.
    ///
    /// # Panics
    /// When the binary cannot be started.
    #[must_use]
    pub fn start(&self, slot: &str) -> Instance {
        self.start_with_state(slot, slot)
    }

    /// Starts an instance whose state folder is another's or nobody's.
    ///
    /// # Panics
    /// When the binary cannot be started.
    #[must_use]
    pub fn start_with_state(&self, slot: &str, state: &str) -> Instance {
        let http = ports::free();
        let config = self.write_config(slot, state, http);
        let mut command = mainstay();
        command.arg("run").arg("--config").arg(&config);
        let log = self.folder.path().join(format!("{slot}-{state}.log"));
        let process = Process::start(&format!("mainstay {slot}"), &mut command, &log)
            .unwrap_or_else(|err| panic!("could not start `mainstay run`: {err}"));
        Instance { process, http }
    }

    /// Starts an instance and waits until it is ready.
    ///
    /// # Panics
    /// When that does not happen.
    #[must_use]
    pub fn start_ready(&self, slot: &str) -> Instance {
        let mut instance = self.start(slot);
        instance.wait_until_ready();
        instance
    }

    /// Runs a command of an operator to its end.
    ///
    /// # Panics
    /// When the binary cannot be started.
    #[must_use]
    pub fn command(&self, args: &[&str]) -> Output {
        let config = self.write_config("operator", "operator", ports::free());
        let mut command = mainstay();
        command.args(args).arg("--config").arg(config);
        output(&mut command)
    }

    fn write_config(&self, slot: &str, state: &str, http: u16) -> PathBuf {
        let path = self.folder.path().join(format!("{slot}-{state}.toml"));
        let text = self.config(slot, &self.state_dir(state), http);
        fs::write(&path, text).unwrap_or_else(|err| panic!("{}: {err}", path.display()));
        path
    }

    /// The config of an instance. What it says about facts is what [`Company`] takes for granted, and where
    /// [`Company::settings`] says another thing than the defaults.
    fn config(&self, slot: &str, state: &Path, http: u16) -> String {
        let Deployment {
            client: (brokers, options),
            name,
            input,
            billing,
            dedupe,
            ..
        } = self;
        let billing = billing.iter();
        let billing: String = billing
            .map(|topic| format!("[sources.billing]\ntopic = \"{topic}\"\n"))
            .collect();
        let state = state.display();
        let settings = Company::settings();
        let features = settings.features.iter();
        let features: String = features
            .map(|(name, events)| format!("{name} = {}\n", list(events)))
            .collect();
        let key_actions = list(&settings.key_actions);
        let segments = list(&settings.segments);
        let ignored = list(&settings.active_ignore);
        let activation = list(&settings.activation_events);
        let within = settings.activation_within_ms;
        let within = within.expect("histories set it") / 60_000;
        let steps = list(&settings.onboarding_steps);
        let rates = settings.revenue.rates.all();
        let rates: String = rates
            .map(|(currency, day, rate)| format!("{day},{currency},{rate}\n"))
            .collect();
        format!(
            r#"key_actions = {key_actions}
segments = {segments}

[kafka]
brokers = "{brokers}"
application = "{name}"
instance = "{slot}"

[kafka.client]
{options}

[sources.product]
topic = "{input}"

{billing}
[active]
ignore = {ignored}

[features]
{features}
[activation]
events = {activation}
within = "{within}m"

[onboarding]
steps = {steps}

[revenue]
fx = """
{rates}"""

[dedupe]
product = "{dedupe}"
business = "35d"

[http]
listen = "127.0.0.1:{http}"

[state]
dir = "{state}"
"#
        )
    }

    fn state_dir(&self, state: &str) -> PathBuf {
        self.folder.path().join("state").join(state)
    }
}

/// Names as TOML has them.
fn list<'a>(names: impl IntoIterator<Item = &'a String>) -> String {
    format!("{:?}", names.into_iter().collect::<Vec<_>>())
}

/// A running `mainstay run`. It ends with its owner.
pub struct Instance {
    process: Process,
    http: u16,
}

impl Instance {
    /// Waits until `/readyz` says that its shards are assigned and caught up.
    ///
    /// # Panics
    /// When that does not happen.
    pub fn wait_until_ready(&mut self) {
        let (process, http) = (&mut self.process, self.http);
        patience::until("/readyz answers 200", patience::STARTING, || {
            if let Some(ended) = process.ended() {
                panic!("`mainstay run`: {ended:?}; {}", process.last_words());
            }
            get(http, "/readyz")?
                .starts_with("HTTP/1.1 200")
                .then_some(())
        });
    }

    /// Waits for a line of its log that has `part` in it, in any case of letters.
    ///
    /// # Panics
    /// When that does not happen.
    pub fn wait_for_line(&self, part: &str) {
        let what = format!("the log says `{part}`");
        let part = part.to_lowercase();
        patience::until(&what, patience::CATCHING_UP, || {
            self.process
                .log()
                .to_lowercase()
                .contains(&part)
                .then_some(())
        });
    }

    /// Whether `/readyz` says so.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        get(self.http, "/readyz").is_some_and(|answer| answer.starts_with("HTTP/1.1 200"))
    }

    /// How many lines of its log have `part` in them.
    #[must_use]
    pub fn lines_with(&self, part: &str) -> usize {
        let log = self.process.log();
        log.lines().filter(|line| line.contains(part)).count()
    }

    /// What `/metrics` answers.
    #[must_use]
    pub fn metrics(&self) -> Option<String> {
        get(self.http, "/metrics")
    }

    /// Asks it to stop and waits until it has, in order and within the ten seconds that are promised.
    ///
    /// # Panics
    /// When it takes longer or says that something went wrong.
    pub fn stop(mut self) {
        self.process.terminate();
        let ended = self.process.wait(Duration::from_secs(10));
        assert_eq!(
            ended,
            Ended::Exit(0),
            "after SIGTERM; {}",
            self.process.last_words()
        );
    }

    /// Waits until it gives up by itself, and says how and what it said.
    ///
    /// # Panics
    /// When it goes on.
    pub fn gives_up(mut self, limit: Duration) -> (Ended, String) {
        let ended = self.process.wait(limit);
        (ended, self.process.log())
    }

    /// The process, to be killed, frozen and asked.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}

/// The environment variable that names a binary to use instead of building one.
const BINARY: &str = "MAINSTAY_TEST_BINARY";

/// The binary that is given by the environment, else ours: built once per test run with the profile of the
/// tests themselves. When nothing has changed Cargo sees so at once.
fn mainstay() -> Command {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let binary = BUILT.get_or_init(|| match std::env::var_os(BINARY) {
        Some(given) => given.into(),
        None => {
            build();
            profile_dir().join("mainstay")
        }
    });
    Command::new(binary)
}

/// The whole workspace is named so that features of dependencies are the ones that the tests were built
/// with, and no C library is built a second time.
fn build() {
    let profile = match profile_dir().file_name().and_then(|name| name.to_str()) {
        Some("debug") => "dev".to_owned(),
        Some(name) => name.to_owned(),
        None => unreachable!("a profile's folder has a name"),
    };
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = output(
        Command::new(cargo)
            .current_dir(repository())
            .args(["build", "--quiet", "--workspace", "--bin", "mainstay"])
            .args(["--profile", &profile])
            .arg("--target-dir")
            .arg(target_dir()),
    );
    assert!(
        built.status.success(),
        "the binary could not be built: {}",
        said(&built)
    );
}

fn output(command: &mut Command) -> Output {
    let output = command.stdin(Stdio::null()).output();
    output.unwrap_or_else(|err| panic!("could not start {:?}: {err}", command.get_program()))
}

/// What a command said, on both of its streams.
#[must_use]
pub fn said(output: &Output) -> String {
    format!(
        "{}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// A plain GET; `None` while nobody answers.
fn get(port: u16, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}
