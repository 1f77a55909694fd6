//! Checks a whole log: that no record was changed, moved or lost, and that the indexes agree.
//!
//! Called by `sagaline log verify`, by tests, and beside a running log. It changes nothing and repairs
//! nothing. What it reads is as old as the call; what is appended meanwhile does not disturb it.

mod end;
mod indexes;
mod records;

#[cfg(test)]
mod verify_tests;

use crate::error::StorageError;
use crate::kv::{Kv, Space};
use crate::log::keys;
use crate::stream::GlobalPosition;

/// Findings kept; a log with more of them is told apart from one with few, and that is enough.
pub const DAMAGE_MAX: usize = 1_000;

/// One thing that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// Where: the position of the record, or of the event that an index entry speaks of. `START`: the
    /// place is an entry that belongs to no position; the text names it.
    pub position: GlobalPosition,
    /// What is wrong.
    pub what: String,
}

/// The result of a check.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Verified {
    /// Records looked at.
    pub records: u64,
    /// Index entries looked at, beside those looked up for a record.
    pub index_entries: u64,
    /// The last position looked at.
    pub head: GlobalPosition,
    /// What was found, at most [`DAMAGE_MAX`].
    pub damage: Vec<Damage>,
    /// More was found than is listed.
    pub more_damage: bool,
}

impl Verified {
    /// Nothing was found.
    pub fn is_sound(&self) -> bool {
        self.damage.is_empty()
    }

    fn found(&mut self, position: GlobalPosition, what: impl Into<String>) {
        if self.damage.len() == DAMAGE_MAX {
            self.more_damage = true;
            return;
        }
        self.damage.push(Damage { position, what: what.into() });
    }

    /// What cannot be read is damage; any other failure ends the check.
    fn unreadable(
        &mut self,
        position: GlobalPosition,
        error: StorageError,
    ) -> Result<(), StorageError> {
        match error.kind {
            crate::error::ErrorKind::Corrupt => {
                self.found(position, error.message);
                Ok(())
            }
            crate::error::ErrorKind::Unavailable
            | crate::error::ErrorKind::Invalid
            | crate::error::ErrorKind::Closed => Err(error),
        }
    }
}

/// An entry without a key belongs to no family, and is in no walk over one.
async fn check_keyless<K: Kv>(kv: &K, verified: &mut Verified) -> Result<(), StorageError> {
    for space in [Space::Events, Space::Index] {
        match kv.get(space, &[]).await {
            Ok(None) => {}
            Ok(Some(_)) => {
                let what = format!("there is an entry without a key among the {space:?}");
                verified.found(GlobalPosition::START, what);
            }
            Err(error) => verified.unreadable(GlobalPosition::START, error)?,
        }
    }
    Ok(())
}

/// A store says what it is before anything else is written to it, and a copy once all of it is there.
async fn check_identity<K: Kv>(kv: &K, verified: &mut Verified) -> Result<(), StorageError> {
    match kv.get(Space::Index, &keys::meta::key()).await {
        Ok(None) if verified.records + verified.index_entries > 0 => {
            verified.found(GlobalPosition::START, "the store's own identity is not there");
            Ok(())
        }
        Ok(_) => Ok(()),
        // What stands there was looked at with the other entries.
        Err(error) => verified.unreadable(GlobalPosition::START, error),
    }
}

/// Checks the records behind `after` and what the indexes say of them; from the start, also that the
/// indexes hold nothing else. `progress` is told the last position checked and the head, page by page.
pub async fn verify<K: Kv>(
    kv: &K,
    after: GlobalPosition,
    mut progress: impl FnMut(GlobalPosition, GlobalPosition) + Send,
) -> Result<Verified, StorageError> {
    let (head, unreadable) = end::find(kv).await?;
    let mut verified = Verified { head, ..Verified::default() };
    records::check(kv, after, &mut verified, &mut progress).await?;
    if let Some(error) = unreadable
        && verified.is_sound()
    {
        verified.found(head, error.message);
    }
    if after == GlobalPosition::START {
        indexes::check(kv, &mut verified).await?;
        check_keyless(kv, &mut verified).await?;
        check_identity(kv, &mut verified).await?;
    }
    Ok(verified)
}
