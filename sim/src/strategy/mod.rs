//! Strategies: how faults are put together so that they hurt. A fault alone, at a random moment, for a
//! random time, is white noise; what breaks systems is a partition that outlives a lease, a crash between
//! a commit and its answer, everything coming back at once. Drawn into a plan before a run begins.

mod clocks;
mod ground;
mod network;
mod power;
mod random;
mod scenario;
mod services;

use serde::{Deserialize, Serialize};

pub use ground::{Crowd, Ground};
pub use scenario::Scenario;
#[cfg(madsim)]
pub(crate) use scenario::{ground_of, left_broken};

/// One way to hurt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// Faults of every kind that the seed has on, one after the other and on top of each other.
    Random,
    /// One node sees nobody, and nobody sees it, longer than its lease.
    IsolateOne,
    /// Two nodes and a half of the services on the one side, the rest on the other.
    Majority,
    /// Two nodes that do not see what the other sees, and a third that sees everything.
    Bridge,
    /// Each node loses another service than its neighbour.
    Ring,
    /// Links are cut one after the other and come back in another order.
    Swizzle,
    /// A node stands still longer than its lease, and then goes on as if nothing had been.
    LongPause,
    /// Clocks jump when leases are about to end.
    ClockStep,
    /// Nodes and store crash between a commit and its answer, and around calls to the bank.
    CrashAtCommit,
    /// One node after the other is restarted.
    RollingRestart,
    /// Several machines lose their power at one moment.
    PowerCut,
    /// A service is not down but bad: slow, half-deaf, full of errors.
    BrownOut,
    /// The bank is gone, everybody orders meanwhile, and it comes back.
    ThunderingHerd,
    /// The bank turns away a large part of what it is asked for a long time, and not enough for a breaker.
    Overload,
    /// Sagas that wait for the bank change their owner while the store refuses to be read.
    TakeOverUnread,
    /// Nodes end in good order while clients place orders, and are started again.
    OrderlyStops,
}

impl Strategy {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::Random,
        Self::IsolateOne,
        Self::Majority,
        Self::Bridge,
        Self::Ring,
        Self::Swizzle,
        Self::LongPause,
        Self::ClockStep,
        Self::CrashAtCommit,
        Self::RollingRestart,
        Self::PowerCut,
        Self::BrownOut,
        Self::ThunderingHerd,
        Self::Overload,
        Self::TakeOverUnread,
        Self::OrderlyStops,
    ];

    /// Its name, which is also the name of the scenario that has nothing else.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Random => "random",
            Self::IsolateOne => "isolate-one",
            Self::Majority => "majority",
            Self::Bridge => "bridge",
            Self::Ring => "ring",
            Self::Swizzle => "swizzle",
            Self::LongPause => "long-pause",
            Self::ClockStep => "clock-step",
            Self::CrashAtCommit => "crash-at-commit",
            Self::RollingRestart => "rolling-restart",
            Self::PowerCut => "power-cut",
            Self::BrownOut => "brown-out",
            Self::ThunderingHerd => "thundering-herd",
            Self::Overload => "overload",
            Self::TakeOverUnread => "take-over-unread",
            Self::OrderlyStops => "orderly-stops",
        }
    }

    /// Puts its episodes on the ground.
    pub fn draw(self, ground: &mut Ground) {
        match self {
            Self::Random => random::faults(ground),
            Self::IsolateOne => network::isolate_one(ground),
            Self::Majority => network::majority(ground),
            Self::Bridge => network::bridge(ground),
            Self::Ring => network::ring(ground),
            Self::Swizzle => network::swizzle(ground),
            Self::LongPause => power::long_pause(ground),
            Self::ClockStep => clocks::steps(ground),
            Self::CrashAtCommit => power::crash_at_commit(ground),
            Self::RollingRestart => power::rolling_restart(ground),
            Self::PowerCut => power::power_cut(ground),
            Self::BrownOut => services::brown_out(ground),
            Self::ThunderingHerd => services::thundering_herd(ground),
            Self::Overload => services::overload(ground),
            Self::TakeOverUnread => services::take_over_unread(ground),
            Self::OrderlyStops => power::orderly_stops(ground),
        }
    }
}
