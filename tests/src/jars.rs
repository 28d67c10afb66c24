//! Apache Kafka's jars, fetched once by Maven as `tests/broker/pom.xml` says.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::folder::{repository, target_dir};

const MENDS: &str = "the tests start a real Apache Kafka and need a JDK of 17 or newer and Maven: \
    `tests/run` installs them as root on Debian and Ubuntu; else install \
    `openjdk-17-jdk-headless` and `maven`";

/// The class path of a broker. Whoever comes first fetches the jars, the others wait for it.
///
/// # Panics
/// When Maven is missing or cannot fetch them.
pub(crate) fn class_path() -> String {
    let jars = target_dir().join("kafka-jars");
    let lock = target_dir().join("kafka-jars.lock");
    let lock = File::create(&lock)
        .unwrap_or_else(|err| panic!("could not create {}: {err}", lock.display()));
    lock.lock().expect("a file in `target` can be locked");
    let pom = repository().join("tests/broker/pom.xml");
    if !is_of(&jars, &pom) {
        fetch(&jars, &pom);
    }
    format!("{}/*", jars.display())
}

/// A `java` to start a broker with: that of `JAVA_HOME`, else the first on the path.
pub(crate) fn java() -> Command {
    let java = std::env::var_os("JAVA_HOME").map(|home| PathBuf::from(home).join("bin/java"));
    Command::new(java.unwrap_or_else(|| PathBuf::from("java")))
}

/// Says what to install when a program could not be started.
pub(crate) fn missing(program: &str, err: &std::io::Error) -> String {
    format!("could not start `{program}`: {err}; {MENDS}")
}

/// The folder keeps the pom that it was fetched by.
fn is_of(jars: &Path, pom: &Path) -> bool {
    match (fs::read(jars.join("pom.xml")), fs::read(pom)) {
        (Ok(fetched), Ok(wanted)) => fetched == wanted,
        (Err(_), _) | (_, Err(_)) => false,
    }
}

/// Fetches into a folder beside it, so that a folder under the right name is always whole.
fn fetch(jars: &Path, pom: &Path) {
    let part = jars.with_extension("part");
    for old in [jars, &part] {
        if old.exists() {
            fs::remove_dir_all(old).expect("an old folder in `target` can be removed");
        }
    }
    let output = Command::new("mvn")
        .args(["-B", "-q", "-ntp", "-f"])
        .arg(pom)
        .args(["dependency:copy-dependencies", "-DincludeScope=runtime"])
        .arg(format!("-DoutputDirectory={}", part.display()))
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|err| panic!("{}", missing("mvn", &err)));
    assert!(
        output.status.success(),
        "Maven could not fetch Apache Kafka ({}):\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    fs::copy(pom, part.join("pom.xml")).expect("the pom can be copied into `target`");
    fs::rename(&part, jars).expect("a folder can be renamed inside `target`");
}
