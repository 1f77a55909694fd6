//! The machine `locks`: the product's own locks in memory, by the machine's clock, asked over the network. A
//! restart forgets everything, as a lock service without a disk does; its faults forget, and lie.

pub(crate) mod protocol;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use parking_lot::Mutex;
use sagaline_storage::lock::{Lease, LeaseState, LockService};
use sagaline_storage::memory::LocalLocks;
use sagaline_storage::{Clock, StorageError};

use super::dice::Dice;
use super::rpc::{self, Answer, Caller, Connections, Service};
use crate::fault::{Fault, FaultKind};
use crate::machine::Machine;
use crate::world::{MachineClock, MachineEntropy, World};
use protocol::LockRequest;

/// How often the machine forgets again what it was told meanwhile, while it is to forget everything.
const LOOK: Duration = Duration::from_millis(20);

/// Switches the lock service on.
pub(super) fn switch_on(world: &World) {
    world.machine(Machine::Locks, |world| Box::pin(run(world)));
}

async fn run(world: World) {
    let listener = world.network.listen(Machine::Locks, Machine::Locks.address().port());
    let listener = listener.expect("nothing else listens on this machine");
    let locks = Arc::new(Locks::new(world));
    tokio::spawn(forget_when_told(locks.clone()));
    rpc::serve(listener, locks, Connections::default()).await;
}

struct Locks {
    world: World,
    clock: MachineClock,
    dice: Dice<MachineEntropy>,
    /// The product's own locks, which know what is held.
    locks: LocalLocks<MachineClock>,
    /// What was given out, to be forgotten.
    given: Mutex<Vec<Lease>>,
    /// Tokens of this boot are above those of every boot before.
    tokens_from: u64,
    lies: AtomicU64,
}

/// More than a boot gives out.
const TOKENS_OF_A_BOOT: u64 = 1 << 32;
/// From here on the tokens of a boot are lies.
const LIES_FROM: u64 = 1 << 31;

impl Locks {
    fn new(world: World) -> Self {
        let (clock, dice) = (world.clock(Machine::Locks), Dice(world.entropy(Machine::Locks)));
        let tokens_from = u64::from(world.boots(Machine::Locks)) * TOKENS_OF_A_BOOT;
        let (locks, given, lies) = (LocalLocks::new(clock.clone()), Mutex::default(), 0.into());
        Self { world, clock, dice, locks, given, tokens_from, lies }
    }

    /// A lie is a lease that the service knows nothing of, on what somebody else holds.
    async fn acquire(
        &self,
        resource: &str,
        holder: &str,
        ttl: Duration,
    ) -> Result<Option<Lease>, StorageError> {
        let lie = self.world.active(|fault| match fault {
            Fault::LocksLie { percent } => Some(*percent),
            _ => None,
        });
        match self.locks.acquire(resource, holder, ttl).await? {
            Some(lease) => {
                self.given.lock().push(lease.clone());
                Ok(Some(Lease { token: self.tokens_from + lease.token, ..lease }))
            }
            None if self.dice.percent(lie) => {
                self.world.bites.bit(FaultKind::LocksLie);
                let token = self.tokens_from + LIES_FROM + self.lies.fetch_add(1, Relaxed);
                let (resource, holder) = (resource.to_owned(), holder.to_owned());
                Ok(Some(Lease { resource, holder, token, ttl }))
            }
            None => Ok(None),
        }
    }

    /// The lease as the product's locks know it; none: it is of an earlier boot, or a lie.
    fn known(&self, lease: Lease) -> Option<Lease> {
        let token = lease.token.checked_sub(self.tokens_from).filter(|token| *token < LIES_FROM)?;
        Some(Lease { token, ..lease })
    }

    async fn renew(&self, lease: Lease) -> Result<bool, StorageError> {
        match self.known(lease) {
            Some(lease) => self.locks.renew(&lease).await,
            None => Ok(false),
        }
    }

    async fn release(&self, lease: Lease) -> Result<bool, StorageError> {
        match self.known(lease) {
            Some(lease) => self.locks.release(&lease).await,
            None => Ok(false),
        }
    }

    async fn inspect(&self, resource: &str) -> Result<Option<LeaseState>, StorageError> {
        let state = self.locks.inspect(resource).await?;
        Ok(state.map(|state| LeaseState { token: self.tokens_from + state.token, ..state }))
    }

    /// Forgets of what is held what `chosen` chooses; how much that was.
    async fn evict(&self, mut chosen: impl FnMut() -> bool) -> usize {
        let given = std::mem::take(&mut *self.given.lock());
        let (evicted, left): (Vec<_>, Vec<_>) = given.into_iter().partition(|_| chosen());
        self.given.lock().extend(left);
        let mut forgotten = 0;
        for lease in evicted {
            forgotten += usize::from(self.locks.release(&lease).await.unwrap_or(false));
        }
        forgotten
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
        match request {
            LockRequest::Acquire { resource, holder, ttl } => {
                Answer::of(&self.acquire(&resource, &holder, ttl).await)
            }
            LockRequest::Renew(lease) => Answer::of(&self.renew(lease).await),
            LockRequest::Release(lease) => Answer::of(&self.release(lease).await),
            LockRequest::Inspect(resource) => Answer::of(&self.inspect(&resource).await),
        }
    }
}

/// Forgets everything for as long as that is so, and some of it when such an episode begins.
async fn forget_when_told(locks: Arc<Locks>) {
    let (mut changes, mut evicted_before) = (locks.world.changes(), None);
    loop {
        let lost = locks.world.active(|fault| matches!(fault, Fault::LocksLost).then_some(()));
        if lost.is_some() && locks.evict(|| true).await > 0 {
            locks.world.bites.bit(FaultKind::LocksLost);
        }
        let evicted = locks.world.active(|fault| match fault {
            Fault::LocksEvicted { percent } => Some(*percent),
            _ => None,
        });
        let chosen = || locks.dice.percent(evicted);
        if evicted != evicted_before && locks.evict(chosen).await > 0 {
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
