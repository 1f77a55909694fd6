//! Epochs never fall (I5): not among a shard's appends in the order of the log, not in one saga's events,
//! and nothing is appended under an old epoch that was sent after a newer one had been taken.

use std::collections::BTreeMap;

use crate::evidence::{SentCall, StoreWhat};
use crate::machine::Machine;

use super::case::Case;
use super::naive::append::Append;
use super::naive::json::number;
use super::naive::steps::Key;
use super::{Finding, Oracle};

/// See the module.
#[derive(Debug)]
pub struct Fencing;

impl Oracle for Fencing {
    fn name(&self) -> &'static str {
        "fencing"
    }

    fn is_due(&self, case: &Case<'_>) -> bool {
        let fenced = |call: &crate::evidence::StoreCall| {
            matches!(call.what, StoreWhat::Append { fence: Some(_), .. })
        };
        case.places_orders() || case.evidence.store_calls.iter().any(fenced)
    }

    fn examine(&self, case: &Case<'_>) -> Finding {
        let mut finding = Finding::default();
        let mut made: Vec<(u64, u32, u64, &Append<'_>)> = Vec::new();
        for append in &case.appends {
            if let (Some((shard, epoch)), Some(position)) = (append.fence, append.position()) {
                made.push((position, shard, epoch, append));
            }
        }
        made.sort_by_key(|(position, ..)| *position);
        examine_commits(&made, &mut finding);
        let shards = examine_bearers(case, &mut finding);
        examine_calls(case, &shards, &mut finding);
        examine_zombies(case, &made, &mut finding);
        examine_sagas(case, &mut finding);
        finding
    }
}

/// In the order of the log no epoch of a shard falls.
fn examine_commits(made: &[(u64, u32, u64, &Append<'_>)], finding: &mut Finding) {
    let mut newest: BTreeMap<u32, (u64, &str)> = BTreeMap::new();
    for (position, shard, epoch, append) in made {
        let (before, other) = *newest.entry(*shard).or_insert((*epoch, append.id));
        finding.expect(*epoch >= before, "an append under an older epoch was made", || {
            format!(
                "shard {shard}: append {} of {} under {epoch} at {position}, behind {other} under {before}",
                append.id, append.by
            )
        });
        newest.insert(*shard, ((*epoch).max(before), append.id));
    }
}

/// Whoever writes to a saga bears the epoch of its shard, which is always the same one, and says so in the
/// saga's events. Returns the shards by the sagas' streams.
fn examine_bearers<'a>(case: &'a Case<'_>, finding: &mut Finding) -> BTreeMap<&'a str, u32> {
    let mut shards: BTreeMap<&str, u32> = BTreeMap::new();
    for append in case.appends.iter().filter(|append| append.position().is_some()) {
        for (write, entries) in append.written() {
            if !write.stream.starts_with("saga-") || write.events.is_empty() {
                continue;
            }
            let detail = || format!("append {} of {} to {}", append.id, append.by, write.stream);
            finding.look();
            let Some((shard, epoch)) = append.fence else {
                finding.break_promise("a saga was written to without an epoch", detail());
                continue;
            };
            if *shards.entry(&write.stream).or_insert(shard) != shard {
                finding.break_promise("a saga was written to in two shards", detail());
            }
            let said = |entry: &&crate::evidence::LogEntry| number(&entry.payload, "epoch");
            if entries.iter().flatten().filter_map(said).any(|said| said != epoch) {
                finding
                    .break_promise("a saga's event names another epoch than its append", detail());
            }
        }
    }
    shards
}

/// A call leaves under the epoch by which its node had the saga's shard.
fn examine_calls(case: &Case<'_>, shards: &BTreeMap<&str, u32>, finding: &mut Finding) {
    let mut taken: BTreeMap<(Machine, u32, u64), u64> = BTreeMap::new();
    for change in case.evidence.shards.iter().filter(|change| change.taken) {
        taken.entry((change.node, change.shard, change.epoch)).or_insert(change.at_us);
    }
    for call in &case.evidence.sent {
        let Some(key) = Key::parse(&call.key) else { continue };
        let Some(shard) = shards.get(format!("saga-{}", key.saga).as_str()) else { continue };
        let had = taken.get(&(call.by, *shard, call.epoch));
        let may = had.is_some_and(|at_us| *at_us <= call.sent_at_us);
        let what = "a call left under an epoch that its node did not have";
        finding.expect(may, what, || {
            let SentCall { by, key, epoch, sent_at_us, .. } = call;
            format!("shard {shard}: {key} of {by} under {epoch} at {sent_at_us} us")
        });
    }
}

/// What was sent after somebody had taken the shard under a newer epoch was refused.
fn examine_zombies(case: &Case<'_>, made: &[(u64, u32, u64, &Append<'_>)], finding: &mut Finding) {
    let mut taken: BTreeMap<u32, Vec<(u64, u64)>> = BTreeMap::new();
    for change in case.evidence.shards.iter().filter(|change| change.taken) {
        taken.entry(change.shard).or_default().push((change.epoch, change.at_us));
    }
    for (_, shard, epoch, append) in made {
        let newer = taken.get(shard).into_iter().flatten();
        let before =
            newer.filter(|(newer, at_us)| newer > epoch && *at_us < append.sent_at_us).min();
        if let Some((newer, at_us)) = before {
            let detail = format!(
                "shard {shard}: append {} of {} under {epoch}, sent at {} us; {newer} was taken at {at_us} us",
                append.id, append.by, append.sent_at_us
            );
            finding.break_promise("a fenced writer appended", detail);
        }
    }
}

/// A saga's events carry rising epochs.
fn examine_sagas(case: &Case<'_>, finding: &mut Finding) {
    for saga in case.sagas.values() {
        let mut before = 0;
        for entry in &saga.entries {
            let Some(epoch) = number(&entry.payload, "epoch") else { continue };
            finding.expect(epoch >= before, "an epoch fell within a saga", || {
                format!("saga {}: {epoch} after {before} at {}", saga.id, entry.position)
            });
            before = before.max(epoch);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::ShardChange;
    use crate::oracle::testing::{History, caught, clean};

    fn owned() -> History {
        let mut history = History::empty();
        for epoch in [1, 1, 2, 2] {
            history.append_fenced("list-1", 7, epoch);
        }
        history
    }

    fn take(at_us: u64, epoch: u64) -> ShardChange {
        ShardChange { at_us, node: Machine::Node2, shard: 7, epoch, taken: true }
    }

    #[test]
    fn epochs_that_rise_are_right() {
        assert_eq!(clean(&Fencing, &owned()).examined, 4);
        assert!(clean(&Fencing, &History::good()).examined > 0);
    }

    #[test]
    fn a_store_without_a_fencing_check_is_caught() {
        let mut history = owned();
        history.append_fenced("list-1", 7, 1);
        caught(&Fencing, &history, "an append under an older epoch was made");
    }

    #[test]
    fn an_owner_whose_lease_had_ended_is_caught_before_the_new_one_writes() {
        let mut history = History::empty();
        history.append_fenced("list-1", 7, 1);
        let now_us = history.now_us;
        history.evidence.shards.push(take(now_us + 500, 2));
        clean(&Fencing, &history);
        history.evidence.shards[0].at_us = now_us.saturating_sub(500);
        history.append_fenced("list-1", 7, 1);
        caught(&Fencing, &history, "a fenced writer appended");
    }

    #[test]
    fn a_call_under_an_epoch_that_its_node_never_had_is_caught() {
        let call = |epoch| {
            let mut history = History::good();
            let order = history.orders[0].clone();
            let stream = format!("saga-{order}");
            let case = Case::new(&history.evidence);
            let fence = case.appends.iter().find_map(|append| {
                let writes = append.writes.iter().any(|write| write.stream == stream);
                append.fence.filter(|_| writes)
            });
            let shard = fence.expect("a fenced append").0;
            let of_shard = |change: &&ShardChange| change.shard == shard;
            let owner = history.evidence.shards.iter().find(of_shard).expect("an owner").node;
            history.evidence.sent.push(SentCall {
                by: owner,
                to: "bank".to_owned(),
                key: format!("{order}/capture_payment/action"),
                epoch,
                sent_at_us: history.now_us,
                answer: None,
            });
            history
        };
        let epoch = History::good().evidence.shards[0].epoch;
        clean(&Fencing, &call(epoch));
        caught(&Fencing, &call(epoch - 1), "a call left under an epoch that its node did not have");
    }

    #[test]
    fn an_epoch_that_falls_within_a_saga_is_caught() {
        let mut history = History::good();
        let of_saga = |entry: &&mut crate::evidence::LogEntry| entry.event_type == "SagaStarted";
        let first = history.evidence.log.iter_mut().find(of_saga).expect("a saga");
        first.payload["epoch"] = 99.into();
        caught(&Fencing, &history, "an epoch fell within a saga");
    }
}
