//! Holds what the store tells of against its disk: whatever anybody is told of must have been synced by then.
//! Used by [`super::answers`]; it changes no answer.

use sagaline_storage::GlobalPosition;
use sagaline_storage::views::{ViewBatch, ViewChange, ViewStore};
use serde_json::Value;

use super::StoreViews;
use crate::evidence::Swap;
use crate::machine::Machine;
use crate::services::witness::Witness;
use crate::world::{FaultyDisk, World};

/// Where the builds of each view are written down.
const GENERATIONS: &str = "generations";

/// Under which name the store keeps how far the build has come that answers, by what is written of the view.
fn live(view: &str, written: &[u8]) -> Option<String> {
    let written: Value = serde_json::from_slice(written).ok()?;
    let (version, number) = (&written["live"]["version"], &written["live"]["number"]);
    Some(match number.as_u64()? {
        1 => format!("projection:{view}.v{version}"),
        number => format!("projection:{view}.v{version}.g{number}"),
    })
}

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

    /// A commit has been made that may have put one build of a view in the place of another. How far both
    /// had come is looked up at once.
    pub(super) async fn swapped(&self, swap: Option<(Swap, String)>, views: &StoreViews) {
        let Some((swap, new)) = swap else { return };
        let after = views.checkpoint(&new).await.ok().flatten().map(|at| at.0);
        self.witness.swapped(Swap { after, ..swap });
    }

    /// Whether a commit, when it is made, puts another build of a view in the place of the one that answers
    /// now: how far that one has come, and under which name the store keeps it of the other.
    pub(super) async fn swap(
        &self,
        batch: &ViewBatch,
        views: &StoreViews,
    ) -> Option<(Swap, String)> {
        let (_, change) = batch.changes.iter().find(|(view, _)| &**view == GENERATIONS)?;
        let ViewChange::Put { key, document, .. } = change else { return None };
        let stored = views.get(GENERATIONS, key).await.ok().flatten()?;
        let view = String::from_utf8_lossy(key).into_owned();
        let (old, new) = (live(&view, &stored)?, live(&view, document)?);
        if old == new {
            return None;
        }
        let before = views.checkpoint(&old).await.ok().flatten().map(|at| at.0);
        Some((Swap { at_us: self.world.now_us(), view, before, after: None }, new))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_is_named_as_the_store_names_it() {
        let written = |number: u64| serde_json::json!({"live": {"version": 2, "number": number}, "next": null, "retired": []});
        let named = |number| live("orders", written(number).to_string().as_bytes());
        assert_eq!(named(1).as_deref(), Some("projection:orders.v2"));
        assert_eq!(named(3).as_deref(), Some("projection:orders.v2.g3"));
        assert_eq!(live("orders", b"damaged"), None);
    }
}
