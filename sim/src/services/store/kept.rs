//! Holds what the store tells of against its disk: whatever anybody is told of must have been synced by then.
//! Used by [`super::answers`]; it changes no answer.

use sagaline_storage::GlobalPosition;

use crate::machine::Machine;
use crate::services::witness::Witness;
use crate::world::{FaultyDisk, World};

/// The disk, as somebody who looks over the store's shoulder has it.
pub(super) struct Kept {
    disk: FaultyDisk,
    world: World,
    witness: Witness,
}

impl Kept {
    /// Of the store's current process.
    pub(super) fn new(world: &World, witness: Witness) -> Self {
        Self { disk: world.disk(Machine::Store), world: world.clone(), witness }
    }

    /// Somebody is told, by `what`, that the log has come to `position`.
    pub(super) fn told(&self, what: &str, position: GlobalPosition) {
        // A process that has ended tells nobody anything.
        let Ok(last) = self.disk.last_record_kept() else { return };
        let kept = last.and_then(|key| Some(u64::from_be_bytes(key.as_ref().try_into().ok()?)));
        let kept = kept.unwrap_or(0);
        if position.0 > kept {
            let at_us = self.world.now_us();
            self.witness.at_risk(format!("{what} of {position} at {at_us} us, synced is {kept}"));
        }
    }
}
