//! After a start: take the shards, and go on with every saga that owes something.

use std::sync::Arc;

use sagaline_storage::{
    AppendId, AppendRequest, Backend, Claim, ClaimChange, EventStore, Shard, StorageError, StreamId,
};
use tokio::sync::Semaphore;

use super::actor;
use super::append::append_certainly;
use super::core::Core;
use super::keys;
use super::node::NodeError;

/// Sagas read from the log at the same time: reads are quick, and the first ones must not wait for all.
const LOADS_MAX: usize = 32;
const PAGE: usize = 1_000;

/// Holds the number of shards against the store's: claims name the shard, so it cannot change later. A
/// new store takes this node's.
pub(crate) async fn pin_shards<B: Backend>(core: &Core<B>) -> Result<(), NodeError> {
    let events = core.backend.events();
    let wanted = core.settings.shards.to_string();
    let pinned = events.claims(keys::SHARDS_CLAIM, None, 1).await?;
    if let Some(holder) = pinned.first() {
        if *holder.claim.key == *wanted {
            return Ok(());
        }
        return Err(NodeError::Setting(format!(
            "shards {wanted}: this store was made with {}, and that is fixed for its life",
            holder.claim.key
        )));
    }
    let owner = StreamId::new("engine-shards")?;
    let claim = Claim::new(keys::SHARDS_CLAIM, wanted);
    let request = AppendRequest {
        append_id: AppendId(core.uuid()),
        node_id: core.node_id.clone(),
        fence: None,
        writes: Vec::new(),
        claims: vec![ClaimChange::Take { claim, owner }],
    };
    append_certainly(&core.backend, &core.metrics, request).await?;
    Ok(())
}

/// Raises the epoch of every shard: whatever an earlier owner still writes is refused from now on.
pub(crate) async fn take_shards<B: Backend>(core: &Core<B>) -> Result<(), StorageError> {
    let shards: Vec<Shard> = (0..core.settings.shards).map(Shard).collect();
    let epochs = core.backend.events().raise_epochs(&shards).await?;
    *core.epochs.write() = epochs.into_iter().map(|epoch| epoch.0).collect();
    Ok(())
}

/// Enters every live saga, so that requests reach it, and lets them be loaded and worked on. Returns how
/// many there were; the work goes on behind that.
pub(crate) async fn recover<B: Backend>(core: &Arc<Core<B>>) -> Result<u64, StorageError> {
    let loads = Arc::new(Semaphore::new(LOADS_MAX));
    let mut after: Option<String> = None;
    let mut entered = 0;
    loop {
        let claims = core.backend.events().claims(keys::LIVE_CLAIM, after.as_deref(), PAGE).await?;
        for holder in &claims {
            let Some(id) = keys::saga_of(&holder.owner) else { continue };
            if core.epoch(core.shard(id)).is_none() {
                continue;
            }
            let Some(mailbox) = core.directory.enter(id) else { continue };
            entered += 1;
            core.metrics.sagas_recovered.add(1);
            let (core, loads) = (core.clone(), loads.clone());
            tokio::spawn(actor::from_log(core, id, mailbox, Some(loads)));
        }
        match claims.last() {
            Some(last) if claims.len() == PAGE => after = Some(last.claim.key.to_string()),
            _ => return Ok(entered),
        }
    }
}
