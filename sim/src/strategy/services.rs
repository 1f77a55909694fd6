//! What the product depends on, being bad at it.

use crate::fault::Fault;
use crate::machine::Machine;

use super::ground::{Crowd, Ground};

pub(super) fn brown_out(ground: &mut Ground) {
    for at_ms in ground.moments(10_000) {
        let for_ms = ground.random.heavy_tailed(5_000).max(1_000);
        let added_ms = ground.random.between(50, 2_500);
        let percent = ground.random.between(10, 70);
        let faults = match ground.random.below(5) {
            0 => vec![
                Fault::StoreSlow { added_ms: added_ms / 2 },
                Fault::DiskStall { machine: Machine::Store, added_ms: added_ms / 4 },
            ],
            1 => vec![Fault::BankSlow { added_ms }, Fault::BankErrors { percent }],
            2 => vec![
                Fault::BankThrottle { percent, retry_after_s: added_ms % 5 + 1 },
                Fault::BankReplyLost { percent: percent / 2 },
            ],
            3 => vec![Fault::StoreRefuses { percent }, Fault::BusRebalance],
            _ => vec![Fault::LocksSlow { added_ms }, Fault::LocksEvicted { percent }],
        };
        for fault in faults {
            ground.add(at_ms, for_ms, fault);
        }
    }
}

/// Most calls fail, and not so many that a breaker opens at once: what keeps the nodes from calling ever more
/// is their retry budget. Everybody orders meanwhile.
pub(super) fn overload(ground: &mut Ground) {
    let at_ms = ground.random.between(0, ground.chaos_ms / 3);
    let for_ms = ground.random.between(ground.chaos_ms / 4, ground.chaos_ms / 2);
    let percent = ground.random.between(60, 75);
    ground.add(at_ms, for_ms, Fault::BankErrors { percent });
    ground.crowds.push(Crowd { at_ms, for_ms: for_ms / 2 });
}

/// Sagas gather that the bank keeps waiting; then their owner dies, and whoever takes them up reads from a
/// store that refuses some of its questions. The last time is the chaos's end: nothing comes behind it that
/// would make good what was missed.
pub(super) fn take_over_unread(ground: &mut Ground) {
    const FOR_MS: u64 = 10_000;
    let last_ms = ground.chaos_ms.saturating_sub(FOR_MS);
    let mut moments = ground.moments(20_000);
    moments.retain(|at_ms| at_ms + FOR_MS < last_ms);
    for at_ms in moments.into_iter().chain([last_ms]) {
        let (machine, percent) = (ground.node(), ground.random.between(15, 35));
        ground.add(at_ms, FOR_MS, Fault::BankErrors { percent: 95 });
        let dies_ms = at_ms + FOR_MS / 3;
        ground.add(dies_ms, FOR_MS, Fault::StoreRefuses { percent });
        ground.add(dies_ms, FOR_MS / 10, Fault::Crash { machine, loses_unsynced: false });
    }
}

pub(super) fn thundering_herd(ground: &mut Ground) {
    let at_ms = ground.random.between(0, ground.chaos_ms / 3);
    let for_ms = ground.random.between(ground.chaos_ms / 4, ground.chaos_ms / 2);
    ground.add(at_ms, for_ms, Fault::BankDown);
    // It comes back, and cannot bear them all.
    let back_ms = at_ms + for_ms;
    let percent = ground.random.between(20, 80);
    ground.add(back_ms, 4_000, Fault::BankThrottle { percent, retry_after_s: 1 });
    ground.crowds.push(Crowd { at_ms, for_ms: for_ms / 4 });
}
