//! Projections: given a log, then documents.
//!
//! ```
//! # use sagaline::prelude::*;
//! # #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
//! # struct Account { cents: i64 }
//! # #[derive(Debug, PartialEq, Serialize, Deserialize)]
//! # enum AccountEvent { Deposited { cents: i64 }, Withdrawn { cents: i64 } }
//! # enum AccountCommand { Deposit(i64), Withdraw(i64) }
//! # #[derive(Debug, PartialEq, thiserror::Error)]
//! # #[error("not covered")]
//! # struct NotCovered;
//! # impl Aggregate for Account {
//! #     const CATEGORY: &'static str = "account";
//! #     type Command = AccountCommand;
//! #     type Event = AccountEvent;
//! #     type Refusal = NotCovered;
//! #     fn decide(&self, command: AccountCommand) -> Result<Vec<AccountEvent>, NotCovered> {
//! #         match command {
//! #             AccountCommand::Deposit(cents) => Ok(vec![AccountEvent::Deposited { cents }]),
//! #             AccountCommand::Withdraw(cents) if cents > self.cents => Err(NotCovered),
//! #             AccountCommand::Withdraw(cents) => Ok(vec![AccountEvent::Withdrawn { cents }]),
//! #         }
//! #     }
//! #     fn evolve(&mut self, event: &AccountEvent) {
//! #         match event {
//! #             AccountEvent::Deposited { cents } => self.cents += cents,
//! #             AccountEvent::Withdrawn { cents } => self.cents -= cents,
//! #         }
//! #     }
//! # }
//! # struct Balances;
//! # impl Projection for Balances {
//! #     const NAME: &'static str = "balances";
//! #     const VERSION: u32 = 1;
//! #     const CATEGORIES: &'static [&'static str] = &[Account::CATEGORY];
//! #     type Document = i64;
//! #     fn keys(&self, event: &Recorded<'_>) -> Vec<String> {
//! #         vec![event.envelope().stream.key().to_owned()]
//! #     }
//! #     fn apply(&self, view: &mut View<i64>, event: &Recorded<'_>) -> Result<(), CodecError> {
//! #         let (id, mut account) = (event.envelope().stream.key(), Account::default());
//! #         account.cents = view.get(id).copied().unwrap_or_default();
//! #         if let Some(event) = event.of::<Account>()? {
//! #             account.evolve(&event);
//! #             view.put(id, account.cents);
//! #         }
//! #         Ok(())
//! #     }
//! # }
//! use sagaline::testing::{Log, projection::given};
//!
//! let log = Log::new()
//!     .event::<Account>("ada", AccountEvent::Deposited { cents: 100 })
//!     .event::<Account>("ada", AccountEvent::Withdrawn { cents: 30 });
//! assert_eq!(given(Balances, &log).view("ada"), Some(70));
//! ```
//!
//! The events are applied as a node does it: those of other categories are passed over, each sees the
//! documents that `keys` names and no others, documents go to their stored form and back. A projection that
//! changes a document which it does not name is refused. And they are applied twice, one by one and all at
//! once: a projection to which that makes a difference does not come back from its stored form as it was.

use std::collections::BTreeMap;

use super::Log;
use crate::engine::{Projection, Recorded, View};

/// A view after a log.
#[derive(Debug)]
pub struct Given<P: Projection> {
    projection: P,
    documents: BTreeMap<String, P::Document>,
}

/// The view that a projection makes of a log.
///
/// # Panics
/// When it cannot be applied to an event, a document cannot be stored, or it touches a document that its
/// `keys` do not name.
#[track_caller]
pub fn given<P: Projection>(projection: P, log: &Log) -> Given<P> {
    let one_by_one = applied(&projection, log, 1);
    let at_once = applied(&projection, log, usize::MAX);
    for key in one_by_one.keys().chain(at_once.keys()) {
        let (one, all) = (one_by_one.get(key), at_once.get(key));
        assert!(
            one == all,
            "projection `{}`: document `{key}` depends on how many events are applied at a time, so it \
             does not come back from its stored form as it was\n  one by one:  {}\n  at once:     {}",
            P::NAME,
            one.map_or("none", String::as_str),
            all.map_or("none", String::as_str),
        );
    }
    let read = |(key, text): (String, String)| match serde_json::from_str(&text) {
        Ok(document) => (key, document),
        Err(error) => panic!("projection `{}`: document `{key}`: {error}", P::NAME),
    };
    Given { projection, documents: one_by_one.into_iter().map(read).collect() }
}

impl<P: Projection> Given<P> {
    /// The document under `key`.
    pub fn view(&self, key: &str) -> Option<P::Document> {
        self.documents.get(key).cloned()
    }

    /// The keys of all documents, in order.
    pub fn keys(&self) -> Vec<&str> {
        self.documents.keys().map(String::as_str).collect()
    }

    /// The keys of the documents in a partition of an index, smallest `sort` first.
    pub fn found(&self, index: &str, partition: impl AsRef<[u8]>) -> Vec<&str> {
        let mut found = Vec::new();
        for (key, document) in &self.documents {
            for entry in self.projection.index(key, document) {
                if entry.index == index && entry.partition == partition.as_ref() {
                    found.push((entry.sort, key.as_str()));
                }
            }
        }
        found.sort();
        found.into_iter().map(|(_, key)| key).collect()
    }
}

/// The documents as they are stored, after the log in batches of so many events.
#[track_caller]
fn applied<P: Projection>(projection: &P, log: &Log, batch: usize) -> BTreeMap<String, String> {
    let mut stored: BTreeMap<String, String> = BTreeMap::new();
    let wanted = |category: &str| P::CATEGORIES.is_empty() || P::CATEGORIES.contains(&category);
    let events: Vec<_> =
        log.events().iter().filter(|event| wanted(event.stream.category())).collect();
    let failed = |what: &str, problem: &dyn std::fmt::Display| -> ! {
        panic!("projection `{}`: {what}: {problem}", P::NAME)
    };
    for events in events.chunks(batch.min(events.len().max(1))) {
        let mut view = View::new();
        for event in events {
            let keys = projection.keys(&Recorded::new(event));
            if keys.is_empty() {
                continue;
            }
            for key in &keys {
                let document = stored.get(key).map(|text| serde_json::from_str(text));
                match document.transpose() {
                    Ok(document) => view.load(key.clone(), document),
                    Err(error) => {
                        failed(&format!("document `{key}` is not what was stored"), &error)
                    }
                }
            }
            if let Err(error) = view.follow(projection, keys, &Recorded::new(event)) {
                failed(&format!("event {}", event.position.0), &error);
            }
        }
        for (key, document) in view.take_changes() {
            match document.map(serde_json::to_string).transpose() {
                Ok(Some(text)) => _ = stored.insert(key.to_owned(), text),
                Ok(None) => _ = stored.remove(key),
                Err(error) => failed(&format!("document `{key}` cannot be stored"), &error),
            }
        }
    }
    stored
}

#[cfg(test)]
#[path = "projection_tests.rs"]
mod tests;
