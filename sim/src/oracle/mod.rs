//! The oracles: each knows one promise and judges a finished run by its evidence alone. They share no
//! code with the product: they read the JSON it wrote by the names of its fields, and fold it themselves.
//!
//! In the order of [`all()`]: what lies deeper comes first, so that the first broken promise is the one
//! nearest to its cause.
//!
//! | oracle | the promise | deliberate bugs that it must catch |
//! |---|---|---|
//! | [`durability`] | what was acknowledged is in the log, what was refused is not, nothing twice | ack before sync; dedupe record after commit; an unknown commit taken as a failure; a fence before the append id |
//! | [`order`] | dense positions, one order for every subscriber, an immutable prefix, and who waits is woken | reader without gap guard; live subscription starts at head + 1; a wake-up that is sent to nobody |
//! | [`linear`] | each stream behaves as one list, at one moment for each call, and what a refusal rests on is there | expected version dropped; stale read; a refusal before the write |
//! | [`list_append`] | several streams together: strict serializability | batch torn apart; lost update; read of what was refused |
//! | [`fencing`] | epochs never fall (I5) | no fencing check; lease by wall clock without margin |
//! | [`claims`] | one holder for each claim, given up at the end; a saga is left to a person only when it owes nothing | claim not released; claim released twice |
//! | [`locks`] | a lease while it lasts, and no longer | lock released without token; a renewal that adds up |
//! | [`money`] | the bank's ledger (I1 to I4), and what is recorded of it | unknown taken as failure, as success; compensation twice; no barrier tombstone; undo of what never happened at the bank; key per attempt; what a probe found at the bank not recorded |
//! | [`effects`] | the ledgers of a user's own services: one effect for each step that is done, none for what is undone | the same, in a user's saga |
//! | [`aggregates`] | commands decided on what really was, once | snapshot off by one; expected version dropped |
//! | [`results`] | what a step returned, or is said to have, is given to those that read it and to its undo | an undo that is not told |
//! | [`saga_life`] | legal lives, acknowledged starts (I8) | compensation in forward order; undo of what never happened; cancel honoured after the pivot; publish before commit of a start |
//! | [`saga_ends`] | every saga ends or waits for a person with a reason that the world gave (I6) | timer outside the batch; one poison saga blocks the shard; lost wake-up without poll; a step of the node's own that is refused for ever |
//! | [`timers`] | nothing before it is due (I7), nothing behind a deadline, that of a step too, and nothing that a pause holds up | stale timer accepted; a step's deadline ignored |
//! | [`idempotency`] | one key, one saga, one answer, the same each time (I10) | dedupe record after commit; retry of a request taken as new; a repetition refused over its own order |
//! | [`one_live_order`] | one live order for a product (I12) | claim released at once; lock released without token, where the claim is left out; a lock for half its time |
//! | [`retries`] | calls within budget and policy (I9), that of a step where it has one of its own | retry without budget; attempts not bounded; retry without backoff; key per attempt; a step's own policy ignored; a call that is waited for too long |
//! | [`outbox`] | published once at least, in order, only what is committed (I11) | publish before commit; offset committed before the handler |
//! | [`consumers`] | a group acts on each event once and in order, loses none, shows what it has parked, and delivers again what an operator wants again (I11) | a later event passes one that is parked; a page that comes again; one is parked an attempt too early, or tried again without a pause |
//! | [`subscriptions`] | who follows the log within a node is given what is wanted, once and in order, and can go on where the subscription says that it stands | an event passed over, or given twice, where what is past becomes what is new; a place that is behind what was not given yet |
//! | [`projections`] | a view is the fold of the log | snapshot off by one; poison event skipped |
//! | [`swaps`] | a view that is built anew is no further back than the one it replaces, and replaces it where that was asked for | a view swapped early |
//! | [`rights`] | nobody sees or does what is not theirs | a role, or an owner, that is not looked at |
//! | [`shown`] | at rest everybody is shown the log: lists, single things, traces, and the log itself | a page that passes one over; a list of everybody's; a trace of what one request alone has left; a log that ends where memory ends |
//! | [`answers`] | HTTP answers that are possible, and what was asked for done in the name of who asked | reads from a stale view; a list that does not wait for its view; cancel acknowledged and not done; an operator's reason dropped; a change refused that nothing stands against |
//! | [`accounts`] | accounts, sessions, how long tokens are good, and what is forgotten | a refresh token that is good twice; a forgotten user's key that is kept |
//! | [`stops`] | a node that is told to end does so in its time, finishes what is in progress and hands on its shards | a drain without a bound; an end without a word to the others |
//! | [`shards`] | one owner for a shard, soon after a crash | lease by wall clock without margin; lost wake-up of the assignment |
//! | [`leaks`], [`crashes`], [`liveness`] | nothing left behind, no panic, nothing that a node itself says must never be, everything done in time | timer outside the batch; lost wake-up; a paused saga that begins something |

pub mod case;
pub mod naive;

pub mod accounts;
pub mod aggregates;
pub mod answers;
pub mod claims;
pub mod consumers;
pub mod crashes;
pub mod durability;
pub mod effects;
pub mod fencing;
pub mod idempotency;
pub mod leaks;
pub mod linear;
pub mod list_append;
pub mod liveness;
pub mod locks;
pub mod money;
pub mod one_live_order;
pub mod order;
pub mod outbox;
pub mod projections;
pub mod results;
pub mod retries;
pub mod rights;
pub mod saga_ends;
pub mod saga_life;
pub mod shards;
pub mod shown;
pub mod stops;
pub mod subscriptions;
pub mod swaps;
pub mod timers;

mod graph;
mod judge;
mod stable;

#[cfg(test)]
mod testing;

use serde::{Deserialize, Serialize};

use case::Case;

pub use judge::{judge, recoverable};

/// Knows one promise.
pub trait Oracle {
    /// Its name, also in signatures: `linear`.
    fn name(&self) -> &'static str;

    /// What it means for a run when the promise is broken.
    fn kind(&self) -> Kind {
        Kind::Safety
    }

    /// Whether the plan gave it something to look at. Then a run in which it examined nothing is vacuous.
    fn is_due(&self, case: &Case<'_>) -> bool;

    /// Judges. What it could not look at it does not count as examined.
    fn examine(&self, case: &Case<'_>) -> Finding;
}

/// What kind of promise an oracle knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Something that must never be.
    Safety,
    /// Something that must come to be.
    Liveness,
    /// The product must not end by itself.
    Crash,
}

/// What an oracle found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// How many things it looked at. An oracle that examined nothing fails the run as vacuous.
    pub examined: u64,
    /// What it found broken.
    pub violations: Vec<Violation>,
}

impl Finding {
    /// One more thing was looked at.
    pub fn look(&mut self) {
        self.examined += 1;
    }

    /// A broken promise was found.
    pub fn break_promise(&mut self, what: &str, detail: impl Into<String>) {
        self.violations.push(Violation { what: what.to_owned(), detail: detail.into() });
    }

    /// One thing was looked at; `detail` is asked only when the promise is broken.
    pub fn expect(&mut self, holds: bool, what: &str, detail: impl FnOnce() -> String) {
        self.look();
        if !holds {
            self.break_promise(what, detail());
        }
    }
}

/// A broken promise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Violation {
    /// What is broken, without ids, numbers or times: two failures with the same words are the same.
    pub what: String,
    /// Which order, event or call, and what was seen: for a person.
    pub detail: String,
}

/// Every oracle, the deepest promise first.
pub fn all() -> Vec<Box<dyn Oracle>> {
    vec![
        Box::new(durability::Durability),
        Box::new(order::Order),
        Box::new(linear::Linear),
        Box::new(list_append::ListAppend),
        Box::new(fencing::Fencing),
        Box::new(claims::Claims),
        Box::new(locks::Locks),
        Box::new(money::Money),
        Box::new(effects::Effects),
        Box::new(aggregates::Aggregates),
        Box::new(results::Results),
        Box::new(saga_life::SagaLife),
        Box::new(timers::Timers),
        Box::new(idempotency::Idempotency),
        Box::new(one_live_order::OneLiveOrder),
        Box::new(retries::Retries),
        Box::new(outbox::Outbox),
        Box::new(consumers::Consumers),
        Box::new(subscriptions::Subscriptions),
        Box::new(projections::Projections),
        Box::new(swaps::Swaps),
        Box::new(rights::Rights),
        Box::new(answers::Answers),
        Box::new(shown::Shown),
        Box::new(accounts::Accounts),
        Box::new(stops::Stops),
        Box::new(shards::Shards),
        Box::new(leaks::Leaks),
        Box::new(crashes::Crashes),
        Box::new(saga_ends::SagaEnds),
        Box::new(liveness::Liveness),
    ]
}
