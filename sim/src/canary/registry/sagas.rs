//! Bugs in the engine that carries sagas out, and in the saga machine itself.

use super::{BROWN_OUT, Canary, OVERLOAD, RESTARTS, STANDARD, STOPS, UNREAD, canary};

pub(super) const CANARIES: &[Canary] = &[
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
        "undo-not-told-the-result",
        "A step is undone without being told what it had returned.",
        &["results"],
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
        "subscription-passes-one-over",
        "Who follows the log within a node misses the event behind which they have waited.",
        &["subscriptions", "liveness"],
        STANDARD,
    ),
    canary(
        "subscription-gives-the-last-again",
        "Who follows the log within a node is given the last event again when there is a new one.",
        &["subscriptions"],
        STANDARD,
    ),
    canary(
        "subscription-is-where-it-read",
        "A subscription says that it stands behind events which it has read and not given yet.",
        &["subscriptions"],
        STANDARD,
    ),
    canary(
        "begins-behind-the-next",
        "Who wants what comes from now on misses the first of it.",
        &["subscriptions"],
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
        "forgotten-key-kept",
        "Whoever is forgotten keeps the key to what is personal.",
        &["accounts"],
        STANDARD,
    )
    .known_at(8),
    canary(
        "drain-without-bound",
        "A node that is told to end waits for its sagas, however long they take.",
        &["stops", "leaks", "liveness"],
        STOPS,
    ),
    canary(
        "ends-without-leaving",
        "A node that ends does not tell the others, who wait for the end of its lease.",
        &["stops", "leaks"],
        STOPS,
    ),
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
        "policy-of-the-first-step",
        "A step is tried again as often and as soon as the first one of its saga.",
        &["retries"],
        STANDARD,
    ),
    canary(
        "retried-no-taken-for-final",
        "Who is to be asked again although they have said no is not.",
        &["retries", "effects"],
        STANDARD,
    ),
    canary(
        "step-deadline-ignored",
        "A step goes on behind the deadline of its own.",
        &["timers"],
        STANDARD,
    ),
    canary(
        "step-deadline-halved",
        "A step has half the time that its policy gives it.",
        &["timers"],
        STANDARD,
    ),
    canary(
        "retry-without-backoff",
        "A failed attempt is repeated at once.",
        &["retries", "timers"],
        BROWN_OUT,
    ),
];
