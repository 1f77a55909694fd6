//! Bugs in what clients are shown, in who may do what, and in what is done because somebody asked for it.

use super::{Canary, STANDARD, canary};

pub(super) const CANARIES: &[Canary] = &[
    // Lists and traces.
    canary(
        "page-from-the-beginning",
        "A list that goes on behind a page begins anew.",
        &["answers", "shown"],
        STANDARD,
    ),
    canary(
        "page-passes-one-over",
        "Between two pages of a list one entry is passed over.",
        &["shown"],
        STANDARD,
    ),
    canary(
        "cursor-counts-entries",
        "A list goes on behind as many entries as were shown, however many have come since.",
        &["answers"],
        STANDARD,
    ),
    canary("oldest-first", "Lists begin with what is oldest.", &["answers", "shown"], STANDARD),
    canary(
        "pages-rounded-down",
        "A last page that is not full is not counted.",
        &["shown"],
        STANDARD,
    ),
    canary(
        "orders-of-everybody-listed",
        "A customer's list shows everybody's orders.",
        &["rights", "answers", "shown"],
        STANDARD,
    ),
    canary(
        "sagas-of-everybody-listed",
        "A customer's list shows everybody's sagas.",
        &["rights", "shown"],
        STANDARD,
    ),
    canary(
        "status-not-looked-at",
        "A list of orders of one status shows those of all.",
        &["answers", "shown"],
        STANDARD,
    ),
    canary("trace-without-its-end", "A trace leaves out the last event.", &["shown"], STANDARD),
    canary(
        "view-swapped-early",
        "A view that is built anew answers before it has come as far as the one before.",
        &["swaps"],
        STANDARD,
    )
    .known_at(4),
    // Waiting.
    canary(
        "wait-answered-at-once",
        "Who asks to wait for an end does not wait.",
        &["answers"],
        STANDARD,
    ),
    canary(
        "wait-to-the-last",
        "Who waits for an end waits as long as was asked for, whenever it comes.",
        &["shown", "answers"],
        STANDARD,
    ),
    // Who may.
    canary(
        "foreign-order-shown",
        "Everybody is shown everybody's orders.",
        &["rights", "answers"],
        STANDARD,
    ),
    canary("foreign-saga-shown", "Everybody is shown everybody's sagas.", &["rights"], STANDARD),
    canary(
        "foreign-payment-shown",
        "Everybody is shown everybody's payments.",
        &["rights"],
        STANDARD,
    ),
    canary(
        "foreign-order-cancelled",
        "Everybody may cancel everybody's orders.",
        &["rights", "answers"],
        STANDARD,
    ),
    canary("operator-not-checked", "Everybody may do what operators do.", &["rights"], STANDARD),
    canary("merchant-not-checked", "Everybody may do what merchants do.", &["rights"], STANDARD),
    canary("logins-without-limit", "Passwords may be tried for ever.", &["rights"], STANDARD),
    // What people ask for.
    canary(
        "skipped-whatever-the-state",
        "An operator may decide on a step that is under way.",
        &["saga-life"],
        STANDARD,
    ),
    canary(
        "decided-otherwise",
        "What an operator says has become of a step is taken for the contrary.",
        &["answers"],
        STANDARD,
    )
    .known_at(6),
    canary(
        "pause-acknowledged-and-lost",
        "A pause, or its end, is acknowledged and nothing comes of it.",
        &["answers"],
        STANDARD,
    ),
    canary(
        "compensated-behind-the-pivot",
        "An operator may send a saga back that can only go forward.",
        &["saga-life", "money", "effects"],
        STANDARD,
    )
    .known_at(16),
    canary(
        "replay-acknowledged-and-lost",
        "That parked events be delivered again is acknowledged and nothing comes of it.",
        &["consumers"],
        STANDARD,
    ),
    canary(
        "cleanup-takes-what-is-young",
        "Whoever cleans up gives up every order that waits for its payment.",
        &["shown"],
        STANDARD,
    ),
    canary(
        "cleanup-leaves-what-is-old",
        "Whoever cleans up says minutes, and hours are heard.",
        &["shown"],
        STANDARD,
    ),
    canary(
        "card-order-confirmed-by-hand",
        "A merchant confirms orders whose cards are still to be charged.",
        &["saga-life", "answers", "claims", "money"],
        STANDARD,
    ),
    canary(
        "key-reused-for-another-order",
        "A key that stands for one order is taken for another.",
        &["idempotency", "answers"],
        STANDARD,
    ),
    canary(
        "replay-not-marked",
        "An answer that is given again does not say so.",
        &["idempotency"],
        STANDARD,
    ),
    canary(
        "total-without-quantities",
        "An order costs one piece of each line.",
        &["answers"],
        STANDARD,
    ),
    canary(
        "product-lock-kept",
        "A product is free for others an hour later than it should be.",
        &["claims", "one-live-order"],
        STANDARD,
    ),
    // Sagas and those they call.
    canary(
        "deadline-behind-the-pivot",
        "A deadline sends a saga back that can only go forward.",
        &["saga-life", "money", "effects"],
        STANDARD,
    ),
    canary(
        "retry-after-ignored",
        "Who asks to be left alone is called again as if nothing had been said.",
        &["retries"],
        STANDARD,
    ),
    canary("no-taken-for-unknown", "Who has said no is asked again.", &["retries"], STANDARD),
    // The store.
    canary(
        "append-id-forgotten",
        "An append that is asked for again is made again.",
        &["durability", "idempotency", "linear"],
        STANDARD,
    ),
    canary(
        "append-id-of-other-content",
        "An append id stands for whatever is asked for under it.",
        &["durability"],
        STANDARD,
    ),
    canary(
        "checked-streams-not-checked",
        "A stream that an append only looks at may be as it likes.",
        &["linear", "list-append"],
        STANDARD,
    ),
    canary(
        "line-shown-at-its-sum",
        "A line of an order is shown at what all its pieces cost together.",
        &["answers", "projections", "shown"],
        STANDARD,
    ),
    canary(
        "shipped-order-taken-back",
        "A customer who cancels an order that is on its way gets the money back.",
        &["answers"],
        STANDARD,
    ),
    canary(
        "digest-of-the-products-alone",
        "A request under a used key is taken for the first one when it asks for the same products.",
        &["idempotency", "answers"],
        STANDARD,
    ),
    canary(
        "start-key-of-any-input",
        "A saga that is started under a used key with another input is answered with the first one.",
        &["idempotency"],
        STANDARD,
    ),
    canary(
        "confirmed-at-the-price-of-one",
        "A confirmed order says that the price of one piece was paid.",
        &["money"],
        STANDARD,
    ),
    canary(
        "shipped-by-the-customer",
        "An order that a merchant ships says that its customer did.",
        &["answers"],
        STANDARD,
    ),
    canary(
        "reference-is-the-key",
        "A payment is known by what the bank was asked under, and not by what the bank calls it.",
        &["money"],
        STANDARD,
    ),
    canary(
        "listed-with-one-address",
        "All orders of a page are shown with the address of the first.",
        &["answers"],
        STANDARD,
    ),
    canary(
        "active-sagas-of-everybody-counted",
        "Whoever asks for their sagas under way is told how many everybody has.",
        &["shown"],
        STANDARD,
    ),
    canary(
        "next-token-ends-with-the-first",
        "A refresh token that replaces another one ends when the other one would have.",
        &["accounts"],
        STANDARD,
    ),
    canary(
        "operator-without-reason",
        "What an operator does to a saga is in its log without the reason that was given.",
        &["answers"],
        STANDARD,
    ),
    canary(
        "resolved-without-its-result",
        "What an operator says that a step returned is not kept.",
        &["answers"],
        STANDARD,
    )
    .known_at(37),
    canary(
        "replayed-in-the-groups-name",
        "What an operator asks of a consumer group is said to have been asked by the group.",
        &["answers"],
        STANDARD,
    ),
    canary(
        "view-awaited-for-two-looks",
        "Whoever lists at a node that does not follow the view waits for two looks at it, however far it is.",
        &["answers"],
        STANDARD,
    ),
    canary(
        "completed-steps-off-by-one",
        "Of the steps that a saga has done the first is not shown.",
        &["shown"],
        STANDARD,
    ),
    canary(
        "ended-orders-shown-as-processing",
        "Orders whose saga has ended are listed among those that are being paid.",
        &["shown"],
        STANDARD,
    ),
    canary(
        "sagas-of-any-request",
        "Whoever asks for the sagas of one request is shown all that they may see.",
        &["rights", "shown"],
        STANDARD,
    ),
    canary(
        "pending-orders-newest-first",
        "The orders that wait for their end are shown with the newest first.",
        &["shown"],
        STANDARD,
    ),
    canary(
        "repeat-not-waited-for",
        "Who sends a request again and asks to wait for the end is answered at once.",
        &["answers"],
        STANDARD,
    ),
    canary(
        "repeat-told-of-its-own-products",
        "A request that is sent again under its key is refused over the products that its own order holds.",
        &["idempotency"],
        STANDARD,
    ),
    canary(
        "started-under-an-id-of-its-own",
        "What comes of a request is in the log under another correlation id than its answer says.",
        &["answers"],
        STANDARD,
    ),
    canary(
        "cancel-refused-by-an-ended-saga",
        "A cancel that comes while an order becomes paid is refused and no money is given back.",
        &["answers"],
        STANDARD,
    ),
    canary(
        "request-trace-of-its-own-events",
        "A request's trace shows its orders as that request alone has left them.",
        &["shown"],
        STANDARD,
    ),
    canary(
        "backward-ends-with-the-ring",
        "Who reads the log backward is told that it begins where memory begins.",
        &["shown"],
        STANDARD,
    ),
];
