//! Which faults a check has on.

use std::collections::BTreeSet;

#[cfg(madsim)]
use crate::fault::Fault;
use crate::fault::FaultKind;

/// Kinds of faults.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Faults(BTreeSet<FaultKind>);

impl Faults {
    /// Everything that can go wrong and that a design can survive: network, machines, clocks, disks, the
    /// services of the nodes, and the remote services themselves.
    pub fn all() -> Self {
        // There is one store in this world: a bit that rots in it is lost for good, whatever is built above.
        let survivable = |kind: &FaultKind| *kind != FaultKind::DiskBitFlip;
        Self(FaultKind::ALL.into_iter().filter(survivable).collect())
    }

    /// Nothing goes wrong: what fails then has nothing to do with faults.
    pub fn none() -> Self {
        Self(BTreeSet::new())
    }

    /// These alone.
    pub fn only(kinds: impl IntoIterator<Item = FaultKind>) -> Self {
        Self(kinds.into_iter().collect())
    }

    /// These not.
    #[must_use]
    pub fn without(mut self, kinds: impl IntoIterator<Item = FaultKind>) -> Self {
        let without: BTreeSet<_> = kinds.into_iter().collect();
        self.0.retain(|kind| !without.contains(kind));
        self
    }

    /// Whether a fault may happen.
    #[cfg(madsim)]
    pub(super) fn allow(&self, fault: &Fault) -> bool {
        self.0.contains(&fault.kind())
    }

    /// The kinds, in order.
    #[cfg(madsim)]
    pub(super) fn kinds(&self) -> impl Iterator<Item = FaultKind> {
        self.0.iter().copied()
    }

    /// Whether nothing goes wrong.
    #[cfg(madsim)]
    pub(super) fn is_none(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(all(test, madsim))]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_added_and_taken_away() {
        let down = Fault::BankDown;
        assert!(Faults::all().allow(&down) && !Faults::none().allow(&down));
        assert!(!Faults::all().without([FaultKind::BankDown]).allow(&down));
        assert!(Faults::only([FaultKind::BankDown]).allow(&down));
        assert!(Faults::none().is_none() && !Faults::all().is_none());
    }
}
