//! The documents of a group as they will be after its next commit. Filled by the runner with what was
//! acknowledged, one after the other, so that no change is lost; thrown away when a commit fails.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use sagaline_storage::StorageError;
use sagaline_storage::view_store::limits::{DOCUMENT_BYTES_MAX, KEY_BYTES_MAX};
use sagaline_storage::views::{ViewChange, ViewStore};

use super::ack::Ack;

/// See the module. By key: what will be there; none: nothing.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    changed: BTreeMap<String, Option<Bytes>>,
}

impl Inbox {
    /// Makes the changes of an acknowledgement, all or none. The inner error says why they cannot be made:
    /// with a document that the store does not take no commit would ever succeed.
    pub(super) async fn keep<V: ViewStore>(
        &mut self,
        views: &V,
        view: &str,
        ack: Ack,
    ) -> Result<Result<(), String>, StorageError> {
        let mut made = BTreeMap::new();
        for (key, change) in ack.changes {
            if key.is_empty() || key.len() > KEY_BYTES_MAX {
                let bytes = key.len();
                return Ok(Err(format!(
                    "a document's key of {bytes} bytes: wants 1 to {KEY_BYTES_MAX}"
                )));
            }
            let stored = match made.get(&key).or_else(|| self.changed.get(&key)) {
                Some(known) => known.clone(),
                None => views.get(view, key.as_bytes()).await?,
            };
            match catch_unwind(AssertUnwindSafe(|| change(stored.as_ref()))) {
                Ok(Ok(Some(document))) if document.len() > DOCUMENT_BYTES_MAX => {
                    let bytes = document.len();
                    return Ok(Err(format!(
                        "document `{key}` of {bytes} bytes: wants at most {DOCUMENT_BYTES_MAX}"
                    )));
                }
                Ok(Ok(document)) => _ = made.insert(key, document),
                Ok(Err(error)) => {
                    return Ok(Err(format!("document `{key}` does not fit its type: {error}")));
                }
                Err(_) => return Ok(Err(format!("the change of document `{key}` panicked"))),
            }
        }
        self.changed.extend(made);
        Ok(Ok(()))
    }

    /// What is to be stored; afterwards nothing is.
    pub(super) fn take(&mut self) -> impl Iterator<Item = ViewChange> {
        std::mem::take(&mut self.changed).into_iter().map(|(key, document)| {
            let key = Bytes::from(key.into_bytes());
            match document {
                Some(document) => ViewChange::Put { key, document, secondary: Vec::new() },
                None => ViewChange::Delete { key },
            }
        })
    }
}
