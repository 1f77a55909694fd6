//! Every shard has one owner (I5, I6): an epoch is taken by one node only, epochs rise, at rest exactly one
//! node believes that it has the shard (where nodes say when they leave one), and after a crash or a pause in a healed world another has taken
//! it within two leases.

use std::collections::BTreeMap;

use crate::evidence::{Power, PowerChange, ShardChange};
use crate::machine::Machine;

use super::case::Case;
use super::{Finding, Oracle};

/// Besides two leases: messages on their way, a node's start, a poll.
const SLACK_MS: u64 = 2_000;

/// See the module.
#[derive(Debug)]
pub struct Shards;

impl Oracle for Shards {
    fn name(&self) -> &'static str {
        "shards"
    }

    fn is_due(&self, case: &Case<'_>) -> bool {
        case.starts_sagas()
    }

    fn examine(&self, case: &Case<'_>) -> Finding {
        let mut finding = Finding::default();
        let mut by_shard: BTreeMap<u32, Vec<&ShardChange>> = BTreeMap::new();
        for change in &case.evidence.shards {
            by_shard.entry(change.shard).or_default().push(change);
        }
        for changes in by_shard.values_mut() {
            changes.sort_by_key(|change| change.at_us);
            examine_epochs(changes, &mut finding);
            if !case.is_left_broken(Machine::Bus) {
                examine_takeovers(case, changes, &mut finding);
            }
        }
        if let Some(quiet_at_us) = case.evidence.phases.quiet_at_us
            && !by_shard.is_empty()
            && !case.is_left_broken(Machine::Bus)
        {
            for shard in 0..case.evidence.plan.knobs.shards {
                let changes = by_shard.get(&shard).map_or(&[][..], Vec::as_slice);
                examine_owner(case, shard, changes, quiet_at_us, &mut finding);
            }
        }
        finding
    }
}

fn examine_epochs(changes: &[&ShardChange], finding: &mut Finding) {
    let mut taken: BTreeMap<u64, Machine> = BTreeMap::new();
    for change in changes.iter().filter(|change| change.taken) {
        finding.look();
        if let Some(other) = taken.insert(change.epoch, change.node) {
            let detail = format!("{change:?}, and before by {other}");
            finding.break_promise("one epoch of a shard was taken twice", detail);
        }
    }
}

/// At rest one node has the shard: the one that took the newest epoch, and nobody else believes so.
fn examine_owner(
    case: &Case<'_>,
    shard: u32,
    changes: &[&ShardChange],
    quiet_at_us: u64,
    finding: &mut Finding,
) {
    // From that moment on nodes are switched off, and take what others leave.
    let before = changes.iter().filter(|change| change.at_us < quiet_at_us);
    let newest = before.clone().filter(|change| change.taken).map(|change| change.epoch).max();
    let mut believes: BTreeMap<Machine, &ShardChange> = BTreeMap::new();
    for change in before {
        let believed = believes.entry(change.node).or_insert(change);
        // News of an older epoch say nothing about a newer one.
        if change.epoch >= believed.epoch {
            *believed = change;
        }
    }
    let awake = |change: &&&ShardChange| change.taken && !has_forgotten(case, change, quiet_at_us);
    let owners: Vec<_> = believes.values().filter(awake).map(|change| **change).collect();
    let detail = || format!("shard {shard}: {owners:?}");
    finding.expect(!owners.is_empty(), "a shard has no owner when all is at rest", detail);
    // An old owner that is still there has said so, where nodes say it at all.
    let tells = case.evidence.shards.iter().any(|change| !change.taken);
    if tells {
        finding.expect(owners.len() <= 1, "a shard has two owners when all is at rest", detail);
    }
    let owned = owners.iter().any(|owner| Some(owner.epoch) >= newest);
    finding.expect(owned || owners.is_empty(), "a shard's owner has an old epoch", detail);
}

/// Whether a node was switched off or on again after it took a shard, or stands still: then what it took
/// says nothing.
fn has_forgotten(case: &Case<'_>, change: &ShardChange, quiet_at_us: u64) -> bool {
    let of_node = |power: &&PowerChange| {
        power.machine == change.node && (change.at_us..quiet_at_us).contains(&power.at_us)
    };
    let since: Vec<_> = case.evidence.power.iter().filter(of_node).collect();
    let ended = since.iter().any(|power| {
        matches!(power.what, Power::Crashed | Power::Stopped)
            || (power.what == Power::Booted && power.at_us > change.at_us)
    });
    let stands =
        since.iter().rev().find(|power| matches!(power.what, Power::Paused | Power::Resumed));
    ended || stands.is_some_and(|power| power.what == Power::Paused)
}

/// In a healed world a shard whose owner is gone has a new one soon. An owner that was asked to give a
/// shard away and is still there leaves no gap.
fn examine_takeovers(case: &Case<'_>, changes: &[&ShardChange], finding: &mut Finding) {
    let healed_at_us = case.evidence.phases.healed_at_us;
    let lease_us = case.evidence.plan.knobs.lease_ms * 1_000;
    let slack_us = SLACK_MS * 1_000 + case.clock_skew_us(&Machine::ALL);
    let mut taken: Vec<_> = changes.iter().filter(|change| change.taken).collect();
    // Who took a shard before may hear of it after the next one has.
    taken.sort_by_key(|change| change.epoch);
    for pair in taken.windows(2).filter(|pair| pair[1].at_us > healed_at_us) {
        let Some(gone_at_us) = gone_at(case, changes, pair[0], pair[1].at_us) else { continue };
        let late_us = pair[1].at_us.saturating_sub(gone_at_us.max(healed_at_us));
        let in_time = late_us <= 2 * lease_us + slack_us;
        finding.expect(in_time, "a shard was taken over too late", || {
            format!("{:?}: {late_us} us after {:?} was gone", pair[1], pair[0])
        });
    }
}

/// When an owner first left its shard, was switched off, or began to stand still for longer than its lease
/// (or until then), before another took it.
fn gone_at(
    case: &Case<'_>,
    changes: &[&ShardChange],
    owner: &ShardChange,
    until_us: u64,
) -> Option<u64> {
    let then = |at_us: &u64| (owner.at_us + 1..until_us).contains(at_us);
    let left = changes.iter().filter(|it| it.node == owner.node && !it.taken);
    let left = left.map(|change| change.at_us).filter(then);
    let power: Vec<_> =
        case.evidence.power.iter().filter(|change| change.machine == owner.node).collect();
    let lease_us = case.evidence.plan.knobs.lease_ms * 1_000;
    let failed = power.iter().enumerate().filter(|(place, change)| match change.what {
        Power::Crashed | Power::Stopped | Power::Booted => true,
        // A short stop costs nobody the shard: who has it afterwards has it still.
        Power::Paused => {
            let ends_at_us = power.get(place + 1).map_or(until_us, |next| next.at_us);
            ends_at_us >= until_us || ends_at_us - change.at_us >= lease_us
        }
        Power::Resumed => false,
    });
    let failed = failed.map(|(_, change)| change.at_us).filter(then);
    left.chain(failed).min()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::testing::{History, caught, clean};

    fn change(at_us: u64, node: Machine, epoch: u64, taken: bool) -> ShardChange {
        ShardChange { at_us, node, shard: 0, epoch, taken }
    }

    fn crash(history: &mut History, at_us: u64, machine: Machine) {
        history.evidence.power.push(PowerChange { at_us, machine, what: Power::Crashed });
    }

    #[test]
    fn shards_with_one_owner_each_are_right() {
        let mut history = History::good();
        assert!(clean(&Shards, &history).examined >= 12);
        crash(&mut history, 39_000_000, Machine::Node1);
        history.evidence.shards.push(change(44_000_000, Machine::Node2, 2, true));
        history
            .evidence
            .shards
            .push(ShardChange { shard: 3, ..change(44_000_001, Machine::Node3, 2, true) });
        clean(&Shards, &history);
    }

    #[test]
    fn an_epoch_that_two_nodes_took_is_caught() {
        let mut history = History::good();
        history.evidence.shards.push(change(9_000, Machine::Node3, 1, true));
        caught(&Shards, &history, "one epoch of a shard was taken twice");
    }

    #[test]
    fn a_lease_without_margin_leaves_two_owners_and_is_caught() {
        let mut history = History::good();
        history.evidence.shards.push(change(30_000_000, Machine::Node2, 2, true));
        clean(&Shards, &history);
        let elsewhere = ShardChange { shard: 9, ..change(30_000_000, Machine::Node3, 1, false) };
        history.evidence.shards.push(elsewhere);
        caught(&Shards, &history, "a shard has two owners when all is at rest");
        history.evidence.shards.push(change(30_000_100, Machine::Node1, 1, false));
        clean(&Shards, &history);
    }

    #[test]
    fn a_shard_that_nobody_took_over_is_caught() {
        let mut history = History::good();
        crash(&mut history, 39_000_000, Machine::Node1);
        caught(&Shards, &history, "a shard has no owner when all is at rest");
    }

    #[test]
    fn an_owner_that_hears_late_that_it_was_one_is_no_gap() {
        let mut history = History::good();
        let shards = &mut history.evidence.shards;
        shards.push(change(30_000_000, Machine::Node2, 3, true));
        shards.push(change(30_000_100, Machine::Node3, 2, true));
        shards.push(change(30_000_200, Machine::Node3, 2, false));
        shards.push(change(59_000_000, Machine::Node2, 3, false));
        shards.push(change(59_000_100, Machine::Node1, 4, true));
        history.evidence.phases.quiet_at_us = Some(60_000_000);
        clean(&Shards, &history);
    }

    #[test]
    fn a_take_over_after_more_than_two_leases_is_caught() {
        let mut history = History::good();
        crash(&mut history, 39_000_000, Machine::Node1);
        history.evidence.phases.quiet_at_us = Some(60_000_000);
        history.evidence.shards.push(change(49_000_000, Machine::Node2, 2, true));
        caught(&Shards, &history, "a shard was taken over too late");
    }
}
