//! `GET /definitions`: what the node can start, and under what its running sagas end.

use axum::Json;
use axum::extract::State;
use sagaline_storage::Backend;
use serde::Serialize;

use super::Own;
use crate::saga::{Definition, DefinitionDocument};

/// A definition as it is shown.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Shown {
    hash: String,
    /// New sagas of the name start under this one.
    is_current: bool,
    mermaid: String,
    definition: DefinitionDocument,
}

pub(super) async fn list<B: Backend>(State(own): State<Own<B>>) -> Json<Vec<Shown>> {
    let node = own.node();
    let current = |definition: &Definition| {
        node.definition(definition.name()).is_some_and(|named| named.hash() == definition.hash())
    };
    let shown = node.definitions().into_iter().map(|definition| Shown {
        hash: definition.hash().to_string(),
        is_current: current(definition),
        mermaid: definition.to_mermaid(),
        definition: definition.clone().into(),
    });
    Json(shown.collect())
}
