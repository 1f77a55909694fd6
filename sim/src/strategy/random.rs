//! Faults of every kind that the seed has on: when, where and how strong by chance, long enough to matter.

use crate::fault::{CrashPoint, Fault, FaultKind};
use crate::machine::Machine;
use crate::swarm;

use super::ground::Ground;

/// How long an episode lasts usually.
const TYPICAL_MS: u64 = 2_500;
const SERVERS: [Machine; 5] =
    [Machine::Store, Machine::Locks, Machine::Bus, Machine::Bank, Machine::Balancer];
/// Whose disk can fail.
const DISKS: [Machine; 2] = [Machine::Store, Machine::Bank];

pub(super) fn faults(ground: &mut Ground) {
    let weight = |kind| (kind, swarm::fault_weight(ground.seed, kind));
    // Nodes that are told to end are a strategy of their own.
    let kinds = FaultKind::ALL.into_iter().filter(|kind| *kind != FaultKind::Stop);
    let weights: Vec<_> = kinds.map(weight).collect();
    // A seed is calm, lively or wild.
    let gap_ms = ground.one_of(&[6_000, 3_000, 1_200]);
    for at_ms in ground.moments(gap_ms) {
        let Some(kind) = swarm::pick(&mut ground.random, &weights) else { return };
        let for_ms = ground.random.heavy_tailed(TYPICAL_MS).max(50);
        let Some(fault) = of_kind(ground, kind) else { continue };
        if let Some(cause) = needed_by(&fault) {
            ground.add(at_ms + for_ms / 2, for_ms / 4 + 1, cause);
        }
        ground.add(at_ms, for_ms, fault);
    }
}

/// Without what else a fault would seldom matter: only a crash tears, and what was handed out comes again when
/// its reader changes.
fn needed_by(fault: &Fault) -> Option<Fault> {
    match fault {
        Fault::DiskTorn { machine } => {
            Some(Fault::Crash { machine: *machine, loses_unsynced: true })
        }
        Fault::BusDelayedRedelivery { .. } => Some(Fault::BusRebalance),
        _ => None,
    }
}

/// A fault of this kind, somewhere, in some strength; none for what no design survives.
fn of_kind(ground: &mut Ground, kind: FaultKind) -> Option<Fault> {
    let percent = ground.random.between(5, 60);
    let added_ms = ground.random.heavy_tailed(300);
    let (link, server, disk) = (ground.link(), server(ground), ground.one_of(&DISKS));
    let off_ms = off_ms(ground);
    Some(match kind {
        FaultKind::Partition => partition(ground),
        FaultKind::SlowLink => Fault::SlowLink { link, added_ms },
        FaultKind::Loss => Fault::Loss { link, percent: percent / 2 + 1 },
        FaultKind::Duplicate => Fault::Duplicate { link, percent },
        FaultKind::Reorder => Fault::Reorder { link, spread_ms: added_ms },
        FaultKind::Reset => Fault::Reset { link },
        FaultKind::HalfOpen => Fault::HalfOpen { link },
        FaultKind::ConnectHang => Fault::ConnectHang { link },
        FaultKind::Crash => {
            Fault::Crash { machine: server, loses_unsynced: ground.random.percent(60) }
        }
        FaultKind::CrashAt => crash_at(ground),
        FaultKind::Pause => Fault::Pause { machine: server },
        FaultKind::ClockOffset => Fault::ClockOffset { machine: server, offset_ms: off_ms },
        FaultKind::ClockStep => Fault::ClockStep { machine: server, step_ms: off_ms },
        FaultKind::ClockDrift => Fault::ClockDrift { machine: server, ppm: off_ms % 20_000 },
        FaultKind::DiskStall => Fault::DiskStall { machine: disk, added_ms },
        FaultKind::DiskError => Fault::DiskError { machine: disk, percent: percent / 3 + 1 },
        FaultKind::DiskFull => Fault::DiskFull { machine: disk },
        FaultKind::DiskTorn => Fault::DiskTorn { machine: disk },
        // There is one store: a bit that rots in it is lost for good, whatever is built above.
        FaultKind::DiskBitFlip => return None,
        // Drawn by a strategy of its own.
        FaultKind::Stop => return None,
        FaultKind::StoreKillConnections => Fault::StoreKillConnections,
        FaultKind::StoreAmbiguousCommit => Fault::StoreAmbiguousCommit { percent },
        FaultKind::StoreSlow => Fault::StoreSlow { added_ms },
        FaultKind::StoreRefuses => Fault::StoreRefuses { percent },
        FaultKind::StoreFailover => Fault::StoreFailover,
        FaultKind::LocksLost => Fault::LocksLost,
        FaultKind::LocksEvicted => Fault::LocksEvicted { percent },
        FaultKind::LocksLie => Fault::LocksLie { percent },
        FaultKind::LocksSlow => Fault::LocksSlow { added_ms },
        FaultKind::BusRebalance => Fault::BusRebalance,
        FaultKind::BusDuplicate => Fault::BusDuplicate { percent },
        FaultKind::BusLeaderLoss => Fault::BusLeaderLoss,
        FaultKind::BusDelayedRedelivery => Fault::BusDelayedRedelivery { added_ms: added_ms * 5 },
        FaultKind::BankReplyLost => Fault::BankReplyLost { percent },
        FaultKind::BankLateDelivery => Fault::BankLateDelivery { percent, late_ms: added_ms * 15 },
        FaultKind::BankDuplicate => Fault::BankDuplicate { percent },
        FaultKind::BankErrors => Fault::BankErrors { percent },
        FaultKind::BankThrottle => Fault::BankThrottle { percent, retry_after_s: added_ms % 8 + 1 },
        FaultKind::BankSlow => Fault::BankSlow { added_ms: added_ms * 4 },
        FaultKind::BankDown => Fault::BankDown,
    })
}

/// A node more often than not.
fn server(ground: &mut Ground) -> Machine {
    let node = ground.node();
    if ground.random.percent(60) { node } else { ground.one_of(&SERVERS) }
}

fn partition(ground: &mut Ground) -> Fault {
    let mut one = Machine::ALL.to_vec();
    ground.random.shuffle(&mut one);
    let other = one.split_off(usize::try_from(ground.random.between(1, 4)).unwrap_or(1));
    Fault::Partition { one, other, one_way: ground.random.percent(30) }
}

fn crash_at(ground: &mut Ground) -> Fault {
    if ground.random.percent(30) {
        return Fault::CrashAt { machine: Machine::Store, point: CrashPoint::AppendDurable };
    }
    let points = [CrashPoint::AppendSent, CrashPoint::CallSent, CrashPoint::CallAnswered];
    Fault::CrashAt { machine: ground.node(), point: ground.one_of(&points) }
}

/// How wrong a clock is: mostly about a lease, in either direction.
fn off_ms(ground: &mut Ground) -> i64 {
    let off_ms = ground.random.heavy_tailed(ground.knobs.lease_ms);
    let off_ms = i64::try_from(off_ms).unwrap_or(i64::MAX);
    if ground.random.percent(50) { off_ms } else { -off_ms }
}
