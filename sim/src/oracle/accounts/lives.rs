//! When tokens were given and presented, by the clocks of the nodes that did so, and whether a token was still
//! good. Clocks are wrong for a while, each machine's in its own way: what they leave open stays open.

use std::time::Duration;

use crate::evidence::Call;
use crate::fault::{Episode, Fault};
use crate::machine::Machine;
use crate::oracle::case::Case;

use super::Known;

/// The time in an access token is in whole seconds.
const SECOND_US: u64 = 1_000_000;
/// An episode begins and ends when its time comes, and is taken to do so a little earlier and later.
const GRACE_US: u64 = 1_000_000;

/// When a node dealt with a call: between two moments of the world's time, by a clock that may be wrong.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    from_us: u64,
    until_us: u64,
    /// How far off the clock may be.
    off_us: u64,
    /// How long tokens are good that are given by then.
    pub(super) access: Duration,
    pub(super) refresh: Duration,
}

impl Moment {
    /// Of a call that a node answered.
    pub(super) fn of(call: &Call, case: &Case<'_>) -> Option<Self> {
        let name = call.answer.as_ref()?.node.as_deref()?;
        let node = Machine::NODES.into_iter().find(|node| node.name() == name)?;
        let (from_us, until_us) = (call.sent_at_us, call.ended_at_us);
        let (access, refresh) = case.evidence.plan.knobs.token_lives(node);
        let off_us = off_us(case, node, (from_us, until_us));
        Some(Self { from_us, until_us, off_us, access, refresh })
    }

    /// Whether a token that is good for so long, and was given at this moment, is good at that one.
    pub(super) fn is_good(self, life: Duration, then: Self) -> Known {
        let life_us = u64::try_from(life.as_micros()).unwrap_or(u64::MAX);
        let off_us = self.off_us.saturating_add(then.off_us);
        let over_us = self.until_us.saturating_add(life_us).saturating_add(off_us);
        let still_us = then.until_us.saturating_add(off_us).saturating_add(SECOND_US);
        match () {
            () if then.from_us >= over_us => Known::No,
            () if still_us < self.from_us.saturating_add(life_us) => Known::Yes,
            () => Known::Maybe,
        }
    }
}

/// How far from the truth a machine's wall clock can be at the most between two moments.
fn off_us(case: &Case<'_>, node: Machine, (from_us, until_us): (u64, u64)) -> u64 {
    let chaos_at_us = case.evidence.phases.chaos_at_us;
    let off_us = |episode: &Episode| {
        let begins_us = chaos_at_us.saturating_add(episode.at_ms.saturating_mul(1_000));
        let ends_us = begins_us.saturating_add(episode.for_ms.saturating_mul(1_000));
        let has_begun = begins_us <= until_us.saturating_add(GRACE_US);
        let is_on = has_begun && from_us <= ends_us.saturating_add(GRACE_US);
        match &episode.fault {
            Fault::ClockOffset { machine, offset_ms: ms }
            | Fault::ClockStep { machine, step_ms: ms }
                if *machine == node && is_on =>
            {
                ms.unsigned_abs().saturating_mul(1_000)
            }
            // In millionths: so many nanoseconds in a millisecond. What it has moved may stay until no other
            // one is on.
            Fault::ClockDrift { machine, ppm } if *machine == node && has_begun => {
                ppm.unsigned_abs().saturating_mul(episode.for_ms) / 1_000
            }
            _ => 0,
        }
    };
    let episodes = case.evidence.plan.episodes.iter();
    episodes.map(off_us).fold(0, u64::saturating_add)
}
