//! The end of a run: what the store's disk has when everything else is over.

use std::collections::BTreeSet;

use sagaline::engine::{Projection, live_generation};
use sagaline::projections;
use sagaline_storage::views::ViewStore;
use sagaline_storage::{
    AllQuery, EventStore, GlobalPosition, LogSettings, RecordedEvent, StorageError,
};
use serde_json::Value;

use super::self_check::contradictions;
use super::store::{StoreLog, StoreViews, open};
use super::witness::Witness;
use super::witnessed::id_text;
use crate::evidence::{LogEntry, StoreWhat, digest_of};
use crate::machine::Machine;
use crate::statement;
use crate::world::World;

/// Entries of one read.
const PAGE: usize = 1_000;

/// What is left in the store.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FinalState {
    /// The whole log.
    pub log: Vec<LogEntry>,
    /// Claims that are held: kind, key, and the stream that holds it.
    pub claims: Vec<(String, String, String)>,
    /// Documents: view, key, document.
    pub documents: Vec<(String, String, Value)>,
    /// In what the store contradicts itself.
    pub contradictions: Vec<String>,
}

/// Switches the store off and reads what is on its disk. The world must be healed. Of the claims those of
/// the kinds are read that anybody ever asked for.
pub async fn final_state(world: &World, witness: &Witness) -> Result<FinalState, StorageError> {
    world.crash(Machine::Store, false);
    let settings = LogSettings::default();
    let (log, views) = open(world, &world.entropy(Machine::Store), settings).await?;
    let (entries, standstill) = entries(&log).await?;
    let mut contradictions = contradictions(&log, &entries).await?;
    contradictions.extend(standstill);
    contradictions.extend(views.verify().await?);
    let state = FinalState {
        contradictions,
        log: entries,
        claims: claims(&log, witness).await?,
        documents: documents(&views).await?,
    };
    log.close().await;
    Ok(state)
}

/// The log, and where it does not go on though it does not end there.
async fn entries(log: &StoreLog) -> Result<(Vec<LogEntry>, Option<String>), StorageError> {
    let mut entries = Vec::new();
    let mut after = GlobalPosition::START;
    loop {
        let page = log.read_all(AllQuery::after(after, PAGE)).await?;
        for event in page.events {
            entries.push(entry(event)?);
        }
        if page.end {
            return Ok((entries, None));
        }
        if page.next <= after {
            let standstill = format!("the log behind {after} neither goes on nor ends");
            return Ok((entries, Some(standstill)));
        }
        after = page.next;
    }
}

fn entry(event: RecordedEvent) -> Result<LogEntry, StorageError> {
    let payload = serde_json::from_slice(&event.payload);
    let payload = payload.map_err(|error| {
        StorageError::corrupt(format!("the payload at position {}: {error}", event.position))
    })?;
    Ok(LogEntry {
        position: event.position.0,
        stream: event.stream.as_str().to_owned(),
        version: event.version.0,
        id: id_text(event.id.0),
        event_type: event.event_type.as_str().to_owned(),
        correlation_id: event.correlation_id.as_str().to_owned(),
        causation_id: event.causation_id.map(|id| id_text(id.0)),
        node: event.node_id.as_str().to_owned(),
        recorded_at_us: event.recorded_at.0,
        schema_version: event.schema_version,
        payload,
        payload_digest: digest_of(&event.payload),
    })
}

async fn claims(
    log: &StoreLog,
    witness: &Witness,
) -> Result<Vec<(String, String, String)>, StorageError> {
    let mut claims = Vec::new();
    for kind in kinds(witness) {
        let mut after: Option<String> = None;
        loop {
            let held = log.claims(&kind, after.as_deref(), PAGE).await?;
            for holder in &held {
                let key = holder.claim.key.to_string();
                claims.push((kind.clone(), key, holder.owner.to_string()));
            }
            after = held.last().map(|holder| holder.claim.key.to_string());
            if held.len() < PAGE {
                break;
            }
        }
    }
    Ok(claims)
}

fn kinds(witness: &Witness) -> BTreeSet<String> {
    witness.look(|seen| {
        let takes = seen.store_calls.iter().flat_map(|call| match &call.what {
            StoreWhat::Append { takes, .. } => takes.as_slice(),
            StoreWhat::ReadStream { .. } | StoreWhat::ReadAll { .. } => &[],
        });
        takes.map(|(kind, _, _)| kind.clone()).collect()
    })
}

async fn documents(views: &StoreViews) -> Result<Vec<(String, String, Value)>, StorageError> {
    let mut documents = Vec::new();
    let mut names = vec![statement::records(), statement::documents()];
    for (name, version) in read_models() {
        names.push(live_generation(views, name, version).await?.view.to_string());
    }
    for view in names {
        let mut after = None;
        loop {
            let page = views.scan(&view, after, PAGE).await?;
            for (key, document) in page.documents {
                let key = String::from_utf8_lossy(&key).into_owned();
                let document = serde_json::from_slice(&document).map_err(|error| {
                    StorageError::corrupt(format!("document {key} of {view}: {error}"))
                })?;
                documents.push((view.clone(), key, document));
            }
            after = page.cursor;
            if after.is_none() {
                break;
            }
        }
    }
    Ok(documents)
}

/// The read models of the reference application, by name and version.
pub fn read_models() -> [(&'static str, u32); 3] {
    fn of<P: Projection>(_: P) -> (&'static str, u32) {
        (P::NAME, P::VERSION)
    }
    [of(projections::Orders), of(projections::Payments), of(projections::Sagas)]
}
