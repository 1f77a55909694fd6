//! The machines: what boots on them, and switching them on and off. A machine is a madsim node; it is
//! always killed before it is started again. Used by [`super::World`] only.

use std::collections::BTreeMap;
use std::fmt;
use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;

use madsim::runtime::Handle;
use madsim::task::NodeId;
use parking_lot::Mutex;

use super::{World, panics};
use crate::evidence::Power as What;
use crate::machine::Machine;

/// What a machine runs, from its boot to its end.
pub type Running = Pin<Box<dyn Future<Output = ()> + Send>>;

type Boot = Arc<dyn Fn(World) -> Running + Send + Sync>;

/// All machines that have been switched on.
#[derive(Debug, Default)]
pub(super) struct Power(Mutex<BTreeMap<Machine, Plug>>);

struct Plug {
    node: NodeId,
    boots: u32,
    state: State,
    /// Something has booted, and was not switched off since.
    runs: bool,
}

/// A boot that begins.
struct Booting {
    /// The processes of the boot before have ended without being switched off: by a panic.
    after_panic: bool,
}

impl fmt::Debug for Plug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} after {} boots", self.state, self.boots)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    On { paused: bool },
    Off,
}

impl Power {
    /// Makes the machine and switches it on.
    pub(super) fn plug_in(&self, world: &World, machine: Machine, boot: Boot) {
        let starts = {
            let world = world.clone();
            move || run(world.clone(), machine, Arc::clone(&boot))
        };
        let handle = Handle::current();
        // No address: this is not madsim's network, and two worlds may follow each other in one runtime.
        let builder = handle.create_node().name(machine.name());
        // A machine that panics comes back by itself, as under a supervisor.
        let node = builder.restart_on_panic().init(starts).build().id();
        panics::belongs(node, machine);
        let plug = Plug { node, boots: 0, state: State::On { paused: false }, runs: false };
        let before = self.0.lock().insert(machine, plug);
        assert!(before.is_none(), "{machine} is already there");
    }

    /// A boot begins. None: the machine is off, and stays off.
    fn boot(&self, machine: Machine) -> Option<Booting> {
        let mut plugs = self.0.lock();
        let plug = plugs.get_mut(&machine).filter(|plug| plug.state != State::Off)?;
        plug.boots += 1;
        // A paused machine that panicked in its last moment comes back unpaused.
        plug.state = State::On { paused: false };
        Some(Booting { after_panic: std::mem::replace(&mut plug.runs, true) })
    }

    /// How often the machine was switched on.
    pub(super) fn boots(&self, machine: Machine) -> u32 {
        self.0.lock().get(&machine).map_or(0, |plug| plug.boots)
    }

    /// Whether it is on. A machine that was never made is neither.
    pub(super) fn is_on(&self, machine: Machine) -> bool {
        self.0.lock().get(&machine).is_some_and(|plug| plug.state != State::Off)
    }

    /// Machines that are off.
    pub(super) fn off(&self) -> Vec<Machine> {
        let plugs = self.0.lock();
        let off = plugs.iter().filter(|(_, plug)| plug.state == State::Off);
        off.map(|(machine, _)| *machine).collect()
    }

    /// Ends everything that runs on it. Returns whether it was on.
    pub(super) fn switch_off(&self, machine: Machine) -> bool {
        let Some(node) = self.change(machine, |state| match state {
            State::On { .. } => Some(State::Off),
            State::Off => None,
        }) else {
            return false;
        };
        self.0.lock().entry(machine).and_modify(|plug| plug.runs = false);
        let world = Handle::current();
        // What is paused would be dropped within madsim's own lock, and its destructors with it.
        world.resume(node);
        world.kill(node);
        true
    }

    /// Boots it again. Returns whether it was off.
    pub(super) fn switch_on(&self, machine: Machine) -> bool {
        let node = self.change(machine, |state| match state {
            State::On { .. } => None,
            State::Off => Some(State::On { paused: false }),
        });
        node.inspect(|node| Handle::current().restart(*node)).is_some()
    }

    /// Nothing runs on it any more. Returns whether it ran before.
    pub(super) fn pause(&self, machine: Machine) -> bool {
        let node = self.change(machine, |state| match state {
            State::On { paused: false } => Some(State::On { paused: true }),
            State::On { paused: true } | State::Off => None,
        });
        node.inspect(|node| Handle::current().pause(*node)).is_some()
    }

    /// What ran on it runs again. Returns whether it was paused.
    pub(super) fn resume(&self, machine: Machine) -> bool {
        let node = self.change(machine, |state| match state {
            State::On { paused: true } => Some(State::On { paused: false }),
            State::On { paused: false } | State::Off => None,
        });
        node.inspect(|node| Handle::current().resume(*node)).is_some()
    }

    /// The machine's node, when `to` has found its state one to change from.
    fn change(&self, machine: Machine, to: impl Fn(State) -> Option<State>) -> Option<NodeId> {
        let mut plugs = self.0.lock();
        let plug = plugs.get_mut(&machine)?;
        plug.state = to(plug.state)?;
        Some(plug.node)
    }
}

/// One boot. What it has spawned goes on when it has returned, unless it was told to end.
async fn run(world: World, machine: Machine, boot: Boot) {
    if let Some(booting) = world.power().boot(machine) {
        if booting.after_panic {
            world.note(machine, What::Crashed);
            world.processes_ended(machine);
        }
        world.note(machine, What::Booted);
        boot(world.clone()).await;
        world.returned(machine);
    }
    pending::<()>().await;
}
