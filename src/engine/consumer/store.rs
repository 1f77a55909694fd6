//! A group's records in the view store: read whole when a node takes the group up, written as they change,
//! each time under the next turn.

use std::collections::BTreeMap;
use std::sync::Arc;

use sagaline_storage::views::{Checkpoint, ViewBatch, ViewChange, ViewError, ViewStore};
use sagaline_storage::{GlobalPosition, StorageError};

use crate::canary::planted;

use super::group::{Changes, Stored, StoredLane};
use super::record::{
    GROUP, GroupRecord, LANE, LETTER, LaneRecord, LetterRecord, documents_view, lane_key,
    letter_key, read, turns, view, written,
};

/// Of the commit that stores where a group begins.
pub(super) const FIRST_TURN: GlobalPosition = GlobalPosition(1);
/// Records read at a time.
const PAGE: usize = 1_000;

/// What was stored of a group, and under which turn; none: it has never run.
#[derive(Debug, Default)]
pub(super) struct Loaded {
    pub(super) turn: Option<GlobalPosition>,
    pub(super) heard: u64,
    pub(super) stored: Stored,
}

/// Reads a group. None: somebody else wrote meanwhile; read again.
pub(super) async fn load<V: ViewStore>(
    views: &V,
    name: &str,
) -> Result<Option<Loaded>, StorageError> {
    let (view, turns) = (view(name), turns(name));
    let turn = views.checkpoint(&turns).await?;
    let mut loaded = Loaded { turn, ..Loaded::default() };
    let mut after = None;
    loop {
        let page = views.scan(&view, after, PAGE).await?;
        for (key, document) in &page.documents {
            loaded.add(&String::from_utf8_lossy(key), document)?;
        }
        after = page.cursor;
        if after.is_none() {
            break;
        }
    }
    Ok((views.checkpoint(&turns).await? == turn).then_some(loaded))
}

impl Loaded {
    fn add(&mut self, key: &str, document: &[u8]) -> Result<(), StorageError> {
        if key == GROUP {
            let group: GroupRecord = read(key, document)?;
            self.stored.place = group.place;
            self.stored.done = group.done.into_iter().collect();
            self.heard = group.heard;
        } else if let Some(lane) = key.strip_prefix(LANE) {
            let LaneRecord { attempts, reason, due_us, since_us, .. } = read(key, document)?;
            let stored = StoredLane { attempts, reason, due_us, since_us };
            self.stored.lanes.insert(lane.into(), stored);
        } else if let Some(position) = key.strip_prefix(LETTER) {
            let wrong =
                |_| StorageError::corrupt(format!("a consumer's record {key}: no position"));
            let letter: LetterRecord = read(key, document)?;
            self.stored.letters.insert(position.parse().map_err(wrong)?, letter.key);
        }
        Ok(())
    }
}

/// A commit to be made.
pub(super) struct Turn<'a> {
    pub(super) name: &'a str,
    pub(super) before: Option<GlobalPosition>,
    pub(super) heard: u64,
    pub(super) letters: usize,
    pub(super) changes: Changes,
    /// Of the consumer's documents.
    pub(super) documents: Vec<ViewChange>,
}

impl Turn<'_> {
    /// Stores it, under the turn that it returns.
    pub(super) async fn commit<V: ViewStore>(
        self,
        views: &V,
    ) -> Result<Option<GlobalPosition>, ViewError> {
        let after = self.before.map_or(FIRST_TURN, |turn| GlobalPosition(turn.0 + 1));
        let checkpoint = Checkpoint { subscription: turns(self.name), before: self.before, after };
        let changes = self.changes()?;
        views.commit(ViewBatch { changes, checkpoints: vec![checkpoint] }).await?;
        Ok(Some(after))
    }

    fn changes(self) -> Result<Vec<(Arc<str>, ViewChange)>, StorageError> {
        let Changes { place, done, lanes, kept, gone } = self.changes;
        let (view, documents) = (view(self.name), documents_view(self.name));
        let plain = |key, document| ViewChange::Put { key, document, secondary: Vec::new() };
        let letters = self.letters as u64;
        let group =
            GroupRecord { place, done: done.into_iter().collect(), heard: self.heard, letters };
        let mut own = vec![plain(GROUP.into(), written(&group)?)];
        for (key, lane) in lanes {
            let key = lane_key(&key);
            own.push(match lane {
                None => ViewChange::Delete { key },
                Some((StoredLane { attempts, reason, due_us, since_us }, position, letters)) => {
                    let letters = letters as u64;
                    let lane = LaneRecord { position, attempts, reason, due_us, since_us, letters };
                    let (document, secondary) = (written(&lane)?, vec![lane.index()]);
                    ViewChange::Put { key, document, secondary }
                }
            });
        }
        let kept = if planted("dead-letters-in-memory-alone") { BTreeMap::new() } else { kept };
        for (position, key) in kept {
            own.push(plain(letter_key(position), written(&LetterRecord { key })?));
        }
        own.extend(gone.into_iter().map(|at| ViewChange::Delete { key: letter_key(at) }));
        let own = own.into_iter().map(|change| (view.clone(), change));
        let documents = self.documents.into_iter().map(|change| (documents.clone(), change));
        Ok(own.chain(documents).collect())
    }
}
