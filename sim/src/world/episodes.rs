//! The faults that are going on right now. The nemesis adds and removes them; network, disks and
//! services ask.

use std::collections::BTreeSet;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::fault::{Episode, Fault};

/// The open episodes of one world, oldest first. Clones are the same list.
#[derive(Debug, Clone, Default)]
pub struct Episodes(Arc<Mutex<Vec<Episode>>>);

impl Episodes {
    /// It goes on from now.
    pub(super) fn add(&self, episode: Episode) {
        self.0.lock().push(episode);
    }

    /// It is over. Returns it when it was going on.
    pub(super) fn remove(&self, id: u32) -> Option<Episode> {
        let mut open = self.0.lock();
        let at = open.iter().position(|episode| episode.id == id)?;
        Some(open.remove(at))
    }

    /// What the newest episode that `pick` wants says.
    pub fn newest<T>(&self, mut pick: impl FnMut(&Fault) -> Option<T>) -> Option<T> {
        self.0.lock().iter().rev().find_map(|episode| pick(&episode.fault))
    }

    /// Whether `pick` wants any of them.
    pub fn any(&self, pick: impl Fn(&Fault) -> bool) -> bool {
        self.0.lock().iter().any(|episode| pick(&episode.fault))
    }

    /// The newest whose id is not in `but` and that `pick` wants.
    pub(super) fn newest_but(
        &self,
        but: &BTreeSet<u32>,
        pick: impl Fn(&Fault) -> bool,
    ) -> Option<Episode> {
        let open = self.0.lock();
        open.iter().rev().find(|e| !but.contains(&e.id) && pick(&e.fault)).cloned()
    }

    /// All of them, as they are now.
    pub(super) fn all(&self) -> Vec<Episode> {
        self.0.lock().clone()
    }
}
