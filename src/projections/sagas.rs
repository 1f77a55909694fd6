//! The view `sagas`: the state of every saga, by the machine's own reducer.
//!
//! | index | partition | order |
//! |---|---|---|
//! | `all` | [`ALL`] | start |
//! | `by_status`, `by_type`, `by_type_status` | type, status | start |
//! | `by_user`, `by_user_status`, `by_user_type`, `by_user_type_status` | user id, type, status | start |
//! | `by_correlation` | correlation id | start |
//! | `by_user_correlation` | user id, correlation id | start |
//!
//! A saga belongs to a user when its input has a top-level `userId` of text.

use sagaline_storage::CorrelationId;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::codec::CodecError;
use crate::domain::WallTime;
use crate::engine::{IndexKey, Projection, Recorded, SAGA_CATEGORY, View, saga_of};
use crate::saga::{Json, SagaState, evolve};

use super::{ALL, by_age, partition};

/// The projection.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sagas;

/// A saga as the log tells it. The API shows it as a [`super::SagaPage`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SagaDocument {
    /// The saga.
    pub id: Uuid,
    /// What ties it to its request.
    pub correlation_id: CorrelationId,
    /// Whose it is; none: the node's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// Its state.
    pub state: SagaState,
}

impl SagaDocument {
    /// A saga whose state was folded elsewhere, from its stream.
    pub fn new(id: Uuid, correlation_id: CorrelationId, state: SagaState) -> Self {
        Self { id, correlation_id, user_id: user_of(&state.input), state }
    }
}

/// Longest user, in bytes: it stands in the view's indexes beside other values, and a place in an index has
/// its bound.
const USER_BYTES_MAX: usize = 256;

/// The user that a saga's input names.
pub fn user_of(input: &Json) -> Option<String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Owned {
        user_id: Option<String>,
    }
    let fits = |user: &String| user.len() <= USER_BYTES_MAX && !user.contains('\0');
    input.read::<Owned>().ok()?.user_id.filter(fits)
}

impl Projection for Sagas {
    const NAME: &'static str = "sagas";
    /// 2: a document says of a step only what it has come to. 3: the index `by_user_correlation`. 4: a step's
    /// result of `null`.
    const VERSION: u32 = 4;
    const CATEGORIES: &'static [&'static str] = &[SAGA_CATEGORY];

    type Document = SagaDocument;

    fn keys(&self, event: &Recorded<'_>) -> Vec<String> {
        vec![event.envelope().stream.key().to_owned()]
    }

    fn apply(&self, view: &mut View<SagaDocument>, event: &Recorded<'_>) -> Result<(), CodecError> {
        let envelope = event.envelope();
        let (Some(id), Some(saga_event)) = (saga_of(&envelope.stream), event.of_saga()?) else {
            return Ok(());
        };
        let key = envelope.stream.key();
        let problem = |error: &dyn std::fmt::Display| CodecError {
            event_type: envelope.event_type.to_string(),
            problem: error.to_string(),
        };
        match view.get_mut(key) {
            Some(saga) => saga.state.apply(&saga_event).map_err(|error| problem(&error))?,
            None => {
                let state = evolve(None, &saga_event).map_err(|error| problem(&error))?;
                view.put(key, SagaDocument::new(id, envelope.correlation_id.clone(), state));
            }
        }
        Ok(())
    }

    fn index(&self, key: &str, saga: &SagaDocument) -> Vec<IndexKey> {
        let sort = by_age(WallTime(saga.state.started_at_us), key);
        let (kind, status) = (&*saga.state.saga_type, saga.state.status());
        let entry = |index, values: &[&str]| IndexKey::new(index, partition(values), sort.clone());
        let mut entries = vec![
            IndexKey::new("all", ALL, sort.clone()),
            entry("by_status", &[status]),
            entry("by_type", &[kind]),
            entry("by_type_status", &[kind, status]),
            entry("by_correlation", &[saga.correlation_id.as_str()]),
        ];
        if let Some(user) = &saga.user_id {
            entries.extend([
                entry("by_user", &[user]),
                entry("by_user_status", &[user, status]),
                entry("by_user_type", &[user, kind]),
                entry("by_user_type_status", &[user, kind, status]),
                entry("by_user_correlation", &[user, saga.correlation_id.as_str()]),
            ]);
        }
        entries
    }
}

#[cfg(test)]
#[path = "sagas_tests.rs"]
mod tests;
