//! What the nodes depend on, as machines of their own: the store, the locks, the bus, the bank, and the
//! balancer in front of the nodes. Each has the faults of its kind (they ask the world for the open
//! episodes) and counts where such a fault was felt. The nodes reach them over the network, through the
//! adapters of [`remote`].

pub mod bank;
pub mod remote;
pub mod witness;

mod balancer;
mod bus;
mod dice;
mod final_state;
mod locks;
mod power;
mod rpc;
mod self_check;
mod store;
mod turn;
mod within;
pub(crate) mod witnessed;

pub use bank::{Participants, Verdict};
pub use final_state::{FinalState, final_state, read_models};
pub use remote::{SimBackend, backend};
pub use witness::{OpenCall, Witness, Witnessed};

use sagaline_storage::LogSettings;

use crate::world::World;
use power::Power;

/// Switches on the store, the locks, the bus, the bank and the balancer. Must be called from outside the
/// machines. `log` is how the store's log is set. Sagas of one's own find their participants at the bank, by their names.
pub fn boot_services(
    world: &World,
    witness: &Witness,
    log: LogSettings,
    participants: &Participants,
) {
    let power = Power::watch(world);
    store::switch_on(world, witness, &power, log);
    locks::switch_on(world);
    bus::switch_on(world, witness);
    bank::switch_on(world, witness, &power, participants);
    balancer::switch_on(world);
}
