//! The promises of [`EventStore`]: one function each.
//!
//! ```text
//! struct Memory;
//! impl Factory for Memory { … }
//! #[tokio::test] async fn promises() { event_store::run_all(&Memory).await }
//! ```

pub mod appends;
pub mod claims;
pub mod fencing;
pub mod ids;
pub mod limits;
pub mod order;
pub mod reads;
mod request;

use std::future::Future;

use crate::clock::Clock;
use crate::event::RecordedEvent;
use crate::event_store::{AllQuery, EventStore};
use crate::stream::{GlobalPosition, StreamId};

/// How the suite gets at a store.
pub trait Factory: Send + Sync + 'static {
    /// The store.
    type Store: EventStore;
    /// Where a store's data lies; deleted when dropped, if that is needed.
    type Place: Send + Sync;
    /// The clock that the stores go by.
    type Clock: Clock;

    /// Whether a store that was closed can be opened again with all that was acknowledged.
    const REOPENS: bool;

    /// A place without data.
    fn place(&self) -> Self::Place;

    /// Opens the store of a place. It is not open already.
    fn open(&self, place: &Self::Place) -> impl Future<Output = Self::Store> + Send;

    /// Closes it, so that the place can be opened again.
    fn close(&self, store: Self::Store) -> impl Future<Output = ()> + Send;

    /// The stores' clock.
    fn clock(&self) -> Self::Clock;
}

/// Checks every promise, each on a store of its own; names it on the way, so that a hang has a name.
pub async fn run_all<F: Factory>(factory: &F) {
    appends::run_all(factory).await;
    order::run_all(factory).await;
    ids::run_all(factory).await;
    claims::run_all(factory).await;
    fencing::run_all(factory).await;
    reads::run_all(factory).await;
    limits::run_all(factory).await;
}

/// Calls the promises of a module, one after the other.
macro_rules! promises {
    ($($promise:ident),* $(,)?) => {
        /// Checks every promise of this part.
        pub async fn run_all<F: super::Factory>(factory: &F) {
            $(
                println!("promise: {}", stringify!($promise));
                $promise(factory).await;
            )*
        }
    };
}
use promises;

/// A store on a new place.
async fn fresh<F: Factory>(factory: &F) -> (F::Place, F::Store) {
    let place = factory.place();
    let store = factory.open(&place).await;
    (place, store)
}

/// The same store, closed and opened again.
async fn reopened<F: Factory>(factory: &F, place: &F::Place, store: F::Store) -> F::Store {
    factory.close(store).await;
    factory.open(place).await
}

fn stream(name: &str) -> StreamId {
    StreamId::new(name).expect("the suite's names are sound")
}

/// The whole log, by pages of an odd size, checked to be dense.
async fn whole_log<S: EventStore>(store: &S) -> Vec<RecordedEvent> {
    let mut events: Vec<RecordedEvent> = Vec::new();
    let mut after = GlobalPosition::START;
    loop {
        let page = store.read_all(AllQuery::after(after, 7)).await.expect("the log can be read");
        events.extend(page.events);
        if page.end {
            break;
        }
        assert!(page.next > after, "a page that is not the end moves on from {after}");
        after = page.next;
    }
    for (at, event) in events.iter().enumerate() {
        assert_eq!(event.position.0, at as u64 + 1, "positions are dense from 1");
    }
    events
}
