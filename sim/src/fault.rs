//! What can go wrong, as data: a plan lists episodes, the nemesis starts and ends them, and each kind
//! has a bite counter that says whether it ever mattered.

use serde::{Deserialize, Serialize};

use crate::machine::Machine;

/// A fault from one moment to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Episode {
    /// Unique in its plan: what shrinking takes away.
    pub id: u32,
    /// When it begins, in simulated milliseconds from the start of the chaos.
    pub at_ms: u64,
    /// How long it lasts. A crashed machine is started again when it is over; a node that was told to end, when
    /// it is over and the node has ended.
    pub for_ms: u64,
    /// What it is.
    pub fault: Fault,
}

/// A direction between two machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Link {
    /// Who sends.
    pub from: Machine,
    /// Who receives.
    pub to: Machine,
}

/// A place in a machine's work at which it can be made to crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CrashPoint {
    /// A node has sent an append and has no answer yet.
    AppendSent,
    /// The store has made an append durable and has not answered yet.
    AppendDurable,
    /// A node has sent a call to the bank and has no answer yet.
    CallSent,
    /// A node has the answer of the bank and has recorded nothing yet.
    CallAnswered,
}

/// One thing that goes wrong.
#[allow(missing_docs, reason = "each fault's sentence says what its fields mean")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "kind")]
pub enum Fault {
    /// Nothing passes from the one side to the other; unless `one_way` also not back. What was sent waits
    /// and is delivered when the partition heals, unless its connection was given up by then.
    Partition { one: Vec<Machine>, other: Vec<Machine>, one_way: bool },
    /// Every message of the link takes longer.
    SlowLink { link: Link, added_ms: u64 },
    /// So many of a hundred segments are lost and sent again after a growing time.
    Loss { link: Link, percent: u64 },
    /// So many of a hundred requests over new connections are delivered twice, the second time later.
    Duplicate { link: Link, percent: u64 },
    /// Messages of different connections of the link overtake each other by up to this much.
    Reorder { link: Link, spread_ms: u64 },
    /// All connections of the link are reset, and new ones as soon as they have carried something.
    Reset { link: Link },
    /// Open connections of the link carry nothing any more, and no end tells.
    HalfOpen { link: Link },
    /// New connections of the link are neither accepted nor refused.
    ConnectHang { link: Link },
    /// The machine loses its power. Without `loses_unsynced` only its processes end.
    Crash { machine: Machine, loses_unsynced: bool },
    /// The machine crashes when it next comes to this place.
    CrashAt { machine: Machine, point: CrashPoint },
    /// Nothing runs on the machine; its clock goes on, and its connections stay.
    Pause { machine: Machine },
    /// The node is told to end in good order, as by a supervisor, and does so in its own time. Other machines do
    /// not hear it.
    Stop { machine: Machine },
    /// The machine's wall clock is wrong by this much while the episode lasts.
    ClockOffset { machine: Machine, offset_ms: i64 },
    /// The machine's clocks run too fast (or slow) by this many parts in a million.
    ClockDrift { machine: Machine, ppm: i64 },
    /// The machine's wall clock jumps, and jumps back at the end.
    ClockStep { machine: Machine, step_ms: i64 },
    /// Synced writes of the machine's disk take this much longer.
    DiskStall { machine: Machine, added_ms: u64 },
    /// So many of a hundred reads and writes of the machine's disk fail with an I/O error.
    DiskError { machine: Machine, percent: u64 },
    /// The machine's disk takes no more.
    DiskFull { machine: Machine },
    /// At the machine's next crash the last write not yet synced is torn in the middle.
    DiskTorn { machine: Machine },
    /// A bit of a record that is not read again before the next crash is wrong afterwards.
    DiskBitFlip { machine: Machine },
    /// The store closes every connection it has.
    StoreKillConnections,
    /// So many of a hundred appends are made, and their answers are not sent.
    StoreAmbiguousCommit { percent: u64 },
    /// Every request to the store takes this much longer.
    StoreSlow { added_ms: u64 },
    /// So many of a hundred requests are refused by the store without being looked at: it has no connection
    /// free.
    StoreRefuses { percent: u64 },
    /// Another machine becomes the store: nothing acknowledged is lost, and it takes a while.
    StoreFailover,
    /// The lock service forgets everything.
    LocksLost,
    /// The lock service forgets so many of a hundred locks.
    LocksEvicted { percent: u64 },
    /// The lock service says yes to so many of a hundred requests for what somebody else holds.
    LocksLie { percent: u64 },
    /// Every request to the lock service takes this much longer.
    LocksSlow { added_ms: u64 },
    /// Partitions change hands while messages are open.
    BusRebalance,
    /// So many of a hundred messages are delivered twice.
    BusDuplicate { percent: u64 },
    /// The bus has no leader: nothing can be published or read.
    BusLeaderLoss,
    /// Messages that were not acknowledged come again only after this much longer.
    BusDelayedRedelivery { added_ms: u64 },
    /// So many of a hundred answers of the bank are lost after it has acted.
    BankReplyLost { percent: u64 },
    /// So many of a hundred requests reach the bank only after this long, the caller having given up.
    BankLateDelivery { percent: u64, late_ms: u64 },
    /// So many of a hundred requests reach the bank twice.
    BankDuplicate { percent: u64 },
    /// So many of a hundred requests are answered with 503 without being looked at.
    BankErrors { percent: u64 },
    /// So many of a hundred requests are answered with 429 and this time to wait.
    BankThrottle { percent: u64, retry_after_s: u64 },
    /// The bank takes this much longer for everything.
    BankSlow { added_ms: u64 },
    /// The bank is not there.
    BankDown,
}

/// Names of faults, for counters and for switching families off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "each is the name of the fault it counts")]
pub enum FaultKind {
    Partition,
    SlowLink,
    Loss,
    Duplicate,
    Reorder,
    Reset,
    HalfOpen,
    ConnectHang,
    Crash,
    CrashAt,
    Pause,
    Stop,
    ClockOffset,
    ClockDrift,
    ClockStep,
    DiskStall,
    DiskError,
    DiskFull,
    DiskTorn,
    DiskBitFlip,
    StoreKillConnections,
    StoreAmbiguousCommit,
    StoreSlow,
    StoreRefuses,
    StoreFailover,
    LocksLost,
    LocksEvicted,
    LocksLie,
    LocksSlow,
    BusRebalance,
    BusDuplicate,
    BusLeaderLoss,
    BusDelayedRedelivery,
    BankReplyLost,
    BankLateDelivery,
    BankDuplicate,
    BankErrors,
    BankThrottle,
    BankSlow,
    BankDown,
}

impl FaultKind {
    /// All of them.
    pub const ALL: [Self; 40] = [
        Self::Partition,
        Self::SlowLink,
        Self::Loss,
        Self::Duplicate,
        Self::Reorder,
        Self::Reset,
        Self::HalfOpen,
        Self::ConnectHang,
        Self::Crash,
        Self::CrashAt,
        Self::Pause,
        Self::Stop,
        Self::ClockOffset,
        Self::ClockDrift,
        Self::ClockStep,
        Self::DiskStall,
        Self::DiskError,
        Self::DiskFull,
        Self::DiskTorn,
        Self::DiskBitFlip,
        Self::StoreKillConnections,
        Self::StoreAmbiguousCommit,
        Self::StoreSlow,
        Self::StoreRefuses,
        Self::StoreFailover,
        Self::LocksLost,
        Self::LocksEvicted,
        Self::LocksLie,
        Self::LocksSlow,
        Self::BusRebalance,
        Self::BusDuplicate,
        Self::BusLeaderLoss,
        Self::BusDelayedRedelivery,
        Self::BankReplyLost,
        Self::BankLateDelivery,
        Self::BankDuplicate,
        Self::BankErrors,
        Self::BankThrottle,
        Self::BankSlow,
        Self::BankDown,
    ];
}

impl Fault {
    /// Its kind.
    pub fn kind(&self) -> FaultKind {
        match self {
            Self::Partition { .. } => FaultKind::Partition,
            Self::SlowLink { .. } => FaultKind::SlowLink,
            Self::Loss { .. } => FaultKind::Loss,
            Self::Duplicate { .. } => FaultKind::Duplicate,
            Self::Reorder { .. } => FaultKind::Reorder,
            Self::Reset { .. } => FaultKind::Reset,
            Self::HalfOpen { .. } => FaultKind::HalfOpen,
            Self::ConnectHang { .. } => FaultKind::ConnectHang,
            Self::Crash { .. } => FaultKind::Crash,
            Self::CrashAt { .. } => FaultKind::CrashAt,
            Self::Pause { .. } => FaultKind::Pause,
            Self::Stop { .. } => FaultKind::Stop,
            Self::ClockOffset { .. } => FaultKind::ClockOffset,
            Self::ClockDrift { .. } => FaultKind::ClockDrift,
            Self::ClockStep { .. } => FaultKind::ClockStep,
            Self::DiskStall { .. } => FaultKind::DiskStall,
            Self::DiskError { .. } => FaultKind::DiskError,
            Self::DiskFull { .. } => FaultKind::DiskFull,
            Self::DiskTorn { .. } => FaultKind::DiskTorn,
            Self::DiskBitFlip { .. } => FaultKind::DiskBitFlip,
            Self::StoreKillConnections => FaultKind::StoreKillConnections,
            Self::StoreAmbiguousCommit { .. } => FaultKind::StoreAmbiguousCommit,
            Self::StoreSlow { .. } => FaultKind::StoreSlow,
            Self::StoreRefuses { .. } => FaultKind::StoreRefuses,
            Self::StoreFailover => FaultKind::StoreFailover,
            Self::LocksLost => FaultKind::LocksLost,
            Self::LocksEvicted { .. } => FaultKind::LocksEvicted,
            Self::LocksLie { .. } => FaultKind::LocksLie,
            Self::LocksSlow { .. } => FaultKind::LocksSlow,
            Self::BusRebalance => FaultKind::BusRebalance,
            Self::BusDuplicate { .. } => FaultKind::BusDuplicate,
            Self::BusLeaderLoss => FaultKind::BusLeaderLoss,
            Self::BusDelayedRedelivery { .. } => FaultKind::BusDelayedRedelivery,
            Self::BankReplyLost { .. } => FaultKind::BankReplyLost,
            Self::BankLateDelivery { .. } => FaultKind::BankLateDelivery,
            Self::BankDuplicate { .. } => FaultKind::BankDuplicate,
            Self::BankErrors { .. } => FaultKind::BankErrors,
            Self::BankThrottle { .. } => FaultKind::BankThrottle,
            Self::BankSlow { .. } => FaultKind::BankSlow,
            Self::BankDown => FaultKind::BankDown,
        }
    }

    /// The machines that it breaks, and those at the ends of the links that it breaks.
    pub fn machines(&self) -> Vec<Machine> {
        match self {
            Self::Partition { one, other, .. } => [one.as_slice(), other.as_slice()].concat(),
            Self::SlowLink { link, .. }
            | Self::Loss { link, .. }
            | Self::Duplicate { link, .. }
            | Self::Reorder { link, .. }
            | Self::Reset { link }
            | Self::HalfOpen { link }
            | Self::ConnectHang { link } => vec![link.from, link.to],
            Self::Crash { machine, .. }
            | Self::CrashAt { machine, .. }
            | Self::Pause { machine }
            | Self::Stop { machine }
            | Self::ClockOffset { machine, .. }
            | Self::ClockDrift { machine, .. }
            | Self::ClockStep { machine, .. }
            | Self::DiskStall { machine, .. }
            | Self::DiskError { machine, .. }
            | Self::DiskFull { machine }
            | Self::DiskTorn { machine }
            | Self::DiskBitFlip { machine } => vec![*machine],
            Self::StoreKillConnections
            | Self::StoreAmbiguousCommit { .. }
            | Self::StoreSlow { .. }
            | Self::StoreRefuses { .. }
            | Self::StoreFailover => vec![Machine::Store],
            Self::LocksLost
            | Self::LocksEvicted { .. }
            | Self::LocksLie { .. }
            | Self::LocksSlow { .. } => vec![Machine::Locks],
            Self::BusRebalance
            | Self::BusDuplicate { .. }
            | Self::BusLeaderLoss
            | Self::BusDelayedRedelivery { .. } => vec![Machine::Bus],
            Self::BankReplyLost { .. }
            | Self::BankLateDelivery { .. }
            | Self::BankDuplicate { .. }
            | Self::BankErrors { .. }
            | Self::BankThrottle { .. }
            | Self::BankSlow { .. }
            | Self::BankDown => vec![Machine::Bank],
        }
    }
}
