//! The log as a user of the library follows it: one event after the other, from anywhere, from what is past to
//! what is new without a gap or a double. Where it has come to is the caller's to keep; whoever wants that
//! kept, retried and parked for them writes a [`Consumer`](super::Consumer).

use std::collections::VecDeque;
use std::sync::Arc;

use sagaline_storage::{
    AllQuery, Backend, EventStore, Filter, GlobalPosition, RecordedEvent, StorageError,
};

use crate::canary::planted;

use super::begin::Begin;
use super::core::Core;

/// Events read at a time. They wait in memory for whoever takes them.
const PAGE_EVENTS: usize = 256;

/// A place in the log, and the events behind it as they come. Made by [`Node::subscribe`](super::Node::subscribe).
///
/// ```
/// use sagaline::prelude::*;
/// use sagaline_storage::{CorrelationId, Filter};
///
/// #[derive(Default, Clone, Serialize, Deserialize)]
/// struct Door {}
///
/// #[derive(Serialize, Deserialize)]
/// enum DoorEvent {
///     Opened {},
/// }
///
/// #[derive(Debug, thiserror::Error)]
/// #[error("it is locked")]
/// struct Locked;
///
/// impl Aggregate for Door {
///     const CATEGORY: &'static str = "door";
///     type Command = ();
///     type Event = DoorEvent;
///     type Refusal = Locked;
///     fn decide(&self, (): ()) -> Result<Vec<DoorEvent>, Locked> {
///         Ok(vec![DoorEvent::Opened {}])
///     }
///     fn evolve(&mut self, _: &DoorEvent) {}
/// }
///
/// # use sagaline_storage::clock::SystemClock;
/// # use sagaline_storage::memory::MemoryKv;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let node = Node::in_memory(&MemoryKv::new(), SystemClock::default()).await?.start().await?;
/// # let metadata = CommandMetadata { correlation_id: CorrelationId::new("c")?, causation_id: None };
/// node.aggregates().execute::<Door>("front", (), &metadata).await?; // past when the subscription begins
/// let doors = Filter { categories: vec!["door".into()], ..Filter::ALL };
/// let mut events = node.subscribe(Begin::Start, doors.clone()).await?;
/// let first = events.next().await?.expect("the node runs");
/// assert_eq!((first.stream.as_str(), first.event_type.as_str()), ("door-front", "Opened"));
///
/// node.aggregates().execute::<Door>("back", (), &metadata).await?; // new
/// assert_eq!(events.next().await?.unwrap().stream.as_str(), "door-back");
///
/// let seen = events.position(); // keep it, and go on behind it another time
/// node.aggregates().execute::<Door>("side", (), &metadata).await?;
/// let mut later = node.subscribe(Begin::After(seen), doors).await?;
/// assert_eq!(later.next().await?.unwrap().stream.as_str(), "door-side");
/// # Ok(())
/// # }
/// ```
pub struct EventSubscription<B: Backend> {
    core: Arc<Core<B>>,
    filter: Filter,
    /// The log was read up to here.
    read: GlobalPosition,
    /// What was wanted up to here was handed on.
    position: GlobalPosition,
    waiting: VecDeque<RecordedEvent>,
}

impl<B: Backend> EventSubscription<B> {
    pub(crate) async fn begin(
        core: Arc<Core<B>>,
        begin: Begin,
        filter: Filter,
    ) -> Result<Self, StorageError> {
        let position = begin.position(core.backend.events()).await?;
        Ok(Self { core, filter, read: position, position, waiting: VecDeque::new() })
    }

    /// The next event that is wanted, as soon as there is one; none: the node stops. After an error it goes on
    /// where it was. Dropping the future loses nothing: the next call goes on.
    pub async fn next(&mut self) -> Result<Option<RecordedEvent>, StorageError> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                let is_last = self.waiting.is_empty() || planted("subscription-is-where-it-read");
                self.position = if is_last { self.read } else { event.position };
                return Ok(Some(event));
            }
            if *self.core.stop.borrow() {
                return Ok(None);
            }
            self.read_on().await?;
        }
    }

    /// Every event that is wanted up to here was handed on; the place to go on behind. It also moves, while
    /// somebody waits for [`Self::next`], over events that nobody wants.
    pub fn position(&self) -> GlobalPosition {
        self.position
    }

    /// Reads the next page, or waits until there may be one.
    async fn read_on(&mut self) -> Result<(), StorageError> {
        let log = self.core.backend.events();
        let filter = self.filter.clone();
        let query = AllQuery { filter, ..AllQuery::after(self.read, PAGE_EVENTS) };
        let page = log.read_all(query).await?;
        if page.next > self.read {
            self.read = page.next;
            self.waiting = page.events.into();
            if self.waiting.is_empty() {
                self.position = self.read;
            }
            return Ok(());
        }
        if !page.end {
            // To wait here would be to ask again at once, for ever.
            return Err(StorageError::corrupt(format!(
                "the log goes on behind {}, and a read gives nothing of it",
                self.read
            )));
        }
        tokio::select! {
            biased;
            () = self.core.stopped() => {}
            () = log.await_after(self.read) => {}
        }
        if planted("subscription-passes-one-over") {
            self.read.0 += 1;
        }
        if planted("subscription-gives-the-last-again") {
            self.read.0 = self.read.0.saturating_sub(1);
        }
        Ok(())
    }
}
