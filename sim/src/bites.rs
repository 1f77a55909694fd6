//! Whether faults mattered. A fault that never bit proves nothing, so each kind is counted where its
//! effect is felt: a crash that lost an un-synced write, a pause that outlived a lease, a duplicate that
//! its receiver saw.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::fault::FaultKind;

/// The counters of one run. Clones are the same counters.
#[derive(Debug, Clone, Default)]
pub struct Bites(Arc<Mutex<BTreeMap<FaultKind, u64>>>);

impl Bites {
    /// A fault of this kind has just mattered.
    pub fn bit(&self, kind: FaultKind) {
        *self.0.lock().entry(kind).or_default() += 1;
    }

    /// How often each kind has mattered; kinds that never did are not in it.
    pub fn counts(&self) -> BTreeMap<FaultKind, u64> {
        self.0.lock().clone()
    }
}
