//! Deletes claims whose end has passed, a few at a time, as part of ordinary batches.
//!
//! Nobody depends on it: an ended claim holds nothing, swept or not. It keeps the store from growing with
//! every claim there ever was.

use crate::canary::planted;
use crate::clock::Timestamp;
use crate::error::StorageError;
use crate::event_store::Claim;
use crate::kv::{Kv, Space, WriteBatch};
use crate::log::heads::Heads;
use crate::log::keys;
use crate::log::prefetch;

/// Batches between two sweeps: the read costs the appender's turn.
const BATCHES_BETWEEN_SWEEPS: u32 = 64;

/// Claims deleted by one sweep. More than one ends per batch only while the store catches up.
const CLAIMS_PER_SWEEP_MAX: usize = 256;

/// When to sweep next.
#[derive(Debug, Default)]
pub(super) struct Sweeper {
    batches: u32,
}

impl Sweeper {
    /// Adds the deletion of ended claims to the batch, when it is time again. Call before any request of
    /// the batch is prepared: a claim that is taken anew by one of them must stay.
    pub(super) async fn sweep<K: Kv>(
        &mut self,
        kv: &K,
        heads: &mut Heads,
        batch: &mut WriteBatch,
        now: Timestamp,
    ) -> Result<(), StorageError> {
        self.batches += 1;
        if self.batches < BATCHES_BETWEEN_SWEEPS {
            return Ok(());
        }
        self.batches = 0;
        let range = keys::claim_expiry::ended(now, CLAIMS_PER_SWEEP_MAX);
        let ended = kv.scan(Space::Index, range).await?;
        let entries = ended.iter().map(|(key, _)| keys::claim_expiry::decode(key));
        let entries = entries.collect::<Result<Vec<(Timestamp, Claim)>, _>>()?;
        prefetch::load_claims(kv, heads, entries.iter().map(|(_, claim)| claim)).await?;
        let by_entry_alone = planted("sweep-takes-what-is-held-again");
        for ((key, _), (_, claim)) in ended.into_iter().zip(entries) {
            batch.delete(Space::Index, key);
            let holds = |held: &keys::claim::Held| held.holds_at(now) && !by_entry_alone;
            if let Some(Some(held)) = heads.claims.get(&claim)
                && !holds(held)
            {
                batch.delete(Space::Index, keys::claim::key(&claim));
                heads.claims.insert(claim, None);
            }
        }
        Ok(())
    }
}
