//! What a batch of events makes of a view: documents loaded, changed by the pure function, to be stored
//! with the checkpoint. Called by [`super::rebuild`], for the live view and for one that is built.

use std::sync::Arc;

use bytes::Bytes;
use sagaline_storage::views::{SecondaryKey, ViewChange, ViewStore};
use sagaline_storage::{Backend, StorageError};
use serde::Serialize;

use super::core::Core;
use super::pages::Wanted;
use super::projection::{Projection, Recorded, View, caught};
use super::subscription::Changes;

pub(crate) struct Projector<P>(pub(crate) P);

/// After so many events or documents a follower lets others run: a thousand of them at a stretch would
/// hold up every request on its thread.
const TURN_LENGTH: usize = 64;

/// Ends a turn every [`TURN_LENGTH`] steps.
async fn give_way(step: usize) {
    if step % TURN_LENGTH == TURN_LENGTH - 1 {
        tokio::task::yield_now().await;
    }
}

impl<P: Projection> Projector<P> {
    /// What a batch of events makes of the documents of the view `name`.
    pub(super) async fn apply<B: Backend>(
        &self,
        core: &Core<B>,
        name: &Arc<str>,
        events: Wanted,
    ) -> Result<Changes, StorageError> {
        let (mut view, mut passed_over) = (View::new(), Vec::new());
        for (step, event) in events.iter().enumerate() {
            let keys = match caught(|| self.0.keys(&Recorded(event))) {
                Ok(keys) => keys,
                Err(panicked) => {
                    passed_over.push((event.position, panicked));
                    continue;
                }
            };
            if keys.is_empty() {
                continue;
            }
            for key in &keys {
                if view.holds(key) {
                    continue;
                }
                let stored = core.backend.views().get(name, key.as_bytes()).await?;
                let document = stored.map(|bytes| read::<P>(key, &bytes)).transpose()?;
                view.load(key.clone(), document);
            }
            if let Err(error) = view.follow(&self.0, keys, &Recorded(event)) {
                passed_over.push((event.position, error));
            }
            give_way(step).await;
        }
        let documents = self.documents(name, view).await?;
        Ok(Changes { documents, passed_over })
    }

    async fn documents(
        &self,
        name: &Arc<str>,
        mut view: View<P::Document>,
    ) -> Result<Vec<(Arc<str>, ViewChange)>, StorageError> {
        let (mut written, mut documents) = (Written::default(), Vec::new());
        for (step, (key, document)) in view.take_changes().into_iter().enumerate() {
            documents.push(self.change(name, &mut written, key, document)?);
            give_way(step).await;
        }
        Ok(documents)
    }

    fn change(
        &self,
        view: &Arc<str>,
        written: &mut Written,
        key: &str,
        document: Option<&P::Document>,
    ) -> Result<(Arc<str>, ViewChange), StorageError> {
        let primary = Bytes::copy_from_slice(key.as_bytes());
        let Some(document) = document else {
            return Ok((view.clone(), ViewChange::Delete { key: primary }));
        };
        let bytes = written
            .document(document)
            .map_err(|error| StorageError::invalid(format!("{view} {key}: {error}")))?;
        let index = caught(|| self.0.index(key, document));
        let index =
            index.map_err(|panicked| StorageError::invalid(format!("{view} {key}: {panicked}")))?;
        let secondary = index.into_iter().map(|key| SecondaryKey {
            index: written.shared(key.index),
            partition: key.partition,
            sort: key.sort,
        });
        let secondary = secondary.collect();
        let put = ViewChange::Put { key: primary, document: bytes, secondary };
        Ok((view.clone(), put))
    }
}

/// What the documents of a batch are written with, made once for all of them: a batch has a thousand.
#[derive(Default)]
struct Written {
    indexes: Vec<(&'static str, Arc<str>)>,
    text: Vec<u8>,
}

impl Written {
    fn document(&mut self, document: &impl Serialize) -> Result<Bytes, serde_json::Error> {
        self.text.clear();
        serde_json::to_writer(&mut self.text, document)?;
        Ok(Bytes::copy_from_slice(&self.text))
    }

    /// The name of an index.
    fn shared(&mut self, name: &'static str) -> Arc<str> {
        if let Some((_, shared)) = self.indexes.iter().find(|(known, _)| *known == name) {
            return shared.clone();
        }
        let shared: Arc<str> = name.into();
        self.indexes.push((name, shared.clone()));
        shared
    }
}

pub(super) fn read<P: Projection>(key: &str, bytes: &[u8]) -> Result<P::Document, StorageError> {
    serde_json::from_slice(bytes).map_err(|error| {
        StorageError::corrupt(format!(
            "document {key} of {} does not fit its type ({error}): raise the projection's VERSION \
             when documents change",
            P::NAME
        ))
    })
}
