//! A node that is told to end does so in good order: within the time that it says it takes at the most, with
//! everything finished that was in progress, and its shards are others' at once. What a fault holds up counts from
//! the fault's end; that something is left unfinished, and that shards wait, only where nothing was wrong.

use crate::evidence::{Power, PowerChange, ShardChange, Stop};
use crate::fault::Fault;
use crate::machine::Machine;

use super::case::Case;
use super::{Finding, Oracle};

/// How long an end takes at the most, where nobody has set another `DRAIN_TIMEOUT`.
const DRAIN_US: u64 = 20_000_000;
/// Beside it: a last word to the store, and to the bus.
const SLACK_US: u64 = 1_000_000;
/// Who was just switched on begins to end when it has started.
const START_US: u64 = 5_000_000;
/// Behind a fault connections are given up, and others are made.
const BEHIND_FAULT_US: u64 = 15_000_000;
/// For so long something may be wrong behind a fault, and behind the return of another node.
const AFTERMATH_US: u64 = 10_000_000;
const RETURN_US: u64 = 3_000_000;
/// Whoever gets a shard has it by then.
const HANDED_ON_US: u64 = 1_500_000;

/// See the module.
#[derive(Debug)]
pub struct Stops;

impl Oracle for Stops {
    fn name(&self) -> &'static str {
        "stops"
    }

    fn is_due(&self, case: &Case<'_>) -> bool {
        !case.evidence.stops.is_empty()
    }

    fn examine(&self, case: &Case<'_>) -> Finding {
        let mut finding = Finding::default();
        for stop in &case.evidence.stops {
            finding.look();
            // Who is cut off from everybody cannot end, and who never ends is told of as undone.
            let ended_at_us = stop.ended_at_us.filter(|at| !is_left_broken(case, stop.node, *at));
            if let Some(ended_at_us) = ended_at_us {
                examine_time(case, stop, ended_at_us, &mut finding);
                examine_order(case, stop, ended_at_us, &mut finding);
                examine_handing_on(case, stop, ended_at_us, &mut finding);
            }
        }
        finding
    }
}

/// Whether a node is one that stays out when the rest heals, at a moment behind that.
fn is_left_broken(case: &Case<'_>, node: Machine, at_us: u64) -> bool {
    case.is_left_broken(node) && at_us >= case.evidence.phases.healed_at_us
}

fn shown(stop: &Stop, ended_at_us: u64) -> String {
    let took_us = ended_at_us - stop.told_at_us;
    format!("{} was told at {} us and ended {took_us} us later", stop.node, stop.told_at_us)
}

/// What a node says of how long its end takes holds, whatever is under way on it.
fn examine_time(case: &Case<'_>, stop: &Stop, ended_at_us: u64, finding: &mut Finding) {
    let from_us = stop.told_at_us.saturating_sub(AFTERMATH_US);
    let needed = [stop.node, Machine::Store, Machine::Bus];
    let hurts = |fault: &Fault| fault.machines().iter().any(|it| needed.contains(it));
    let hurt_until_us = episodes(case, (from_us, ended_at_us), hurts).map(|(_, to_us)| to_us).max();
    let booted = |it: &&PowerChange| {
        let is_before = it.at_us <= stop.told_at_us;
        it.machine == stop.node && it.what == Power::Booted && is_before
    };
    let booted_at_us = case.evidence.power.iter().rev().find(booted).map_or(0, |it| it.at_us);
    let begins_us = stop.told_at_us.max(booted_at_us + START_US);
    let bound_us = match hurt_until_us {
        None => begins_us + DRAIN_US + SLACK_US,
        Some(until_us) => begins_us.max(until_us) + DRAIN_US + SLACK_US + BEHIND_FAULT_US,
    };
    let in_time = ended_at_us <= bound_us;
    finding.expect(in_time, "a node took longer to end than it may", || shown(stop, ended_at_us));
}

/// Everything that was in progress is finished.
fn examine_order(case: &Case<'_>, stop: &Stop, ended_at_us: u64, finding: &mut Finding) {
    if is_calm(case, stop, ended_at_us) {
        let what = "a node that was told to end left something unfinished";
        let detail = || format!("{}: {:?}", shown(stop, ended_at_us), stop.unfinished);
        finding.expect(stop.unfinished.is_none(), what, detail);
    }
}

/// Whatever shards it had, somebody else has soon: nobody waits for the end of a lease. Whoever is about to end as
/// well has them until then.
fn examine_handing_on(case: &Case<'_>, stop: &Stop, ended_at_us: u64, finding: &mut Finding) {
    let by_us = ended_at_us + HANDED_ON_US;
    let in_time = case.evidence.phases.quiet_at_us.is_some_and(|quiet_at_us| by_us < quiet_at_us);
    let is_taken = in_time && nothing_fails(case, stop, by_us);
    if !is_taken || !somebody_stays(case, stop, ended_at_us, by_us + SLACK_US) {
        return;
    }
    let taken = |shard: u32, until_us: u64| {
        let of_shard = case.evidence.shards.iter().filter(move |it| it.shard == shard && it.taken);
        of_shard.filter(move |it| it.at_us <= until_us).max_by_key(|it| it.epoch)
    };
    for shard in 0..case.evidence.plan.knobs.shards {
        let Some(own) = taken(shard, ended_at_us).filter(|it| it.node == stop.node) else {
            continue;
        };
        if is_of_an_earlier_boot(case, own, stop.told_at_us) {
            continue;
        }
        let newest = taken(shard, by_us).map_or(0, |it| it.epoch);
        finding.expect(newest > own.epoch, "a node that ended left its shards to nobody", || {
            format!("shard {shard}: {}", shown(stop, ended_at_us))
        });
    }
}

/// Whether a node that took a shard was switched off before it was told to end: it had it no more.
fn is_of_an_earlier_boot(case: &Case<'_>, own: &ShardChange, told_at_us: u64) -> bool {
    let since = |it: &&PowerChange| {
        it.machine == own.node && (own.at_us + 1..=told_at_us).contains(&it.at_us)
    };
    case.evidence.power.iter().filter(since).any(|it| it.what == Power::Booted)
}

/// Whether nothing was wrong from a while before a node was told to end until then, and no other node was about
/// to end, or off.
fn is_calm(case: &Case<'_>, stop: &Stop, until_us: u64) -> bool {
    let stops = |other: &Stop| {
        let back_us = back_at(case, other).map_or(u64::MAX, |at| at.saturating_add(RETURN_US));
        other.told_at_us <= until_us && stop.told_at_us <= back_us
    };
    nothing_fails(case, stop, until_us) && !others(case, stop).any(stops)
}

/// The other ends of a run.
fn others<'a>(case: &'a Case<'_>, stop: &'a Stop) -> impl Iterator<Item = &'a Stop> {
    case.evidence.stops.iter().filter(move |other| !std::ptr::eq(*other, stop))
}

/// Whether another node was there when this one had ended, and none came or went for a while before and behind it.
fn somebody_stays(case: &Case<'_>, stop: &Stop, ended_at_us: u64, until_us: u64) -> bool {
    let around = ended_at_us.saturating_sub(RETURN_US)..=until_us;
    let comes_or_goes = |it: &PowerChange| {
        let is_about = matches!(it.what, Power::Booted | Power::Stopped);
        is_about && it.machine != stop.node && around.contains(&it.at_us)
    };
    let is_off = |node: Machine| {
        let power = case.evidence.power.iter().filter(|it| it.machine == node);
        let mut before = power.filter(|it| it.at_us < ended_at_us).rev();
        before.next().is_none_or(|it| it.what == Power::Stopped)
    };
    let mut others = Machine::NODES.into_iter().filter(|node| *node != stop.node);
    !case.evidence.power.iter().any(comes_or_goes) && others.any(|node| !is_off(node))
}

/// Whether nothing was wrong from a while before a node was told to end until then. Other nodes may have been
/// about to end.
fn nothing_fails(case: &Case<'_>, stop: &Stop, until_us: u64) -> bool {
    let time = (stop.told_at_us.saturating_sub(AFTERMATH_US), until_us);
    let wrong = |fault: &Fault| !matches!(fault, Fault::Stop { .. });
    let fails = |it: &PowerChange| {
        matches!(it.what, Power::Crashed | Power::Paused) && (time.0..=time.1).contains(&it.at_us)
    };
    let heals_in_part =
        !case.evidence.plan.left_broken.is_empty() && until_us >= case.evidence.phases.healed_at_us;
    episodes(case, time, wrong).next().is_none()
        && !case.evidence.power.iter().any(fails)
        && !heals_in_part
}

/// When a node that was told to end was switched on again.
fn back_at(case: &Case<'_>, stop: &Stop) -> Option<u64> {
    let power = case.evidence.power.iter().filter(|it| it.machine == stop.node);
    let mut boots = power.filter(|it| it.what == Power::Booted && it.at_us > stop.told_at_us);
    boots.next().map(|it| it.at_us)
}

/// From when to when such faults were on that were on at some moment of a time.
fn episodes(
    case: &Case<'_>,
    (from_us, to_us): (u64, u64),
    wanted: impl Fn(&Fault) -> bool,
) -> impl Iterator<Item = (u64, u64)> {
    let chaos_at_us = case.evidence.phases.chaos_at_us;
    let wanted = case.evidence.plan.episodes.iter().filter(move |it| wanted(&it.fault));
    let times = wanted.map(move |it| {
        let begins_us = chaos_at_us + it.at_ms * 1_000;
        (begins_us, begins_us.saturating_add(it.for_ms.saturating_mul(1_000)))
    });
    times.filter(move |(begins_us, ends_us)| *begins_us <= to_us && from_us <= *ends_us)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::Episode;
    use crate::oracle::testing::{History, caught, clean};

    const TOLD_US: u64 = 20_000_000;
    const UNFINISHED: &str = "a node that was told to end left something unfinished";
    const TOO_LONG: &str = "a node took longer to end than it may";
    const LEFT: &str = "a node that ended left its shards to nobody";

    /// The first node is told to end, is back a second later, and has handed on its shards, of four the first and
    /// the last.
    fn stopped(took_us: u64, handed_on_us: u64) -> History {
        let mut history = History::good();
        let (node, ended_at_us) = (Machine::Node1, TOLD_US + took_us);
        let stop =
            Stop { node, told_at_us: TOLD_US, ended_at_us: Some(ended_at_us), unfinished: None };
        history.evidence.stops.push(stop);
        for (at_us, what) in
            [(ended_at_us, Power::Stopped), (ended_at_us + 1_000_000, Power::Booted)]
        {
            history.evidence.power.push(PowerChange { at_us, machine: node, what });
        }
        for shard in [0, 3] {
            let (at_us, node) = (ended_at_us + handed_on_us, Machine::Node2);
            let taken = ShardChange { at_us, node, shard, epoch: 2, taken: true };
            history.evidence.shards.push(taken);
        }
        history
    }

    fn with(mut history: History, at_ms: u64, for_ms: u64, fault: Fault) -> History {
        let id = 1;
        history.evidence.plan.episodes.push(Episode { id, at_ms, for_ms, fault });
        history
    }

    #[test]
    fn a_node_that_ends_in_time_and_hands_on_what_it_had_is_right() {
        assert!(clean(&Stops, &stopped(1_000_000, 200_000)).examined >= 5);
        clean(&Stops, &stopped(20_500_000, 200_000));
    }

    #[test]
    fn a_node_that_takes_too_long_is_caught_unless_it_was_held_up() {
        let late = || stopped(22_000_000, 200_000);
        caught(&Stops, &late(), TOO_LONG);
        caught(&Stops, &with(late(), 20_000, 9_000, Fault::BankDown), TOO_LONG);
        let other = Fault::Pause { machine: Machine::Node2 };
        caught(&Stops, &with(late(), 20_000, 9_000, other), TOO_LONG);
        clean(&Stops, &with(late(), 20_000, 9_000, Fault::Pause { machine: Machine::Node1 }));
        clean(&Stops, &with(late(), 20_000, 9_000, Fault::StoreSlow { added_ms: 1_000 }));
        let slow = Fault::StoreSlow { added_ms: 1_000 };
        let never = with(stopped(40_000_000, 0), 20_000, 1_000, slow);
        caught(&Stops, &never, TOO_LONG);
    }

    #[test]
    fn a_node_that_leaves_something_unfinished_is_caught_where_nothing_is_wrong() {
        let mut history = stopped(10_000_000, 200_000);
        history.evidence.stops[0].unfinished = Some("2 cut".to_owned());
        caught(&Stops, &history, UNFINISHED);
        clean(&Stops, &with(history, 12_000, 1_000, Fault::BankDown));
    }

    #[test]
    fn shards_that_wait_for_the_end_of_a_lease_are_caught_where_somebody_could_take_them() {
        clean(&Stops, &stopped(1_000_000, 1_400_000));
        caught(&Stops, &stopped(1_000_000, 1_600_000), LEFT);
        let mut history = stopped(1_000_000, 1_600_000);
        let (node, told_at_us) = (Machine::Node2, TOLD_US + 500_000);
        let stop = Stop { node, told_at_us, ended_at_us: None, unfinished: None };
        history.evidence.stops.push(stop);
        caught(&Stops, &history, LEFT);
        let power = &mut history.evidence.power;
        let ended = |machine, at_us| PowerChange { at_us, machine, what: Power::Stopped };
        let moment = power.len();
        power.push(ended(Machine::Node2, TOLD_US + 2_000_000));
        clean(&Stops, &history);
        // Nobody else is there.
        let power = &mut history.evidence.power;
        power.truncate(moment);
        power.push(ended(Machine::Node2, TOLD_US - 4_000_000));
        caught(&Stops, &history, LEFT);
        history.evidence.power.push(ended(Machine::Node3, TOLD_US - 4_000_000));
        clean(&Stops, &history);
        let crash = Fault::Crash { machine: Machine::Node3, loses_unsynced: false };
        clean(&Stops, &with(stopped(1_000_000, 1_600_000), 21_000, 800, crash));
    }

    #[test]
    fn what_a_node_took_before_it_was_last_switched_on_it_need_not_hand_on() {
        let mut history = stopped(1_000_000, 1_600_000);
        let (at_us, machine) = (9_000_000, Machine::Node1);
        history.evidence.power.push(PowerChange { at_us, machine, what: Power::Booted });
        clean(&Stops, &history);
    }

    #[test]
    fn who_never_ends_and_who_is_left_behind_is_not_judged_here() {
        let mut history = stopped(30_000_000, 200_000);
        history.evidence.plan.left_broken.push(Machine::Node1);
        clean(&Stops, &history);
        history.evidence.stops[0].ended_at_us = None;
        clean(&Stops, &history);
    }
}
