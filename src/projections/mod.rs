//! Read models of the reference application and of sagas: pure functions from events to documents.
//!
//! Architecture invariant: nothing here reads a clock, a store or a setting: two rebuilds of one log are
//! equal byte for byte.

pub mod orders;
pub mod payments;

pub mod saga_page;
pub mod sagas;

use bytes::Bytes;
use sagaline_storage::RecordedEvent;

use crate::codec::CodecError;
use crate::domain::WallTime;
use crate::engine::{Projection, Recorded, View};

pub use orders::{OrderDocument, OrderItemDocument, Orders};
pub use payments::{PaymentDocument, Payments};
pub use saga_page::{SagaPage, SagaStatus, StepNames, StepPage};
pub use sagas::{SagaDocument, Sagas};

/// The partition that holds every document.
pub const ALL: &[u8] = b"*";

/// The partition of several values together, for instance a user and a status. None of them may hold
/// a zero byte: ids, types and statuses do not.
pub fn partition(values: &[&str]) -> Bytes {
    Bytes::from(values.join("\0"))
}

/// Orders documents by when they came into being, then by their key: read backwards, newest first.
pub(crate) fn by_age(created_at: WallTime, key: &str) -> Bytes {
    let mut sort = Vec::with_capacity(8 + key.len());
    sort.extend_from_slice(&created_at.0.to_be_bytes());
    sort.extend_from_slice(key.as_bytes());
    Bytes::from(sort)
}

/// The document under `key` after exactly these events: for answers that must not wait for the view.
pub fn fold<'a, P: Projection>(
    projection: &P,
    key: &str,
    events: impl IntoIterator<Item = &'a RecordedEvent>,
) -> Result<Option<P::Document>, CodecError> {
    let mut view = View::new();
    for event in events {
        let event = Recorded::new(event);
        if projection.keys(&event).iter().any(|touched| touched == key) {
            // What it makes of other documents is not asked here.
            projection.apply(&mut view, &event)?;
        }
    }
    Ok(view.into_document(key))
}
