//! Where reading begins, from what the group and the changelog say; or why it must not begin.
//!
//! Offsets and state are written by one transaction, so at rest they agree, and any disagreement means that
//! somebody or something moved one of them. Then no guess is made: going on would count records twice or
//! never. The refusal names both sides and the ways to mend it.

use std::collections::BTreeMap;

use crate::{Mark, Position, ShardNo};

/// What is known of one shard when it has been restored.
#[derive(Clone, Debug)]
pub struct Facts<'a> {
    /// The shard.
    pub shard: ShardNo,
    /// How many shards there are now.
    pub shards: u32,
    /// The last position of the changelog; none if there is no state.
    pub position: Option<&'a Position>,
    /// The sources of the config.
    pub sources: &'a [SourceFacts],
    /// The hash of the settings now.
    pub settings_hash: u64,
    /// What the operator decided about records that are gone.
    pub on_data_loss: OnDataLoss,
}

/// What is known of one source's partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFacts {
    /// Its topic.
    pub topic: String,
    /// The group's stable offset, if there is one.
    pub group: Option<GroupOffset>,
    /// Where the config lets it begin, already as an offset: earliest is `first`, latest is `end`.
    pub start_at: i64,
    /// The first offset that the broker still has.
    pub first: i64,
    /// One past the last offset that the broker has.
    pub end: i64,
}

/// An offset of the group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupOffset {
    /// The next offset to apply.
    pub offset: i64,
    /// The metadata that was committed with it.
    pub metadata: String,
}

/// What to do when records that were not yet applied are gone from an input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnDataLoss {
    /// Stop and say so.
    #[default]
    Refuse,
    /// Count them and go on with the first record there is.
    Continue,
}

/// Reading may begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Start {
    /// The next offset of each source, by topic.
    pub positions: BTreeMap<String, i64>,
    /// There was no state: this is its first start.
    pub first: bool,
    /// What the operator should hear.
    pub notices: Vec<Notice>,
}

/// Something that is right to go on with, and good to know.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Notice {
    /// The group has no offset any more; the state's holds.
    #[error(
        "{topic}: the group's offset is gone (expired or deleted); the state's, {offset}, holds"
    )]
    OffsetGone {
        /// The source.
        topic: String,
        /// The state's offset.
        offset: i64,
    },
    /// The state has never seen this source.
    #[error("{topic}: new to the state; it begins at {offset}")]
    NewSource {
        /// The source.
        topic: String,
        /// Where it begins.
        offset: i64,
    },
    /// The state has a position of a source that the config does not name.
    #[error("{topic}: no source of the config any more; the state has it up to {offset}")]
    SourceLeft {
        /// The source.
        topic: String,
        /// Where it stood.
        offset: i64,
    },
    /// Settings that shape facts have changed.
    #[error("settings that shape facts have changed; they hold for events from now on")]
    SettingsChanged,
    /// Records are gone and `on_data_loss` is `continue`.
    #[error(
        "{topic}: {lost} records were gone before they were applied (`on_data_loss: continue`)"
    )]
    DataLost {
        /// The source.
        topic: String,
        /// How many.
        lost: u64,
    },
}

/// Why reading must not begin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The group and the state disagree.
    #[error(
        "shard {shard}, {topic}: {group}, but {state}; {mend}",
        mend = state.mend()
    )]
    Disagree {
        /// The shard.
        shard: ShardNo,
        /// The source.
        topic: String,
        /// What the group says.
        group: Said,
        /// What the state says.
        state: Said,
    },
    /// The inputs have another number of partitions.
    #[error(
        "shard {shard}: the state was made with {before} shards, the inputs have {now} partitions: their \
         keys hash elsewhere now; begin again under another `kafka.application` (and \
         `output.prefix`, if it is set)"
    )]
    Resharded {
        /// The shard.
        shard: ShardNo,
        /// Shards of the state.
        before: u32,
        /// Partitions now.
        now: u32,
    },
    /// Records that were not yet applied are gone.
    #[error(
        "shard {shard}, {topic}: the next offset is {next}, but the first that the broker has is {first}: \
         {lost} records are gone; to go on without them set `on_data_loss` to `continue`",
        lost = first - next
    )]
    DataLost {
        /// The shard.
        shard: ShardNo,
        /// The source.
        topic: String,
        /// The next offset.
        next: i64,
        /// The first offset there is.
        first: i64,
    },
    /// The input is shorter than what was applied of it.
    #[error(
        "shard {shard}, {topic}: the next offset is {next}, but the broker's last is {end}: the topic was \
         truncated or made anew; begin again with `mainstay reset --drop-state --to …`"
    )]
    Truncated {
        /// The shard.
        shard: ShardNo,
        /// The source.
        topic: String,
        /// The next offset.
        next: i64,
        /// One past the last offset.
        end: i64,
    },
}

/// What one side says of a source.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Said {
    /// The group: an offset by one of our commits.
    #[error("the group's offset is {offset} of commit {mark}")]
    Group {
        /// The offset.
        offset: i64,
        /// The commit.
        mark: Mark,
    },
    /// The group: an offset that somebody set.
    #[error(
        "the group's offset is {offset}, set by hand or by another program (metadata `{metadata}`)"
    )]
    Person {
        /// The offset.
        offset: i64,
        /// Its metadata.
        metadata: String,
    },
    /// The changelog: a state.
    #[error("the changelog's is {offset} of commit {mark}")]
    State {
        /// The offset.
        offset: i64,
        /// The commit.
        mark: Mark,
    },
    /// The changelog: a state that does not know the source.
    #[error("the changelog's state, of commit {0}, does not know the source")]
    Stranger(Mark),
    /// The changelog: nothing.
    #[error("the changelog is empty")]
    NoState,
}

impl Said {
    /// What the operator can do where the state says this and the group disagrees. A state that is gone, or
    /// that does not know the source, has no offset to go on from.
    fn mend(&self) -> &'static str {
        match self {
            Said::State { .. } | Said::Group { .. } | Said::Person { .. } => {
                "go on from the state with `mainstay reset --offsets-from-state`, or without it with \
                 `mainstay reset --drop-state --to …`"
            }
            Said::Stranger(_) | Said::NoState => {
                "begin again with `mainstay reset --drop-state --to …`"
            }
        }
    }
}

/// Decides where each source begins.
///
/// # Errors
/// When the group, the changelog and the inputs do not agree.
pub fn decide(facts: &Facts<'_>) -> Result<Start, Refused> {
    let mut start = Start {
        positions: BTreeMap::new(),
        first: facts.position.is_none(),
        notices: Vec::new(),
    };
    if let Some(position) = facts.position {
        same_shards(facts, position)?;
        whole(facts, position, &mut start.notices);
    }
    for source in facts.sources {
        let next = match facts.position {
            None => first_start(facts, source)?,
            Some(position) => go_on(facts, source, position, &mut start.notices)?,
        };
        let next = there(facts, source, next, &mut start.notices)?;
        start.positions.insert(source.topic.clone(), next);
    }
    Ok(start)
}

fn same_shards(facts: &Facts<'_>, position: &Position) -> Result<(), Refused> {
    if position.shards == facts.shards {
        return Ok(());
    }
    Err(Refused::Resharded {
        shard: facts.shard,
        before: position.shards,
        now: facts.shards,
    })
}

/// What has changed around the state since it was written.
fn whole(facts: &Facts<'_>, position: &Position, notices: &mut Vec<Notice>) {
    if position.settings_hash != facts.settings_hash {
        notices.push(Notice::SettingsChanged);
    }
    for (topic, at) in &position.sources {
        if facts.sources.iter().all(|source| source.topic != *topic) {
            notices.push(Notice::SourceLeft {
                topic: topic.clone(),
                offset: at.next,
            });
        }
    }
}

/// No state: an offset that a person set holds, one that we committed means that the state is gone.
fn first_start(facts: &Facts<'_>, source: &SourceFacts) -> Result<i64, Refused> {
    match &source.group {
        None => Ok(source.start_at),
        Some(group) if group.metadata.is_empty() => Ok(group.offset),
        Some(group) => Err(disagree(facts, source, group, Said::NoState)),
    }
}

fn go_on(
    facts: &Facts<'_>,
    source: &SourceFacts,
    position: &Position,
    notices: &mut Vec<Notice>,
) -> Result<i64, Refused> {
    let topic = source.topic.clone();
    let Some(at) = position.sources.get(&source.topic) else {
        let offset = new_source(facts, source, position)?;
        notices.push(Notice::NewSource { topic, offset });
        return Ok(offset);
    };
    let Some(group) = &source.group else {
        let offset = at.next;
        notices.push(Notice::OffsetGone { topic, offset });
        return Ok(offset);
    };
    if mark(group) == Some(position.mark) && group.offset == at.next {
        return Ok(at.next);
    }
    let state = Said::State {
        offset: at.next,
        mark: position.mark,
    };
    Err(disagree(facts, source, group, state))
}

/// A source that the state does not know begins where the config says, or where a person set it. One that
/// left the config and came back has an offset of an earlier commit of this same state: all before it was
/// applied, so it goes on there.
fn new_source(
    facts: &Facts<'_>,
    source: &SourceFacts,
    position: &Position,
) -> Result<i64, Refused> {
    let Some(group) = &source.group else {
        return Ok(source.start_at);
    };
    let came_back = mark(group)
        .is_some_and(|mark| mark.state == position.mark.state && mark.epoch <= position.mark.epoch);
    if came_back || group.metadata.is_empty() {
        return Ok(group.offset);
    }
    Err(disagree(
        facts,
        source,
        group,
        Said::Stranger(position.mark),
    ))
}

fn disagree(facts: &Facts<'_>, source: &SourceFacts, group: &GroupOffset, state: Said) -> Refused {
    let offset = group.offset;
    Refused::Disagree {
        shard: facts.shard,
        topic: source.topic.clone(),
        group: match mark(group) {
            Some(mark) => Said::Group { offset, mark },
            None => Said::Person {
                offset,
                metadata: group.metadata.clone(),
            },
        },
        state,
    }
}

fn mark(group: &GroupOffset) -> Option<Mark> {
    group.metadata.parse().ok()
}

/// Whether the broker still has, and already has, the records from `next` on.
fn there(
    facts: &Facts<'_>,
    source: &SourceFacts,
    next: i64,
    notices: &mut Vec<Notice>,
) -> Result<i64, Refused> {
    let topic = source.topic.clone();
    if next > source.end {
        return Err(Refused::Truncated {
            shard: facts.shard,
            topic,
            next,
            end: source.end,
        });
    }
    if next >= source.first {
        return Ok(next);
    }
    match facts.on_data_loss {
        OnDataLoss::Refuse => Err(Refused::DataLost {
            shard: facts.shard,
            topic,
            next,
            first: source.first,
        }),
        OnDataLoss::Continue => {
            let lost = next.abs_diff(source.first);
            notices.push(Notice::DataLost { topic, lost });
            Ok(source.first)
        }
    }
}

#[cfg(test)]
mod tests;
