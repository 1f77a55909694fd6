//! Holds what the store tells of against its disk: whatever anybody is told of must have been synced by then.
//! Used by [`super::answers`]; it changes no answer.

use std::collections::BTreeSet;

use parking_lot::Mutex;
use sagaline_storage::views::{ViewBatch, ViewChange, ViewStore};
use sagaline_storage::{AppendError, AppendId, Appended, GlobalPosition};
use serde_json::Value;

use super::StoreViews;
use crate::evidence::{Answered, StoreAnswer, Swap};
use crate::machine::Machine;
use crate::services::witness::Witness;
use crate::services::witnessed::id_text;
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

/// A refusal of which the log can tell whether what it rests on was there.
fn refusal(id: AppendId, refused: &AppendError, head: GlobalPosition) -> Option<Answered> {
    let (append_id, head) = (id_text(id.0), head.0);
    match refused {
        AppendError::WrongExpectedVersion { stream, actual, .. } => {
            let (stream, version) = (stream.as_str().to_owned(), actual.0);
            Some(Answered::WrongVersion { append_id, stream, version, head })
        }
        AppendError::ClaimTaken { claim, owner } => {
            let (kind, key) = (claim.kind.to_string(), claim.key.to_string());
            let owner = owner.as_str().to_owned();
            Some(Answered::ClaimTaken { append_id, kind, key, owner, head })
        }
        _ => None,
    }
}

/// The disk, as somebody who looks over the store's shoulder has it.
pub(super) struct Kept {
    disk: FaultyDisk,
    world: World,
    witness: Witness,
    /// Appends that were asked for.
    asked: Mutex<BTreeSet<AppendId>>,
}

impl Kept {
    /// Of the store's current process.
    pub(super) fn new(world: &World, witness: Witness) -> Self {
        let (disk, world) = (world.disk(Machine::Store), world.clone());
        Self { disk, world, witness, asked: Mutex::default() }
    }

    /// An append is asked for. Whether that is the first time.
    pub(super) fn asked(&self, id: AppendId) -> bool {
        self.asked.lock().insert(id)
    }

    /// The log, which can be read up to `head`, has answered an append, which was asked for the first time or
    /// again.
    pub(super) fn answered(
        &self,
        (id, is_first): (AppendId, bool),
        answer: &Result<Appended, AppendError>,
        head: GlobalPosition,
    ) {
        let what = match answer {
            Ok(appended) => {
                self.told("an append", appended.position);
                return self.done("an append");
            }
            Err(AppendError::Unavailable(_)) if is_first => self.unmade(id),
            Err(refused) => refusal(id, refused, head),
        };
        if let Some(what) = what {
            self.witness.store_answered(StoreAnswer { at_us: self.world.now_us(), what });
        }
    }

    /// Somebody has waited in vain for the log to come behind a position. It can be read up to `head`:
    /// nothing has run between the end of their time and this look.
    pub(super) fn not_woken(&self, behind: GlobalPosition, head: GlobalPosition) {
        let what = Answered::NotWoken { behind: behind.0, head: head.0 };
        self.witness.store_answered(StoreAnswer { at_us: self.world.now_us(), what });
    }

    /// What it is worth that an append is said not to have been made. A process that has ended says nothing.
    fn unmade(&self, id: AppendId) -> Option<Answered> {
        let may_be_there = self.disk.may_hold(id.0.as_bytes()).ok()?;
        Some(Answered::Unmade { append_id: id_text(id.0), may_be_there })
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

    /// Somebody is told, by `what`, that something is done. All that the log writes it syncs before it
    /// answers, also what holds no event: then nothing of it is left by now that a power loss could take.
    pub(super) fn done(&self, what: &str) {
        // A process that has ended tells nobody anything.
        let Ok(batches @ 1..) = self.disk.log_at_risk() else { return };
        let at_us = self.world.now_us();
        self.witness.at_risk(format!("{what} at {at_us} us, {batches} batches are not synced"));
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
