//! What is known of each canary, as data.

mod asked;
mod sagas;

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
const ISOLATED: Scenario = Scenario::Only(Strategy::IsolateOne);
const PAUSES: Scenario = Scenario::Only(Strategy::LongPause);
const BROWN_OUT: Scenario = Scenario::Only(Strategy::BrownOut);
const UNREAD: Scenario = Scenario::Only(Strategy::TakeOverUnread);
const OVERLOAD: Scenario = Scenario::Only(Strategy::Overload);
const HERD: Scenario = Scenario::Only(Strategy::ThunderingHerd);
const STOPS: Scenario = Scenario::Only(Strategy::OrderlyStops);

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
        &["order", "outbox", "projections", "subscriptions"],
        CRASHES,
    ),
    canary(
        "index-entry-left",
        "A document that is found elsewhere from now on is still found where it was.",
        &["order"],
        STANDARD,
    ),
    canary(
        "eventless-batch-not-synced",
        "A batch that holds epochs, claims and append ids alone is answered before it is on the disk.",
        &["durability"],
        STANDARD,
    ),
    canary(
        "fence-before-the-id",
        "An append that was made is refused as fenced when it is asked for again under an old epoch.",
        &["durability"],
        ISOLATED,
    )
    .known_at(17),
    canary(
        "failed-write-called-unmade",
        "An append whose write failed, and that may be on the disk, is answered as surely not made.",
        &["durability"],
        STANDARD,
    )
    .known_at(16),
    canary(
        "refused-before-the-write",
        "A refusal is answered while what it rests on is still on its way to the disk.",
        &["linear"],
        BROWN_OUT,
    ),
    canary(
        "wake-up-sent-to-nobody",
        "A new head that comes while nobody waits is not noted for those who wait next.",
        &["order"],
        STANDARD,
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
        &["idempotency", "money", "shown"],
        STANDARD,
    ),
    canary(
        "delivered-order-stays-when-refunded",
        "An order that was delivered stays so when its money has been given back.",
        &["money", "saga-ends"],
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
        "only-the-last-token-is-known",
        "Of the refresh tokens that were used only the last one ends its session.",
        &["accounts"],
        STANDARD,
    )
    .known_at(12),
    canary(
        "live-events-resume-one-later",
        "Who comes back to the live events misses the next one.",
        &["order"],
        STANDARD,
    ),
    canary(
        "greeted-with-the-head",
        "Who comes back to the live events is told at first that they have seen everything.",
        &["order", "liveness"],
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
    .known_at(1),
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
        "repeat-leaves-no-epoch",
        "A participant that repeats an answer to a newer owner of a saga still heeds the former one.",
        &["effects"],
        RESTARTS,
    )
    .known_at(27),
    canary(
        "deadline-forgotten",
        "Nobody looks whether a saga's deadline has passed.",
        &["timers", "claims"],
        HERD,
    ),
    canary(
        "lock-window-halved",
        "An order holds its products for half of the time that is set.",
        &["one-live-order", "claims"],
        STANDARD,
    ),
    canary(
        "relayed-under-its-version",
        "A message has for its number the place of its event in its stream.",
        &["outbox"],
        STANDARD,
    ),
    canary(
        "checkpoint-not-compared",
        "A view is written by whoever follows, from wherever they come.",
        &["projections", "consumers", "swaps", "answers", "crashes"],
        PAUSES,
    ),
    canary(
        "sweep-takes-what-is-held-again",
        "A claim is thrown away at an end that it had before it was taken anew.",
        &["claims", "one-live-order"],
        STANDARD,
    ),
    canary(
        "last-forgotten-for-the-greatest",
        "Of the append ids that are forgotten the last is taken for the greatest.",
        &["durability", "idempotency", "linear"],
        STANDARD,
    )
    .known_at(29),
    canary(
        "refused-and-made-later",
        "An append that was refused when it was asked for again is made by the first request, which comes late.",
        &["durability"],
        STANDARD,
    )
    .known_at(9_064),
    canary(
        "delivery-parked-one-attempt-early",
        "An event is tried once less often than the group's policy says before it is parked.",
        &["consumers"],
        STANDARD,
    ),
    canary(
        "delivery-retried-without-pause",
        "An event that was not acted on is handed out again at once, whatever its consumer asked for.",
        &["consumers"],
        STANDARD,
    ),
    canary(
        "forward-page-repeats-the-last",
        "A page of an index read forward begins with the last entry of the page before.",
        &["consumers"],
        STANDARD,
    ),
    canary(
        "released-lock-keeps-its-end",
        "A lock that was given up still ends when it would have, whoever has it by then.",
        &["locks"],
        STANDARD,
    ),
    canary(
        "renewed-lease-adds-up",
        "A lease that is renewed gets its time on top of what is left of it.",
        &["locks"],
        STANDARD,
    ),
    canary(
        "relayed-without-its-node",
        "A message does not say which node has written its event.",
        &["outbox"],
        STANDARD,
    ),
    canary(
        "refused-event-tried-again",
        "An event that a consumer has refused for good is delivered again, though no operator asked for it.",
        &["consumers"],
        STANDARD,
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
    static ALL: LazyLock<Vec<Canary>> =
        LazyLock::new(|| [asked::CANARIES, sagas::CANARIES, CANARIES].concat());
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
