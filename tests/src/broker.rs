//! A real Apache Kafka in one Java process (KRaft), on free ports of 127.0.0.1.
//!
//! Starting one takes seconds and some 400 MB, so most tests [share](shared) one and have topics of their
//! own. A test that kills, restarts or freezes a broker starts its own.

use std::ffi::OsStr;
use std::fs::{self, DirEntry};
use std::path::Path;
use std::process::Stdio;
use std::sync::Mutex;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};

use crate::folder::Folder;
use crate::{Gate, Process, jars, patience, ports};

/// The environment variable that names a broker to use for the tests that do no harm to it.
pub const GIVEN: &str = "MAINSTAY_TEST_BROKERS";

/// As small as a broker can be on a machine with two cores, and quick to compact, so that tests meet a
/// changelog that was compacted. Later lines win.
const PROPERTIES: &str = "\
process.roles=broker,controller
node.id=1
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT
auto.create.topics.enable=false
default.replication.factor=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
log.retention.ms=-1
log.cleaner.backoff.ms=1000
log.cleaner.dedupe.buffer.size=16777216
message.max.bytes=8388608
num.network.threads=2
num.io.threads=2
background.threads=2
";

const HEAP: &[&str] = &[
    "-Xms256m",
    "-Xmx768m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
];

/// As a broker runs that has work to do: one that is measured against.
const SERVING: &[&str] = &["-Xms1g", "-Xmx1g", "-XX:+UseG1GC"];

/// A broker of ours. It ends with its owner.
#[derive(Debug)]
pub struct Broker {
    // Before the folder, so that the process has ended when its folder goes.
    process: Process,
    java: &'static [&'static str],
    port: u16,
    folder: Folder,
}

impl Broker {
    /// Starts a fresh one, and waits until it answers.
    ///
    /// # Panics
    /// When it does not come up.
    #[must_use]
    pub fn start() -> Broker {
        Broker::start_with(&[])
    }

    /// Starts a fresh one with properties of a test's own.
    ///
    /// # Panics
    /// When it does not come up.
    #[must_use]
    pub fn start_with(properties: &[(&str, &str)]) -> Broker {
        Broker::start_as(HEAP, None, properties)
    }

    /// Starts a fresh one with a second door, for clients who say who they are.
    pub(crate) fn start_with_door(door: u16, properties: &[(&str, &str)]) -> Broker {
        Broker::start_as(HEAP, Some(door), properties)
    }

    /// Starts a fresh one that tells its clients to come through a gate.
    ///
    /// # Panics
    /// When it does not come up.
    #[must_use]
    pub fn start_behind(gate: &Gate) -> Broker {
        let port = ports::free();
        // Its clients are sent there as soon as it answers at all.
        gate.lead_to(port);
        let told = format!("PLAINTEXT://127.0.0.1:{}", gate.port());
        Broker::start_on(port, HEAP, None, &[("advertised.listeners", &told)])
    }

    /// Starts a fresh one to be measured against: with all of Java's optimisations, and without compaction,
    /// so that what was written can be weighed.
    ///
    /// # Panics
    /// When it does not come up.
    #[must_use]
    pub fn start_to_measure() -> Broker {
        Broker::start_as(SERVING, None, &[("log.cleaner.enable", "false")])
    }

    fn start_as(
        java: &'static [&'static str],
        door: Option<u16>,
        properties: &[(&str, &str)],
    ) -> Broker {
        Broker::start_on(ports::free(), java, door, properties)
    }

    fn start_on(
        port: u16,
        java: &'static [&'static str],
        door: Option<u16>,
        properties: &[(&str, &str)],
    ) -> Broker {
        let folder = Folder::new("broker");
        write_properties(&folder, (port, door), properties);
        format_storage(&folder);
        let mut broker = Broker {
            process: launch(&folder, java),
            java,
            port,
            folder,
        };
        broker.wait_until_it_answers();
        broker
    }

    /// What goes into `bootstrap.servers`.
    #[must_use]
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// How many bytes the log of a topic takes on its disk.
    ///
    /// # Panics
    /// When its folder cannot be read.
    #[must_use]
    pub fn stored_bytes(&self, topic: &str) -> u64 {
        let partitions = read_dir(&self.folder.path().join("data"));
        let of_topic = partitions.filter(|entry| is_partition_of(topic, &entry.file_name()));
        let files = of_topic.flat_map(|partition| read_dir(&partition.path()));
        let segments = files.filter(|file| file.path().extension() == Some(OsStr::new("log")));
        let sizes = segments.map(|file| file.metadata().map_or(0, |about| about.len()));
        sizes.sum()
    }

    /// Ends it at once, as a power cut of the machine's other half would.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Lets it shut down in order.
    ///
    /// # Panics
    /// When it does not end.
    pub fn stop(&mut self) {
        self.process.terminate();
        self.process.wait(Duration::from_secs(60));
    }

    /// Starts it again, killed if it still runs, with its data and on its port.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn restart(&mut self) {
        self.process.kill();
        self.process = launch(&self.folder, self.java);
        self.wait_until_it_answers();
    }

    /// Freezes it: connections stay open and nothing is answered.
    pub fn freeze(&self) {
        self.process.freeze();
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.process.thaw();
    }

    fn wait_until_it_answers(&mut self) {
        let client: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", self.address())
            .create()
            .expect("a client needs nothing but an address");
        let port = self.port;
        let process = &mut self.process;
        patience::until("the broker answers", patience::STARTING, || {
            if let Some(ended) = process.ended() {
                panic!(
                    "the broker on port {port}: {ended:?}; {}",
                    process.last_words()
                );
            }
            let metadata = client.fetch_metadata(None, Duration::from_secs(2)).ok()?;
            (!metadata.brokers().is_empty()).then_some(())
        });
    }
}

static SHARED: Mutex<Option<Broker>> = Mutex::new(None);

/// The address of the broker that tests use together: the one that is given by the environment, else ours,
/// started by the first who asks.
///
/// # Panics
/// When it does not come up.
#[must_use]
pub fn shared() -> String {
    if let Ok(given) = std::env::var(GIVEN) {
        return given;
    }
    // A test that panicked while it started the broker leaves none; the next one tries again.
    let mut shared = SHARED.lock().unwrap_or_else(|poison| poison.into_inner());
    shared.get_or_insert_with(Broker::start).address()
}

/// A broker that the asking test may kill and freeze.
///
/// # Panics
/// When it does not come up.
#[must_use]
pub fn own() -> Broker {
    if let Ok(given) = std::env::var(GIVEN) {
        eprintln!("this test harms its broker: it leaves {given} alone and starts its own");
    }
    Broker::start()
}

/// Ends the shared broker, if there is one. The last thing that a test run does.
pub fn end_shared() {
    let mut shared = SHARED.lock().unwrap_or_else(|poison| poison.into_inner());
    drop(shared.take());
}

fn write_properties(folder: &Folder, (port, door): (u16, Option<u16>), own: &[(&str, &str)]) {
    let controller = ports::free();
    let data = folder.path().join("data");
    let door = door.map_or(String::new(), |door| {
        format!(",SASL_PLAINTEXT://127.0.0.1:{door}")
    });
    let mut text = String::from(PROPERTIES);
    text.push_str(&format!(
        "controller.quorum.voters=1@127.0.0.1:{controller}\n\
         listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}{door}\n\
         advertised.listeners=PLAINTEXT://127.0.0.1:{port}{door}\n\
         log.dirs={}\n",
        data.display()
    ));
    for (key, value) in own {
        text.push_str(&format!("{key}={value}\n"));
    }
    let path = folder.path().join("server.properties");
    fs::write(&path, text).unwrap_or_else(|err| panic!("{}: {err}", path.display()));
}

fn format_storage(folder: &Folder) {
    // The id of a cluster is 16 bytes in base64; which ones does not matter to a cluster of one.
    let output = java(HEAP)
        .args([
            "kafka.tools.StorageTool",
            "format",
            "-t",
            "bWFpbnN0YXktdGVzdHMtMQ",
            "-c",
        ])
        .arg(folder.path().join("server.properties"))
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|err| panic!("{}", jars::missing("java", &err)));
    assert!(
        output.status.success(),
        "the broker's storage could not be formatted:\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
}

fn read_dir(path: &Path) -> impl Iterator<Item = DirEntry> + use<> {
    let entries = fs::read_dir(path).unwrap_or_else(|err| panic!("{}: {err}", path.display()));
    // What is deleted meanwhile takes no room.
    entries.filter_map(Result::ok)
}

/// The folder of a partition has the topic's name, a dash and a number.
fn is_partition_of(topic: &str, folder: &OsStr) -> bool {
    let name = folder.to_str().and_then(|name| name.rsplit_once('-'));
    name.is_some_and(|(name, number)| name == topic && number.parse::<u32>().is_ok())
}

fn launch(folder: &Folder, options: &[&str]) -> Process {
    let mut command = java(options);
    command
        .arg("kafka.Kafka")
        .arg(folder.path().join("server.properties"));
    Process::start("broker", &mut command, &folder.path().join("broker.log"))
        .unwrap_or_else(|err| panic!("{}", jars::missing("java", &err)))
}

pub(crate) fn java(options: &[&str]) -> std::process::Command {
    let mut command = jars::java();
    command
        .args(options)
        .arg("-Dorg.slf4j.simpleLogger.defaultLogLevel=warn")
        .arg("-cp")
        .arg(jars::class_path());
    command
}
