//! A request that is checked in itself, encoded and hashed: all that needs no state of the log.
//!
//! Made in the caller's own task, before it queues, so that this work is done side by side and the
//! appender's turn stays short.

use crate::error::StorageError;
use crate::event_store::{AppendError, AppendRequest, Claim, ClaimChange};
use crate::log::envelope::{self, Unstamped};
use crate::log::settings::{
    APPEND_BYTES_MAX, CLAIMS_PER_APPEND_MAX, EVENTS_PER_APPEND_MAX, PAYLOAD_BYTES_MAX,
    STREAMS_PER_APPEND_MAX,
};
use crate::stream::check_name;

/// An append that only lacks its place.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) request: AppendRequest,
    /// Over writes and claims; see [`envelope::append_digest`].
    pub(super) digest: [u8; 32],
    /// Of all events of all writes, in order.
    pub(super) records: Vec<Unstamped>,
    /// Of all records.
    pub(super) bytes: usize,
}

impl Draft {
    /// Refuses what breaks a limit or contradicts itself, naming the part and the bound.
    pub(super) fn new(request: AppendRequest) -> Result<Self, AppendError> {
        check_shape(&request)?;
        check_claims(&request.claims)?;
        check_events(&request)?;
        encode(request).map_err(|error| AppendError::Invalid(error.message))
    }
}

fn check_shape(request: &AppendRequest) -> Result<(), AppendError> {
    if request.writes.is_empty() && request.claims.is_empty() {
        return invalid("the append is empty: it writes, checks and claims nothing");
    }
    within("streams", request.writes.len(), STREAMS_PER_APPEND_MAX)?;
    within("claims", request.claims.len(), CLAIMS_PER_APPEND_MAX)?;
    let events = request.writes.iter().map(|write| write.events.len()).sum();
    within("events", events, EVENTS_PER_APPEND_MAX)?;
    match twice(request.writes.iter().map(|write| &write.stream)) {
        Some(stream) => invalid(format!("stream {stream} stands in the append twice")),
        None => Ok(()),
    }
}

fn check_claims(changes: &[ClaimChange]) -> Result<(), AppendError> {
    for change in changes {
        let claim = change.claim();
        check_name("claim kind", &claim.kind, Claim::KIND_BYTES_MAX).map_err(refused)?;
        if claim.key.is_empty() || claim.key.len() > Claim::KEY_BYTES_MAX {
            return invalid(format!(
                "claim of kind {}: the key has {} bytes, wants 1 to {}",
                claim.kind,
                claim.key.len(),
                Claim::KEY_BYTES_MAX
            ));
        }
    }
    Ok(())
}

fn check_events(request: &AppendRequest) -> Result<(), AppendError> {
    let events = || request.writes.iter().flat_map(|write| &write.events);
    for event in events() {
        if event.payload.len() > PAYLOAD_BYTES_MAX {
            return invalid(format!(
                "event {} ({}): the payload has {} bytes, at most {PAYLOAD_BYTES_MAX} are allowed",
                event.id.0,
                event.event_type,
                event.payload.len()
            ));
        }
    }
    match twice(events().map(|event| event.id.0)) {
        Some(id) => invalid(format!("event id {id} stands in the append twice")),
        None => Ok(()),
    }
}

fn encode(request: AppendRequest) -> Result<Draft, StorageError> {
    let count = request.writes.iter().map(|write| write.events.len()).sum();
    let mut records = Vec::with_capacity(count);
    for write in &request.writes {
        for event in &write.events {
            records.push(Unstamped::new(&write.stream, event, &request.node_id)?);
        }
    }
    let bytes = records.iter().map(Unstamped::len).sum();
    if bytes > APPEND_BYTES_MAX {
        return Err(StorageError::invalid(format!(
            "the append has {bytes} bytes, at most {APPEND_BYTES_MAX} are allowed"
        )));
    }
    let digest = envelope::append_digest(&request, &records)?;
    Ok(Draft { request, digest, records, bytes })
}

/// Up to this many values are compared pair by pair, without a list of their own.
const PAIRWISE_MAX: usize = 8;

/// A value that stands in the list more than once.
fn twice<T: Ord + Clone>(values: impl Iterator<Item = T> + Clone) -> Option<T> {
    if values.clone().nth(PAIRWISE_MAX).is_none() {
        let mut rest = values;
        while let Some(value) = rest.next() {
            if rest.clone().any(|other| other == value) {
                return Some(value);
            }
        }
        return None;
    }
    let mut values: Vec<T> = values.collect();
    values.sort_unstable();
    values.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0].clone())
}

fn within(what: &str, count: usize, max: usize) -> Result<(), AppendError> {
    if count <= max {
        return Ok(());
    }
    invalid(format!("the append has {count} {what}, at most {max} are allowed"))
}

fn invalid<T>(message: impl Into<String>) -> Result<T, AppendError> {
    Err(AppendError::Invalid(message.into()))
}

fn refused(error: StorageError) -> AppendError {
    AppendError::Invalid(error.message)
}
