//! Every bound of the product that no operator sets: its reason, and where it is enforced.
//!
//! A number that bounds something stands here and nowhere else; what an operator may change stands in
//! [`crate::settings`], and what belongs to a stored format stands beside that format in the store.
//! Units stand last in a name. Read by everyone; imports nothing.

/// HTTP: longest `Prefer: wait` in seconds. Longer waits die at the proxies between; `http/prefer.rs`.
pub const WAIT_S_MAX: u64 = 60;

/// HTTP: entries of one page. Bounds the memory and the time of a list; `http/pages.rs`.
pub const PAGE_ENTRIES_MAX: u32 = 100;

/// HTTP: entries of a page when none are asked for; `http/pages.rs`.
pub const PAGE_ENTRIES_DEFAULT: u32 = 20;

/// HTTP: furthest page reachable by number. Numbered pages cost what they skip: beyond it the cursor
/// of the page before is used, which costs nothing; `http/pages.rs`.
pub const PAGE_NUMBER_MAX: u32 = 1_000;

/// HTTP: nesting of a request's JSON. Far more than any request has and far less than a parser's stack
/// bears, also for what is stored unread and parsed later; `http/body.rs`.
pub const JSON_DEPTH_MAX: usize = 32;

/// HTTP: headers of a request; more are answered 431. `http/edge.rs`.
pub const REQUEST_HEADERS_MAX: usize = 64;

/// HTTP: size of a request's head. Bigger ones are attacks or lost cookies; `http/edge.rs`.
pub const REQUEST_HEAD_BYTES_MAX: usize = 16 * 1024;

/// HTTP: so many times these two bounds are read of a head, so that it is answered as every request is. Beyond
/// them the connection answers 431 by itself, with nothing else in it, and closes; `http/serve.rs`.
pub const REQUEST_HEAD_READ_FACTOR: usize = 4;

/// HTTP: how often `BODY_LIMIT` is read on of a body that its handler has not read, and thrown away, so that
/// its sender comes to read the answer and the connection is good for the next request; more is answered
/// with `Connection: close`. `http/serve/rest.rs`.
pub const REQUEST_REST_FACTOR: u64 = 8;

/// HTTP: the same in milliseconds, behind the answer. Long enough for what is on its way, short enough not to
/// keep a place for who sends slowly; `http/serve/rest.rs`.
pub const REQUEST_REST_MS_MAX: u64 = 5_000;

/// HTTP: seconds named in `Retry-After` when the node is full. Long enough to spread a crowd, short
/// enough to be obeyed; `http/error.rs`.
pub const RETRY_AFTER_S: u64 = 1;

/// HTTP: characters of a reason an operator gives for a verb. It is stored in the saga's history;
/// `http/routes/operator.rs`.
pub const REASON_CHARS_MAX: usize = 500;

/// HTTP: size of the data a saga is started with over `POST /sagas`. It is read whole at each of the
/// saga's recoveries; `http/routes/sagas.rs`.
pub const SAGA_DATA_BYTES_MAX: usize = 64 * 1024;

/// Accounts: longest password, in characters. Argon2 takes any, but hashing a megabyte is a gift to an
/// attacker; `http/auth/accounts.rs`.
pub const PASSWORD_CHARS_MAX: usize = 1_024;

/// Accounts: shortest password, in characters, as NIST SP 800-63B asks; `http/auth/accounts.rs`.
pub const PASSWORD_CHARS_MIN: usize = 8;

/// Gateway: size of an answer of the remote gateway. More is broken or hostile, and counts as
/// unknown; `app/gateway/http.rs`.
pub const GATEWAY_ANSWER_BYTES_MAX: usize = 64 * 1024;

/// HTTP: entries of a page of the gateway's ledger; `http/routes/ledger.rs`.
pub const LEDGER_ENTRIES_MAX: u64 = 1_000;

/// HTTP: entries of a page of the gateway's ledger when none are asked for; `http/routes/ledger.rs`.
pub const LEDGER_ENTRIES_DEFAULT: u64 = 100;

/// HTTP: events of one trace. A flow has tens; a correlation id that a client gives to everything it
/// does must not make an answer without end; `http/routes/trace.rs`.
pub const TRACE_EVENTS_MAX: usize = 2_000;

/// HTTP: events of a page of the log, and orders of a distribution; `http/routes/trace/events.rs`.
pub const TRACE_PAGE_EVENTS_MAX: u64 = 1_000;

/// HTTP: the same when none are asked for; `http/routes/trace/events.rs`.
pub const TRACE_PAGE_EVENTS_DEFAULT: u64 = 100;

/// HTTP: how long one request searches the log for events that its filter wants, in milliseconds. A rare one may
/// be anywhere among millions; the answer then says where to go on, or that it is
/// cut; `http/routes/trace/events.rs`, `http/routes/trace.rs`.
pub const TRACE_SEARCH_MS_MAX: u64 = 2_000;

/// HTTP: names in one filter of events. With more of them the log's indexes are not asked;
/// `http/routes/trace/events.rs`.
pub const TRACE_FILTER_NAMES_MAX: usize = 16;

/// HTTP: events that a stream of events reads at once. They wait in memory for a slow client;
/// `http/routes/trace/stream.rs`.
pub const EVENT_STREAM_PAGE_EVENTS: usize = 256;

/// HTTP: streams of events open at once. Each follows the log for as long as its client likes, outside
/// the bound on requests; `http/app.rs`.
pub const EVENT_STREAMS_MAX: usize = 64;

/// HTTP: life of a stream of events in seconds. A role that was taken away, and a token that has expired,
/// are noticed when the client comes back; `http/routes/trace/stream.rs`.
pub const EVENT_STREAM_LIFE_S: u64 = 3_600;

/// HTTP: a flow to which nothing has happened for so long is shown as stuck, in milliseconds. Longer than
/// any pause between attempts; `http/routes/trace/flows.rs`, `http/routes/maintenance.rs`.
pub const FLOW_STUCK_MS: u64 = 60_000;

/// HTTP: orders that one clean-up gives up. Each is an append; `http/routes/maintenance/cleanup.rs`.
pub const CLEANUP_ORDERS_MAX: usize = 100;

/// HTTP: pending orders that one clean-up looks at; `http/routes/maintenance/cleanup.rs`.
pub const CLEANUP_LOOKED_AT_MAX: usize = 2_000;

/// HTTP: age in seconds below which no order is given up, however it is asked for: a slip of the hand must
/// not take the orders of this minute; `http/routes/maintenance/cleanup.rs`.
pub const CLEANUP_AGE_S_MIN: u64 = 60;

/// HTTP: longest time a tried lock is held, in milliseconds; below the time a request may take.
/// `http/routes/health/locks.rs`.
pub const LOCK_TRIAL_MS_MAX: u64 = 10_000;

/// HTTP: who asks for one lock at once in a trial; `http/routes/health/locks.rs`.
pub const LOCK_TRIAL_CONTENDERS: usize = 5;

/// HTTP: longest wait in milliseconds for a probe message to come back; `http/routes/health/bus.rs`.
pub const BUS_PROBE_MS_MAX: u64 = 5_000;

/// HTTP: reads of the store at once by a look at its pool; `http/routes/health/pool.rs`.
pub const POOL_PROBE_READS: u32 = 8;
