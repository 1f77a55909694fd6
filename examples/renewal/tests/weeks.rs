//! Two weeks in a moment: the clock is the test's.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use renewal::{
    Cards, Charge, Extend, GRACE, HoldOpen, NO_COVER, Renewal, Subscription, SubscriptionCommand,
    SubscriptionEvent, SubscriptionRefusal, renewal,
};
use sagaline::prelude::*;
use sagaline::testing::definition::{
    deadline_passed, rejected, retry_due, succeeded, undone, unknown,
};
use sagaline::testing::{Memory, World, aggregate, definition};

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

#[derive(Default)]
struct Months {
    world: World,
    card: Card,
}

impl Months {
    async fn node(&self) -> (Node<Memory>, Definition<Renewal>) {
        let definition = renewal(self.card.clone()).expect("the definition is sound");
        let node = self.world.node().await.expect("opens");
        (node.saga(&definition).start().await.expect("starts"), definition)
    }

    /// Lets time pass as long as the saga is under way.
    async fn pass(&self, node: &Node<Memory>, started: &Started, time: Duration) -> Option<End> {
        let saga = self.world.end_of(node, started.id, time).await.expect("somebody works on it");
        saga.and_then(|saga| saga.end())
    }
}

async fn start(node: &Node<Memory>, definition: &Definition<Renewal>) -> Started {
    node.sagas().start(definition, "ada/1", &month()).await.expect("starts")
}

fn month() -> Renewal {
    Renewal { subscriber: "ada".to_owned(), month: 1, cents: 900 }
}

async fn subscription(node: &Node<Memory>) -> Subscription {
    node.aggregates().load("ada").await.expect("loads").state
}

#[tokio::test]
async fn a_card_is_tried_again_for_days_and_over_restarts() {
    let months = Months::default();
    let (node, definition) = months.node().await;
    let started = start(&node, &definition).await;
    assert_eq!(months.pass(&node, &started, 2.days()).await, None);
    let held = subscription(&node).await;
    assert!(held.is_past_due && !held.is_ended, "{held:?}");
    let asked = months.card.asked.load(Ordering::SeqCst);
    assert!(asked >= 1);
    drop(node);
    months.world.pass(Duration::ZERO).await;

    months.card.balance_cents.store(1_000, Ordering::SeqCst);
    let (node, _) = months.node().await;
    assert_eq!(months.pass(&node, &started, 4.days()).await, Some(End::Completed));
    let paid = subscription(&node).await;
    assert_eq!(paid, Subscription { paid_until: 1, is_past_due: false, is_ended: false });
    assert_eq!(months.card.balance_cents.load(Ordering::SeqCst), 100);
    assert!(months.card.asked.load(Ordering::SeqCst) > asked);
}

#[tokio::test]
async fn nobody_pays_and_the_subscription_ends_after_two_weeks() {
    let months = Months::default();
    let (node, definition) = months.node().await;
    let started = start(&node, &definition).await;
    assert_eq!(months.pass(&node, &started, GRACE - 1.hours()).await, None);
    let end = months.pass(&node, &started, 4.days()).await;
    assert!(matches!(end, Some(End::Compensated(_))), "{end:?}");
    assert!(subscription(&node).await.is_ended);
    assert!(months.card.asked.load(Ordering::SeqCst) >= 4);
    assert_eq!(months.card.revoked.load(Ordering::SeqCst), 1);
}

#[test]
fn a_card_without_cover_is_waited_for_and_not_given_up() -> Result<(), DefinitionError> {
    type Pay = Charge<Card>;
    let renewal = renewal(Card::default())?;
    let owed = definition::given(&renewal, &month())
        .after(succeeded::<HoldOpen>(&()))
        .when(rejected::<Pay>(NO_COVER))
        .then(&["charge scheduled: attempt 2"], &["wait for charge, attempt 2"]);
    owed.clone()
        .after(retry_due::<Pay>())
        .after(succeeded::<Pay>(&()))
        .when(succeeded::<Extend>(&()))
        .then(&["extend succeeded", "saga completed"], &[]);
    owed.when(deadline_passed::<Pay>())
        .then(&["abort requested"], &["ask charge"])
        .when(unknown::<Pay>())
        .then(&["undo of charge started"], &["undo charge"])
        .when(undone::<Pay>())
        .then(&["charge undone", "saga aborted", "undo of hold_open started"], &["undo hold_open"])
        .when(undone::<HoldOpen>())
        .then(&["hold_open undone", "saga compensated"], &[]);
    Ok(())
}

#[test]
fn months_are_paid_for_one_after_the_other() {
    use SubscriptionCommand::{End, Extend, HoldOpen};
    aggregate::given::<Subscription>([SubscriptionEvent::SubscriptionExtended { month: 1 }])
        .when(HoldOpen(3))
        .refused(SubscriptionRefusal::Month { month: 3, paid_until: 1 })
        .when(HoldOpen(2))
        .then([SubscriptionEvent::SubscriptionHeldOpen { month: 2 }])
        .when(End)
        .then([SubscriptionEvent::SubscriptionEnded {}])
        .when(Extend(2))
        .refused(SubscriptionRefusal::Ended);
}
