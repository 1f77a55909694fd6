//! The world around the product: a network, clocks, randomness, disks and machines that fail as a plan
//! says. Everything that the product reaches outside its own process stands here or in the services.
//!
//! Built by whoever runs a plan, within a madsim runtime, one world a thread; [`nemesis`] moves its
//! faults. It draws every choice from streams of the seed ([`Seed::stream`]) and nothing from madsim's
//! generator, so that a choice more in one place changes none in another.

pub mod clock;
pub mod disk;
pub mod entropy;
pub mod episodes;
mod lives;
pub mod nemesis;
pub mod network;
mod panics;
mod power;
#[cfg(feature = "rocksdb")]
pub mod rocks;
mod skew;
mod stops;
pub mod timeline;
mod trouble;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::watch;

pub use clock::MachineClock;
pub use disk::FaultyDisk;
pub use entropy::MachineEntropy;
pub use network::{NetConnect, Network, SimListener, SimStream};
pub use power::Running;
#[cfg(feature = "rocksdb")]
pub use rocks::RocksDisk;
pub use timeline::Timeline;

use crate::bites::Bites;
use crate::evidence::{Power as PowerWhat, PowerChange};
use crate::fault::{CrashPoint, Fault, FaultKind};
use crate::machine::Machine;
use crate::seed::Seed;

use disk::Disk;
use episodes::Episodes;
use power::Power;
use trouble::Trouble;

/// One world. Clones are the same world.
#[derive(Debug, Clone)]
pub struct World {
    /// The root of all its choices.
    pub seed: Seed,
    /// The network between its machines.
    pub network: Network,
    /// Which faults have mattered.
    pub bites: Bites,
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    timeline: Timeline,
    episodes: Episodes,
    clocks: BTreeMap<Machine, MachineClock>,
    disks: BTreeMap<Machine, Disk>,
    #[cfg(feature = "rocksdb")]
    rocks_disks: BTreeMap<Machine, rocks::Disk>,
    /// The randomness of each machine's boot, and of which boot it is.
    entropy: Mutex<BTreeMap<Machine, (u32, MachineEntropy)>>,
    power: Power,
    /// What happened to the power of each machine, in order.
    power_changes: Mutex<Vec<PowerChange>>,
    /// Episodes of [`Fault::CrashAt`] whose place has been reached.
    sprung: Mutex<BTreeSet<u32>>,
    lives: lives::Lives,
    stops: stops::Stops,
}

impl World {
    /// A world in which nothing runs yet and nothing is wrong. Within a madsim runtime.
    pub fn new(seed: Seed, bites: Bites) -> Self {
        panics::watch();
        let (timeline, episodes) = (Timeline::new(), Episodes::default());
        let clock = |machine| (machine, MachineClock::new(seed, timeline.clone(), bites.clone()));
        let trouble = |machine| {
            Trouble::new(machine, seed, timeline.clone(), bites.clone(), episodes.clone())
        };
        let disk = |machine| (machine, Disk::new(trouble(machine)));
        let inner = Inner {
            clocks: Machine::ALL.into_iter().map(clock).collect(),
            disks: Machine::ALL.into_iter().map(disk).collect(),
            #[cfg(feature = "rocksdb")]
            rocks_disks: Machine::ALL.map(|m| (m, rocks::Disk::new(trouble(m)))).into(),
            entropy: Mutex::default(),
            power: Power::default(),
            power_changes: Mutex::default(),
            sprung: Mutex::default(),
            lives: lives::Lives::default(),
            stops: stops::Stops::default(),
            timeline: timeline.clone(),
            episodes,
        };
        let network = Network::new(seed, timeline, bites.clone());
        Self { seed, network, bites, inner: Arc::new(inner) }
    }

    /// The world's true time since its start.
    pub fn now_us(&self) -> u64 {
        self.inner.timeline.now_us()
    }

    /// The world's true time, to wait on: for the harness and the services' own delays, never for the
    /// product.
    pub fn timeline(&self) -> &Timeline {
        &self.inner.timeline
    }

    /// The machine's clocks.
    pub fn clock(&self, machine: Machine) -> MachineClock {
        self.inner.clocks[&machine].clone()
    }

    /// The randomness of the machine's current boot; one stream, however often it is asked for.
    pub fn entropy(&self, machine: Machine) -> MachineEntropy {
        let boot = self.boots(machine);
        let mut streams = self.inner.entropy.lock();
        let fresh = || (boot, MachineEntropy::of_boot(self.seed, machine, boot));
        let known = streams.entry(machine).or_insert_with(fresh);
        if known.0 != boot {
            *known = fresh();
        }
        known.1.clone()
    }

    /// The machine's disk, opened by whatever runs on it now. After the machine's next crash the handle
    /// answers `Closed`; the next boot opens it again.
    pub fn disk(&self, machine: Machine) -> FaultyDisk {
        self.inner.disks[&machine].open()
    }

    /// Lets so many of a hundred reads of the machine's disk wait for others.
    pub fn put_readers_aside(&self, machine: Machine, percent: u64) {
        self.inner.disks[&machine].put_readers_aside(percent);
    }

    /// The machine's disk with RocksDB's files, opened by whatever runs on it now; beside the other one,
    /// and empty at first. Errors are the store's: what it says of its files.
    #[cfg(feature = "rocksdb")]
    pub fn rocks_disk(
        &self,
        machine: Machine,
    ) -> Result<RocksDisk, sagaline_storage::StorageError> {
        self.inner.rocks_disks[&machine].open()
    }

    /// Says how a machine boots, and switches it on: for each machine once. `boot` is called again at
    /// every restart; when it returns, what it has spawned goes on.
    pub fn machine(
        &self,
        machine: Machine,
        boot: impl Fn(Self) -> Running + Send + Sync + 'static,
    ) {
        self.inner.power.plug_in(self, machine, Arc::new(boot));
    }

    /// How often the machine was switched on.
    pub fn boots(&self, machine: Machine) -> u32 {
        self.inner.power.boots(machine)
    }

    /// Whether the machine is on.
    pub fn is_on(&self, machine: Machine) -> bool {
        self.inner.power.is_on(machine)
    }

    /// Everything on the machine ends. With `loses_unsynced` its power fails: what was not synced may be
    /// gone, and its peers are told nothing. Without, only its processes end. Whoever runs on the machine
    /// runs no further than to its next await.
    pub fn crash(&self, machine: Machine, loses_unsynced: bool) {
        if !self.inner.power.switch_off(machine) {
            return;
        }
        self.note(machine, PowerWhat::Crashed);
        let mattered =
            if loses_unsynced { self.power_lost(machine) } else { self.processes_ended(machine) };
        if mattered > 0 {
            self.bites.bit(FaultKind::Crash);
        }
    }

    /// Boots a machine that is off.
    pub fn restart(&self, machine: Machine) {
        if self.inner.power.switch_on(machine) {
            self.network.power_back(machine);
        }
    }

    /// Nothing runs on the machine from now on; its connections and its clock do.
    pub fn pause(&self, machine: Machine) {
        if self.inner.power.pause(machine) {
            self.note(machine, PowerWhat::Paused);
            self.inner.clocks[&machine].pause();
        }
    }

    /// What ran on the machine runs again.
    pub fn resume(&self, machine: Machine) {
        let awaited = self.network.is_awaited(machine);
        if !self.inner.power.resume(machine) {
            return;
        }
        self.note(machine, PowerWhat::Resumed);
        if awaited {
            self.bites.bit(FaultKind::Pause);
        }
    }

    /// What the newest open episode that `pick` wants says.
    pub fn active<T>(&self, pick: impl Fn(&Fault) -> Option<T>) -> Option<T> {
        self.inner.episodes.newest(pick)
    }

    /// Tells of every episode that begins or ends from now on.
    pub fn changes(&self) -> watch::Receiver<()> {
        self.inner.episodes.changes()
    }

    /// The machine has come to this place. When an episode waits for that, it crashes, and this returns
    /// true: then nothing may be done any more. See [`World::pass`].
    pub fn at_crash_point(&self, machine: Machine, point: CrashPoint) -> bool {
        let waits = |fault: &Fault| matches!(fault, Fault::CrashAt { machine: of, point: at } if (*of, *at) == (machine, point));
        let mut sprung = self.inner.sprung.lock();
        let Some(episode) = self.inner.episodes.newest_but(&sprung, waits) else { return false };
        if !self.is_on(machine) {
            return false;
        }
        sprung.insert(episode.id);
        drop(sprung);
        self.bites.bit(FaultKind::CrashAt);
        let label = format!("crash-at/{}", episode.id);
        self.crash(machine, self.seed.stream(&label).percent(50));
        true
    }

    /// Like [`World::at_crash_point`], for those who can wait: never returns when the machine crashes.
    pub async fn pass(&self, machine: Machine, point: CrashPoint) {
        if self.at_crash_point(machine, point) {
            std::future::pending::<()>().await;
        }
    }

    /// What has panicked so far on machines: machine, place and words. A machine that panics is started
    /// again by itself.
    pub fn crashes(&self) -> Vec<String> {
        panics::so_far()
    }

    /// What happened to the machines' power so far, in order.
    pub fn power_changes(&self) -> Vec<PowerChange> {
        self.inner.power_changes.lock().clone()
    }

    fn note(&self, machine: Machine, what: PowerWhat) {
        let change = PowerChange { at_us: self.now_us(), machine, what };
        self.inner.power_changes.lock().push(change);
    }

    fn power(&self) -> &Power {
        &self.inner.power
    }

    /// The machine's power has failed. Returns how much that took or cut in its middle.
    fn power_lost(&self, machine: Machine) -> usize {
        let lost = self.inner.disks[&machine].power_lost();
        #[cfg(feature = "rocksdb")]
        let lost = lost + self.inner.rocks_disks[&machine].power_lost();
        lost + self.network.power_lost(machine)
    }

    /// The machine's processes have ended, its power has not. Returns how much that cut in its middle.
    fn processes_ended(&self, machine: Machine) -> usize {
        self.inner.disks[&machine].processes_ended();
        #[cfg(feature = "rocksdb")]
        self.inner.rocks_disks[&machine].processes_ended();
        self.network.processes_ended(machine)
    }
}
