//! The faults that are going on right now. The nemesis adds and removes them; network, disks and
//! services ask.

use std::collections::BTreeSet;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::watch;

use crate::fault::{Episode, Fault};

/// The open episodes of one world, oldest first. Clones are the same list.
#[derive(Debug, Clone, Default)]
pub struct Episodes {
    open: Arc<Mutex<Vec<Episode>>>,
    /// Tells of every beginning and end.
    changes: watch::Sender<()>,
}

impl Episodes {
    /// It goes on from now.
    pub(super) fn add(&self, episode: Episode) {
        self.open.lock().push(episode);
        self.changes.send_replace(());
    }

    /// It is over. Returns it when it was going on.
    pub(super) fn remove(&self, id: u32) -> Option<Episode> {
        let mut open = self.open.lock();
        let at = open.iter().position(|episode| episode.id == id)?;
        let over = open.remove(at);
        drop(open);
        self.changes.send_replace(());
        Some(over)
    }

    /// Tells of every beginning and end from now on, so that nobody has to look again and again.
    pub(super) fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    /// What the newest episode that `pick` wants says.
    pub fn newest<T>(&self, mut pick: impl FnMut(&Fault) -> Option<T>) -> Option<T> {
        self.open.lock().iter().rev().find_map(|episode| pick(&episode.fault))
    }

    /// Whether `pick` wants any of them.
    pub fn any(&self, pick: impl Fn(&Fault) -> bool) -> bool {
        self.open.lock().iter().any(|episode| pick(&episode.fault))
    }

    /// The newest whose id is not in `but` and that `pick` wants.
    pub(super) fn newest_but(
        &self,
        but: &BTreeSet<u32>,
        pick: impl Fn(&Fault) -> bool,
    ) -> Option<Episode> {
        let open = self.open.lock();
        open.iter().rev().find(|e| !but.contains(&e.id) && pick(&e.fault)).cloned()
    }

    /// All of them, as they are now.
    pub(super) fn all(&self) -> Vec<Episode> {
        self.open.lock().clone()
    }
}
