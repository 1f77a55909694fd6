//! The places of single sagas' lives at which the node that works on them can be made to die: before and
//! behind each append to the saga's stream, and before and behind the effect of each call. Which sagas are
//! watched, by their correlation ids, and where one is to die, is a plan's; without such a plan nothing is
//! counted.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::mpsc;

use super::World;
use crate::evidence::Life;
use crate::fault::FaultKind;
use crate::machine::Machine;

/// How long a node stays away.
const RESTART_AFTER_US: u64 = 1_000_000;

/// The lives of one world. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(super) struct Lives(Arc<Mutex<Watched>>);

#[derive(Debug, Default)]
struct Watched {
    lives: BTreeMap<String, Life>,
    /// Switches a dead node on again.
    restart: Option<mpsc::UnboundedSender<Machine>>,
}

impl World {
    /// Watches these sagas from now on, each with the place at which its node dies. Must be called from
    /// outside the machines, once.
    pub fn watch_lives(&self, sagas: impl IntoIterator<Item = (String, Option<u32>)>) {
        let (restart, mut dead) = mpsc::unbounded_channel();
        let world = self.clone();
        tokio::spawn(async move {
            while let Some(machine) = dead.recv().await {
                world.timeline().after(RESTART_AFTER_US).await;
                world.restart(machine);
            }
        });
        let mut watched = self.inner.lives.0.lock();
        watched.restart = Some(restart);
        watched.lives = sagas
            .into_iter()
            .map(|(saga, dies_at)| (saga.clone(), Life { saga, places: 0, dies_at, died: false }))
            .collect();
    }

    /// A saga's life has come to another place, on this node. True: the node has died of it, and nothing
    /// may be done for it any more.
    pub fn dies_here(&self, machine: Machine, saga: &str) -> bool {
        let mut watched = self.inner.lives.0.lock();
        let Some(life) = watched.lives.get_mut(saga) else { return false };
        if !machine.is_node() || !self.is_on(machine) {
            return false;
        }
        life.places += 1;
        if life.died || life.dies_at != Some(life.places) {
            return false;
        }
        life.died = true;
        // Its power fails at every second place; at the others only its processes end.
        let loses_unsynced = life.places.is_multiple_of(2);
        if let Some(restart) = &watched.restart {
            // The other end lives as long as the world.
            let _ = restart.send(machine);
        }
        drop(watched);
        self.bites.bit(FaultKind::CrashAt);
        self.crash(machine, loses_unsynced);
        true
    }

    /// Like [`World::dies_here`], for what runs on the node itself: does not return when it dies.
    pub async fn live_on(&self, machine: Machine, saga: &str) {
        if self.dies_here(machine, saga) {
            std::future::pending::<()>().await;
        }
    }

    /// The lives so far.
    pub fn lives(&self) -> Vec<Life> {
        self.inner.lives.0.lock().lives.values().cloned().collect()
    }
}
