//! The world's own network, in memory. A connection is two pipes with bounded windows; every piece that
//! is sent has a moment at which it arrives, drawn from the link's own stream of the seed, and order is
//! kept within a connection. madsim's network is not used: it knows no half-open connection, no
//! back-pressure and no connect that hangs.
//!
//! It behaves as the kernel's TCP does. Nobody listens: refused. The machine is off or behind a
//! partition: connecting hangs, until it times out after 127 s. A process ends: its peers are told. The
//! power fails: nobody is told, until the machine is back and does not know the connection. What is not
//! acknowledged is sent again after growing times, and given up after 924.6 s.

mod connection;
mod fabric;
mod links;
mod listener;
mod opening;
mod outage;
mod pipe;
mod retransmit;
mod stream;
mod traffic;

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use sagaline::engine::http_client::{Connect, Connecting, Stream};

pub use listener::SimListener;
pub(crate) use stream::Sending;
pub use stream::SimStream;

use connection::CLIENT;
use fabric::Fabric;
use opening::Asked;

use super::timeline::Timeline;
use crate::bites::Bites;
use crate::fault::Episode;
use crate::machine::Machine;
use crate::seed::Seed;

/// The network of one world. Clones are the same network.
#[derive(Debug, Clone)]
pub struct Network {
    timeline: Timeline,
    fabric: Arc<Mutex<Fabric>>,
    /// Names beside those of the machines.
    names: Arc<Mutex<BTreeMap<String, SocketAddr>>>,
}

impl Network {
    pub(super) fn new(seed: Seed, timeline: Timeline, bites: Bites) -> Self {
        let fabric = Arc::new(Mutex::new(Fabric::new(seed, timeline.clone(), bites)));
        Self { timeline, fabric, names: Arc::default() }
    }

    /// A connection from a machine to an address.
    ///
    /// `ConnectionRefused`: nobody listens there. `TimedOut`: nothing answered for 127 s.
    /// `HostUnreachable`: no machine has the address.
    pub async fn connect(&self, from: Machine, to: SocketAddr) -> io::Result<SimStream> {
        let machine =
            Machine::at(to.ip()).ok_or_else(|| io::Error::from(io::ErrorKind::HostUnreachable))?;
        let asked_us = self.timeline.now_us();
        for try_us in retransmit::CONNECT_TRIES_US {
            self.timeline.until(asked_us + try_us).await;
            let asked = self.fabric().ask(from, (machine, to.port()));
            match asked {
                Asked::Unanswered => {}
                Asked::Refused { at_us } => {
                    self.timeline.until(at_us).await;
                    return Err(io::Error::from(io::ErrorKind::ConnectionRefused));
                }
                Asked::Opened { id, at_us } => {
                    // Held from now: whoever stops waiting closes it.
                    let stream = SimStream::new(self.clone(), id, CLIENT, to);
                    self.timeline.until(at_us).await;
                    return Ok(stream);
                }
            }
        }
        self.timeline.until(asked_us + retransmit::CONNECT_GIVE_UP_US).await;
        Err(io::Error::from(io::ErrorKind::TimedOut))
    }

    /// Gives an address one more name. Whoever connects to the name comes there, whatever port is asked for.
    pub fn call(&self, name: &str, address: SocketAddr) {
        self.names.lock().insert(name.to_owned(), address);
    }

    /// The address of a host: an IP address, a machine's name, or another name.
    fn resolve(&self, host: &str, port: u16) -> Option<SocketAddr> {
        let named = || Machine::ALL.into_iter().find(|machine| machine.name() == host);
        let ip: Option<IpAddr> = host.parse().ok().or_else(|| named().map(Machine::ip));
        let address = ip.map(|ip| SocketAddr::new(ip, port));
        address.or_else(|| self.names.lock().get(host).copied())
    }

    /// Listens on a machine's port. `AddrInUse`: somebody does already.
    pub fn listen(&self, machine: Machine, port: u16) -> io::Result<SimListener> {
        let door = (machine, port);
        let id = self.fabric().listen(door)?;
        Ok(SimListener::new(self.clone(), door, id))
    }

    /// Who is at the other ends of the connections that the processes of a machine hold: what is left of
    /// them when everything was closed in good order is a leak.
    pub fn open_ends(&self, machine: Machine) -> Vec<Machine> {
        self.fabric().peers_of(machine)
    }

    pub(super) fn begin(&self, episode: &Episode) {
        self.fabric().begin(episode);
    }

    pub(super) fn end(&self, episode: &Episode) {
        self.fabric().end(episode);
    }

    /// See [`Fabric::processes_ended`].
    pub(super) fn processes_ended(&self, machine: Machine) -> usize {
        self.fabric().processes_ended(machine)
    }

    /// See [`Fabric::power_lost`].
    pub(super) fn power_lost(&self, machine: Machine) -> usize {
        self.fabric().power_lost(machine)
    }

    pub(super) fn power_back(&self, machine: Machine) {
        self.fabric().power_back(machine);
    }

    /// Whether something has arrived at the machine that nobody there has taken.
    pub(super) fn is_awaited(&self, machine: Machine) -> bool {
        self.fabric().is_awaited(machine)
    }

    /// Whether somebody has asked the machine for something and has no answer yet.
    pub(super) fn is_asked(&self, machine: Machine) -> bool {
        self.fabric().is_asked(machine)
    }

    fn fabric(&self) -> MutexGuard<'_, Fabric> {
        self.fabric.lock()
    }
}

/// Connections of the product's HTTP client, from one machine. Hosts are addresses, machines' names, or what
/// [`Network::call`] called them.
#[derive(Debug, Clone)]
pub struct NetConnect {
    /// The network.
    pub network: Network,
    /// From where.
    pub machine: Machine,
}

impl Connect for NetConnect {
    fn connect(&self, host: String, port: u16) -> Connecting {
        let Self { network, machine } = self.clone();
        Box::pin(async move {
            let address = network.resolve(&host, port).ok_or_else(|| {
                io::Error::new(io::ErrorKind::NotFound, format!("nobody is called {host}"))
            })?;
            let stream = network.connect(machine, address).await?;
            Ok(Box::new(stream) as Box<dyn Stream>)
        })
    }
}
