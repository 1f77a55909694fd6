//! A disk keeps what it has promised to keep, and loses, tears and refuses what it may.

use bytes::Bytes;
use sagaline_sim::fault::{Fault, FaultKind};
use sagaline_sim::machine::Machine::Store;
use sagaline_sim::world::{FaultyDisk, World};
use sagaline_storage::ErrorKind;
use sagaline_storage::kv::{Durability, Kv, Range, Space, WriteBatch};

use crate::stage::{MS, SECOND, bites, episode, in_world, pass, within};

/// A store's machine on which nothing runs: the disk is all there is.
async fn machine(world: &World) -> FaultyDisk {
    world.machine(Store, |_| Box::pin(std::future::pending()));
    pass(world, MS).await;
    world.disk(Store)
}

fn put(space: Space, key: u32) -> WriteBatch {
    let mut batch = WriteBatch::default();
    batch.put(space, key.to_be_bytes().to_vec(), format!("value {key}"));
    batch
}

async fn keys(disk: &FaultyDisk, space: Space) -> Vec<u32> {
    let all = Range { from: Bytes::new(), to: Bytes::new(), backward: false, limit: usize::MAX };
    let entries = disk.scan(space, all).await.unwrap();
    entries.iter().map(|(key, _)| u32::from_be_bytes(key[..].try_into().unwrap())).collect()
}

/// Switches the machine off and on again.
async fn power_cycle(world: &World) -> FaultyDisk {
    world.crash(Store, true);
    world.restart(Store);
    pass(world, MS).await;
    world.disk(Store)
}

#[test]
fn a_power_loss_drops_what_was_not_synced_from_its_end_and_nothing_else() {
    let mut survived = Vec::new();
    for seed in 0..40 {
        let (left, lost) = in_world(seed, |world| async move {
            let disk = machine(&world).await;
            disk.write(put(Space::Views, 0), Durability::Synced).await.unwrap();
            for key in 1..=5 {
                disk.write(put(Space::Views, key), Durability::Buffered).await.unwrap();
            }
            assert_eq!(disk.unsynced_batches(), 5);
            let disk = power_cycle(&world).await;
            (keys(&disk, Space::Views).await, bites(&world, FaultKind::Crash))
        });
        assert_eq!(left, (0..left.len() as u32).collect::<Vec<_>>(), "a prefix");
        assert_eq!(lost, u64::from(left.len() < 6), "it bites when something is lost");
        survived.push(left.len());
    }
    survived.sort_unstable();
    survived.dedup();
    assert_eq!(survived, [1, 2, 3, 4, 5, 6], "every length comes up");
}

#[test]
fn the_end_of_a_process_loses_nothing_it_has_written() {
    in_world(1, |world| async move {
        let disk = machine(&world).await;
        disk.write(put(Space::Views, 1), Durability::Buffered).await.unwrap();
        world.crash(Store, false);
        world.restart(Store);
        pass(&world, MS).await;
        assert_eq!(keys(&world.disk(Store), Space::Views).await, [1]);
    });
}

#[test]
fn what_was_flushed_survives_and_overwritten_values_come_back() {
    in_world(3, |world| async move {
        let disk = machine(&world).await;
        let mut first = WriteBatch::default();
        first.put(Space::Views, "a", "old");
        first.put(Space::Views, "b", "kept");
        disk.write(first, Durability::Buffered).await.unwrap();
        disk.flush(Space::Views).await.unwrap();
        world.begin(&episode(1, Fault::DiskTorn { machine: Store }));
        let mut second = WriteBatch::default();
        second.put(Space::Views, "a", "new");
        second.delete(Space::Views, "b");
        second.put(Space::Views, "a", "newest");
        disk.write(second, Durability::Buffered).await.unwrap();
        assert_eq!(disk.get(Space::Views, b"a").await.unwrap().unwrap(), "newest");
        let disk = power_cycle(&world).await;
        assert_eq!(disk.get(Space::Views, b"a").await.unwrap().unwrap(), "old");
        assert_eq!(disk.get(Space::Views, b"b").await.unwrap().unwrap(), "kept");
    });
}

#[test]
fn a_torn_batch_is_not_there_at_all() {
    in_world(1, |world| async move {
        let disk = machine(&world).await;
        world.begin(&episode(1, Fault::DiskTorn { machine: Store }));
        let disk = {
            drop(disk);
            power_cycle(&world).await
        };
        assert_eq!(bites(&world, FaultKind::DiskTorn), 0, "there was nothing to tear");
        for key in 1..=3 {
            disk.write(put(Space::Events, key), Durability::Buffered).await.unwrap();
        }
        let mut both = put(Space::Events, 4);
        both.put(Space::Index, 4_u32.to_be_bytes().to_vec(), "index of 4");
        disk.write(both, Durability::Buffered).await.unwrap();
        let disk = power_cycle(&world).await;
        assert_eq!(keys(&disk, Space::Events).await, [1, 2, 3]);
        assert_eq!(keys(&disk, Space::Index).await, [] as [u32; 0]);
        assert_eq!(bites(&world, FaultKind::DiskTorn), 1);
    });
}

#[test]
fn a_sync_that_a_power_loss_interrupts_happened_or_did_not() {
    let mut happened = [0, 0];
    for seed in 0..20 {
        let left = in_world(seed, |world| async move {
            let disk = machine(&world).await;
            let mut write = Box::pin(disk.write(put(Space::Events, 1), Durability::Synced));
            let cut = within(&world, 50, &mut write).await;
            assert!(cut.is_none(), "a sync takes longer");
            assert!(
                keys(&disk, Space::Events).await.is_empty(),
                "not to be seen before it is safe"
            );
            world.crash(Store, true);
            assert_eq!(write.await.unwrap_err().kind, ErrorKind::Closed);
            world.restart(Store);
            keys(&world.disk(Store), Space::Events).await.len()
        });
        happened[left] += 1;
    }
    assert!(happened[0] > 3 && happened[1] > 3, "{happened:?}");
}

#[test]
fn a_handle_serves_no_more_after_the_crash_of_its_process() {
    in_world(1, |world| async move {
        let disk = machine(&world).await;
        let fresh = power_cycle(&world).await;
        for durability in [Durability::Synced, Durability::Buffered] {
            let refused = disk.write(put(Space::Views, 1), durability).await.unwrap_err();
            assert_eq!(refused.kind, ErrorKind::Closed);
        }
        assert_eq!(disk.get(Space::Views, b"a").await.unwrap_err().kind, ErrorKind::Closed);
        assert!(keys(&fresh, Space::Views).await.is_empty());
    });
}

#[test]
fn a_stalled_disk_takes_longer_to_sync() {
    in_world(1, |world| async move {
        let disk = machine(&world).await;
        world.begin(&episode(1, Fault::DiskStall { machine: Store, added_ms: 3_000 }));
        let before_us = world.now_us();
        disk.write(put(Space::Events, 1), Durability::Synced).await.unwrap();
        assert!(world.now_us() - before_us >= 3 * SECOND);
        assert_eq!(bites(&world, FaultKind::DiskStall), 1);
    });
}

#[test]
fn a_full_disk_refuses_writes_and_can_still_be_read() {
    in_world(1, |world| async move {
        let disk = machine(&world).await;
        disk.write(put(Space::Events, 1), Durability::Synced).await.unwrap();
        let full = episode(1, Fault::DiskFull { machine: Store });
        world.begin(&full);
        let refused = disk.write(put(Space::Events, 2), Durability::Synced).await.unwrap_err();
        assert!(refused.message.contains("no space"), "{refused}");
        assert_eq!(keys(&disk, Space::Events).await, [1]);
        assert_eq!(bites(&world, FaultKind::DiskFull), 1);
        world.end(&full);
        disk.write(put(Space::Events, 2), Durability::Synced).await.unwrap();
    });
}

#[test]
fn after_an_error_of_a_sync_nobody_knows_until_the_disk_is_opened_again() {
    let mut happened = [0, 0];
    for seed in 0..20 {
        let left = in_world(seed, |world| async move {
            let disk = machine(&world).await;
            world.begin(&episode(1, Fault::DiskError { machine: Store, percent: 100 }));
            let failed = disk.write(put(Space::Events, 1), Durability::Synced).await.unwrap_err();
            assert_eq!(failed.kind, ErrorKind::Unavailable);
            assert!(disk.get(Space::Events, b"x").await.is_err(), "reads fail as well");
            assert!(bites(&world, FaultKind::DiskError) >= 2);
            world.heal(&[]);
            assert!(keys(&disk, Space::Events).await.is_empty());
            keys(&world.disk(Store), Space::Events).await.len()
        });
        happened[left] += 1;
    }
    assert!(happened[0] > 3 && happened[1] > 3, "{happened:?}");
}

#[test]
fn what_of_the_log_is_at_risk_is_told_apart_from_the_views() {
    in_world(1, |world| async move {
        let disk = machine(&world).await;
        disk.write(put(Space::Views, 1), Durability::Buffered).await.unwrap();
        disk.write(put(Space::Index, 1), Durability::Synced).await.unwrap();
        assert_eq!(disk.log_at_risk(), Ok(0));
        disk.write(put(Space::Index, 2), Durability::Buffered).await.unwrap();
        assert_eq!(disk.log_at_risk(), Ok(1), "an index is of the log, without any record");
        disk.write(put(Space::Events, 3), Durability::Synced).await.unwrap();
        assert_eq!(disk.log_at_risk(), Ok(0), "what was synced took it along");
        power_cycle(&world).await;
        assert!(disk.log_at_risk().is_err(), "the process of this handle has ended");
    });
}

#[test]
fn what_a_failed_write_may_have_left_is_known_until_the_disk_is_opened_again() {
    in_world(1, |world| async move {
        let disk = machine(&world).await;
        let key = 7_u32.to_be_bytes();
        disk.write(put(Space::Index, 7), Durability::Synced).await.unwrap();
        assert_eq!(disk.may_hold(&key), Ok(false), "it is there for certain");
        let full = episode(1, Fault::DiskFull { machine: Store });
        world.begin(&full);
        disk.write(put(Space::Index, 7), Durability::Synced).await.unwrap_err();
        assert_eq!(disk.may_hold(&key), Ok(false), "it never came to the disk");
        world.end(&full);
        world.begin(&episode(2, Fault::DiskError { machine: Store, percent: 100 }));
        disk.write(put(Space::Index, 7), Durability::Synced).await.unwrap_err();
        assert_eq!(disk.may_hold(&key), Ok(true));
        assert_eq!(disk.may_hold(&8_u32.to_be_bytes()), Ok(false));
        drop(world.disk(Store));
        assert_eq!(disk.may_hold(&key), Ok(false), "by now it has happened or has not");
    });
}

#[test]
fn a_batch_of_views_and_log_is_refused() {
    in_world(1, |world| async move {
        let disk = machine(&world).await;
        let mut mixed = put(Space::Views, 1);
        mixed.put(Space::Index, "k", "v");
        for durability in [Durability::Synced, Durability::Buffered] {
            let refused = disk.write(mixed.clone(), durability).await.unwrap_err();
            assert_eq!(refused.kind, ErrorKind::Invalid);
        }
    });
}
