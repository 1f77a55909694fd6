//! The ports as a node has them in the simulation: adapters that ask the service machines over the
//! network, as the production adapters ask theirs. They keep no promise themselves but one: whatever the
//! network does, a caller is told the truth about what is known.

mod bus;
mod events;
mod locks;
mod views;

pub use bus::{RemoteBus, RemoteConsumer};
pub use events::RemoteEvents;
pub use locks::RemoteLocks;
pub use views::RemoteViews;

use std::time::Duration;

use sagaline_storage::StorageError;
use sagaline_storage::backend::Parts;

use super::rpc::{Lost, RpcClient};
use super::witness::Witness;
use crate::machine::Machine;
use crate::world::{MachineClock, MachineEntropy, World};

/// The world as a node of the product has it.
pub type SimBackend =
    Parts<RemoteEvents, RemoteViews, RemoteLocks, RemoteBus, MachineClock, MachineEntropy>;

/// The ports of one boot of a machine. Called on that machine.
pub fn backend(world: &World, witness: &Witness, machine: Machine, lease: Duration) -> SimBackend {
    let store = RpcClient::new(world, machine, Machine::Store);
    Parts {
        name: "simulation",
        shared: true,
        events: RemoteEvents::new(world, witness, machine, store.clone()),
        views: RemoteViews::new(store),
        locks: RemoteLocks::new(world, witness, RpcClient::new(world, machine, Machine::Locks)),
        bus: RemoteBus::new(world, machine, lease),
        clock: world.clock(machine),
        entropy: world.entropy(machine),
    }
}

/// A service that could not be asked; for what changes nothing, or may be done twice.
fn unavailable(lost: Lost) -> StorageError {
    StorageError::unavailable(lost.to_string())
}
