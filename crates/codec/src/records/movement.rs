//! The records of `mrr-movements`: how an account's recurring revenue moved.

use mainstay_model::MrrMovement;

use super::SCHEMA_VERSION;
use super::write::{Object, optional};

/// Writes a movement. Its key is the account as it is.
pub fn mrr_movement(record: &MrrMovement<'_>, out: &mut Vec<u8>) {
    let mut object = Object::open(out);
    object.bare("schema_version", SCHEMA_VERSION);
    object.text("movement_id", record.id);
    object.text("account_id", record.account);
    object.quoted("at", record.at);
    object.text("kind", record.kind);
    object.text("cause", record.cause);
    object.bare("amount_minor", record.amount);
    object.text("currency", record.currency.code());
    object.bare("mrr_before", record.before);
    object.bare("mrr_after", record.after);
    optional(object.key("event_id"), record.event);
    if let Some(days) = record.gap_days {
        object.bare("gap_days", days);
    }
    if let Some((amount, currency)) = record.original {
        let mut original = Object::open(object.key("original"));
        original.bare("amount_minor", amount);
        original.text("currency", currency.code());
        original.close();
    }
    if record.revision > 0 {
        object.bare("revision", record.revision);
    }
    if record.withdrawn {
        object.bare("withdrawn", true);
    }
    object.close();
}
