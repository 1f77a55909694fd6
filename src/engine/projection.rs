//! Read models: pure functions from events to documents. The shell stores document and checkpoint
//! together, follows the log, and rebuilds.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use sagaline_storage::{RecordedEvent, StorageError};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::codec::{CodecError, Sealed, sealed};
use crate::domain::Aggregate;
use crate::saga::SagaEvent;

use super::{invoke, keys, stage};

/// An event of the log, as a projection sees it.
#[derive(Debug, Clone, Copy)]
pub struct Recorded<'a>(pub(crate) &'a RecordedEvent);

impl<'a> Recorded<'a> {
    /// Wraps an event; for tests of projections.
    pub fn new(event: &'a RecordedEvent) -> Self {
        Self(event)
    }

    /// The envelope: position, stream, ids, time.
    pub fn envelope(&self) -> &'a RecordedEvent {
        self.0
    }

    /// The event of an aggregate's stream, in today's shape; `None` when the stream is not `A`'s.
    pub fn of<A: Aggregate>(&self) -> Result<Option<A::Event>, CodecError> {
        if self.0.stream.category() != A::CATEGORY {
            return Ok(None);
        }
        stage::decode::<A>(self.0).map(Some)
    }

    /// The event of a saga's stream; `None` when the stream is not a saga's.
    pub fn of_saga(&self) -> Result<Option<SagaEvent>, CodecError> {
        if self.0.stream.category() != super::keys::SAGA_CATEGORY {
            return Ok(None);
        }
        crate::codec::decode(self.0.event_type.as_str(), &self.0.payload).map(Some)
    }
}

impl Recorded<'_> {
    /// The personal parts of the event under their subject's key. A document that shows such a part, at the
    /// same place as the event, keeps this in a member `sealed`: whoever reads the view sees the part as long
    /// as its subject is not forgotten, and its placeholder then. None: the event has no such parts.
    pub fn sealed(&self) -> Option<Sealed> {
        sealed::of(&self.0.payload)
    }
}

/// A secondary key of a document: it is found in `partition` of `index`, ordered by `sort`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexKey {
    /// The index.
    pub index: &'static str,
    /// The value looked for.
    pub partition: Bytes,
    /// The order within it.
    pub sort: Bytes,
}

impl IndexKey {
    /// A key.
    pub fn new(index: &'static str, partition: impl Into<Bytes>, sort: impl Into<Bytes>) -> Self {
        Self { index, partition: partition.into(), sort: sort.into() }
    }
}

/// A read model.
///
/// ```
/// use sagaline::prelude::*;
/// # #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
/// # struct Account { cents: i64 }
/// # #[derive(Debug, PartialEq, Serialize, Deserialize)]
/// # enum AccountEvent { Deposited { cents: i64 }, Withdrawn { cents: i64 } }
/// # enum AccountCommand { Deposit(i64), Withdraw(i64) }
/// # #[derive(Debug, PartialEq, thiserror::Error)]
/// # #[error("not covered")]
/// # struct NotCovered;
/// # impl Aggregate for Account {
/// #     const CATEGORY: &'static str = "account";
/// #     type Command = AccountCommand;
/// #     type Event = AccountEvent;
/// #     type Refusal = NotCovered;
/// #     fn decide(&self, command: AccountCommand) -> Result<Vec<AccountEvent>, NotCovered> {
/// #         match command {
/// #             AccountCommand::Deposit(cents) => Ok(vec![AccountEvent::Deposited { cents }]),
/// #             AccountCommand::Withdraw(cents) if cents > self.cents => Err(NotCovered),
/// #             AccountCommand::Withdraw(cents) => Ok(vec![AccountEvent::Withdrawn { cents }]),
/// #         }
/// #     }
/// #     fn evolve(&mut self, event: &AccountEvent) {
/// #         match event {
/// #             AccountEvent::Deposited { cents } => self.cents += cents,
/// #             AccountEvent::Withdrawn { cents } => self.cents -= cents,
/// #         }
/// #     }
/// # }
///
/// struct Balances;
///
/// impl Projection for Balances {
///     const NAME: &'static str = "balances";
///     const VERSION: u32 = 1;
///     const CATEGORIES: &'static [&'static str] = &[Account::CATEGORY];
///     type Document = i64;
///
///     fn keys(&self, event: &Recorded<'_>) -> Vec<String> {
///         vec![event.envelope().stream.key().to_owned()]
///     }
///
///     fn apply(&self, view: &mut View<i64>, event: &Recorded<'_>) -> Result<(), CodecError> {
///         let (id, mut account) = (event.envelope().stream.key(), Account::default());
///         account.cents = view.get(id).copied().unwrap_or_default();
///         if let Some(event) = event.of::<Account>()? {
///             account.evolve(&event);
///             view.put(id, account.cents);
///         }
///         Ok(())
///     }
/// }
/// ```
///
/// `apply` is pure: the same log gives the same documents, byte for byte, however often it is rebuilt.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no projection",
    note = "write `impl Projection for {Self}` with NAME, VERSION, CATEGORIES, Document, `keys` and `apply`"
)]
pub trait Projection: Send + Sync + 'static {
    /// The view's name, unique within the store: 1 to 64 bytes of `[A-Za-z0-9_.-]`.
    const NAME: &'static str;
    /// Raised when documents or keys change: the view is then rebuilt beside the old one.
    const VERSION: u32;
    /// Streams of these categories are applied, others never seen.
    const CATEGORIES: &'static [&'static str];

    /// A document.
    type Document: Serialize + DeserializeOwned + Clone + Send + Sync + 'static;

    /// The documents that an event touches: `apply` sees these and no others, whatever other events are
    /// applied with it, and what it puts under another key is not stored. An event that touches none is not
    /// applied.
    fn keys(&self, event: &Recorded<'_>) -> Vec<String>;

    /// Changes the documents.
    fn apply(
        &self,
        view: &mut View<Self::Document>,
        event: &Recorded<'_>,
    ) -> Result<(), CodecError>;

    /// Where else a document is found: nowhere, unless said otherwise.
    fn index(&self, key: &str, document: &Self::Document) -> Vec<IndexKey> {
        let _ = (key, document);
        Vec::new()
    }
}

/// Refuses a projection that cannot be kept; the error names the constant that cannot be.
pub(crate) fn check_projection<P: Projection>() -> Result<(), StorageError> {
    let may_stand = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    let who = format!("projection {:?}", P::NAME);
    if !(1..=64).contains(&P::NAME.len()) || !P::NAME.bytes().all(may_stand) {
        let problem = format!("{who}: NAME wants 1 to 64 bytes of [A-Za-z0-9_.-]");
        return Err(StorageError::invalid(problem));
    }
    keys::check_categories(&who, P::CATEGORIES.iter().copied())
}

/// The documents an event may touch, and what became of them.
#[derive(Debug, Default)]
pub struct View<D> {
    documents: BTreeMap<String, Slot<D>>,
    /// What the event under way names; none is under way: all.
    named: Option<Vec<String>>,
    /// What the event under way would have changed without naming it.
    unnamed: Option<String>,
}

#[derive(Debug)]
struct Slot<D> {
    document: Option<D>,
    changed: bool,
}

/// Why an event was not applied, or not in whole.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotApplied {
    #[error(transparent)]
    Unreadable(#[from] CodecError),
    #[error("`apply` changes document `{0}`, which `keys` does not name: it is left as it was")]
    Unnamed(String),
    #[error("the projection panicked: {0}")]
    Panicked(String),
    #[error("the view cannot hold what it comes to: {0}")]
    Refused(StorageError),
}

/// A user's code: what it gives, unless it panics. A view that ended by it would stand still without a word.
pub(crate) fn caught<T>(code: impl FnOnce() -> T) -> Result<T, NotApplied> {
    let panicked = |panic: Box<dyn std::any::Any + Send>| {
        NotApplied::Panicked(invoke::words(&*panic).to_owned())
    };
    catch_unwind(AssertUnwindSafe(code)).map_err(panicked)
}

impl<D> View<D> {
    /// No documents.
    pub fn new() -> Self {
        Self { documents: BTreeMap::new(), named: None, unnamed: None }
    }

    /// The document under `key`; none when the event that is applied does not name it.
    pub fn get(&self, key: &str) -> Option<&D> {
        if !self.names(key) {
            return None;
        }
        self.documents.get(key)?.document.as_ref()
    }

    /// The document under `key`, to be changed; none when the event that is applied does not name it.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut D> {
        if !self.names(key) {
            return None;
        }
        let slot = self.documents.get_mut(key)?;
        slot.changed |= slot.document.is_some();
        slot.document.as_mut()
    }

    /// `key` holds `document` afterwards, if the event that is applied names it.
    pub fn put(&mut self, key: &str, document: D) {
        self.set(key, Some(document));
    }

    /// `key` holds nothing afterwards, if the event that is applied names it.
    pub fn delete(&mut self, key: &str) {
        self.set(key, None);
    }

    fn set(&mut self, key: &str, document: Option<D>) {
        if self.names(key) {
            self.documents.insert(key.to_owned(), Slot { document, changed: true });
        } else {
            self.unnamed = Some(key.to_owned());
        }
    }

    fn names(&self, key: &str) -> bool {
        self.named.as_ref().is_none_or(|named| named.iter().any(|name| name == key))
    }

    /// Applies an event that names `keys`, all of which were loaded.
    pub(crate) fn follow<P: Projection<Document = D>>(
        &mut self,
        projection: &P,
        keys: Vec<String>,
        event: &Recorded<'_>,
    ) -> Result<(), NotApplied> {
        self.named = Some(keys);
        let applied = caught(|| projection.apply(self, event));
        self.named = None;
        let unnamed = self.unnamed.take();
        applied??;
        unnamed.map_or(Ok(()), |key| Err(NotApplied::Unnamed(key)))
    }

    /// The document under `key`, when nothing else of the view is wanted any more.
    pub(crate) fn into_document(mut self, key: &str) -> Option<D> {
        self.documents.remove(key)?.document
    }

    /// Puts a stored document in, without counting it as changed.
    pub(crate) fn load(&mut self, key: String, document: Option<D>) {
        self.documents.entry(key).or_insert(Slot { document, changed: false });
    }

    pub(crate) fn holds(&self, key: &str) -> bool {
        self.documents.contains_key(key)
    }

    /// The changed documents, by key; they count as unchanged afterwards.
    pub(crate) fn take_changes(&mut self) -> Vec<(&str, Option<&D>)> {
        let changed = self.documents.iter_mut().filter(|(_, slot)| slot.changed);
        changed
            .map(|(key, slot)| {
                slot.changed = false;
                (key.as_str(), slot.document.as_ref())
            })
            .collect()
    }
}
