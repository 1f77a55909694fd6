//! A subscription that is renewed once a month. A card that is declined is tried again for two weeks, at
//! some hour of some day; only then the subscription ends. Nothing of this is a job that somebody has to
//! run: it is a saga that waits, also over restarts.
//!
//! ```text
//! hold_open ──> charge ──> extend
//! compensable   pivot      retriable
//! ```
//! `hold_open` keeps the subscription usable while the money is not there; its undo ends it. `charge` can be
//! revoked as long as it has not succeeded: its undo settles a charge of which nobody knows.

use std::time::Duration;

use sagaline::prelude::*;

/// A month of a subscription: the saga's input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Renewal {
    /// Whose subscription.
    pub subscriber: String,
    /// Which month, counted from the first.
    pub month: u32,
    /// What it costs, in cents.
    pub cents: u64,
}

/// The state of a subscription.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription {
    /// The last month that is paid for.
    pub paid_until: u32,
    /// A payment is owed, and the subscription may be used.
    pub is_past_due: bool,
    /// It was ended because nobody paid.
    pub is_ended: bool,
}

/// What can be asked of a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubscriptionCommand {
    /// Go on, though this month is not paid for yet.
    HoldOpen(u32),
    /// The month is paid for.
    Extend(u32),
    /// Nobody pays.
    End,
}

/// What happens to a subscription.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(clippy::enum_variant_names, reason = "the names are the events' stored types")]
pub enum SubscriptionEvent {
    /// It goes on though a payment is owed.
    SubscriptionHeldOpen {
        /// The month that is not paid for.
        month: u32,
    },
    /// It is paid for.
    SubscriptionExtended {
        /// Up to and with this month.
        month: u32,
    },
    /// It is over.
    SubscriptionEnded {},
}

/// Why a subscription says no.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubscriptionRefusal {
    /// Months are paid for one after the other.
    #[error("month {month} cannot be renewed: the last one that is paid for is {paid_until}")]
    Month {
        /// What was wanted.
        month: u32,
        /// What is paid for.
        paid_until: u32,
    },
    /// It is over.
    #[error("the subscription has ended")]
    Ended,
}

impl Aggregate for Subscription {
    const CATEGORY: &'static str = "subscription";
    type Command = SubscriptionCommand;
    type Event = SubscriptionEvent;
    type Refusal = SubscriptionRefusal;

    fn decide(
        &self,
        command: SubscriptionCommand,
    ) -> Result<Vec<SubscriptionEvent>, SubscriptionRefusal> {
        if self.is_ended {
            return Err(SubscriptionRefusal::Ended);
        }
        match command {
            SubscriptionCommand::HoldOpen(month) if month != self.paid_until + 1 => {
                Err(SubscriptionRefusal::Month { month, paid_until: self.paid_until })
            }
            SubscriptionCommand::HoldOpen(month) => {
                Ok(vec![SubscriptionEvent::SubscriptionHeldOpen { month }])
            }
            SubscriptionCommand::Extend(month) => {
                Ok(vec![SubscriptionEvent::SubscriptionExtended { month }])
            }
            SubscriptionCommand::End => Ok(vec![SubscriptionEvent::SubscriptionEnded {}]),
        }
    }

    fn evolve(&mut self, event: &SubscriptionEvent) {
        match event {
            SubscriptionEvent::SubscriptionHeldOpen { .. } => self.is_past_due = true,
            SubscriptionEvent::SubscriptionExtended { month } => {
                self.paid_until = *month;
                self.is_past_due = false;
            }
            SubscriptionEvent::SubscriptionEnded {} => self.is_ended = true,
        }
    }
}

/// The subscription stays usable.
pub struct HoldOpen;

impl Step for HoldOpen {
    const NAME: &'static str = "hold_open";
    const LOCAL: bool = true;
    type Saga = Renewal;
    type Output = ();

    async fn action(&self, call: &Call<Renewal>) -> Outcome<()> {
        let Renewal { subscriber, month, .. } = call.input();
        let hold_open = SubscriptionCommand::HoldOpen(*month);
        call.execute::<Subscription>(subscriber, hold_open).await.map(drop)
    }
}

impl Compensable for HoldOpen {
    async fn compensate(&self, call: &Call<Renewal>, _done: Option<&()>) -> Outcome<()> {
        let end = SubscriptionCommand::End;
        call.execute::<Subscription>(&call.input().subscriber, end).await.map(drop)
    }
}

/// Whoever moves the money: a card processor's client, say.
pub trait Cards: Send + Sync + 'static {
    /// Charges a subscriber, once for all calls with one `key`. A card that has no cover is rejected as
    /// [`NO_COVER`].
    fn charge(
        &self,
        key: &str,
        subscriber: &str,
        cents: u64,
    ) -> impl Future<Output = Outcome<()>> + Send;

    /// After `Ok` nothing is charged under `key`, now or later: what was charged is paid back, and a call
    /// that is still on its way will be refused.
    fn revoke(&self, key: &str) -> impl Future<Output = Outcome<()>> + Send;
}

/// There may be money on the card another day.
pub const NO_COVER: &str = "NO_COVER";

/// The money of the month.
pub struct Charge<C>(pub C);

impl<C: Cards> Step for Charge<C> {
    const NAME: &'static str = "charge";
    const PARTICIPANT: &'static str = "cards";
    type Saga = Renewal;
    type Output = ();

    async fn action(&self, call: &Call<Renewal>) -> Outcome<()> {
        let Renewal { subscriber, cents, .. } = call.input();
        self.0.charge(call.key(), subscriber, *cents).await
    }
}

/// When the two weeks are over, an answer may still be under way: before the subscription ends it is made
/// sure that nothing is charged any more.
impl<C: Cards> Compensable for Charge<C> {
    async fn compensate(&self, call: &Call<Renewal>, _done: Option<&()>) -> Outcome<()> {
        self.0.revoke(&call.action_key()).await
    }
}

/// The subscription is paid for.
pub struct Extend;

impl Step for Extend {
    const NAME: &'static str = "extend";
    const LOCAL: bool = true;
    type Saga = Renewal;
    type Output = ();

    async fn action(&self, call: &Call<Renewal>) -> Outcome<()> {
        let Renewal { subscriber, month, .. } = call.input();
        let extend = SubscriptionCommand::Extend(*month);
        call.execute::<Subscription>(subscriber, extend).await.map(drop)
    }
}

/// How long a subscriber has time to pay: two weeks.
pub const GRACE: Duration = Duration::from_secs(14 * 24 * 60 * 60);

/// A card that has no cover is tried again for two weeks; pauses are drawn from nothing to three days, so
/// that not all who were paid on the first are charged in one hour.
fn patience() -> Policy {
    Policy::attempts(1_000).backoff(3.days()..=3.days()).deadline(GRACE).retrying(NO_COVER)
}

/// The whole renewal.
pub fn renewal<C: Cards>(cards: C) -> Result<Definition<Renewal>, DefinitionError> {
    Definition::new("subscription-renewal")
        .compensable(HoldOpen)
        .revocable_pivot(Charge(cards))
        .after(HoldOpen)
        .policy(patience())
        .retriable(Extend)
        .after_step("charge")
        .build()
}
