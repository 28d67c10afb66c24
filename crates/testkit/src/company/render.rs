//! Events as bytes of the native format, as a real sender would write them.

use std::io::Write;

use mainstay_model::Timestamp;

use super::Record;
use super::day::{Happening, NAMES, What};
use super::people::{Account, People};
use crate::history::bad_line;
use crate::rng::Rng;

pub(super) fn record(people: &People, arrival: Timestamp, what: &Happening) -> Record {
    let account = &people.accounts[what.account as usize];
    let topic = match what.what {
        What::Used { .. } | What::Broken(_) => "product",
        What::SignedUp | What::Removed | What::Created | What::Deleted => "accounts",
        What::Billed(_) => "billing",
    };
    let value = if let What::Broken(kind) = what.what {
        bad_line(kind.into(), what.id as usize, &account.id, what.time).into_bytes()
    } else {
        event(people, account, arrival, what)
    };
    Record {
        arrival,
        topic,
        key: account.id.clone(),
        value,
    }
}

fn event(people: &People, account: &Account, arrival: Timestamp, what: &Happening) -> Vec<u8> {
    let mut out = Vec::with_capacity(384);
    let kind = match what.what {
        What::Used { .. } | What::Broken(_) => "product.event",
        What::SignedUp => "user.signed_up",
        What::Removed => "user.removed",
        What::Created => "account.created",
        What::Deleted => "account.deleted",
        What::Billed(_) => "subscription.updated",
    };
    let source = match what.what {
        What::Billed(_) => "billing",
        What::Used { .. }
        | What::SignedUp
        | What::Removed
        | What::Created
        | What::Deleted
        | What::Broken(_) => "web",
    };
    push(&mut out, r#"{"id":""#);
    push_uuid(&mut out, what.id);
    push(&mut out, r#"","type":""#);
    push(&mut out, kind);
    push(&mut out, r#"","account_id":""#);
    push(&mut out, &account.id);
    if let Some(user) = what.user {
        push(&mut out, r#"","user_id":""#);
        push_uuid(&mut out, Rng::fork(people.seed ^ 0xB0B, user.into()).next());
    }
    push(&mut out, r#"","source":""#);
    push(&mut out, source);
    push(&mut out, r#"","time":""#);
    push_time(&mut out, what.time);
    push(&mut out, r#"","received_at":""#);
    push_time(&mut out, arrival);
    push(&mut out, r#"","data":"#);
    push_data(&mut out, account, what);
    push(&mut out, "}");
    out
}

fn push_data(out: &mut Vec<u8>, account: &Account, what: &Happening) {
    match what.what {
        What::Used {
            name,
            duration_ms,
            by_robot,
        } => {
            push(out, r#"{"name":""#);
            push(out, NAMES[usize::from(name)]);
            push(out, "\"");
            if duration_ms > 0 {
                let _ = write!(out, r#","duration_ms":{duration_ms}"#);
            }
            if by_robot {
                push(out, r#","actor":"agent""#);
            }
            let page = what.id % 9000;
            let _ = write!(
                out,
                r#","properties":{{"path":"/w/{page}","client":"web 5.2"}}}}"#
            );
        }
        What::Created => {
            let (name, plan, zone) = (&account.name, account.plan, account.zone.name());
            let seats = account.users + account.users / 4 + 1;
            let _ = write!(
                out,
                r#"{{"name":"{name}","plan":"{plan}","seats":{seats},"tz":"{zone}"}}"#
            );
        }
        What::SignedUp => push(out, r#"{"role":"member"}"#),
        What::Billed(place) => push(out, &account.bills[usize::from(place)].data),
        What::Removed | What::Deleted | What::Broken(_) => push(out, "{}"),
    }
}

fn push(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
}

/// 36 characters as most systems make them, from 64 bits.
fn push_uuid(out: &mut Vec<u8>, from: u64) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut bits = u128::from(from) << 64 | u128::from(Rng::new(from).next());
    for n in 0..32 {
        if matches!(n, 8 | 12 | 16 | 20) {
            out.push(b'-');
        }
        out.push(DIGITS[(bits >> 124) as usize]);
        bits <<= 4;
    }
}

fn push_time(out: &mut Vec<u8>, at: Timestamp) {
    let _ = write!(out, "{at}");
}
