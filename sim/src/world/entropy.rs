//! What a machine draws its ids and secrets from: a stream of the seed for each of its boots, so that a
//! machine that was started again never repeats what it drew before. Never draws from madsim's generator.

use std::sync::Arc;

use parking_lot::Mutex;
use sagaline_storage::Entropy;

use crate::machine::Machine;
use crate::seed::{Random, Seed};

/// The randomness of one boot of a machine. Clones draw from the same stream.
#[derive(Debug, Clone)]
pub struct MachineEntropy(Arc<Mutex<Random>>);

impl MachineEntropy {
    /// The stream of this boot, from its beginning.
    pub(super) fn of_boot(seed: Seed, machine: Machine, boot: u32) -> Self {
        Self(Arc::new(Mutex::new(seed.stream(&format!("entropy/{machine}/{boot}")))))
    }
}

impl Entropy for MachineEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        self.0.lock().fill(bytes);
    }
}
