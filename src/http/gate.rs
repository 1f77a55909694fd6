//! The bound on requests in progress. Asked by [`super::edge`] for every request but the probes'.

use tokio::sync::{Semaphore, SemaphorePermit};

use super::error::Error;

/// So many requests at once and no more: the next is told to come again, at once, instead of waiting in
/// a queue whose length nobody sees.
#[derive(Debug)]
pub(super) struct Gate {
    places: Semaphore,
    places_max: usize,
}

impl Gate {
    pub(super) fn new(requests_max: usize) -> Self {
        let places_max = requests_max.min(Semaphore::MAX_PERMITS);
        Self { places: Semaphore::new(places_max), places_max }
    }

    /// Requests that are inside.
    pub(super) fn inside(&self) -> u64 {
        let inside = self.places_max.saturating_sub(self.places.available_permits());
        u64::try_from(inside).unwrap_or(u64::MAX)
    }

    /// A place until the permit is dropped.
    pub(super) fn enter(&self) -> Result<SemaphorePermit<'_>, Error> {
        self.places
            .try_acquire()
            .map_err(|_| Error::Overloaded { what: "too many requests in progress" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_gate_refuses_until_somebody_leaves() {
        let gate = Gate::new(1);
        let inside = gate.enter().unwrap();
        assert!(matches!(gate.enter(), Err(Error::Overloaded { .. })));
        drop(inside);
        assert!(gate.enter().is_ok());
    }
}
