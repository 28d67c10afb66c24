//! A consumer group with the cooperative protocol: generations, what each member owns, offsets.
//!
//! A rebalance waits until every member has joined it, or was expelled. A shard is handed to its new owner
//! only in a generation after the one in which its old owner gave it up.

use std::collections::{BTreeMap, BTreeSet};

use mainstay_commit::{Millis, ShardNo};

/// A member that is silent for so long is expelled.
pub(super) const SESSION_TIMEOUT_MS: u64 = 6_000;

/// Who asks, and of which generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Membership {
    pub(super) member: u32,
    pub(super) generation: u32,
}

/// What a poll brings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum News {
    Nothing,
    Assigned(Vec<ShardNo>),
    Revoked(Vec<ShardNo>),
    Lost,
}

#[derive(Clone, Debug, Default)]
struct Member {
    owned: BTreeSet<ShardNo>,
    target: BTreeSet<ShardNo>,
    joined: bool,
    /// The generation that it has heard of.
    known: u32,
    silent_since: Option<Millis>,
}

/// The group.
#[derive(Clone, Debug, Default)]
pub(super) struct Group {
    pub(super) offsets: BTreeMap<ShardNo, (i64, String)>,
    pub(super) shards: u32,
    generation: u32,
    rebalancing: bool,
    members: BTreeMap<u32, Member>,
    ever: u32,
}

impl Group {
    pub(super) fn join(&mut self) -> u32 {
        self.ever += 1;
        let member = Member {
            joined: true,
            ..Member::default()
        };
        self.members.insert(self.ever, member);
        self.rebalancing = true;
        self.complete();
        self.ever
    }

    pub(super) fn leave(&mut self, member: u32) {
        if self.members.remove(&member).is_some() {
            self.rebalancing = true;
            self.complete();
        }
    }

    /// The member's process hangs or is gone; or it is back.
    pub(super) fn set_silent(&mut self, member: u32, since: Option<Millis>) {
        if let Some(member) = self.members.get_mut(&member) {
            member.silent_since = since;
        }
    }

    pub(super) fn pass_time(&mut self, now: Millis) {
        let before = self.members.len();
        self.members.retain(|_, member| {
            member
                .silent_since
                .is_none_or(|since| now < since.plus(SESSION_TIMEOUT_MS))
        });
        if self.members.len() < before {
            self.rebalancing = true;
            self.complete();
        }
    }

    pub(super) fn due(&self) -> Option<Millis> {
        let silent = self
            .members
            .values()
            .filter_map(|member| member.silent_since);
        silent.map(|since| since.plus(SESSION_TIMEOUT_MS)).min()
    }

    pub(super) fn accepts(&self, by: &Membership) -> bool {
        self.members.contains_key(&by.member) && by.generation == self.generation
    }

    /// Whether a poll would bring something, or join a rebalance.
    pub(super) fn has_news(&self, member: u32) -> bool {
        self.members.get(&member).is_none_or(|member| {
            (self.rebalancing && !member.joined) || member.known < self.generation
        })
    }

    pub(super) fn poll(&mut self, number: u32) -> (News, Membership) {
        let news = self.news(number);
        let generation = self.members.get(&number).map_or(0, |member| member.known);
        let membership = Membership {
            member: number,
            generation,
        };
        (news, membership)
    }

    fn news(&mut self, number: u32) -> News {
        let Some(member) = self.members.get_mut(&number) else {
            return News::Lost;
        };
        if member.known == self.generation {
            member.joined |= self.rebalancing;
            self.complete();
            return News::Nothing;
        }
        member.known = self.generation;
        let revoked: Vec<_> = member.owned.difference(&member.target).copied().collect();
        if !revoked.is_empty() {
            return News::Revoked(revoked);
        }
        let others = self.members.iter().filter(|(other, _)| **other != number);
        let taken: BTreeSet<_> = others.flat_map(|(_, other)| other.owned.clone()).collect();
        let member = self.members.entry(number).or_default();
        let added: Vec<_> = member
            .target
            .iter()
            .filter(|shard| !taken.contains(shard) && !member.owned.contains(shard))
            .copied()
            .collect();
        member.owned.extend(&added);
        News::Assigned(added)
    }

    /// The revoke callback returned: the member rejoins without these.
    pub(super) fn gave_up(&mut self, member: u32, shards: &[ShardNo]) {
        if let Some(member) = self.members.get_mut(&member) {
            member.owned.retain(|shard| !shards.contains(shard));
            member.joined = true;
            self.rebalancing = true;
            self.complete();
        }
    }

    fn complete(&mut self) {
        let all = self.members.values().all(|member| member.joined);
        if !self.rebalancing || !all {
            return;
        }
        self.rebalancing = false;
        self.generation += 1;
        let count = self.members.len().max(1);
        for (at, member) in self.members.values_mut().enumerate() {
            member.joined = false;
            let mine = |shard: &u32| *shard as usize % count == at;
            member.target = (0..self.shards).filter(mine).map(ShardNo).collect();
        }
    }
}
