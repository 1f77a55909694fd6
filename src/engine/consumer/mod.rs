//! Consumer groups: code of a user's own that acts on the log's events, each at least once and in the
//! order of its key, whatever fails meanwhile.
//!
//! ```text
//! log ──> runner ── delivery ──> Consumer::consume ── ack, with changes of documents ──┐
//!           │ decides by: group (pure)                                                │
//!           └── place, letters and documents in one commit of the view store <────────┘
//! operator ── replay, skip ──> an event in the log ──> runner
//! ```
//!
//! One node at a time runs a group: the owner of the shard that its name falls in, as with projections.
//! Its commits count a turn, moved by compare and set, so a former owner stores nothing any more.
//!
//! Architecture invariant: [`group`] and [`lane`] decide and are pure; [`runner`] decides nothing.

mod ack;
mod deliveries;
mod delivery;
mod group;
mod inbox;
mod kept;
mod lane;
mod operators;
mod record;
mod requests;
mod runner;
mod start;
mod store;

use std::future::Future;
use std::sync::Arc;

use sagaline_storage::{EventType, Filter, RecordedEvent, StorageError};

use crate::saga::Policy;

use super::begin::Begin;
use super::outcome::Outcome;
use super::step::BoxFuture;

pub use ack::Ack;
pub use delivery::Delivery;
pub use kept::kept_views;
pub use operators::{ConsumerError, ConsumerStatus, Consumers, DeadLetter, DeadLetterPage};

pub(crate) use start::{checked, consume};

use runner::Runner;

/// Which events are delivered one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DeliveryOrder {
    /// Those of one stream.
    #[default]
    Stream,
    /// Those of one correlation id: everything that one request set in motion.
    CorrelationId,
}

impl DeliveryOrder {
    /// The key by which an event is ordered.
    pub(crate) fn key(self, event: &RecordedEvent) -> Arc<str> {
        match self {
            Self::Stream => event.stream.as_str().into(),
            Self::CorrelationId => event.correlation_id.as_str().into(),
        }
    }
}

/// Acts on the log's events.
///
/// Every event that it wants is delivered **at least once**, and **in order** within a key
/// ([`Self::ORDER`]): the next one of a key comes when the one before was acknowledged. Keys know
/// nothing of each other and are delivered side by side.
///
/// An event whose handling fails ([`Failure::Unknown`], a panic, no answer within the policy's
/// `attempt_timeout_ms`) is delivered again after a pause with full jitter, and after the policy's
/// `attempts` it is *parked* as a dead letter with its reason. What is rejected ([`Failure::Rejected`])
/// is parked at once. While an event waits or is parked, later events of **its own key** are held behind
/// it, for their order is a promise; other keys go on. An operator replays what is parked, or skips it.
///
/// The effect of a delivery is exactly once when it is a change of the consumer's own documents
/// ([`Ack::change`]), which are stored in one commit with the fact that the event is done. Any other
/// effect may happen again after a crash: give [`Delivery::id`], which stays the same, to whoever
/// carries it out.
///
/// [`Failure::Unknown`]: super::Failure::Unknown
/// [`Failure::Rejected`]: super::Failure::Rejected
///
/// ```
/// use sagaline::prelude::*;
///
/// #[derive(Debug, Serialize, Deserialize)]
/// enum DoorEvent {
///     Opened { by: String },
/// }
///
/// /// Counts how often somebody opened a door, exactly once for each time.
/// struct Visits;
///
/// impl Consumer for Visits {
///     const NAME: &'static str = "visits";
///     const CATEGORIES: &'static [&'static str] = &["door"];
///
///     async fn consume(&self, delivery: &Delivery) -> Outcome<Ack> {
///         let DoorEvent::Opened { by } = delivery.decode()?;
///         Ok(Ack::new().change(by, |times: Option<u64>| Some(times.unwrap_or(0) + 1)))
///     }
/// }
///
/// # use sagaline_storage::clock::SystemClock;
/// # use sagaline_storage::memory::MemoryKv;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let node = Node::in_memory(&MemoryKv::new(), SystemClock::default()).await.unwrap();
/// let node = node.consumer(Visits).start().await.unwrap();
/// assert_eq!(node.consumers().document::<u64>("visits", "ada").await.unwrap(), None);
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no consumer",
    note = "write `impl Consumer for {Self}` with NAME, CATEGORIES and `async fn consume`"
)]
pub trait Consumer: Send + Sync + 'static {
    /// Unique within the store: 1 to 64 bytes of `[a-z0-9_-]`. Stored; a new name is a new group.
    const NAME: &'static str;
    /// Events of streams of these categories are delivered; empty: of all.
    const CATEGORIES: &'static [&'static str];
    /// Only events of these types; empty: all.
    const EVENT_TYPES: &'static [&'static str] = &[];
    /// What is delivered one after the other. Change it together with the name.
    const ORDER: DeliveryOrder = DeliveryOrder::Stream;
    /// Where a group begins that has never run.
    const BEGIN: Begin = Begin::Start;
    /// Deliveries under way at once, at least 1.
    const CONCURRENCY: usize = 16;

    /// How often, how long and with what pauses a delivery is tried: of the policy count `attempts`,
    /// `backoff_min_ms`, `backoff_max_ms`, `attempt_timeout_ms` and `retried_rejections`.
    fn policy(&self) -> Policy {
        Policy::default()
    }

    /// Acts on an event. It may be delivered again, also after this returned `Ok`.
    fn consume(&self, delivery: &Delivery) -> impl Future<Output = Outcome<Ack>> + Send;
}

/// What a group is asked to be, without the type of its consumer.
#[derive(Debug, Clone)]
pub(crate) struct Terms {
    pub(crate) name: &'static str,
    pub(crate) filter: Arc<Filter>,
    pub(crate) order: DeliveryOrder,
    pub(crate) begin: Begin,
    pub(crate) concurrency: usize,
    pub(crate) policy: Policy,
}

/// A consumer without its type.
pub(crate) trait AnyConsumer: Send + Sync {
    /// What it wants; an error names the constant that cannot be.
    fn terms(&self) -> Result<Terms, StorageError>;
    fn consume<'a>(&'a self, delivery: &'a Delivery) -> BoxFuture<'a, Outcome<Ack>>;
}

impl<C: Consumer> AnyConsumer for C {
    fn terms(&self) -> Result<Terms, StorageError> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        let fits = (1..=64).contains(&C::NAME.len())
            && C::NAME.bytes().all(|byte| plain(byte) || byte == b'-');
        if !fits {
            let problem = format!("consumer {:?}: NAME wants 1 to 64 bytes of [a-z0-9_-]", C::NAME);
            return Err(StorageError::invalid(problem));
        }
        let types = C::EVENT_TYPES.iter().map(|name| EventType::new(*name));
        let filter = Filter {
            event_types: types.collect::<Result<_, _>>()?,
            categories: C::CATEGORIES.iter().map(|category| (*category).into()).collect(),
            ..Filter::ALL
        };
        Ok(Terms {
            name: C::NAME,
            filter: Arc::new(filter),
            order: C::ORDER,
            begin: C::BEGIN,
            concurrency: C::CONCURRENCY.max(1),
            policy: self.policy(),
        })
    }

    fn consume<'a>(&'a self, delivery: &'a Delivery) -> BoxFuture<'a, Outcome<Ack>> {
        Box::pin(Consumer::consume(self, delivery))
    }
}
