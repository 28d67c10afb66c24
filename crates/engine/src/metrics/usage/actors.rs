//! Use by people, by programs and by software agents apart. An event that does not say is a person's.

use mainstay_model::{Info, Levels, Parts, Unit};

use crate::metrics::{Deed, Metric, Read, Why, tell};

pub(in crate::metrics) static EVENTS_HUMAN_7D: Metric = Metric {
    info: Info {
        id: "events_human_7d",
        unit: Unit::Count,
        levels: Levels::AccountAndGroup,
        help: "Qualifying events of the last 7 days that a person did.",
        formula: "qualifying events in D-6…D by a person",
        headline: false,
    },
    read: Read::Account(|view| Parts::count(view.sum(7, |row| row.human_events()))),
    tell: tell::count,
    why: Why::days_and_users(Deed::HumanEvents, 7),
};

pub(in crate::metrics) static EVENTS_API_7D: Metric = Metric {
    info: Info {
        id: "events_api_7d",
        unit: Unit::Count,
        levels: Levels::AccountAndGroup,
        help: "Qualifying events of the last 7 days that a program of the customer did.",
        formula: "qualifying events in D-6…D by a program",
        headline: false,
    },
    read: Read::Account(|view| Parts::count(view.sum(7, |row| row.api_events()))),
    tell: tell::count,
    why: Why::days_and_users(Deed::ApiEvents, 7),
};

pub(in crate::metrics) static EVENTS_AGENT_7D: Metric = Metric {
    info: Info {
        id: "events_agent_7d",
        unit: Unit::Count,
        levels: Levels::AccountAndGroup,
        help: "Qualifying events of the last 7 days that a software agent did.",
        formula: "qualifying events in D-6…D by a software agent",
        headline: false,
    },
    read: Read::Account(|view| Parts::count(view.sum(7, |row| row.agent_events()))),
    tell: tell::count,
    why: Why::days_and_users(Deed::AgentEvents, 7),
};

pub(in crate::metrics) static USERS_HUMAN_7D: Metric = Metric {
    info: Info {
        id: "users_human_7d",
        unit: Unit::Count,
        levels: Levels::AccountAndGroup,
        help: "Users active in the last 7 days by themselves.",
        formula: "users with a qualifying event by a person on a day of D-6…D on which they are active",
        headline: false,
    },
    read: Read::Account(|view| Parts::count(view.scan().actors[0])),
    tell: tell::count,
    why: Why::users(Deed::HumanEvents, 7),
};

pub(in crate::metrics) static USERS_API_7D: Metric = Metric {
    info: Info {
        id: "users_api_7d",
        unit: Unit::Count,
        levels: Levels::AccountAndGroup,
        help: "Users active in the last 7 days through a program.",
        formula: "users with a qualifying event by a program on a day of D-6…D on which they are active",
        headline: false,
    },
    read: Read::Account(|view| Parts::count(view.scan().actors[1])),
    tell: tell::count,
    why: Why::users(Deed::ApiEvents, 7),
};

pub(in crate::metrics) static USERS_AGENT_7D: Metric = Metric {
    info: Info {
        id: "users_agent_7d",
        unit: Unit::Count,
        levels: Levels::AccountAndGroup,
        help: "Users active in the last 7 days through a software agent.",
        formula: "users with a qualifying event by a software agent on a day of D-6…D on which they are active",
        headline: false,
    },
    read: Read::Account(|view| Parts::count(view.scan().actors[2])),
    tell: tell::count,
    why: Why::users(Deed::AgentEvents, 7),
};

#[cfg(test)]
mod tests {
    use super::super::story::*;
    use mainstay_model::Actor;

    #[test]
    fn with_a_minimum_the_day_has_to_be_active_and_the_actor_to_be_there() {
        let mut story = Story::default();
        story.settings.active_min_events = 2;
        story
            .used("ada", day(0, 9))
            .did_as("ada", Actor::Api, day(0, 10));
        story.did_as("bob", Actor::Agent, day(0, 10));
        let told =
            ["human", "api", "agent"].map(|actor| story.tells(&format!("users_{actor}_7d"), 0));
        assert_eq!(told, ["1", "1", "0"]);
    }

    #[test]
    fn each_actor_counts_by_itself_and_all_count_together() {
        let mut story = Story::default();
        story.used("ada", day(0, 9));
        story
            .did_as("ada", Actor::Api, day(0, 10))
            .did_as("ada", Actor::Api, day(1, 10));
        story.did_as("bob", Actor::Agent, day(0, 11));
        for (metric, told) in [
            ("events_human_7d", "1"),
            ("events_api_7d", "2"),
            ("events_agent_7d", "1"),
            ("users_human_7d", "1"),
            ("users_api_7d", "1"),
            ("users_agent_7d", "1"),
            ("wau", "2"),
        ] {
            assert_eq!(story.tells(metric, 6), told, "{metric}");
        }
        assert_eq!(story.tells("users_api_7d", 8), "0");
    }
}
