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

/// HTTP: headers of a request; hyper answers 431 to more; `http/serve.rs`.
pub const REQUEST_HEADERS_MAX: usize = 64;

/// HTTP: size of a request's head. Bigger ones are attacks or lost cookies; `http/serve.rs`.
pub const REQUEST_HEAD_BYTES_MAX: usize = 16 * 1024;

/// HTTP: seconds named in `Retry-After` when the node is full. Long enough to spread a crowd, short
/// enough to be obeyed; `http/error.rs`.
pub const RETRY_AFTER_S: u64 = 1;

/// HTTP: length of a reason an operator gives for a verb. It is stored in the saga's history;
/// `http/routes/operator.rs`.
pub const REASON_BYTES_MAX: usize = 500;

/// HTTP: size of the data a saga is started with over `POST /sagas`. It is read whole at each of the
/// saga's recoveries; `http/routes/sagas.rs`.
pub const SAGA_DATA_BYTES_MAX: usize = 64 * 1024;

/// Accounts: password length. Argon2 takes any, but hashing a megabyte is a gift to an attacker;
/// `http/routes/auth.rs`.
pub const PASSWORD_BYTES_MAX: usize = 1_024;

/// Accounts: shortest password, in characters, as NIST SP 800-63B asks; `http/routes/auth.rs`.
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
