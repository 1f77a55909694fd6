//! Which saga something belongs to: an order's saga has the order's id, and that id is in streams, paths,
//! bodies and the bank's ledger.

use std::collections::BTreeMap;

use crate::evidence::{Call, Evidence, StoreCall, StoreWhat};

/// Finds sagas by what belongs to them.
pub(super) struct Whose {
    by_event: BTreeMap<String, String>,
}

impl Whose {
    /// Learns the events of a run.
    pub(super) fn of(evidence: &Evidence) -> Self {
        let of_entry = |entry: &crate::evidence::LogEntry| {
            id_in(&entry.stream).map(|saga| (entry.id.clone(), saga))
        };
        Self { by_event: evidence.log.iter().filter_map(of_entry).collect() }
    }

    /// The saga of a request.
    pub(super) fn call(&self, call: &Call) -> Option<String> {
        let answered = call.answer.as_ref().and_then(|answer| answer.body["id"].as_str());
        id_in(&call.request).or_else(|| answered.and_then(id_in))
    }

    /// The saga of a request to the store.
    pub(super) fn store_call(&self, call: &StoreCall) -> Option<String> {
        match &call.what {
            StoreWhat::Append { writes, .. } => {
                writes.iter().find_map(|write| id_in(&write.stream))
            }
            StoreWhat::ReadStream { stream, .. } => id_in(stream),
            StoreWhat::ReadAll { .. } => None,
        }
    }

    /// The saga of an event.
    pub(super) fn event(&self, id: &str) -> Option<String> {
        self.by_event.get(id).cloned()
    }
}

/// The first UUID in a text.
pub(super) fn id_in(text: &str) -> Option<String> {
    let is_id = |candidate: &str| {
        candidate.len() == 36
            && candidate.char_indices().all(|(at, c)| match at {
                8 | 13 | 18 | 23 => c == '-',
                _ => c.is_ascii_hexdigit(),
            })
    };
    (0..text.len())
        .filter_map(|at| text.get(at..at + 36))
        .find(|part| is_id(part))
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_found_wherever_it_stands() {
        let id = "0192f3a0-0000-7000-8000-000000000001";
        for text in [format!("order-{id}"), format!("GET /orders/{id}/confirm"), id.to_owned()] {
            assert_eq!(id_in(&text).as_deref(), Some(id));
        }
        assert_eq!(id_in("list-3"), None);
        assert_eq!(id_in("ünïcode ünïcode ünïcode ünïcode ünïcode"), None);
    }
}
