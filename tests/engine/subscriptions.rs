//! Following the log as a user does: from anywhere, over the seam between past and new, with a filter.

use std::sync::Arc;

use futures_util::FutureExt;
use sagaline::engine::{
    Begin, EventSubscription, IndexKey, NodeBuilder, Projection, Recorded, View,
};
use sagaline_storage::memory::MemoryKv;
use sagaline_storage::{EventType, Filter, GlobalPosition, Timestamp};

use crate::consumers::ring;
use crate::trip::{self, Memory};

async fn positions(events: &mut EventSubscription<Memory>, count: usize) -> Vec<u64> {
    let mut positions = Vec::new();
    while positions.len() < count {
        positions.push(events.next().await.unwrap().unwrap().position.0);
    }
    positions
}

#[tokio::test]
async fn from_past_to_new_there_is_no_gap_and_no_double() {
    let backend = trip::backend(&MemoryKv::new()).await;
    ring(&backend, &["door-1"].repeat(300)).await;
    let node = NodeBuilder::new(backend.clone()).start().await.unwrap();
    let begins = [Begin::Start, Begin::After(GlobalPosition(150)), Begin::Head];
    let mut readers = Vec::new();
    for (begin, after) in begins.into_iter().zip([0, 150, 300]) {
        let mut events = node.subscribe(begin, Filter::ALL).await.unwrap();
        assert_eq!(events.position().0, after);
        readers.push(tokio::spawn(async move {
            let seen = positions(&mut events, 600 - after as usize).await;
            assert!(seen.into_iter().eq(after + 1..=600));
            assert_eq!(events.position().0, 600);
        }));
    }
    for _ in 0..300 {
        ring(&backend, &["door-2"]).await;
        tokio::task::yield_now().await;
    }
    for reader in readers {
        reader.await.unwrap();
    }
}

#[tokio::test]
async fn a_filter_that_matches_nothing_still_moves_the_place() {
    let backend = trip::backend(&MemoryKv::new()).await;
    ring(&backend, &["door-1"].repeat(40)).await;
    let node = NodeBuilder::new(backend.clone()).start().await.unwrap();
    let never = || Filter { event_types: vec![EventType::new("Never").unwrap()], ..Filter::ALL };
    let absent = || Filter { categories: vec!["absent".into()], ..Filter::ALL };
    let future = || Filter { recorded_from: Some(Timestamp(u64::MAX)), ..Filter::ALL };
    for filter in [never(), absent(), future()] {
        let mut events = node.subscribe(Begin::Start, filter).await.unwrap();
        while events.position().0 < 40 {
            assert!(events.next().now_or_never().is_none(), "there is nothing to see");
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn a_reader_that_is_dropped_while_it_waits_goes_on_where_it_was() {
    let backend = trip::backend(&MemoryKv::new()).await;
    let node = NodeBuilder::new(backend.clone()).start().await.unwrap();
    let mut events = node.subscribe(Begin::Start, Filter::ALL).await.unwrap();
    assert!(events.next().now_or_never().is_none());
    ring(&backend, &["door-1", "door-1", "door-2"]).await;
    assert_eq!(positions(&mut events, 2).await, [1, 2]);
    assert_eq!(events.position().0, 2, "not what was read, but what was taken");
    assert_eq!(positions(&mut events, 1).await, [3]);
    node.drain().await.unwrap();
    assert_eq!(events.next().await.unwrap(), None, "the node has stopped");
}

/// Wants what nobody writes.
struct Blank;

impl Projection for Blank {
    const NAME: &'static str = "blank";
    const VERSION: u32 = 1;
    const CATEGORIES: &'static [&'static str] = &["absent"];
    type Document = u64;

    fn keys(&self, _: &Recorded<'_>) -> Vec<String> {
        Vec::new()
    }

    fn apply(
        &self,
        _: &mut View<u64>,
        _: &Recorded<'_>,
    ) -> Result<(), sagaline::codec::CodecError> {
        Ok(())
    }

    fn index(&self, _: &str, _: &u64) -> Vec<IndexKey> {
        Vec::new()
    }
}

/// Counts rings, and panics at some doors.
struct Touchy;

impl Projection for Touchy {
    const NAME: &'static str = "touchy";
    const VERSION: u32 = 1;
    const CATEGORIES: &'static [&'static str] = &["door"];
    type Document = u64;

    fn keys(&self, event: &Recorded<'_>) -> Vec<String> {
        let door = event.envelope().stream.key();
        assert_ne!(door, "13", "not this one");
        // No view has a document without a name.
        vec![if door == "15" { String::new() } else { door.to_owned() }]
    }

    fn apply(
        &self,
        view: &mut View<u64>,
        event: &Recorded<'_>,
    ) -> Result<(), sagaline::codec::CodecError> {
        let door = event.envelope().stream.key();
        assert_ne!(door, "14", "nor this one");
        view.put(door, view.get(door).copied().unwrap_or_default() + 1);
        Ok(())
    }

    fn index(&self, key: &str, _: &u64) -> Vec<IndexKey> {
        let sort = if key == "16" { "x".repeat(10_000).into() } else { "x".into() };
        vec![IndexKey { index: "all", partition: "all".into(), sort }]
    }
}

#[tokio::test]
async fn an_event_at_which_a_projection_panics_or_that_no_view_holds_is_passed_over() {
    let backend = trip::backend(&MemoryKv::new()).await;
    let node = NodeBuilder::new(backend.clone()).projection(Touchy).start().await.unwrap();
    let rings = ["door-1", "door-13", "door-14", "door-15", "door-16", "door-1"];
    let last = ring(&backend, &rings).await;
    let views = node.views::<Touchy>().unwrap();
    assert!(views.caught_up(last, std::time::Duration::from_secs(600)).await);
    assert_eq!(views.get("1").await.unwrap(), Some(2));
    assert_eq!(views.get("16").await.unwrap(), None);
    assert_eq!(node.metrics().projection_errors.get(), 4);
}

#[tokio::test]
async fn the_checkpoint_of_a_view_moves_also_when_nothing_matches() {
    use sagaline_storage::Backend;
    use sagaline_storage::views::ViewStore;
    let backend = trip::backend(&MemoryKv::new()).await;
    let node = NodeBuilder::new(backend.clone()).projection(Blank).start().await.unwrap();
    let last = ring(&backend, &["door-1"].repeat(60)).await;
    let ever = std::time::Duration::from_secs(600);
    assert!(node.views::<Blank>().unwrap().caught_up(last, ever).await);
    let name: Arc<str> = "projection:blank.v1".into();
    assert_eq!(backend.views().checkpoint(&name).await.unwrap(), Some(last), "and is stored");
}
