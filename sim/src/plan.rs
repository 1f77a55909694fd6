//! A run before it begins: what goes wrong, what the clients do, and how the product is set. Plain data
//! (JSON): drawn from a seed, edited by hand, or made smaller by shrinking. Nothing in it is drawn while
//! the world runs.

use std::collections::BTreeMap;
use std::time::Duration;

use sagaline_storage::LogSettings;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::evidence::Role;
use crate::fate::{self, Fate};
use crate::fault::Episode;
use crate::machine::Machine;
use crate::seed::Seed;
use crate::shape::SagaShape;

/// Everything that makes a run the run it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// The root of all choices that are made while the world runs (latencies, who is served first).
    pub seed: Seed,
    /// How the faults were drawn: the name of a strategy.
    pub scenario: String,
    /// How the product is set.
    pub knobs: Knobs,
    /// A user's sagas that run beside those of the reference application.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sagas: Vec<SagaShape>,
    /// How long the chaos lasts, in simulated milliseconds. Then the world heals.
    pub chaos_ms: u64,
    /// Machines that stay out when the rest heals, cut off from everybody or without power: the rest has to
    /// finish without them. (A node that is half broken may rightly keep its shards and get nowhere.) Then they
    /// come back too.
    pub left_broken: Vec<Machine>,
    /// What goes wrong, by its beginning.
    pub episodes: Vec<Episode>,
    /// What the clients do, by its time.
    pub operations: Vec<Planned>,
}

impl Plan {
    /// What single sagas are to meet, by their correlation ids.
    pub fn fates(&self) -> BTreeMap<String, Fate> {
        let fates = self.operations.iter().filter_map(|planned| match &planned.operation {
            Operation::StartSaga { key, fate, .. } if *fate != Fate::default() => {
                Some((fate::correlation(*key), fate.clone()))
            }
            _ => None,
        });
        fates.collect()
    }
}

/// Settings of the product that a seed draws.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Knobs {
    /// Shards of the sagas.
    pub shards: u32,
    /// How long a silent node keeps its shards.
    pub lease_ms: u64,
    /// How long a product is locked after an order.
    pub product_lock_ms: u64,
    /// Calls to the bank at the same time, from one node.
    pub participant_calls_max: usize,
    /// Failures after which the breaker looks.
    pub breaker_outcomes: u32,
    /// How long the breaker stays open.
    pub breaker_open_ms: u64,
    /// Whether the product lock is for all customers or for each.
    pub lock_per_customer: bool,
    /// From how many events on an aggregate is loaded from a snapshot.
    #[serde(default = "snapshots_of_long_streams")]
    pub snapshot_events: usize,
    /// Repetitions of calls that each node saves up for each participant.
    #[serde(default = "usual_burst")]
    pub retry_burst: u32,
    /// And how many come with each second.
    #[serde(default = "usual_retries")]
    pub retries_per_s: u32,
    /// Events that those who follow the log take at a time.
    #[serde(default = "large_pages")]
    pub followers_page: usize,
    /// How many events, heads, claims and append ids the store keeps in memory: what it does not keep it
    /// reads from its disk.
    #[serde(default = "as_in_production")]
    pub store_keeps: usize,
    /// Of a hundred reads of the store's disk so many let others go first, and as many once they have looked:
    /// a thread may be put aside anywhere, and the tasks of a run are one thread's.
    #[serde(default)]
    pub reads_put_aside_percent: u64,
    /// How many appends the store writes at once.
    #[serde(default = "together")]
    pub store_batch: usize,
    /// How often a command that lost a race is decided again.
    #[serde(default = "often_enough")]
    pub conflict_retries: u32,
    /// For how many seconds the access tokens of [`SHORT_LIVED`] are good, and its refresh tokens for twice
    /// as many; 0: as in production.
    #[serde(default)]
    pub short_tokens_s: u64,
    /// Whether somebody follows the log within each node, through the node's own interface.
    #[serde(default)]
    pub subscriptions: bool,
}

/// The node whose tokens are soon over, in the seeds that have such a node: whoever was let in by another one
/// stays in.
pub const SHORT_LIVED: Machine = Machine::Node3;

/// How long tokens are good in production.
const ACCESS: Duration = Duration::from_secs(60 * 60);
const REFRESH: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// As in production: no stream of a run is so long.
const fn snapshots_of_long_streams() -> usize {
    512
}

/// More than a run has.
const fn as_in_production() -> usize {
    4_096
}

/// As in production.
const fn often_enough() -> u32 {
    8
}

const fn usual_burst() -> u32 {
    100
}

const fn usual_retries() -> u32 {
    10
}

const fn large_pages() -> usize {
    2_000
}

/// As many as wait.
const fn together() -> usize {
    1_024
}

impl Knobs {
    /// How the store's log is set.
    pub fn log_settings(&self) -> LogSettings {
        LogSettings {
            batch_requests_max: self.store_batch,
            ring_events_max: self.store_keeps,
            streams_cached: self.store_keeps,
            claims_cached: self.store_keeps,
            append_ids_cached: self.store_keeps,
            ..LogSettings::default()
        }
    }

    /// How long the access tokens that a node gives are good, and its refresh tokens.
    pub fn token_lives(&self, node: Machine) -> (Duration, Duration) {
        if node != SHORT_LIVED || self.short_tokens_s == 0 {
            return (ACCESS, REFRESH);
        }
        let access = Duration::from_secs(self.short_tokens_s);
        (access, access * 2)
    }
}

/// One thing a client does, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Planned {
    /// Unique in its plan; later operations name an earlier order by it.
    pub id: u32,
    /// When, in simulated milliseconds from the start of the chaos.
    pub at_ms: u64,
    /// Which customer.
    pub customer: u32,
    /// To whom the request goes: the balancer, or one node.
    pub to: Machine,
    /// The client goes away after this long without an answer; none: it waits and tries again.
    pub gives_up_after_ms: Option<u64>,
    /// What.
    pub operation: Operation,
}

/// What is drawn apart from a plan's other operations, so that these are the same with it and without: when
/// in milliseconds of the chaos, to whom, and what.
pub type Drawn = (u64, Machine, Operation);

/// An id that no operation has, nor has any that is greater.
pub fn next_id(operations: &[Planned]) -> u32 {
    operations.iter().map(|planned| planned.id).max().unwrap_or(0) + 1
}

/// Puts drawn operations among the others, by their time; their ids follow on from [`next_id`].
pub fn put_among(operations: &mut Vec<Planned>, drawn: impl IntoIterator<Item = Drawn>) {
    let ids = next_id(operations)..;
    operations.extend(ids.zip(drawn).map(|(id, (at_ms, to, operation))| {
        let (customer, gives_up_after_ms) = (0, None);
        Planned { id, at_ms, customer, to, gives_up_after_ms, operation }
    }));
    operations.sort_by_key(|planned| planned.at_ms);
}

/// What a client can do.
#[allow(missing_docs, reason = "each operation's sentence says what its fields mean")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "do")]
pub enum Operation {
    /// Places an order. The same `key` in another operation of the customer is a repetition; unless it says
    /// something else: `otherwise`.
    PlaceOrder {
        key: u32,
        products: Vec<u32>,
        token: String,
        shape: OrderShape,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        otherwise: Option<Otherwise>,
        wait_s: Option<u32>,
    },
    /// Starts a saga of a user's. The same `key` in another operation is a repetition; unless its `input` is
    /// another. `fate` is what is to happen to it.
    StartSaga { saga_type: String, key: u32, input: Value, fate: Fate },
    /// Cancels the order that operation `order` placed, if it did.
    CancelOrder { order: u32 },
    /// Confirms it as a merchant.
    ConfirmOrder { order: u32 },
    /// What a merchant does with it once it is paid: ship, deliver, refund.
    HandleOrder { order: u32, verb: String },
    /// Looks at it.
    ReadOrder { order: u32 },
    /// Looks at its saga.
    ReadSaga { order: u32 },
    /// Looks at its trace.
    TraceOrder { order: u32 },
    /// Lists the customer's orders.
    ListOrders,
    /// Goes through a list, so many entries on a page, each page behind the one before, and rests in between: the
    /// customer, or whoever has another role.
    WalkList { role: Role, path: String, limit: u64, rest_ms: u64 },
    /// An operator's verb on its saga: retry, compensate, skip, resolve-succeeded, resolve-rejected, pause,
    /// resume.
    Operate { order: u32, verb: String },
    /// Has a read model built anew from the log.
    Rebuild { view: String },
    /// An operator has a consumer group deliver again what it parked, or skip it; `key`: of one stream.
    AskConsumer { group: String, verb: String, key: Option<String> },
    /// Somebody comes with this e-mail address and does these things, one after the other.
    Account { address: u32, steps: Vec<AccountStep> },
    /// Reads a stream of the log, at the store.
    ReadStream { order: u32 },
    /// Appends to a stream of its own at the store: one of `streams` lists, with this expectation.
    AppendList { stream: u32, expect: Expect, events: u32 },
    /// Reads such a list.
    ReadList { stream: u32 },
    /// Reads the log from somewhere to its head.
    ReadAll { from_percent: u32 },
    /// Takes a lock for so long, works for so long, and gives it up; `renews`: starts its time anew in the
    /// middle of the work. Whoever works longer than the lock lasts gives up what is another's by then.
    HoldLock { lock: u32, ttl_ms: u64, work_ms: u64, renews: bool },
    /// Takes a lock for so long, starts its time anew so often, each time when a third of it is over, and
    /// gives it up when it has been over for half as long again; `leaves`: goes without a word instead.
    OverstayLock { lock: u32, ttl_ms: u64, renewals: u32, leaves: bool },
}

/// One thing that somebody with an account does, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AccountStep {
    /// So many milliseconds after the step before has its answer.
    pub after_ms: u64,
    /// To whom the request goes.
    pub to: Machine,
    /// What.
    pub deed: Deed,
}

/// What is done with an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Deed {
    /// Registers.
    Register,
    /// Logs in with the right password.
    LogIn,
    /// Tries to, with a wrong one.
    LogInWrongly,
    /// Has the tokens of the newest session replaced.
    Refresh,
    /// Presents the first token of it, which was used before.
    RefreshAgain,
    /// Ends it.
    LogOut,
    /// Looks at one's own account.
    Profile,
    /// Places an order.
    Order,
    /// Looks at the order that was placed last.
    LookAtOrder,
    /// An administrator looks at it.
    ShowOrder,
    /// An administrator looks at the account.
    ShowUser,
    /// An administrator closes the account.
    Disable,
    /// An administrator opens it again.
    Enable,
    /// Has oneself forgotten.
    Forget,
    /// An administrator has the user forgotten.
    ForgetUser,
}

/// What an order looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum OrderShape {
    /// One of each product, a few units of money.
    Plain,
    /// For nothing.
    Zero,
    /// The most that is allowed.
    Maximum,
    /// Names and addresses in many scripts.
    Unicode,
    /// More than is allowed: to be refused.
    Oversize,
    /// Not an order: to be refused.
    Malformed,
}

/// What an order says otherwise than the first one under its key, which it is like in everything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Otherwise {
    /// How many pieces of its first line.
    Pieces,
    /// What one of these costs.
    Price,
    /// What the amounts are in.
    Currency,
    /// Where it goes.
    Street,
    /// Which card pays; a card at all, where none did.
    Card,
    /// Whether a card pays it, or it is paid elsewhere.
    PaidBy,
}

impl Otherwise {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Pieces, Self::Price, Self::Currency, Self::Street, Self::Card, Self::PaidBy];
}

/// What a client believes of a list it appends to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Expect {
    /// Anything.
    Any,
    /// The version it read just before.
    JustRead,
    /// A version that is no longer right.
    Stale,
}
