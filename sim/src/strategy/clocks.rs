//! Clocks that jump when it matters: just before and just after a lease would end; that of the lock service
//! as well.

use crate::fault::Fault;
use crate::machine::Machine;

use super::ground::Ground;

pub(super) fn steps(ground: &mut Ground) {
    let lease_ms = ground.knobs.lease_ms;
    for at_ms in ground.moments(6_000) {
        let machine = if ground.random.percent(20) { Machine::Locks } else { ground.node() };
        let edge = i64::try_from(lease_ms).unwrap_or(i64::MAX);
        let (early, late) = (edge - edge / 10, edge + edge / 10);
        let step_ms = ground.one_of(&[early, late, -early, -late, edge / 2, -edge / 2, 3_600_000]);
        let for_ms = ground.random.between(lease_ms / 2, lease_ms * 2);
        ground.add(at_ms, for_ms, Fault::ClockStep { machine, step_ms });
        if ground.random.percent(40) && machine != Machine::Locks {
            // A node that stands still until its lease is nearly over and is then told another time.
            ground.add(at_ms, lease_ms * 9 / 10, Fault::Pause { machine });
        }
    }
}
