//! Partitions with a shape. Each outlives a lease, so that ownership moves while somebody still believes
//! to have it.

use crate::fault::{Fault, Link};
use crate::machine::Machine;

use super::ground::Ground;

const SERVICES: [Machine; 4] = [Machine::Store, Machine::Locks, Machine::Bus, Machine::Bank];
/// Between two strikes, so that the product gets on its feet and has something to lose.
const GAP_MS: u64 = 9_000;

fn others(but: Machine) -> Vec<Machine> {
    Machine::ALL.into_iter().filter(|machine| *machine != but).collect()
}

fn cut(one: Vec<Machine>, other: Vec<Machine>, one_way: bool) -> Fault {
    Fault::Partition { one, other, one_way }
}

pub(super) fn isolate_one(ground: &mut Ground) {
    for at_ms in ground.moments(GAP_MS) {
        let node = ground.node();
        let for_ms = ground.beyond_lease_ms();
        let one_way = ground.random.percent(30);
        let (one, other) = (vec![node], others(node));
        let fault = if ground.random.percent(50) {
            cut(one, other, one_way)
        } else {
            cut(other, one, one_way)
        };
        ground.add(at_ms, for_ms, fault);
    }
}

pub(super) fn majority(ground: &mut Ground) {
    for at_ms in ground.moments(GAP_MS) {
        let for_ms = ground.beyond_lease_ms();
        let minority = ground.node();
        let mut services = SERVICES;
        ground.random.shuffle(&mut services);
        let (with_them, with_it) = services.split_at(2);
        let mut one = others(minority);
        one.retain(|machine| !with_it.contains(machine));
        let mut other = vec![minority];
        other.extend(with_it);
        debug_assert!(with_them.iter().all(|service| one.contains(service)));
        ground.add(at_ms, for_ms, cut(one, other, false));
    }
}

pub(super) fn bridge(ground: &mut Ground) {
    for at_ms in ground.moments(GAP_MS) {
        let for_ms = ground.beyond_lease_ms();
        let mut nodes = Machine::NODES;
        ground.random.shuffle(&mut nodes);
        // The left one has no bank and no bus, the right one no store and no locks; the third has all.
        ground.add(at_ms, for_ms, cut(vec![nodes[0]], vec![Machine::Bank, Machine::Bus], false));
        ground.add(at_ms, for_ms, cut(vec![nodes[1]], vec![Machine::Store, Machine::Locks], false));
        ground.add(at_ms, for_ms, cut(vec![nodes[0]], vec![nodes[1]], false));
    }
}

pub(super) fn ring(ground: &mut Ground) {
    for at_ms in ground.moments(GAP_MS) {
        let for_ms = ground.beyond_lease_ms();
        let mut services = SERVICES;
        ground.random.shuffle(&mut services);
        for (node, service) in Machine::NODES.into_iter().zip(services) {
            let one_way = ground.random.percent(30);
            ground.add(at_ms, for_ms, cut(vec![node], vec![service], one_way));
        }
    }
}

/// Each link is cut at its own moment in the first half and comes back at its own in the second.
pub(super) fn swizzle(ground: &mut Ground) {
    for at_ms in ground.moments(2 * GAP_MS) {
        let half_ms = ground.beyond_lease_ms();
        let mut links = Vec::new();
        for node in Machine::NODES {
            links.extend(SERVICES.map(|service| Link { from: node, to: service }));
            links.push(Link { from: Machine::Balancer, to: node });
        }
        ground.random.shuffle(&mut links);
        let cut_links = ground.random.between(3, links.len() as u64);
        for link in links.into_iter().take(usize::try_from(cut_links).unwrap_or(3)) {
            let from_ms = ground.random.below(half_ms);
            let to_ms = half_ms + ground.random.below(half_ms);
            let hangs = ground.random.percent(20);
            let fault = if hangs {
                Fault::ConnectHang { link }
            } else {
                cut(vec![link.from], vec![link.to], ground.random.percent(25))
            };
            ground.add(at_ms + from_ms, to_ms - from_ms, fault);
        }
    }
}
