//! Aggregates: given events, when a command comes, then events or a refusal.
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
//! use sagaline::testing::aggregate::given;
//!
//! given::<Account>([AccountEvent::Deposited { cents: 100 }])
//!     .when(AccountCommand::Withdraw(70))
//!     .then([AccountEvent::Withdrawn { cents: 70 }])
//!     .when(AccountCommand::Withdraw(31))
//!     .refused(NotCovered);
//! ```
//!
//! Every event goes to its stored form and back, as in the log: one that cannot be stored, or comes back
//! as another, fails here and not in production.

use std::collections::BTreeSet;
use std::fmt::Debug;

use super::listed;
use crate::codec;
use crate::domain::{Aggregate, ClaimIntent};

/// An aggregate with a past.
#[derive(Debug, Clone)]
pub struct Given<A> {
    state: A,
    events: usize,
    claims: BTreeSet<(String, String)>,
}

/// What a command led to.
#[derive(Debug)]
pub struct When<A: Aggregate> {
    given: Given<A>,
    decided: Result<Vec<A::Event>, A::Refusal>,
}

/// An aggregate to which these events have happened; none: it does not exist yet.
///
/// # Panics
/// When an event cannot be stored.
#[track_caller]
pub fn given<A: Aggregate>(events: impl IntoIterator<Item = A::Event>) -> Given<A> {
    let start = Given { state: A::default(), events: 0, claims: BTreeSet::new() };
    events.into_iter().fold(start, |given, event| given.and(event))
}

impl<A: Aggregate> Given<A> {
    /// This happened too.
    ///
    /// # Panics
    /// When the event cannot be stored.
    #[must_use]
    #[track_caller]
    pub fn and(mut self, event: A::Event) -> Self {
        let event = stored::<A>(event);
        for claim in self.state.claims(&event) {
            match claim {
                ClaimIntent::Take { kind, key } => _ = self.claims.insert((kind, key)),
                ClaimIntent::Release { kind, key } => _ = self.claims.remove(&(kind, key)),
                // It is held until its time comes.
                ClaimIntent::ReleaseAt { .. } => {}
            }
        }
        self.state.evolve(&event);
        self.events += 1;
        self
    }

    /// It decided on a command; goes on behind that.
    ///
    /// # Panics
    /// When it refuses.
    #[must_use]
    #[track_caller]
    pub fn after(self, command: A::Command) -> Self {
        let events = match self.state.decide(command) {
            Ok(events) => events,
            Err(refusal) => panic!("{} refuses its past: {refusal}", A::CATEGORY),
        };
        events.into_iter().fold(self, |given, event| given.and(event))
    }

    /// Has it decide on a command.
    #[must_use]
    pub fn when(self, command: A::Command) -> When<A> {
        let decided = self.state.decide(command);
        When { given: self, decided }
    }

    /// Its state.
    pub fn state(&self) -> &A {
        &self.state
    }

    /// The claims it holds, as `kind/key`, in order.
    pub fn claims(&self) -> Vec<String> {
        self.claims.iter().map(|(kind, key)| format!("{kind}/{key}")).collect()
    }
}

impl<A: Aggregate> When<A>
where
    A::Event: Debug,
{
    /// Exactly these events follow, in this order; none: nothing changes. Goes on behind them.
    ///
    /// # Panics
    /// When others follow, or it is refused.
    #[track_caller]
    pub fn then(self, events: impl IntoIterator<Item = A::Event>) -> Given<A>
    where
        A::Event: PartialEq,
    {
        let wanted: Vec<A::Event> = events.into_iter().collect();
        let Ok(decided) = &self.decided else { self.differs(&listed(&wanted, shown)) };
        if *decided != wanted {
            self.differs(&listed(&wanted, shown));
        }
        self.go_on()
    }

    /// It is refused so. Goes on as if nothing was asked.
    ///
    /// # Panics
    /// When it is not, or otherwise.
    #[track_caller]
    pub fn refused(self, refusal: A::Refusal) -> Given<A>
    where
        A::Refusal: PartialEq,
    {
        match &self.decided {
            Err(actual) if *actual == refusal => self.given,
            Ok(_) | Err(_) => self.differs(&format!("    refused: {refusal}")),
        }
    }

    /// It is refused, in these words. Goes on as if nothing was asked.
    ///
    /// # Panics
    /// When it is not, or in others.
    #[track_caller]
    pub fn refused_saying(self, words: &str) -> Given<A> {
        match &self.decided {
            Err(actual) if actual.to_string() == words => self.given,
            Ok(_) | Err(_) => self.differs(&format!("    refused: {words}")),
        }
    }

    /// Whatever follows; goes on behind it.
    ///
    /// # Panics
    /// When it is refused.
    #[track_caller]
    pub fn go_on(self) -> Given<A> {
        match self.decided {
            Ok(events) => events.into_iter().fold(self.given, |given, event| given.and(event)),
            Err(refusal) => panic!("{} refuses it: {refusal}", A::CATEGORY),
        }
    }

    #[track_caller]
    fn differs(&self, wanted: &str) -> ! {
        let actual = match &self.decided {
            Ok(events) => listed(events, shown),
            Err(refusal) => format!("    refused: {refusal}"),
        };
        let (category, past) = (A::CATEGORY, self.given.events);
        panic!(
            "{category} with a past of {past} event(s) decides otherwise\n  wanted:\n{wanted}\n  \
             decided:\n{actual}"
        );
    }
}

fn shown(event: &impl Debug) -> String {
    format!("{event:?}")
}

/// The event as it comes back from the log.
#[track_caller]
fn stored<A: Aggregate>(event: A::Event) -> A::Event {
    let back = codec::encode(&event).and_then(|encoded| {
        let back: A::Event = codec::decode(&encoded.event_type, &encoded.payload)?;
        Ok((encoded, back))
    });
    let (encoded, back) = match back {
        Ok(back) => back,
        Err(error) => panic!("an event of {} cannot be stored: {error}", A::CATEGORY),
    };
    let again = codec::encode(&back).map(|again| again.payload);
    assert!(
        again.as_ref() == Ok(&encoded.payload),
        "event {} of {} comes back from the log as another: {again:?} for {:?}",
        encoded.event_type,
        A::CATEGORY,
        encoded.payload,
    );
    back
}

#[cfg(test)]
#[path = "aggregate_tests.rs"]
mod tests;
