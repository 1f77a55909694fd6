//! Reading claims: an ended one holds nothing, whether it was swept yet or not.

use crate::clock::Clock;
use crate::error::StorageError;
use crate::event_store::{Claim, ClaimHolder};
use crate::kv::{Kv, Range, Space};
use crate::log::Shared;
use crate::log::keys;

/// Entries read at a time.
const CLAIMS_PER_SCAN: usize = 256;

impl<K: Kv, C: Clock> Shared<K, C> {
    pub(super) async fn claim_holder(
        &self,
        claim: &Claim,
    ) -> Result<Option<ClaimHolder>, StorageError> {
        let key = keys::claim::key(claim);
        let Some(value) = self.kv.get(Space::Index, &key).await? else { return Ok(None) };
        let holder = keys::claim::decode(&key, &value)?;
        Ok(self.holds(&holder).then_some(holder))
    }

    pub(super) async fn claims(
        &self,
        kind: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<ClaimHolder>, StorageError> {
        crate::stream::check_name("claim kind", kind, Claim::KIND_BYTES_MAX)?;
        self.held_in(keys::claim::range(kind, after, CLAIMS_PER_SCAN), limit).await
    }

    /// Held claims of every kind, by kind and key.
    pub(super) async fn every_claim(
        &self,
        after: Option<&Claim>,
        limit: usize,
    ) -> Result<Vec<ClaimHolder>, StorageError> {
        self.held_in(keys::claim::whole_range(after, CLAIMS_PER_SCAN), limit).await
    }

    async fn held_in(
        &self,
        mut range: Range,
        limit: usize,
    ) -> Result<Vec<ClaimHolder>, StorageError> {
        let mut holders = Vec::new();
        loop {
            let entries = self.kv.scan(Space::Index, range.clone()).await?;
            for (key, value) in &entries {
                let holder = keys::claim::decode(key, value)?;
                if self.holds(&holder) {
                    holders.push(holder);
                }
                if holders.len() == limit {
                    return Ok(holders);
                }
            }
            match entries.last() {
                Some((last, _)) if entries.len() == range.limit => {
                    range = keys::resume(&range, last)
                }
                Some(_) | None => return Ok(holders),
            }
        }
    }

    fn holds(&self, holder: &ClaimHolder) -> bool {
        holder.until.is_none_or(|until| self.clock.now() < until)
    }
}
