//! Whom a fault hurts, and what it is in a few words.

use crate::fault::{Fault, Link};
use crate::machine::Machine;

/// The lanes a fault lies over.
pub(super) fn lanes(fault: &Fault) -> Vec<Machine> {
    match fault {
        Fault::Partition { one, other, .. } => {
            // Over the smaller side: that is who was cut off.
            if one.len() <= other.len() { one.clone() } else { other.clone() }
        }
        Fault::SlowLink { link, .. }
        | Fault::Loss { link, .. }
        | Fault::Duplicate { link, .. }
        | Fault::Reorder { link, .. }
        | Fault::Reset { link }
        | Fault::HalfOpen { link }
        | Fault::ConnectHang { link } => vec![link.from, link.to],
        Fault::Crash { machine, .. }
        | Fault::CrashAt { machine, .. }
        | Fault::Pause { machine }
        | Fault::Stop { machine }
        | Fault::ClockOffset { machine, .. }
        | Fault::ClockDrift { machine, .. }
        | Fault::ClockStep { machine, .. }
        | Fault::DiskStall { machine, .. }
        | Fault::DiskError { machine, .. }
        | Fault::DiskFull { machine }
        | Fault::DiskTorn { machine }
        | Fault::DiskBitFlip { machine } => vec![*machine],
        Fault::StoreKillConnections
        | Fault::StoreAmbiguousCommit { .. }
        | Fault::StoreSlow { .. }
        | Fault::StoreRefuses { .. }
        | Fault::StoreFailover => vec![Machine::Store],
        Fault::LocksLost
        | Fault::LocksEvicted { .. }
        | Fault::LocksLie { .. }
        | Fault::LocksSlow { .. } => vec![Machine::Locks],
        Fault::BusRebalance
        | Fault::BusDuplicate { .. }
        | Fault::BusLeaderLoss
        | Fault::BusDelayedRedelivery { .. } => vec![Machine::Bus],
        Fault::BankReplyLost { .. }
        | Fault::BankLateDelivery { .. }
        | Fault::BankDuplicate { .. }
        | Fault::BankErrors { .. }
        | Fault::BankThrottle { .. }
        | Fault::BankSlow { .. }
        | Fault::BankDown => vec![Machine::Bank],
    }
}

/// Its family: what the page gives one colour.
pub(super) fn family(fault: &Fault) -> &'static str {
    match fault {
        Fault::Partition { .. }
        | Fault::SlowLink { .. }
        | Fault::Loss { .. }
        | Fault::Duplicate { .. }
        | Fault::Reorder { .. }
        | Fault::Reset { .. }
        | Fault::HalfOpen { .. }
        | Fault::ConnectHang { .. } => "network",
        Fault::Crash { .. } | Fault::CrashAt { .. } | Fault::Stop { .. } => "crash",
        Fault::Pause { .. } => "pause",
        Fault::ClockOffset { .. } | Fault::ClockDrift { .. } | Fault::ClockStep { .. } => "clock",
        Fault::DiskStall { .. }
        | Fault::DiskError { .. }
        | Fault::DiskFull { .. }
        | Fault::DiskTorn { .. }
        | Fault::DiskBitFlip { .. } => "disk",
        Fault::StoreKillConnections
        | Fault::StoreAmbiguousCommit { .. }
        | Fault::StoreSlow { .. }
        | Fault::StoreRefuses { .. }
        | Fault::StoreFailover
        | Fault::LocksLost
        | Fault::LocksEvicted { .. }
        | Fault::LocksLie { .. }
        | Fault::LocksSlow { .. }
        | Fault::BusRebalance
        | Fault::BusDuplicate { .. }
        | Fault::BusLeaderLoss
        | Fault::BusDelayedRedelivery { .. }
        | Fault::BankReplyLost { .. }
        | Fault::BankLateDelivery { .. }
        | Fault::BankDuplicate { .. }
        | Fault::BankErrors { .. }
        | Fault::BankThrottle { .. }
        | Fault::BankSlow { .. }
        | Fault::BankDown => "service",
    }
}

/// A label of a few words, with the number that matters.
pub(super) fn label(fault: &Fault) -> String {
    let arrow = |link: &Link| format!("{} → {}", link.from, link.to);
    match fault {
        Fault::Partition { one, other, one_way } => {
            let side = |machines: &[Machine]| {
                machines.iter().map(|machine| machine.name()).collect::<Vec<_>>().join(" ")
            };
            let sign = if *one_way { "⇥" } else { "⇹" };
            format!("partition {} {sign} {}", side(one), side(other))
        }
        Fault::SlowLink { link, added_ms } => format!("slow {} +{added_ms} ms", arrow(link)),
        Fault::Loss { link, percent } => format!("loss {} {percent} %", arrow(link)),
        Fault::Duplicate { link, percent } => format!("duplicates {} {percent} %", arrow(link)),
        Fault::Reorder { link, spread_ms } => format!("reorder {} {spread_ms} ms", arrow(link)),
        Fault::Reset { link } => format!("resets {}", arrow(link)),
        Fault::HalfOpen { link } => format!("half-open {}", arrow(link)),
        Fault::ConnectHang { link } => format!("connects hang {}", arrow(link)),
        Fault::Crash { loses_unsynced: true, .. } => "power loss".to_owned(),
        Fault::Crash { loses_unsynced: false, .. } => "crash".to_owned(),
        Fault::CrashAt { point, .. } => format!("crash at {point:?}"),
        Fault::Pause { .. } => "pause".to_owned(),
        Fault::ClockOffset { offset_ms, .. } => format!("clock {offset_ms:+} ms"),
        Fault::ClockDrift { ppm, .. } => format!("clock drifts {ppm:+} ppm"),
        Fault::ClockStep { step_ms, .. } => format!("clock steps {step_ms:+} ms"),
        Fault::DiskStall { added_ms, .. } => format!("disk stalls +{added_ms} ms"),
        Fault::DiskError { percent, .. } => format!("disk errors {percent} %"),
        Fault::BankLateDelivery { percent, late_ms } => {
            format!("late delivery {percent} % +{late_ms} ms")
        }
        other => plain(other),
    }
}

/// The name of the kind in words, with its percents or milliseconds.
fn plain(fault: &Fault) -> String {
    let mut words = String::new();
    for letter in format!("{:?}", fault.kind()).chars() {
        if letter.is_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.extend(letter.to_lowercase());
    }
    match fault {
        Fault::StoreAmbiguousCommit { percent }
        | Fault::StoreRefuses { percent }
        | Fault::LocksEvicted { percent }
        | Fault::LocksLie { percent }
        | Fault::BusDuplicate { percent }
        | Fault::BankReplyLost { percent }
        | Fault::BankDuplicate { percent }
        | Fault::BankErrors { percent }
        | Fault::BankThrottle { percent, .. } => format!("{words} {percent} %"),
        Fault::StoreSlow { added_ms }
        | Fault::LocksSlow { added_ms }
        | Fault::BusDelayedRedelivery { added_ms }
        | Fault::BankSlow { added_ms } => format!("{words} +{added_ms} ms"),
        _ => words,
    }
}
