//! What an operator asks first: who has which shard, how far each is, what is in the way.
//!
//! A shard that nobody has is put before the start-up table, as a restore would put it there. Only the state's
//! last position is read for that: whether the state is whole, the restore alone finds out.

use mainstay_commit::start::{Facts, GroupOffset, Notice, Refused, SourceFacts, decide};
use mainstay_commit::{Position, ShardNo};
use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaResult;

use super::client::PATIENCE;
use super::offsets::{Offsets, Partition, Which, partition_no};
use super::scan::{CommandError, Ends, ends, scan};
use super::settings::{KafkaSettings, RuntimeSettings, SourceSettings, StartAt};
use crate::Topic;

/// How far before the end of a changelog its last position is looked for first.
const LATELY: i64 = 5_000;

/// The state of the pipeline as the cluster knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The group's state, in the broker's words.
    pub group: String,
    /// The members and their shards.
    pub members: Vec<MemberStatus>,
    /// Every shard.
    pub shards: Vec<ShardStatus>,
}

/// A member of the group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberStatus {
    /// Its id.
    pub id: String,
    /// Where it runs.
    pub host: String,
    /// What it has.
    pub shards: Vec<ShardNo>,
}

/// A shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardStatus {
    /// Which.
    pub shard: ShardNo,
    /// What the changelog says last; none: no state.
    pub position: Option<Position>,
    /// The changelog's first offset and its end.
    pub changelog: (i64, i64),
    /// A transaction on the changelog is not yet committed or aborted.
    pub open_transaction: bool,
    /// Where its sources stand.
    pub sources: Vec<SourceStatus>,
    /// What a start of it would come to.
    pub start: StartStatus,
}

/// What a start would come to, as far as group, changelog and inputs tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StartStatus {
    /// Not a question now: somebody has the shard, or the group is on the move, or a transaction is open.
    Unasked,
    /// It would begin, with this to hear.
    Begins(Vec<Notice>),
    /// It would be refused.
    Refused(Refused),
}

/// A source of a shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceStatus {
    /// The operator's name for it.
    pub name: String,
    /// Its topic.
    pub topic: String,
    /// The group's offset.
    pub group: Option<GroupOffset>,
    /// The first offset that is there.
    pub first: i64,
    /// One past the last.
    pub end: i64,
}

impl SourceStatus {
    /// Records that wait to be applied.
    #[must_use]
    pub fn lag(&self) -> u64 {
        let at = self.group.as_ref().map_or(self.first, |group| group.offset);
        u64::try_from(self.end - at).unwrap_or(0)
    }
}

/// Asks the cluster. `settings_hash` is that of the settings that a start would have now.
///
/// # Errors
/// When it does not answer, or the topics are not there.
pub fn status(settings: &RuntimeSettings, settings_hash: u64) -> Result<Status, CommandError> {
    let kafka = &settings.kafka;
    let offsets = Offsets::new(kafka).map_err(CommandError::during("make a client"))?;
    let (group, members) = members(kafka, &offsets)?;
    let shards = count(kafka, &offsets)?;
    let asking = Asking {
        partitions: partitions_of_inputs(&offsets, &settings.sources)?.unwrap_or(shards),
        settings,
        offsets: &offsets,
        settings_hash,
    };
    let is_moving = !["Stable", "Empty", "Dead"].contains(&group.as_str());
    let shards = (0..shards).map(ShardNo).map(|shard| {
        let is_owned = members.iter().any(|member| member.shards.contains(&shard));
        asking.shard(shard, !is_owned && !is_moving)
    });
    let shards = shards.collect::<Result<_, _>>()?;
    Ok(Status {
        group,
        members,
        shards,
    })
}

/// How many partitions the inputs have that are there.
fn partitions_of_inputs(
    offsets: &Offsets,
    sources: &[SourceSettings],
) -> Result<Option<u32>, CommandError> {
    for source in sources {
        let failed = CommandError::during(format!("describe `{}`", source.topic));
        let partitions = offsets.partitions(&source.topic).map_err(failed)?;
        if partitions.is_some() {
            return Ok(partitions);
        }
    }
    Ok(None)
}

/// How many shards there are.
pub(super) fn count(kafka: &KafkaSettings, offsets: &Offsets) -> Result<u32, CommandError> {
    let changelog = kafka.topic(Topic::Changelog);
    let partitions = offsets.partitions(&changelog);
    let partitions = partitions.map_err(CommandError::during(format!("describe `{changelog}`")))?;
    partitions.ok_or(CommandError::NoTopic(changelog))
}

/// The group's state and members.
pub(super) fn members(
    kafka: &KafkaSettings,
    offsets: &Offsets,
) -> Result<(String, Vec<MemberStatus>), CommandError> {
    let group = kafka.application.as_str();
    let failed = CommandError::during(format!("describe the group `{group}`"));
    let list = offsets
        .client()
        .fetch_group_list(Some(group), PATIENCE)
        .map_err(failed)?;
    let Some(found) = list.groups().iter().find(|found| found.name() == group) else {
        return Ok(("Dead".to_owned(), Vec::new()));
    };
    let member = |member: &rdkafka::groups::GroupMemberInfo| MemberStatus {
        id: member.id().to_owned(),
        host: member.client_host().to_owned(),
        shards: member.assignment().map(shards_of).unwrap_or_default(),
    };
    Ok((
        found.state().to_owned(),
        found.members().iter().map(member).collect(),
    ))
}

/// The partitions in a member's assignment, as the consumer protocol lays it out; of what it does not
/// understand, nothing.
fn shards_of(mut assignment: &[u8]) -> Vec<ShardNo> {
    partitions(&mut assignment).unwrap_or_default()
}

fn partitions(bytes: &mut &[u8]) -> Option<Vec<ShardNo>> {
    let mut shards = Vec::new();
    let _version = i16::from_be_bytes(take(bytes)?);
    for _ in 0..i32::from_be_bytes(take(bytes)?) {
        let name = i16::from_be_bytes(take(bytes)?);
        *bytes = bytes.get(usize::try_from(name).ok()?..)?;
        for _ in 0..i32::from_be_bytes(take(bytes)?) {
            let partition = i32::from_be_bytes(take(bytes)?);
            shards.push(ShardNo(u32::try_from(partition).ok()?));
        }
    }
    shards.sort_unstable();
    Some(shards)
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*taken)
}

/// What is asked of every shard, and of whom.
struct Asking<'a> {
    settings: &'a RuntimeSettings,
    offsets: &'a Offsets,
    settings_hash: u64,
    /// How many partitions the inputs have.
    partitions: u32,
}

impl Asking<'_> {
    fn shard(&self, shard: ShardNo, would_start: bool) -> Result<ShardStatus, CommandError> {
        let kafka = &self.settings.kafka;
        let changelog = (kafka.topic(Topic::Changelog), partition_no(shard));
        let failed = || CommandError::during(format!("ask where shard {shard} stands"));
        let log = ends(self.offsets, &changelog).map_err(failed())?;
        let mut status = ShardStatus {
            shard,
            // Before the offsets of the group, which may only be newer.
            position: last_position(kafka, self.offsets, shard)?,
            changelog: (log.first, log.end),
            open_transaction: log.stable < log.end,
            sources: Vec::new(),
            start: StartStatus::Unasked,
        };
        let mut facts = Vec::new();
        for source in &self.settings.sources {
            if let Some((told, fact)) = self.source(source, shard).map_err(failed())? {
                status.sources.push(told);
                facts.push(fact);
            }
        }
        if would_start && !status.open_transaction {
            status.start = self.start(shard, status.position.as_ref(), &facts);
        }
        Ok(status)
    }

    /// Where a source stands; none if its topic is not there.
    fn source(
        &self,
        source: &SourceSettings,
        shard: ShardNo,
    ) -> KafkaResult<Option<(SourceStatus, SourceFacts)>> {
        if self.offsets.partitions(&source.topic)?.is_none() {
            return Ok(None);
        }
        let partition = (source.topic.clone(), partition_no(shard));
        let found = ends(self.offsets, &partition)?;
        let group = self.offsets.of_group(std::slice::from_ref(&partition))?;
        let group = group.into_values().next();
        let told = SourceStatus {
            name: source.name.clone(),
            topic: source.topic.clone(),
            group: group.clone(),
            first: found.first,
            end: found.end,
        };
        let fact = SourceFacts {
            topic: source.topic.clone(),
            group,
            start_at: self.start_at(source, &partition, found)?,
            first: found.first,
            end: found.end,
        };
        Ok(Some((told, fact)))
    }

    fn start_at(
        &self,
        source: &SourceSettings,
        partition: &Partition,
        found: Ends,
    ) -> KafkaResult<i64> {
        let time = match source.start_at {
            StartAt::Earliest => return Ok(found.first),
            StartAt::Latest => return Ok(found.end),
            StartAt::At(time) => time,
        };
        let asked = std::slice::from_ref(partition);
        let from = self.offsets.of(asked, Which::From(time))?;
        Ok(from.into_values().next().unwrap_or(found.end))
    }

    fn start(
        &self,
        shard: ShardNo,
        position: Option<&Position>,
        sources: &[SourceFacts],
    ) -> StartStatus {
        let decided = decide(&Facts {
            shard,
            shards: self.partitions,
            position,
            sources,
            settings_hash: self.settings_hash,
            on_data_loss: self.settings.on_data_loss,
        });
        match decided {
            Ok(start) => StartStatus::Begins(start.notices),
            Err(refused) => StartStatus::Refused(refused),
        }
    }
}

/// The last position on a shard's changelog.
pub(super) fn last_position(
    kafka: &KafkaSettings,
    offsets: &Offsets,
    shard: ShardNo,
) -> Result<Option<Position>, CommandError> {
    let changelog = (kafka.topic(Topic::Changelog), partition_no(shard));
    let failed = CommandError::during(format!("ask where shard {shard} ends"));
    let log = ends(offsets, &changelog).map_err(failed)?;
    let lately = (log.stable - LATELY).max(log.first);
    let mut last = None;
    for from in [lately, log.first] {
        scan(kafka, &changelog, (from, log.stable), &mut |record| {
            if record.key() == Some(Position::KEY) {
                last = record
                    .value()
                    .and_then(|value| Position::decode(value).ok());
            }
            true
        })?;
        if last.is_some() {
            break;
        }
    }
    Ok(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_assignment_is_read_and_a_strange_one_is_nothing() {
        let mut bytes = vec![0, 1, 0, 0, 0, 1, 0, 2, b's', b'h'];
        bytes.extend([0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 1]);
        bytes.extend([0, 0, 0, 0]);
        assert_eq!(shards_of(&bytes), [ShardNo(1), ShardNo(3)]);
        assert_eq!(shards_of(&bytes[..15]), []);
        assert_eq!(shards_of(&[]), []);
    }
}
