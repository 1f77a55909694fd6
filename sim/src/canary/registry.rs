//! What is known of each canary, as data.

mod asked;

use std::sync::LazyLock;

use crate::strategy::{Scenario, Strategy};

/// A deliberate bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Canary {
    /// Its name, by which it is planted.
    pub name: &'static str,
    /// What is wrong, in one sentence.
    pub wrong: &'static str,
    /// The oracles that may be the first to see it; none: it is harmless, and nobody may see anything.
    pub own: &'static [&'static str],
    /// The faults among which it shows.
    pub scenario: Scenario,
    /// A seed that is known to show it, or one shortly before: where a quick look begins.
    pub known: u64,
    /// The most seeds that may be needed, counted from any.
    pub budget: u64,
}

impl Canary {
    const fn known_at(self, known: u64) -> Self {
        Self { known, ..self }
    }

    /// Whether it is a change that breaks no promise.
    pub const fn is_harmless(&self) -> bool {
        self.own.is_empty()
    }
}

const STANDARD: Scenario = Scenario::Standard;
const CRASHES: Scenario = Scenario::Only(Strategy::CrashAtCommit);
const POWER: Scenario = Scenario::Only(Strategy::PowerCut);
const RESTARTS: Scenario = Scenario::Only(Strategy::RollingRestart);
const PAUSES: Scenario = Scenario::Only(Strategy::LongPause);
const BROWN_OUT: Scenario = Scenario::Only(Strategy::BrownOut);
const UNREAD: Scenario = Scenario::Only(Strategy::TakeOverUnread);
const OVERLOAD: Scenario = Scenario::Only(Strategy::Overload);
const HERD: Scenario = Scenario::Only(Strategy::ThunderingHerd);

const fn canary(
    name: &'static str,
    wrong: &'static str,
    own: &'static [&'static str],
    scenario: Scenario,
) -> Canary {
    Canary { name, wrong, own, scenario, known: 0, budget: 100 }
}

const CANARIES: &[Canary] = &[
    // The store.
    canary(
        "ack-before-sync",
        "The log answers an append before it is on the disk.",
        &["durability", "order", "linear"],
        POWER,
    ),
    canary(
        "publish-before-commit",
        "Readers see events whose write is still under way.",
        &["durability", "order", "linear", "outbox"],
        POWER,
    ),
    canary(
        "dedupe-record-after-commit",
        "That an append was made is remembered beside its commit, not in it.",
        &["durability", "idempotency", "accounts"],
        CRASHES,
    ),
    canary(
        "expected-version-dropped",
        "The log takes an append whatever version it expects.",
        &["linear", "list-append"],
        STANDARD,
    ),
    canary(
        "no-fencing-check",
        "The log takes appends under an epoch that another owner has surpassed.",
        &["fencing"],
        PAUSES,
    ),
    canary(
        "claim-check-dropped",
        "The log gives a claim to somebody although another holds it.",
        &["claims"],
        STANDARD,
    ),
    canary(
        "claim-released-twice",
        "An order gives up its product again at its refund, when another may hold it, and the log lets it.",
        &["claims"],
        STANDARD,
    ),
    canary(
        "lease-by-wall-clock-without-margin",
        "What is held for a time is taken for free shortly before that time is over.",
        &["claims", "one-live-order"],
        STANDARD,
    ),
    canary(
        "lock-released-without-token",
        "Whoever gives up a lock gives up everybody's.",
        &["locks"],
        STANDARD,
    ),
    canary(
        "live-subscription-starts-at-head-plus-one",
        "Where reading from the disk becomes reading from memory one event is passed over.",
        &["order", "outbox", "projections"],
        CRASHES,
    ),
    canary(
        "index-entry-left",
        "A document that is found elsewhere from now on is still found where it was.",
        &["order"],
        STANDARD,
    ),
    // The engine.
    canary(
        "claim-not-released",
        "A saga that has ended stays in the index of those that somebody must work on.",
        &["claims"],
        STANDARD,
    ),
    canary(
        "saga-written-at-any-version",
        "A saga's events are appended whatever was appended to it meanwhile.",
        &["saga-life", "list-append", "fencing", "linear"],
        STANDARD,
    ),
    canary(
        "events-without-cause",
        "What an event follows from is not said.",
        &["saga-life"],
        STANDARD,
    ),
    canary(
        "call-under-the-epoch-before",
        "A node calls under the epoch that the shard's owner before it had.",
        &["fencing", "effects", "saga-ends", "liveness"],
        STANDARD,
    ),
    canary(
        "deadline-halved",
        "A saga has half the time that its definition gives it.",
        &["timers"],
        STANDARD,
    ),
    canary(
        "key-per-attempt",
        "Each attempt at a step has an idempotency key of its own.",
        &["money", "retries", "saga-life", "saga-ends", "liveness", "effects"],
        BROWN_OUT,
    ),
    canary(
        "reader-without-gap-guard",
        "A follower of the log notes the log's head as its place instead of the last event it has read.",
        &["outbox", "projections"],
        STANDARD,
    ),
    canary(
        "offset-committed-before-the-handler",
        "A follower of the log stores its place before it has acted on the events.",
        &["outbox", "projections"],
        STANDARD,
    ),
    canary(
        "lost-wake-up-without-poll",
        "What another node appended to a saga is not told to the saga's owner.",
        &["saga-ends", "liveness"],
        STANDARD,
    ),
    canary(
        "recovery-forgets",
        "A saga that cannot be read when it is taken up is left alone.",
        &["saga-ends", "liveness"],
        UNREAD,
    ),
    canary(
        "epoch-not-raised",
        "A node takes a shard under the epoch that the owner before it has.",
        &["shards", "fencing", "saga-life", "retries", "liveness"],
        STANDARD,
    ),
    canary(
        "poison-blocks-the-shard",
        "A call that was never answered keeps its place among those that may be under way, until there is no other.",
        &["saga-ends", "liveness"],
        BROWN_OUT,
    )
    .known_at(4),
    canary(
        "timer-outside-the-batch",
        "That an attempt is to be repeated, and when, is kept in memory alone.",
        &["retries", "saga-ends", "liveness", "saga-life"],
        BROWN_OUT,
    ),
    canary(
        "timer-forgotten-at-recovery",
        "Timers are not set again when a saga is taken up.",
        &["saga-ends", "liveness"],
        RESTARTS,
    ),
    canary(
        "stale-timer-accepted",
        "A timer that fires is not asked whether it is due.",
        &["timers"],
        BROWN_OUT,
    ),
    canary(
        "snapshot-off-by-one",
        "A snapshot says that it holds one event more than it does.",
        &[
            "aggregates",
            "linear",
            "list-append",
            "saga-life",
            "saga-ends",
            "liveness",
            "answers",
            "projections",
        ],
        STANDARD,
    ),
    canary(
        "dead-letters-in-memory-alone",
        "What a consumer group has parked is remembered by the node that runs it, and by nobody else.",
        &["consumers"],
        STANDARD,
    ),
    canary(
        "publish-error-swallowed",
        "What the bus did not take is not published again.",
        &["outbox"],
        STANDARD,
    )
    .known_at(16),
    canary(
        "calls-without-places",
        "A node has as many calls under way at a participant as there are.",
        &["retries"],
        OVERLOAD,
    ),
    canary(
        "breaker-never-opens",
        "A participant that only fails is called as before.",
        &["retries"],
        STANDARD,
    ),
    canary(
        "ramp-lets-all-through",
        "A participant that comes back is met by everything that waited.",
        &["retries"],
        STANDARD,
    ),
    canary(
        "forgotten-key-kept",
        "Whoever is forgotten keeps the key to what is personal.",
        &["accounts"],
        STANDARD,
    )
    .known_at(8),
    // The saga machine.
    canary(
        "paused-saga-goes-on",
        "A saga that an operator has paused begins its next step.",
        &["saga-life"],
        STANDARD,
    ),
    canary(
        "doubt-not-undone",
        "A step of which nobody knows whether it was done is not undone.",
        &["money", "effects", "saga-life"],
        BROWN_OUT,
    ),
    canary(
        "unknown-taken-as-failure",
        "A call whose answer never came is taken for refused.",
        &["money", "saga-life", "effects"],
        BROWN_OUT,
    ),
    canary(
        "unknown-taken-as-success",
        "A call whose answer never came is taken for done.",
        &["money", "saga-life", "effects"],
        BROWN_OUT,
    ),
    canary(
        "compensation-in-forward-order",
        "What was done first is undone first.",
        &["saga-life", "money", "effects"],
        STANDARD,
    ),
    canary(
        "compensation-twice",
        "What is undone is undone once more when the next undo begins.",
        &["saga-life", "money", "effects"],
        STANDARD,
    ),
    canary(
        "undo-of-what-never-happened",
        "Steps that were never begun are undone too.",
        &["saga-life", "money", "effects"],
        STANDARD,
    ),
    canary(
        "abort-while-the-pivot-is-in-doubt",
        "A saga goes back although nobody knows whether the money has moved.",
        &["saga-life", "money", "effects"],
        STANDARD,
    ),
    canary(
        "cancel-honoured-after-the-pivot",
        "A wish to cancel that waits for the pivot is carried out although the pivot has succeeded.",
        &["saga-life", "money", "effects"],
        BROWN_OUT,
    ),
    canary(
        "retry-without-budget",
        "Calls are repeated however many were repeated before.",
        &["retries"],
        OVERLOAD,
    ),
    canary("attempts-not-bounded", "A step is tried for ever.", &["retries"], BROWN_OUT),
    canary(
        "retry-without-backoff",
        "A failed attempt is repeated at once.",
        &["retries", "timers"],
        BROWN_OUT,
    ),
    // The application, and those it calls.
    canary(
        "key-of-any-customer",
        "An idempotency key that one customer has used is used up for all.",
        &["claims", "idempotency"],
        STANDARD,
    ),
    canary(
        "shipped-whatever-the-status",
        "A merchant ships and delivers orders that are not paid, or are cancelled.",
        &["claims", "answers", "saga-life", "projections"],
        STANDARD,
    ),
    canary(
        "refund-again",
        "Each wish to have the money of an order back begins another refund.",
        &["idempotency", "money"],
        STANDARD,
    ),
    canary(
        "refresh-token-good-twice",
        "A refresh token that was used gives another one.",
        &["accounts"],
        STANDARD,
    )
    .known_at(8),
    canary(
        "live-events-resume-one-later",
        "Who comes back to the live events misses the next one.",
        &["order"],
        STANDARD,
    ),
    canary(
        "idempotency-key-ignored",
        "A request that is sent again under its key is a new one.",
        &["idempotency"],
        STANDARD,
    ),
    canary(
        "acknowledged-cancel-lost",
        "A cancel is acknowledged while the money may still move, and forgotten when it does.",
        &["answers"],
        STANDARD,
    )
    .known_at(3),
    canary(
        "lock-without-claim",
        "The lock service decides alone who may order a product.",
        &["claims", "one-live-order"],
        STANDARD,
    ),
    canary(
        "product-lock-released-at-once",
        "An order that has ended gives up its products before their time.",
        &["one-live-order"],
        STANDARD,
    ),
    canary(
        "no-barrier-tombstone",
        "A participant that is asked to undo what it never did forgets that it was asked.",
        &["effects"],
        STANDARD,
    ),
    canary(
        "barrier-without-fencing",
        "A participant does what a former owner of the saga asks.",
        &["effects"],
        RESTARTS,
    ),
    canary(
        "twin-behind-the-barrier",
        "A participant acts by what its barrier said, whatever a twin of the call has recorded since.",
        &["effects"],
        STANDARD,
    ),
    canary(
        "deadline-forgotten",
        "Nobody looks whether a saga's deadline has passed.",
        &["timers"],
        HERD,
    ),
    // Harmless.
    Canary {
        budget: 30,
        ..canary(
            "harmless-topics-in-another-order",
            "Events of different topics, between which no order is promised, are published the other way round.",
            &[],
            STANDARD,
        )
    },
    Canary {
        budget: 30,
        ..canary(
            "harmless-appends-wait",
            "Every append is made a little later than it could be.",
            &[],
            STANDARD,
        )
    },
];

/// All of them, the harmless ones last.
pub fn all() -> &'static [Canary] {
    static ALL: LazyLock<Vec<Canary>> = LazyLock::new(|| [asked::CANARIES, CANARIES].concat());
    &ALL
}

/// The one of this name.
pub fn named(name: &str) -> Result<&'static Canary, String> {
    let known = all().iter().find(|canary| canary.name == name);
    known.ok_or_else(|| {
        let names: Vec<_> = all().iter().map(|canary| canary.name).collect();
        format!("canary {name:?}: wants one of {}", names.join(", "))
    })
}

#[cfg(test)]
#[path = "registry_tests.rs"]
mod tests;
