//! Two weeks in a moment: the clock is the test's.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use renewal::{Cards, GRACE, NO_COVER, Renewal, Subscription, renewal};
use sagaline::prelude::*;
use sagaline_storage::memory::{ManualClock, MemoryKv};
use sagaline_storage::{InMemory, Timestamp};

type Memory = InMemory<ManualClock>;

const HOUR: Duration = Duration::from_secs(60 * 60);

/// A card without cover until some money came.
#[derive(Clone, Default)]
struct Card {
    balance_cents: Arc<AtomicU64>,
    asked: Arc<AtomicU64>,
    revoked: Arc<AtomicU64>,
}

impl Cards for Card {
    async fn charge(&self, _: &str, _: &str, cents: u64) -> Outcome<()> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let paid = |balance: u64| balance.checked_sub(cents);
        let paid = self.balance_cents.fetch_update(Ordering::SeqCst, Ordering::SeqCst, paid);
        paid.map(drop).map_err(|_| Failure::rejected(NO_COVER, "no cover"))
    }

    async fn revoke(&self, _: &str) -> Outcome<()> {
        self.revoked.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

struct Months {
    kv: MemoryKv,
    clock: ManualClock,
    card: Card,
}

impl Months {
    fn new() -> Self {
        let clock = ManualClock::starting_at(Timestamp(1_700_000_000_000_000));
        Self { kv: MemoryKv::new(), clock, card: Card::default() }
    }

    async fn node(&self) -> (Node<Memory>, Definition<Renewal>) {
        let definition = renewal(self.card.clone()).expect("the definition is sound");
        let node = Node::in_memory(&self.kv, self.clock.clone()).await.expect("opens");
        (node.saga(&definition).start().await.expect("starts"), definition)
    }

    /// Lets time pass hour by hour, as long as the saga is under way.
    async fn pass(&self, node: &Node<Memory>, started: &Started, hours: u32) -> SagaState {
        for _ in 0..hours {
            self.settle().await;
            let state = state(node, started).await;
            if state.has_ended() {
                return state;
            }
            self.clock.advance(HOUR);
        }
        state(node, started).await
    }

    /// Lets everything run that can.
    async fn settle(&self) {
        for _ in 0..200 {
            tokio::task::yield_now().await;
        }
    }
}

async fn state(node: &Node<Memory>, started: &Started) -> SagaState {
    node.sagas().history(started.id).await.expect("the saga is there").state
}

async fn start(node: &Node<Memory>, definition: &Definition<Renewal>) -> Started {
    let renewal = Renewal { subscriber: "ada".to_owned(), month: 1, cents: 900 };
    let request = StartRequest { idempotency_key: Some("ada/1".to_owned()), correlation_id: None };
    node.sagas().start(definition, request, &renewal).await.expect("starts")
}

async fn subscription(node: &Node<Memory>) -> Subscription {
    node.aggregates().load("ada").await.expect("loads").state
}

#[tokio::test]
async fn a_card_is_tried_again_for_days_and_over_restarts() {
    let months = Months::new();
    let (node, definition) = months.node().await;
    let started = start(&node, &definition).await;
    months.pass(&node, &started, 48).await;
    let held = subscription(&node).await;
    assert!(held.is_past_due && !held.is_ended, "{held:?}");
    let asked = months.card.asked.load(Ordering::SeqCst);
    assert!(asked >= 1);
    drop(node);
    months.settle().await;

    months.card.balance_cents.store(1_000, Ordering::SeqCst);
    let (node, _) = months.node().await;
    let ended = months.pass(&node, &started, 80).await;
    assert_eq!(ended.phase, Phase::Completed);
    let paid = subscription(&node).await;
    assert_eq!(paid, Subscription { paid_until: 1, is_past_due: false, is_ended: false });
    assert_eq!(months.card.balance_cents.load(Ordering::SeqCst), 100);
    let (asked_before, asked) = (asked, months.card.asked.load(Ordering::SeqCst));
    assert!(asked > asked_before);
}

#[tokio::test]
async fn nobody_pays_and_the_subscription_ends_after_two_weeks() {
    let months = Months::new();
    let (node, definition) = months.node().await;
    let started = start(&node, &definition).await;
    let hours = u32::try_from(GRACE.as_secs() / HOUR.as_secs()).expect("some hundred");
    let running = months.pass(&node, &started, hours - 1).await;
    assert_eq!(running.phase, Phase::Running);
    let ended = months.pass(&node, &started, 80).await;
    assert_eq!(ended.phase, Phase::Compensated, "{ended:?}");
    assert!(subscription(&node).await.is_ended);
    assert!(months.card.asked.load(Ordering::SeqCst) >= 4);
    assert_eq!(months.card.revoked.load(Ordering::SeqCst), 1);
}
