//! Taking shards, and going on with every saga of theirs that owes something: at the start of an
//! embedded node, and whenever shards are assigned to one of several.

use std::ops::Range;
use std::sync::Arc;

use sagaline_storage::{
    AppendId, AppendRequest, Backend, Claim, ClaimChange, ClaimHolder, EventStore, Shard,
    StorageError, StreamId,
};
use tokio::sync::Semaphore;

use crate::canary::planted;

use super::append::append_certainly;
use super::builder::NodeError;
use super::core::Core;
use super::keys;
use super::ownership::partitions::runs;
use super::taken_up;

/// Sagas read from the log at the same time: reads are quick, and the first ones must not wait for all.
const LOADS_MAX: usize = 32;
const PAGE: usize = 1_000;

/// Holds the number of shards against the store's: claims name the shard, so it cannot change later. A
/// new store takes this node's.
pub(crate) async fn pin_shards<B: Backend>(core: &Core<B>) -> Result<(), NodeError> {
    let events = core.backend.events();
    let wanted = core.settings.shards.to_string();
    let pinned = events.claims(keys::SHARDS_CLAIM, None, 1).await?;
    if !pinned.is_empty() {
        return check_pinned(&wanted, pinned.first());
    }
    let owner = StreamId::new("engine-shards")?;
    let claim = Claim::new(keys::SHARDS_CLAIM, wanted.clone());
    let request = AppendRequest {
        append_id: AppendId(core.uuid()),
        node_id: core.node_id.clone(),
        fence: None,
        writes: Vec::new(),
        claims: vec![ClaimChange::Take { claim, owner }],
    };
    append_certainly(&core.backend, &core.metrics, request).await?;
    // Of nodes that came to a new store at the same time and disagree, only one may go on.
    let pinned = events.claims(keys::SHARDS_CLAIM, None, 1).await?;
    check_pinned(&wanted, pinned.first())
}

fn check_pinned(wanted: &str, pinned: Option<&ClaimHolder>) -> Result<(), NodeError> {
    match pinned {
        Some(holder) if *holder.claim.key != *wanted => Err(NodeError::Setting(format!(
            "shards {wanted}: this store was made with {}, and that is fixed for its life",
            holder.claim.key
        ))),
        Some(_) | None => Ok(()),
    }
}

/// Raises the epochs of `shards`: whatever an earlier owner still writes is refused from now on, and this
/// node owns them.
pub(crate) async fn take_shards<B: Backend>(
    core: &Core<B>,
    shards: &[Shard],
) -> Result<(), StorageError> {
    if shards.is_empty() {
        return Ok(());
    }
    let events = core.backend.events();
    if planted("epoch-not-raised") {
        for shard in shards {
            let current = events.epoch(*shard).await?;
            let epochs =
                if current.0 > 0 { vec![current] } else { events.raise_epochs(&[*shard]).await? };
            core.take(std::iter::once(*shard).zip(epochs));
        }
        return Ok(());
    }
    let epochs = events.raise_epochs(shards).await?;
    core.take(shards.iter().copied().zip(epochs));
    Ok(())
}

/// Enters every live saga of `shards`, so that requests reach it, and lets them be loaded and worked on.
/// `shards` are in order. Returns how many sagas there were; the work goes on behind that.
pub(crate) async fn recover<B: Backend>(
    core: &Arc<Core<B>>,
    shards: &[Shard],
) -> Result<u64, StorageError> {
    let loads = Arc::new(Semaphore::new(LOADS_MAX));
    let mut entered = 0;
    for run in runs(shards) {
        entered += recover_run(core, run, &loads).await?;
    }
    Ok(entered)
}

/// The same for neighbouring shards, whose claims stand side by side.
async fn recover_run<B: Backend>(
    core: &Arc<Core<B>>,
    shards: Range<u32>,
    loads: &Arc<Semaphore>,
) -> Result<u64, StorageError> {
    let mut after = keys::before_live_claims(Shard(shards.start));
    let mut entered = 0;
    loop {
        let claims = core.backend.events().claims(keys::LIVE_CLAIM, Some(&after), PAGE).await?;
        let of_shards = |id: &uuid::Uuid| shards.contains(&core.shard(*id).0);
        let sagas = claims.iter().filter_map(|holder| keys::saga_of(&holder.owner));
        let mut last_is_ours = true;
        for id in sagas {
            last_is_ours = of_shards(&id);
            if last_is_ours {
                entered += u64::from(take_up(core, id, loads));
            }
        }
        match claims.last() {
            Some(last) if claims.len() == PAGE && last_is_ours => {
                after = last.claim.key.to_string()
            }
            _ => return Ok(entered),
        }
    }
}

/// False: it is under way already.
fn take_up<B: Backend>(core: &Arc<Core<B>>, id: uuid::Uuid, loads: &Arc<Semaphore>) -> bool {
    let Some(mailbox) = core.directory.enter(id) else { return false };
    core.metrics.sagas_recovered.add(1);
    taken_up::spawn_from_log(core.clone(), id, mailbox, Some(loads.clone()));
    true
}
