//! Work that one node at a time does for all: a projection, the outbox. The owner of a shard that its
//! name falls in does it; its checkpoint, moved by compare and set, is the proof that nobody else did.

use std::future::Future;
use std::sync::Arc;

use sagaline_storage::{Backend, Shard};
use tokio::sync::watch;

use super::super::core::Core;
use super::super::keys;

/// Does `work` until `stop`: in an embedded node at once, in a shared world whenever and for as long as
/// this node owns the duty's shard. `work` is given its own stop signal and ends soon after it.
pub(crate) async fn keep<B, W, F>(
    core: Arc<Core<B>>,
    name: &'static str,
    mut stop: watch::Receiver<bool>,
    work: W,
) where
    B: Backend,
    W: Fn(watch::Receiver<bool>) -> F,
    F: Future<Output = ()> + Send,
{
    if !core.backend.shared() {
        return work(stop).await;
    }
    let shard = keys::shard_of_name(name, core.settings.shards);
    while until(&core, shard, true, &mut stop).await {
        tracing::info!(duty = name, "taken up");
        let (end, ended) = watch::channel(false);
        let mut working = std::pin::pin!(work(ended));
        tokio::select! {
            biased;
            () = &mut working => {}
            _ = until(&core, shard, false, &mut stop) => {
                end.send_replace(true);
                working.await;
            }
        }
        tracing::info!(duty = name, "given up");
    }
}

/// Waits until the shard is owned, or is not. False: the node stops.
async fn until<B: Backend>(
    core: &Core<B>,
    shard: Shard,
    owned: bool,
    stop: &mut watch::Receiver<bool>,
) -> bool {
    let mut changes = core.ownership.watch();
    loop {
        if *stop.borrow() {
            return false;
        }
        if core.ownership.owns(shard) == owned {
            return true;
        }
        tokio::select! {
            biased;
            changed = stop.changed() => if changed.is_err() { return false },
            is_there = changes.changed() => if !is_there { return false },
        }
    }
}
