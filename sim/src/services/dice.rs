//! Chances of the services' faults: drawn from the machine's own randomness, and only while a fault of
//! that kind is on, so that a run without it draws nothing for it.

use sagaline_storage::Entropy;

/// A service's chances.
#[derive(Debug, Clone)]
pub(super) struct Dice<E>(pub(super) E);

impl<E: Entropy> Dice<E> {
    /// Whether what happens in so many of a hundred cases happens now; never when there is no such fault.
    pub(super) fn percent(&self, percent: Option<u64>) -> bool {
        percent.is_some_and(|percent| self.below(100) < percent)
    }

    /// A number below `bound`, which is not 0.
    pub(super) fn below(&self, bound: u64) -> u64 {
        self.0.next_u64() % bound
    }
}
