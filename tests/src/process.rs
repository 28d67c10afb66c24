//! A process of ours: started, watched, frozen and ended by its own id, and by nothing else.

use std::fs::{self, File, OpenOptions};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::patience;

/// How many lines of a log are told.
const LAST_WORDS: usize = 60;

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// By itself, with this code.
    Exit(i32),
    /// By this signal.
    Signal(i32),
}

/// A child that is ended when its owner is dropped, also while a test panics.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command`; what it says on stdout and stderr is appended to the file `log`.
    ///
    /// # Errors
    /// When there is no such program.
    ///
    /// # Panics
    /// When the log cannot be written.
    pub fn start(name: &str, command: &mut Command, log: &Path) -> std::io::Result<Process> {
        let out = append(log);
        let err = out.try_clone().expect("a file can be opened twice");
        let child = command
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            .spawn()?;
        Ok(Process {
            name: name.to_owned(),
            child,
            log: log.to_path_buf(),
        })
    }

    /// How it ended, if it did.
    ///
    /// # Panics
    /// When the system does not know our own child.
    pub fn ended(&mut self) -> Option<Ended> {
        let status = self.child.try_wait().expect("a child can be asked");
        status.map(how)
    }

    /// Waits for it to end by itself.
    ///
    /// # Panics
    /// When `limit` is over: with the end of its log.
    pub fn wait(&mut self, limit: Duration) -> Ended {
        let what = format!("`{}` ends; its log: {}", self.name, self.log.display());
        patience::until(&what, limit, || self.ended())
    }

    /// Its id, by which the system is asked what it has used.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to stop: SIGTERM.
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Ends it at once, as `kill -9` does.
    ///
    /// # Panics
    /// When the system does not know our own child.
    pub fn kill(&mut self) {
        if self.ended().is_none() {
            self.child.kill().expect("a child that runs can be killed");
            self.child.wait().expect("a child that was killed ends");
        }
    }

    /// Freezes it: SIGSTOP.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on: SIGCONT.
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    /// All that it has said so far, also before a restart.
    #[must_use]
    pub fn log(&self) -> String {
        let bytes = fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The last lines of its log, for a message about what went wrong.
    #[must_use]
    pub fn last_words(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        let tail = &lines[lines.len().saturating_sub(LAST_WORDS)..];
        format!("the end of {}:\n{}", self.log.display(), tail.join("\n"))
    }

    /// A child has an id of its own until it was waited for, so this reaches nobody else.
    fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id()).expect("an id of a process is an i32");
        let id = Pid::from_raw(id).expect("no child has the id 0");
        kill_process(id, signal).expect("a child that was not waited for takes a signal");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        // Where a trial fails on a machine whose disk nobody sees again, this is all there is to read.
        if std::thread::panicking() {
            eprintln!("{}", self.last_words());
        }
    }
}

fn append(log: &Path) -> File {
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(log)
        .unwrap_or_else(|err| panic!("could not open {}: {err}", log.display()))
}

fn how(status: ExitStatus) -> Ended {
    match (status.code(), status.signal()) {
        (Some(code), _) => Ended::Exit(code),
        (None, Some(signal)) => Ended::Signal(signal),
        (None, None) => unreachable!("a process that ended has a code or a signal"),
    }
}
