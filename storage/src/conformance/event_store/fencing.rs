//! Fencing: whoever lost a shard cannot write for it, whatever he believes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::event_store::{AppendError, Epoch, EventStore, ExpectedVersion, Shard};

use super::request::{append, exact};
use super::{Factory, fresh, promises, reopened, whole_log};

promises! {
    fenced_writer_cannot_append,
    the_owner_appends_under_its_epoch,
    an_append_that_waited_is_fenced_too,
    epochs_are_raised_one_by_one_and_in_order,
    an_epoch_that_was_never_given_out_is_refused,
    epochs_survive_reopening,
    a_shard_twice_in_one_call_is_refused,
}

/// It learns which epoch is current, and nothing of its append happens.
pub async fn fenced_writer_cannot_append<F: Factory>(factory: &F) {
    let (_place, store) = fresh(factory).await;
    let old = store.raise_epochs(&[Shard(3)]).await.unwrap()[0];
    let new = store.raise_epochs(&[Shard(3)]).await.unwrap()[0];
    for presented in [Epoch(0), old] {
        let request = append(1).to("s-1", exact(0), 1).take("k", "s-1").fenced(3, presented).done();
        let refused = store.append(request).await.unwrap_err();
        assert_eq!(refused, AppendError::Fenced { shard: Shard(3), presented, current: new });
    }
    assert_eq!(whole_log(&store).await, []);
    assert_eq!(store.claims("sku", None, 1).await.unwrap(), []);
}

/// Other shards' epochs do not matter; neither does a shard that never changed hands.
pub async fn the_owner_appends_under_its_epoch<F: Factory>(factory: &F) {
    let (_place, store) = fresh(factory).await;
    let own = store.raise_epochs(&[Shard(1)]).await.unwrap()[0];
    store.raise_epochs(&[Shard(2)]).await.unwrap();
    store.append(append(1).to("s-1", exact(0), 1).fenced(1, own).done()).await.unwrap();
    store.append(append(2).to("s-1", exact(1), 1).fenced(9, Epoch(0)).done()).await.unwrap();
    store.append(append(3).to("s-1", exact(2), 1).done()).await.unwrap();
}

/// Writers under way while the shard changes hands: what is acknowledged after the raise was answered
/// lies before it.
pub async fn an_append_that_waited_is_fenced_too<F: Factory>(factory: &F) {
    let (_place, store) = fresh(factory).await;
    let old = store.raise_epochs(&[Shard(1)]).await.unwrap()[0];
    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..8_u128)
        .map(|writer| {
            let (store, stop) = (store.clone(), Arc::clone(&stop));
            tokio::spawn(async move {
                let mut acknowledged = Vec::new();
                for turn in 1.. {
                    let request = append(writer * 1_000_000 + turn)
                        .to(&format!("w-{writer}"), ExpectedVersion::Any, 1)
                        .fenced(1, old)
                        .done();
                    match store.append(request).await {
                        Ok(appended) => acknowledged.push(appended.position),
                        Err(AppendError::Fenced { .. }) => return acknowledged,
                        Err(other) => panic!("{other}"),
                    }
                    assert!(!stop.load(Ordering::Relaxed) || turn < 100_000, "never fenced");
                }
                acknowledged
            })
        })
        .collect();
    for _ in 0..5 {
        store.await_after(store.head().await.unwrap()).await;
    }
    store.raise_epochs(&[Shard(1)]).await.unwrap();
    let raised_at = store.head().await.unwrap();
    stop.store(true, Ordering::Relaxed);
    let mut acknowledged = 0;
    for writer in writers {
        let positions = writer.await.unwrap();
        assert!(positions.iter().all(|position| *position <= raised_at));
        acknowledged += positions.len();
    }
    assert_eq!(whole_log(&store).await.len(), acknowledged);
}

/// Each shard has its own number.
pub async fn epochs_are_raised_one_by_one_and_in_order<F: Factory>(factory: &F) {
    let (_place, store) = fresh(factory).await;
    assert_eq!(store.epoch(Shard(5)).await.unwrap(), Epoch(0));
    assert_eq!(store.raise_epochs(&[Shard(5)]).await.unwrap(), [Epoch(1)]);
    let raised = store.raise_epochs(&[Shard(7), Shard(5), Shard(u32::MAX)]).await.unwrap();
    assert_eq!(raised, [Epoch(1), Epoch(2), Epoch(1)]);
    assert_eq!(store.epoch(Shard(5)).await.unwrap(), Epoch(2));
    assert_eq!(store.epoch(Shard(6)).await.unwrap(), Epoch(0));
    assert_eq!(store.raise_epochs(&[]).await.unwrap(), []);
}

/// Otherwise its bearer could not be fenced for a long time.
pub async fn an_epoch_that_was_never_given_out_is_refused<F: Factory>(factory: &F) {
    let (_place, store) = fresh(factory).await;
    let own = store.raise_epochs(&[Shard(1)]).await.unwrap()[0];
    let request = append(1).to("s-1", exact(0), 1).fenced(1, Epoch(own.0 + 1)).done();
    let refused = store.append(request).await.unwrap_err();
    assert!(matches!(refused, AppendError::Invalid(_)), "{refused}");
}

/// A restart gives no shard back.
pub async fn epochs_survive_reopening<F: Factory>(factory: &F) {
    if !F::REOPENS {
        return;
    }
    let (place, store) = fresh(factory).await;
    let old = store.raise_epochs(&[Shard(1)]).await.unwrap()[0];
    let new = store.raise_epochs(&[Shard(1)]).await.unwrap()[0];
    let store = reopened(factory, &place, store).await;
    assert_eq!(store.epoch(Shard(1)).await.unwrap(), new);
    let refused = store.append(append(1).to("s-1", exact(0), 1).fenced(1, old).done()).await;
    let fenced = AppendError::Fenced { shard: Shard(1), presented: old, current: new };
    assert_eq!(refused.unwrap_err(), fenced);
    assert_eq!(store.raise_epochs(&[Shard(1)]).await.unwrap(), [Epoch(new.0 + 1)]);
}

/// What it should mean is anybody's guess.
pub async fn a_shard_twice_in_one_call_is_refused<F: Factory>(factory: &F) {
    let (_place, store) = fresh(factory).await;
    let refused = store.raise_epochs(&[Shard(1), Shard(2), Shard(1)]).await.unwrap_err();
    assert_eq!(refused.kind, crate::error::ErrorKind::Invalid);
    assert_eq!(store.epoch(Shard(1)).await.unwrap(), Epoch(0));
}
