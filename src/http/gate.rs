//! The bound on requests in progress. Asked by [`super::edge`] for every request but the probes'.

use tokio::sync::{Semaphore, SemaphorePermit};

use super::error::Error;

/// So many requests at once and no more: the next is told to come again, at once, instead of waiting in
/// a queue whose length nobody sees.
#[derive(Debug)]
pub(super) struct Gate(Semaphore);

impl Gate {
    pub(super) fn new(requests_max: usize) -> Self {
        Self(Semaphore::new(requests_max.min(Semaphore::MAX_PERMITS)))
    }

    /// A place until the permit is dropped.
    pub(super) fn enter(&self) -> Result<SemaphorePermit<'_>, Error> {
        self.0
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
