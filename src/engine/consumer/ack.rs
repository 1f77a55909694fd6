//! What a consumer answers when it has acted on an event: the changes of its own documents that become
//! durable together with that fact, or none.

use std::fmt;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A change of a stored document; none: there is none before, or afterwards.
pub(super) type Change =
    Box<dyn FnOnce(Option<&Bytes>) -> Result<Option<Bytes>, serde_json::Error> + Send>;

/// An event is done. See the module.
#[derive(Default)]
pub struct Ack {
    pub(super) changes: Vec<(String, Change)>,
}

impl Ack {
    /// Done; nothing is stored besides.
    pub fn new() -> Self {
        Self::default()
    }

    /// Also changes a document of the consumer, found by its key (1 to 512 bytes): `change` is given what
    /// is stored under it and returns what is to be there, none for nothing. It is called once for a
    /// delivery that counts, after every change that was acknowledged before; documents are shared by all
    /// keys of the group, and no change is lost. Read it with [`Consumers::document`].
    ///
    /// A document that does not fit its type or is over 4 MiB, or a panic in `change`, parks the event and
    /// changes nothing.
    ///
    /// [`Consumers::document`]: super::Consumers::document
    #[must_use]
    pub fn change<D, F>(mut self, key: impl Into<String>, change: F) -> Self
    where
        D: Serialize + DeserializeOwned,
        F: FnOnce(Option<D>) -> Option<D> + Send + 'static,
    {
        let change = move |stored: Option<&Bytes>| {
            let document = stored.map(|bytes| serde_json::from_slice(bytes)).transpose()?;
            let changed = change(document);
            changed.map(|document| serde_json::to_vec(&document).map(Bytes::from)).transpose()
        };
        self.changes.push((key.into(), Box::new(change)));
        self
    }
}

impl fmt::Debug for Ack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<&str> = self.changes.iter().map(|(key, _)| key.as_str()).collect();
        f.debug_struct("Ack").field("changes", &keys).finish()
    }
}
