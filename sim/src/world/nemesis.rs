//! Starts and ends the episodes of a plan: what each fault does to the world at its beginning and at its
//! end. Faults of the services are only noted; the services ask for them ([`World::active`]).

use crate::fault::{Episode, Fault};
use crate::machine::Machine;
use crate::plan::Plan;

use super::World;

/// Lets the plan's episodes happen, from now until its chaos is over. What is still going on then goes
/// on: see [`World::heal`].
pub async fn run(world: &World, plan: &Plan) {
    let start_us = world.now_us();
    let chaos_us = plan.chaos_ms.saturating_mul(1_000);
    for (at_us, turn) in turns(plan) {
        if at_us >= chaos_us {
            break;
        }
        world.timeline().until(start_us + at_us).await;
        match turn {
            Turn::Begin(episode) => world.begin(episode),
            Turn::End(episode) => world.end(episode),
        }
    }
    world.timeline().until(start_us + chaos_us).await;
}

enum Turn<'a> {
    Begin(&'a Episode),
    End(&'a Episode),
}

/// Beginnings and ends by their time; at one time ends come first, and otherwise the plan's order counts.
fn turns(plan: &Plan) -> Vec<(u64, Turn<'_>)> {
    let mut turns: Vec<(u64, u8, Turn<'_>)> = Vec::new();
    for episode in &plan.episodes {
        let at_us = episode.at_ms.saturating_mul(1_000);
        let end_us = at_us.saturating_add(episode.for_ms.max(1).saturating_mul(1_000));
        turns.push((at_us, 1, Turn::Begin(episode)));
        turns.push((end_us, 0, Turn::End(episode)));
    }
    turns.sort_by_key(|(at_us, order, _)| (*at_us, *order));
    turns.into_iter().map(|(at_us, _, turn)| (at_us, turn)).collect()
}

impl World {
    /// The fault happens, or goes on from now.
    pub fn begin(&self, episode: &Episode) {
        self.inner.episodes.add(episode.clone());
        self.network.begin(episode);
        match &episode.fault {
            Fault::Crash { machine, loses_unsynced } => self.crash(*machine, *loses_unsynced),
            Fault::Pause { machine } => self.pause(*machine),
            Fault::Stop { machine } => self.stop(*machine),
            Fault::ClockOffset { machine, .. }
            | Fault::ClockDrift { machine, .. }
            | Fault::ClockStep { machine, .. } => self.inner.clocks[machine].begin(episode),
            // Armed, kept for those who ask, or done by the network above.
            _ => {}
        }
    }

    /// The fault is over: what it had switched off or stopped goes on, unless another episode holds it.
    pub fn end(&self, episode: &Episode) {
        let Some(episode) = self.inner.episodes.remove(episode.id) else { return };
        self.network.end(&episode);
        match &episode.fault {
            // Who was told to end and has not yet is switched on once it has.
            Fault::Crash { machine, .. }
            | Fault::CrashAt { machine, .. }
            | Fault::Stop { machine }
                if !self.is_held_off(*machine) =>
            {
                self.restart(*machine);
            }
            Fault::Pause { machine } if !self.is_held_paused(*machine) => self.resume(*machine),
            Fault::ClockOffset { machine, .. }
            | Fault::ClockDrift { machine, .. }
            | Fault::ClockStep { machine, .. } => self.inner.clocks[machine].end(&episode),
            _ => {}
        }
    }

    /// Ends every episode for good and switches on what is off. What concerns only machines of `except`
    /// stays as it is.
    pub fn heal(&self, except: &[Machine]) {
        for episode in self.inner.episodes.all() {
            let left = left_of(&episode.fault, except);
            if left.as_ref() == Some(&episode.fault) {
                continue;
            }
            self.end(&episode);
            if let Some(fault) = left {
                self.begin(&Episode { fault, ..episode });
            }
        }
        for machine in self.inner.power.off() {
            if !except.contains(&machine) {
                self.restart(machine);
            }
        }
    }

    /// Whether an episode that is still open has switched it off, or wants it off.
    pub(super) fn is_held_off(&self, machine: Machine) -> bool {
        let sprung = self.inner.sprung.lock();
        self.inner.episodes.all().iter().any(|episode| match &episode.fault {
            Fault::Crash { machine: of, .. } | Fault::Stop { machine: of } => *of == machine,
            Fault::CrashAt { machine: of, .. } => *of == machine && sprung.contains(&episode.id),
            _ => false,
        })
    }

    fn is_held_paused(&self, machine: Machine) -> bool {
        let holds = |fault: &Fault| matches!(fault, Fault::Pause { machine: of } if *of == machine);
        self.inner.episodes.any(holds)
    }
}

/// What is left of a fault when all but these machines are healed.
fn left_of(fault: &Fault, broken: &[Machine]) -> Option<Fault> {
    let Fault::Partition { one, other, one_way } = fault else {
        let concerns = fault.machines();
        return concerns.iter().any(|machine| broken.contains(machine)).then(|| fault.clone());
    };
    let only = |side: &[Machine]| -> Vec<Machine> {
        side.iter().filter(|machine| broken.contains(machine)).copied().collect()
    };
    let (one_left, other_left) = (only(one), only(other));
    // The smaller side stays cut off from the whole of the other.
    let (one, other) = match (one_left.is_empty(), other_left.is_empty()) {
        (true, true) => return None,
        (false, _) => (one_left, other.clone()),
        (true, false) => (one.clone(), other_left),
    };
    Some(Fault::Partition { one, other, one_way: *one_way })
}
