//! The machine `store`: the log's own algorithm and the views over the faulty disk, asked over the
//! network by all nodes. What it acknowledged it has, whatever happens to it, the views too: it stands for
//! a database. A failover brings up a machine with the same durable disk.
//!
//! When its disk fails under a write it stops, as the log demands, and is started again.

mod answers;
mod kept;
pub(crate) mod protocol;

use std::sync::Arc;
use std::time::Duration;

use sagaline_storage::{Clock, Log, LogSettings, StorageError, ViewSettings, Views};

use super::dice::Dice;
use super::power::Power;
use super::rpc::{self, Connections};
use super::witness::Witness;
use crate::fault::{Fault, FaultKind};
use crate::machine::Machine;
use crate::world::{FaultyDisk, MachineClock, MachineEntropy, World};
use answers::Answers;
use kept::Kept;

/// The log as the store machine has it.
pub(crate) type StoreLog = Log<FaultyDisk, MachineClock>;
/// The views as the store machine has them.
pub(crate) type StoreViews = Views<FaultyDisk>;

/// Between two attempts to open a disk that does not serve.
const OPEN_PAUSE: Duration = Duration::from_millis(200);

/// Switches the store on. It comes back by itself when it has stopped itself.
pub(super) fn switch_on(world: &World, witness: &Witness, power: &Power, log: LogSettings) {
    let (witness, power) = (witness.clone(), power.clone());
    world.machine(Machine::Store, move |world| {
        Box::pin(run(world, witness.clone(), power.clone(), log))
    });
}

async fn run(world: World, witness: Witness, power: Power, settings: LogSettings) {
    let (clock, entropy) = (world.clock(Machine::Store), world.entropy(Machine::Store));
    let (log, views) = loop {
        match open(&world, &entropy, settings).await {
            Ok(opened) => break opened,
            Err(_) => clock.sleep(OPEN_PAUSE).await,
        }
    };
    let listener = world.network.listen(Machine::Store, Machine::Store.address().port());
    let listener = listener.expect("nothing else listens on this machine");
    let connections = Connections::default();
    tokio::spawn(cut_when_told(world.clone(), connections.clone()));
    let looked_at = Kept::new(&world, witness);
    let answers = Arc::new(Answers::new(world, power, Dice(entropy), (log, views), looked_at));
    rpc::serve(listener, answers, connections).await;
}

/// Opens log and views on the store's disk. Nothing else may have them open.
pub(crate) async fn open(
    world: &World,
    entropy: &MachineEntropy,
    settings: LogSettings,
) -> Result<(StoreLog, StoreViews), StorageError> {
    let (disk, clock) = (world.disk(Machine::Store), world.clock(Machine::Store));
    let log = Log::open(disk.clone(), clock, entropy, settings).await?;
    Ok((log, Views::new(disk, ViewSettings::default())))
}

/// Cuts every connection when such an episode begins.
async fn cut_when_told(world: World, connections: Connections) {
    let (mut changes, mut was_on) = (world.changes(), false);
    loop {
        let on = |fault: &Fault| matches!(fault, Fault::StoreKillConnections).then_some(());
        let is_on = world.active(on).is_some();
        if is_on && !was_on && connections.cut_all() > 0 {
            world.bites.bit(FaultKind::StoreKillConnections);
        }
        was_on = is_on;
        // The sender is in the world: waiting cannot fail.
        let _ = changes.changed().await;
    }
}
