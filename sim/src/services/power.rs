//! Whoever stands beside the machines and starts them again: a service that has stopped itself, and the
//! store that fails over. Not a machine: no fault reaches it.

use tokio::sync::mpsc;

use crate::fault::{Fault, FaultKind};
use crate::machine::Machine;
use crate::world::World;

/// How long a process that has stopped itself stays away.
const RESTART_AFTER_US: u64 = 1_000_000;

/// Switches machines off and on again. Clones are the same one.
#[derive(Debug, Clone)]
pub(crate) struct Power(mpsc::UnboundedSender<Machine>);

impl Power {
    /// Starts to watch. Must be called from outside the machines.
    pub(crate) fn watch(world: &World) -> Self {
        let (cycle, asked) = mpsc::unbounded_channel();
        tokio::spawn(cycles(world.clone(), asked));
        tokio::spawn(failovers(world.clone()));
        Self(cycle)
    }

    /// The machine's process ends now, and is started again after a while.
    pub(crate) fn cycle(&self, machine: Machine) {
        // The watch ends with the world only.
        let _ = self.0.send(machine);
    }
}

async fn cycles(world: World, mut asked: mpsc::UnboundedReceiver<Machine>) {
    while let Some(machine) = asked.recv().await {
        world.crash(machine, false);
        world.timeline().after(RESTART_AFTER_US).await;
        // What else asked for it in the meantime has got it.
        while asked.try_recv().is_ok() {}
        world.restart(machine);
    }
}

/// The store is away while such an episode lasts. Then a machine with its durable disk takes its place.
async fn failovers(world: World) {
    let (mut changes, mut is_away) = (world.changes(), false);
    loop {
        let on = |fault: &Fault| matches!(fault, Fault::StoreFailover).then_some(());
        let is_on = world.active(on).is_some();
        if is_on && !is_away {
            world.bites.bit(FaultKind::StoreFailover);
            world.crash(Machine::Store, true);
        }
        if is_away && !is_on {
            world.restart(Machine::Store);
        }
        is_away = is_on;
        // The sender is in the world: waiting cannot fail.
        let _ = changes.changed().await;
    }
}
