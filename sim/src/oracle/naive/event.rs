//! Events of the log as the API shows them.

use serde_json::Value;

use crate::evidence::LogEntry;

use super::json::{number, text};
use super::time;

/// Whether an event is shown as it is: what happened where, when and why, and who wrote it down.
pub fn is_shown(entry: &LogEntry, shown: &Value) -> bool {
    text(shown, "eventId") == Some(entry.id.as_str())
        && number(shown, "position") == Some(entry.position)
        && text(shown, "eventType") == Some(entry.event_type.as_str())
        && text(shown, "stream") == Some(entry.stream.as_str())
        && number(shown, "version") == Some(entry.version)
        && text(shown, "correlationId") == Some(entry.correlation_id.as_str())
        && text(shown, "causationId") == entry.causation_id.as_deref()
        && text(shown, "nodeId") == Some(entry.node.as_str())
        && time::is_shown(shown, "recordedAt", Some(entry.recorded_at_us))
}

/// Whether events are shown as they are, one behind the other and each with the time since the one before.
/// Neither has one more than the other.
pub fn are_shown(entries: &[&LogEntry], shown: &[Value]) -> bool {
    let before = entries.first().into_iter().chain(entries);
    let mut pairs = entries.iter().zip(before).zip(shown);
    entries.len() == shown.len()
        && pairs.all(|((entry, before), shown)| {
            let since_us = entry.recorded_at_us.saturating_sub(before.recorded_at_us);
            is_shown(entry, shown) && number(shown, "sincePreviousUs") == Some(since_us)
        })
}
