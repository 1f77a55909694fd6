//! Machines that stop: for longer than a lease, at the worst moment, one after the other, all at once, or in good
//! order.

use crate::fault::{CrashPoint, Fault};
use crate::machine::Machine;

use super::ground::Ground;

/// How long a machine takes to boot.
const BOOT_MS: u64 = 800;
/// A node that ends in good order may need half of its time for sagas that wait.
const DRAIN_MS: u64 = 11_000;

pub(super) fn long_pause(ground: &mut Ground) {
    for at_ms in ground.moments(8_000) {
        let (machine, for_ms) = (ground.node(), ground.beyond_lease_ms());
        ground.add(at_ms, for_ms, Fault::Pause { machine });
    }
}

pub(super) fn crash_at_commit(ground: &mut Ground) {
    for at_ms in ground.moments(2_500) {
        let node = ground.node();
        let (machine, point) = match ground.random.below(8) {
            0..=2 => (node, CrashPoint::AppendSent),
            3 | 4 => (Machine::Store, CrashPoint::AppendDurable),
            5 => (node, CrashPoint::CallSent),
            _ => (node, CrashPoint::CallAnswered),
        };
        let for_ms = ground.random.heavy_tailed(BOOT_MS).max(50);
        ground.add(at_ms, for_ms, Fault::CrashAt { machine, point });
    }
}

pub(super) fn rolling_restart(ground: &mut Ground) {
    for at_ms in ground.moments(15_000) {
        let (down_ms, pause_ms) =
            (ground.random.heavy_tailed(BOOT_MS).max(50), ground.random.between(0, 5_000));
        let loses_unsynced = ground.random.percent(50);
        let mut nodes = Machine::NODES;
        ground.random.shuffle(&mut nodes);
        for (turn, machine) in (0..).zip(nodes) {
            let moment = at_ms + turn * (down_ms + pause_ms);
            ground.add(moment, down_ms, Fault::Crash { machine, loses_unsynced });
        }
    }
}

pub(super) fn power_cut(ground: &mut Ground) {
    for at_ms in ground.moments(12_000) {
        let mut machines = vec![Machine::Store, Machine::Bus, Machine::Locks, Machine::Bank];
        machines.extend(Machine::NODES);
        ground.random.shuffle(&mut machines);
        let cut = usize::try_from(ground.random.between(2, 6)).unwrap_or(2);
        for machine in machines.into_iter().take(cut) {
            let for_ms = ground.random.heavy_tailed(2 * BOOT_MS).max(50);
            ground.add(at_ms, for_ms, Fault::Crash { machine, loses_unsynced: true });
        }
    }
}

/// Nodes are told to end in good order and are started again, as when a new version is rolled out: one after the
/// other, the next while the one before is still at it, or all of them at once. Drawn apart, so that what else goes
/// wrong in a seed is the same with it and without.
pub(super) fn orderly_stops(ground: &mut Ground) {
    let apart = ground.seed.stream("plan/orderly-stops");
    let of_others = std::mem::replace(&mut ground.random, apart);
    for at_ms in ground.moments(14_000) {
        let down_ms = ground.random.heavy_tailed(BOOT_MS).max(50);
        let apart_ms = match ground.random.below(4) {
            0 => ground.random.between(0, 200),
            1 => ground.random.between(200, 3_000),
            _ => down_ms + ground.random.between(0, DRAIN_MS),
        };
        let mut nodes = Machine::NODES;
        ground.random.shuffle(&mut nodes);
        let told = usize::try_from(ground.random.between(1, 3)).unwrap_or(1);
        for (turn, machine) in (0..).zip(nodes).take(told) {
            ground.add(at_ms + turn * apart_ms, down_ms, Fault::Stop { machine });
        }
    }
    ground.random = of_others;
}
