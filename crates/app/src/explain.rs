//! Why a value is what it is, over a replay.
//!
//! What happened is kept for some hundred days, so a question about an older day is answered on the way: as soon as
//! the day can no longer be corrected. The replay ends there; a newer day is looked at when all files are read.

use mainstay_connectors::file::FileError;
use mainstay_engine::{Engine, Explanation, Look, NoValue};
use mainstay_model::Day;

use crate::replay::{Progress, Replay, Summary};

/// Which values of an account are to be explained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The account.
    pub account: String,
    /// The places of the values in the columns of an account.
    pub places: Vec<usize>,
    /// The day; without one the newest that is closed.
    pub day: Option<Day>,
}

/// The answer to a question.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// Why each of the values is what it is.
    Explained(Vec<Explanation>),
    /// The account has no values on the day.
    NoValue(Day, NoValue),
    /// There is no such account, but these.
    NoAccount(Vec<String>),
}

/// A question, and its answer once it is known.
#[derive(Debug)]
pub(crate) struct Asked {
    question: Question,
    answer: Option<Answer>,
}

impl Asked {
    pub(crate) fn new(question: Question) -> Asked {
        Asked {
            question,
            answer: None,
        }
    }

    pub(crate) fn is_answered(&self) -> bool {
        self.answer.is_some()
    }

    /// Answers when the day can no longer change: soon after, what it depends on is forgotten.
    pub(crate) fn day_closed(&mut self, account: &Look<'_>) {
        let mine = self.answer.is_none() && account.id() == self.question.account;
        let day = self.question.day.filter(|_| mine);
        if let Some(day) = day.filter(|day| account.is_settled(*day)) {
            self.answer = Some(self.question.answer(account, day));
        }
    }

    /// The answer, by what is known now if it was not given before.
    pub(crate) fn answer(self, engine: &Engine) -> Answer {
        let question = self.question;
        self.answer
            .unwrap_or_else(|| match engine.look(&question.account) {
                Some(account) => {
                    let day = question.day.unwrap_or_else(|| account.closed());
                    question.answer(&account, day)
                }
                None => Answer::NoAccount(engine.account_ids().map(str::to_owned).collect()),
            })
    }
}

impl Question {
    fn answer(&self, account: &Look<'_>, day: Day) -> Answer {
        let places = self.places.iter();
        let explained: Result<_, NoValue> =
            places.map(|place| account.explain(*place, day)).collect();
        explained.map_or_else(|why| Answer::NoValue(day, why), Answer::Explained)
    }
}

impl Replay {
    /// Reads the files as far as it takes to answer a question; in one shard. `progress` hears now and then how much
    /// was read.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn explain(
        &self,
        question: Question,
        progress: &mut dyn FnMut(&Progress),
    ) -> Result<(Answer, Summary), FileError> {
        let whole = Replay {
            shards: 1,
            ..self.clone()
        };
        let mut running = whole.begun()?;
        running.shards[0].ask(question);
        running.go_on(&mut |_| Ok(()), progress)?;
        if !running.shards[0].is_answered() {
            running.end(&mut |_| Ok(()))?;
        }
        let answer = running.shards[0].answer();
        let answer = answer.expect("what was asked above is answered once");
        Ok((answer, running.summary))
    }
}
