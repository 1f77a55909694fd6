//! The machines of the simulated world: three nodes of the product, and what they depend on.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use serde::{Deserialize, Serialize};

/// One machine. The services are machines with faults of their own, never memory shared by the nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Machine {
    /// A node of the product.
    Node1,
    /// A node of the product.
    Node2,
    /// A node of the product.
    Node3,
    /// The event store and the views: the log's algorithm over the faulty disk.
    Store,
    /// The lock service.
    Locks,
    /// The message bus.
    Bus,
    /// The payment gateway, and whatever else the sagas call.
    Bank,
    /// Hands the clients' requests to the nodes in turn.
    Balancer,
    /// Where the clients are.
    Clients,
}

impl Machine {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Node1,
        Self::Node2,
        Self::Node3,
        Self::Store,
        Self::Locks,
        Self::Bus,
        Self::Bank,
        Self::Balancer,
        Self::Clients,
    ];

    /// The nodes of the product.
    pub const NODES: [Self; 3] = [Self::Node1, Self::Node2, Self::Node3];

    /// Its name, also in plans.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Node1 => "node-1",
            Self::Node2 => "node-2",
            Self::Node3 => "node-3",
            Self::Store => "store",
            Self::Locks => "locks",
            Self::Bus => "bus",
            Self::Bank => "bank",
            Self::Balancer => "balancer",
            Self::Clients => "clients",
        }
    }

    /// Where it is on the simulated network.
    pub const fn ip(self) -> IpAddr {
        let last = match self {
            Self::Node1 => 1,
            Self::Node2 => 2,
            Self::Node3 => 3,
            Self::Store => 11,
            Self::Locks => 12,
            Self::Bus => 13,
            Self::Bank => 14,
            Self::Balancer => 21,
            Self::Clients => 31,
        };
        IpAddr::V4(Ipv4Addr::new(10, 0, 0, last))
    }

    /// Where it listens.
    pub const fn address(self) -> SocketAddr {
        SocketAddr::new(self.ip(), 3000)
    }

    /// Who is at this address.
    pub fn at(ip: IpAddr) -> Option<Self> {
        Self::ALL.into_iter().find(|machine| machine.ip() == ip)
    }

    /// Whether the product runs on it.
    pub fn is_node(self) -> bool {
        Self::NODES.contains(&self)
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
