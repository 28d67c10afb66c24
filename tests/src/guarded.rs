//! A broker where nobody may do anything without a right, and an administrator who grants rights.
//!
//! Who comes by its plain address is the administrator, and so is the test itself. Who comes by the other has
//! a name and a password, and at first no right at all.

use std::process::Stdio;

use crate::broker::{self, Broker};
use crate::deployment::said;
use crate::ports;

const PASSWORD: &str = "open sesame";

/// As the tools of Kafka run: for a second.
const TOOL: &[&str] = &["-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"];

/// A broker with an authorizer.
#[derive(Debug)]
pub struct Guarded {
    broker: Broker,
    door: u16,
}

impl Guarded {
    /// Who comes by the door.
    pub const PRINCIPAL: &str = "User:mainstay";

    /// Starts a fresh one, and waits until it answers.
    ///
    /// # Panics
    /// When it does not come up.
    #[must_use]
    pub fn start() -> Guarded {
        let door = ports::free();
        let users = format!(
            "org.apache.kafka.common.security.plain.PlainLoginModule required \
             user_mainstay=\"{PASSWORD}\";"
        );
        let authorizer = "org.apache.kafka.metadata.authorizer.StandardAuthorizer";
        let properties = [
            ("authorizer.class.name", authorizer),
            ("super.users", "User:ANONYMOUS"),
            ("allow.everyone.if.no.acl.found", "false"),
            ("sasl.enabled.mechanisms", "PLAIN"),
            (
                "listener.name.sasl_plaintext.plain.sasl.jaas.config",
                &users,
            ),
        ];
        let broker = Broker::start_with_door(door, &properties);
        Guarded { broker, door }
    }

    /// Where the administrator comes.
    #[must_use]
    pub fn address(&self) -> String {
        self.broker.address()
    }

    /// Where everybody else comes.
    #[must_use]
    pub fn door(&self) -> String {
        format!("127.0.0.1:{}", self.door)
    }

    /// What a client has to know at the door, as lines of a config.
    #[must_use]
    pub fn client(&self) -> String {
        format!(
            "\"security.protocol\" = \"SASL_PLAINTEXT\"\n\
             \"sasl.mechanism\" = \"PLAIN\"\n\
             \"sasl.username\" = \"mainstay\"\n\
             \"sasl.password\" = \"{PASSWORD}\""
        )
    }

    /// Runs a command as Mainstay prints it, `kafka-acls.sh …`, as the administrator.
    ///
    /// # Panics
    /// When it is another command, or fails.
    pub fn administer(&self, command: &str) {
        let door = self.door();
        let plain = self.address();
        let words = command.split_whitespace().map(|word| match word {
            // The administrator's own way in.
            word if word == door => plain.as_str(),
            word => word,
        });
        let mut words = words;
        assert_eq!(words.next(), Some("kafka-acls.sh"), "{command}");
        let output = broker::java(TOOL)
            .arg("org.apache.kafka.tools.AclCommand")
            .args(words)
            .stdin(Stdio::null())
            .output()
            .expect("a java that runs a broker runs a tool");
        assert!(output.status.success(), "{command}: {}", said(&output));
    }
}
