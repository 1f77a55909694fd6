//! The machine `locks`: mutual exclusion with a time limit, in memory, by its own clock. A restart
//! forgets everything, as a lock service without a disk does; its faults forget, and lie.

pub(crate) mod protocol;
mod table;

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use sagaline_storage::lock::Lease;
use sagaline_storage::{Clock, StorageError};

use super::dice::Dice;
use super::rpc::{self, Answer, Caller, Connections, Service};
use crate::fault::{Fault, FaultKind};
use crate::machine::Machine;
use crate::world::{MachineClock, MachineEntropy, World};
use protocol::LockRequest;
use table::{Acquired, Table};

/// How often the machine forgets again what it was told meanwhile, while it is to forget everything.
const LOOK: Duration = Duration::from_millis(20);

/// Switches the lock service on.
pub(super) fn switch_on(world: &World) {
    world.machine(Machine::Locks, |world| Box::pin(run(world)));
}

async fn run(world: World) {
    let listener = world.network.listen(Machine::Locks, Machine::Locks.address().port());
    let listener = listener.expect("nothing else listens on this machine");
    let (clock, dice) = (world.clock(Machine::Locks), Dice(world.entropy(Machine::Locks)));
    let locks = Arc::new(Locks { world, clock, dice, table: Mutex::default() });
    tokio::spawn(forget_when_told(locks.clone()));
    rpc::serve(listener, locks, Connections::default()).await;
}

struct Locks {
    world: World,
    clock: MachineClock,
    dice: Dice<MachineEntropy>,
    table: Mutex<Table>,
}

impl Locks {
    fn acquire(
        &self,
        resource: &str,
        holder: &str,
        ttl: Duration,
    ) -> Result<Option<Lease>, StorageError> {
        if resource.is_empty() || holder.is_empty() || ttl.is_zero() {
            return Err(StorageError::invalid(format!(
                "lock {resource:?} for {holder:?} and {ttl:?}: wants names and a time above zero"
            )));
        }
        let lie = self.world.active(|fault| match fault {
            Fault::LocksLie { percent } => Some(*percent),
            _ => None,
        });
        let now = self.clock.monotonic();
        let lies = || self.dice.percent(lie);
        match self.table.lock().acquire(resource, holder, (now, ttl), lies) {
            Acquired::Free(lease) => Ok(Some(lease)),
            Acquired::Lied(lease) => {
                self.world.bites.bit(FaultKind::LocksLie);
                Ok(Some(lease))
            }
            Acquired::Taken => Ok(None),
        }
    }

    async fn slow(&self) {
        let added = self.world.active(|fault| match fault {
            Fault::LocksSlow { added_ms } => Some(*added_ms),
            _ => None,
        });
        if let Some(added_ms) = added {
            self.world.bites.bit(FaultKind::LocksSlow);
            self.clock.sleep(Duration::from_millis(added_ms)).await;
        }
    }
}

impl Service for Locks {
    type Request = LockRequest;

    async fn answer(&self, request: LockRequest, _: Caller) -> Answer {
        self.slow().await;
        let now = self.clock.monotonic();
        match request {
            LockRequest::Acquire { resource, holder, ttl } => {
                Answer::of(&self.acquire(&resource, &holder, ttl))
            }
            LockRequest::Renew(lease) => said(self.table.lock().renew(&lease, now)),
            LockRequest::Release(lease) => said(self.table.lock().release(&lease, now)),
            LockRequest::Inspect(resource) => said(self.table.lock().inspect(&resource, now)),
        }
    }
}

fn said(answer: impl serde::Serialize) -> Answer {
    Answer::of(&Ok::<_, StorageError>(answer))
}

/// Forgets everything for as long as that is so, and some of it when such an episode begins.
async fn forget_when_told(locks: Arc<Locks>) {
    let (mut changes, mut evicted_before) = (locks.world.changes(), None);
    loop {
        let now = locks.clock.monotonic();
        let lost = locks.world.active(|fault| matches!(fault, Fault::LocksLost).then_some(()));
        if lost.is_some() && locks.table.lock().evict(now, || true) > 0 {
            locks.world.bites.bit(FaultKind::LocksLost);
        }
        let evicted = locks.world.active(|fault| match fault {
            Fault::LocksEvicted { percent } => Some(*percent),
            _ => None,
        });
        let chosen = || locks.dice.percent(evicted);
        if evicted != evicted_before && locks.table.lock().evict(now, chosen) > 0 {
            locks.world.bites.bit(FaultKind::LocksEvicted);
        }
        evicted_before = evicted;
        if lost.is_some() {
            locks.clock.sleep(LOOK).await;
        } else {
            // The sender is in the world: waiting cannot fail.
            let _ = changes.changed().await;
        }
    }
}
