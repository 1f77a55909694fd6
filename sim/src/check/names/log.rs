//! The categories that an application's sagas write to, in the log of a world: a node is not told of its
//! aggregates before.

use std::collections::BTreeSet;

use sagaline::domain::{Aggregate, Order, Payment, Session, User};

use super::clash;
use crate::evidence::LogEntry;

const CATEGORIES: [&str; 4] =
    [Order::CATEGORY, Payment::CATEGORY, User::CATEGORY, Session::CATEGORY];

/// Why the application of this log cannot be checked: a saga writes to what is the node's own.
pub(in crate::check) fn refused(log: &[LogEntry]) -> Option<String> {
    let of_sagas = log.iter().filter(|entry| entry.stream.starts_with("saga-"));
    let sagas: BTreeSet<_> = of_sagas.map(|entry| entry.correlation_id.as_str()).collect();
    let mut written = log.iter().filter(|entry| sagas.contains(entry.correlation_id.as_str()));
    written.find_map(|entry| {
        let (category, _) = entry.stream.split_once('-')?;
        CATEGORIES.contains(&category).then(|| clash("aggregate", category))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_aggregate_of_the_nodes_own_is_named_when_a_saga_writes_to_it() {
        let logged = crate::testing::evidence().log.remove(0);
        let entry = |stream: &str, correlation: &str| LogEntry {
            stream: stream.to_owned(),
            correlation_id: correlation.to_owned(),
            ..logged.clone()
        };
        let saga = entry("saga-1", "check-1");
        let elsewhere = [saga.clone(), entry("user-1", "somebody"), entry("orders-1", "check-1")];
        assert_eq!(refused(&elsewhere), None);
        let why = refused(&[saga, entry("order-1", "check-1")]).unwrap();
        assert!(why.starts_with("the aggregate `order` cannot be checked"), "{why}");
    }
}
