//! Participants in the node's own process, behind their barrier.

use sagaline::engine::CommandMetadata;
use sagaline::engine::barrier::{Answered, BarrierError, BarrierRefusal, CallKey, Guarded};
use sagaline_storage::CorrelationId;
use sagaline_storage::memory::MemoryKv;

use crate::trip::{self, Booking, BookingCommand, Memory, World};

fn metadata() -> CommandMetadata {
    CommandMetadata { correlation_id: CorrelationId::new("c").unwrap(), causation_id: None }
}

fn key() -> CallKey {
    CallKey::parse("00000000-0000-0000-0000-000000000007/hotel/action").unwrap()
}

async fn guarded() -> (sagaline::engine::Node<Memory>, Guarded<Memory>) {
    let (node, _) = trip::node(trip::backend(&MemoryKv::new()).await, &World::default()).await;
    let guarded = Guarded::new(node.aggregates());
    (node, guarded)
}

async fn book(guarded: &Guarded<Memory>, city: &str) -> Result<Answered<String>, BarrierError> {
    book_under(3, guarded, city).await
}

async fn book_under(
    epoch: u64,
    guarded: &Guarded<Memory>,
    city: &str,
) -> Result<Answered<String>, BarrierError> {
    let command = BookingCommand::Make { city: city.to_owned() };
    let answer = |booking: &Booking| booking.city.clone().unwrap();
    guarded.act::<Booking, _>(&key(), epoch, "b", command, answer, &metadata()).await
}

#[tokio::test]
async fn an_action_that_comes_twice_is_done_once_and_answered_alike() {
    let (node, guarded) = guarded().await;
    for _ in 0..3 {
        assert_eq!(book(&guarded, "Rome").await, Ok(Answered::Done("Rome".to_owned())));
    }
    assert_eq!(node.aggregates().load::<Booking>("b").await.unwrap().version.0, 1);
}

#[tokio::test]
async fn twins_at_the_same_time_are_done_once() {
    let (node, guarded) = guarded().await;
    let guarded = std::sync::Arc::new(guarded);
    let twins = (0..10).map(|_| {
        let guarded = guarded.clone();
        tokio::spawn(async move { book(&guarded, "Rome").await })
    });
    for twin in twins.collect::<Vec<_>>() {
        assert_eq!(twin.await.unwrap(), Ok(Answered::Done("Rome".to_owned())));
    }
    assert_eq!(node.aggregates().load::<Booking>("b").await.unwrap().version.0, 1);
}

#[tokio::test]
async fn a_no_stays_a_no() {
    let (_node, guarded) = guarded().await;
    let no = Answered::Rejected("there is no Atlantis".to_owned());
    assert_eq!(book(&guarded, "Atlantis").await, Ok(no.clone()));
    assert_eq!(book(&guarded, "Rome").await, Ok(no));
}

#[tokio::test]
async fn an_undo_that_comes_first_refuses_the_action_for_ever() {
    let (node, guarded) = guarded().await;
    let undo = guarded.undo::<Booking>(&key(), 3, "b", BookingCommand::Cancel, &metadata()).await;
    assert_eq!(undo, Ok(false));
    let late = book(&guarded, "Rome").await;
    assert_eq!(late, Err(BarrierError::Refused(BarrierRefusal::Undone)));
    assert_eq!(node.aggregates().load::<Booking>("b").await.unwrap().version.0, 0);
}

#[tokio::test]
async fn an_undo_takes_effect_once() {
    let (node, guarded) = guarded().await;
    book(&guarded, "Rome").await.unwrap();
    for happened in [true, false] {
        let (key, metadata) = (key(), metadata());
        let undo = guarded.undo::<Booking>(&key, 3, "b", BookingCommand::Cancel, &metadata);
        assert_eq!(undo.await, Ok(happened));
    }
    assert_eq!(node.aggregates().load::<Booking>("b").await.unwrap().version.0, 2);
}

#[tokio::test]
async fn a_former_owner_is_refused() {
    let (_node, guarded) = guarded().await;
    book(&guarded, "Rome").await.unwrap();
    let undo = guarded.undo::<Booking>(&key(), 2, "b", BookingCommand::Cancel, &metadata()).await;
    let refusal = BarrierRefusal::OlderEpoch { presented: 2, current: 3 };
    assert_eq!(undo, Err(BarrierError::Refused(refusal)));
}

#[tokio::test]
async fn a_former_owner_cannot_undo_what_the_new_one_was_told() {
    let (node, guarded) = guarded().await;
    book(&guarded, "Rome").await.unwrap();
    assert_eq!(book_under(4, &guarded, "Rome").await, Ok(Answered::Done("Rome".to_owned())));
    let undo = guarded.undo::<Booking>(&key(), 3, "b", BookingCommand::Cancel, &metadata()).await;
    let refusal = BarrierRefusal::OlderEpoch { presented: 3, current: 4 };
    assert_eq!(undo, Err(BarrierError::Refused(refusal)));
    assert_eq!(node.aggregates().load::<Booking>("b").await.unwrap().version.0, 1);
}

/// Counts what is done to it, and refuses nothing: all that keeps it from counting twice is the barrier.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
struct Counter(u64);

#[derive(Debug, serde::Serialize, serde::Deserialize)]
enum Counted {
    Once {},
}

/// Has somebody else make the same call when it is copied: after the barrier was asked, before the counter is.
struct Count(std::sync::Mutex<Option<Box<dyn FnOnce() + Send>>>);

impl Clone for Count {
    fn clone(&self) -> Self {
        let meanwhile = self.0.lock().unwrap().take();
        if let Some(meanwhile) = meanwhile {
            meanwhile();
        }
        Self(std::sync::Mutex::new(None))
    }
}

#[derive(Debug, PartialEq, thiserror::Error)]
enum Never {}

impl sagaline::domain::Aggregate for Counter {
    const CATEGORY: &'static str = "counter";
    type Command = Count;
    type Event = Counted;
    type Refusal = Never;

    fn decide(&self, _: Count) -> Result<Vec<Counted>, Never> {
        Ok(vec![Counted::Once {}])
    }

    fn evolve(&mut self, _: &Counted) {
        self.0 += 1;
    }
}

async fn count(guarded: &Guarded<Memory>, meanwhile: Option<Box<dyn FnOnce() + Send>>) {
    let command = Count(std::sync::Mutex::new(meanwhile));
    let key = key();
    let (answer, metadata) = (|counter: &Counter| counter.0, metadata());
    let counted = guarded.act::<Counter, _>(&key, 3, "c", command, answer, &metadata).await;
    assert_eq!(counted, Ok(Answered::Done(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_twin_that_comes_between_the_barrier_and_the_business_is_seen() {
    let (node, guarded) = guarded().await;
    let guarded = std::sync::Arc::new(guarded);
    let (twin, runtime) = (guarded.clone(), tokio::runtime::Handle::current());
    let meanwhile = move || {
        tokio::task::block_in_place(|| runtime.block_on(count(&twin, None)));
    };
    let own = tokio::spawn(async move { count(&guarded, Some(Box::new(meanwhile))).await });
    own.await.unwrap();
    assert_eq!(node.aggregates().load::<Counter>("c").await.unwrap().state, Counter(1));
}

#[test]
fn a_call_key_is_a_saga_and_a_step() {
    let same = "00000000-0000-0000-0000-000000000007/hotel/compensation";
    assert_eq!(CallKey::parse(same), Some(key()));
    for bad in ["", "x", "a/b/action", "00000000-0000-0000-0000-000000000007/hotel/sideways"] {
        assert_eq!(CallKey::parse(bad), None, "{bad}");
    }
}
