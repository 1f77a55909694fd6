//! The retry budget, call by call: what a node sent to a participant, against the most that its budget can
//! have given it.
//!
//! A first attempt pays a fraction of a repetition in; a repetition costs one, and gets that back with a
//! fraction when it is answered; a few come with each second; no more than a burst is saved up; the budget is
//! kept in memory, and whoever is switched on has a full one. What is not known makes it larger: a call that
//! never left has cost something and is not seen; when a call was let go is anywhere between its
//! announcement and its leaving.

use std::collections::BTreeMap;

use crate::evidence::{LogEntry, Power, SentCall};
use crate::fault::Fault;
use crate::machine::Machine;
use crate::oracle::Finding;
use crate::oracle::case::Case;
use crate::oracle::naive::json::{number, text};
use crate::oracle::naive::saga::Saga;
use crate::oracle::naive::steps::{self, Key};
use crate::trip;
use crate::visit;

use super::bucket::{Bucket, Terms};

/// What a call pays in that is the first, or that is answered.
const PERCENT: f64 = 0.2;
/// By when a node has certainly heard an answer whose beginning has come: it may stand still meanwhile.
const HEARD_US: u64 = 5_000_000;

/// A step of a saga, done or undone.
type Which<'a> = (&'a str, &'a str, bool);

/// An attempt that was announced, by its append.
#[derive(Debug, Clone, Copy)]
struct Announced {
    at_us: u64,
    by: Machine,
    shard: u32,
    epoch: u64,
    /// None: the step has an outcome.
    attempt: Option<u64>,
}

/// What a node's budget for a participant hears of.
#[derive(Debug, Clone, Copy)]
enum Heard {
    /// So much is paid in between then and now.
    Earns { from_us: u64, amount: f64 },
    /// A repetition leaves now that could have been let go from then on.
    Leaves { from_us: u64 },
}

/// By node and participant: what and when.
type Ledger<'a> = BTreeMap<(Machine, &'a str), Vec<(u64, Heard)>>;

pub(super) fn examine(case: &Case<'_>, finding: &mut Finding) {
    let announced = announced(case);
    let mut sent: BTreeMap<Which<'_>, Vec<&SentCall>> = BTreeMap::new();
    for call in &case.evidence.sent {
        let Some(key) = Key::parse(&call.key) else { continue };
        sent.entry((key.saga, key.step, key.undoes)).or_default().push(call);
    }
    let hosts = hosts(case, &sent);
    let mut ledger = Ledger::new();
    for (which, announced) in &announced {
        let Some(host) =
            case.sagas.get(which.0).and_then(|saga| hosts.get(&(saga.saga_type, which.1)))
        else {
            continue;
        };
        let calls = sent.get(which).map_or(&[][..], Vec::as_slice);
        for call in calls {
            finding.look();
            hear_call(call, announced, &mut ledger);
        }
        hear_unsent(case, announced, calls, host, &mut ledger);
    }
    for ((node, host), heard) in ledger {
        for (from_us, until_us) in boots(case, node) {
            follow(case, (node, host), &heard, (from_us, until_us), finding);
        }
    }
}

/// The attempts of each step of the sagas whose participants are known, in the order of the log.
fn announced<'a>(case: &'a Case<'a>) -> BTreeMap<Which<'a>, Vec<Announced>> {
    let mut all: BTreeMap<Which<'_>, Vec<Announced>> = BTreeMap::new();
    for saga in case.sagas.values().filter(|saga| is_own(saga)) {
        for entry in &saga.entries {
            let Some((step, undoes, attempt)) = attempt(entry) else { continue };
            let Some(name) = step_name(case, saga, step) else { continue };
            let Some(append) = case.append_of(entry) else { continue };
            let (at_us, by) = (append.sent_at_us, append.by);
            let (shard, epoch) = append.fence.unwrap_or_default();
            let announced = Announced { at_us, by, shard, epoch, attempt };
            all.entry((saga.id, name, undoes)).or_default().push(announced);
        }
    }
    all
}

/// Whether each of its participants has a host of its own: what a user's sagas call is the user's.
fn is_own(saga: &Saga<'_>) -> bool {
    let of_plan = [trip::TRIP, visit::VISIT].contains(&saga.saga_type);
    of_plan || steps::of(saga.saga_type).is_some()
}

/// The step that an event is about, whether it is its undo, and the attempt that it announces.
fn attempt(entry: &LogEntry) -> Option<(usize, bool, Option<u64>)> {
    let step = usize::try_from(number(&entry.payload, "step")?).ok()?;
    let undoes = text(&entry.payload, "direction") == Some("compensation");
    let attempt = number(&entry.payload, "attempt");
    Some(match entry.event_type.as_str() {
        "StepStarted" => (step, false, Some(1)),
        "CompensationStarted" => (step, true, Some(1)),
        "RetryScheduled" | "RetryRequested" => (step, undoes, attempt),
        "RevocationRejected" => (step, false, attempt),
        "CompensationSucceeded" => (step, true, None),
        "StepSucceeded" | "StepRejected" => (step, false, None),
        _ => return None,
    })
}

fn step_name<'a>(case: &'a Case<'_>, saga: &Saga<'a>, step: usize) -> Option<&'a str> {
    if let Some(names) = steps::of(saga.saga_type) {
        return names.get(step).copied();
    }
    let shape = case.evidence.plan.sagas.iter().find(|shape| shape.name == saga.saga_type)?;
    shape.steps.get(step).map(|step| step.name.as_str())
}

/// Whom each step calls; those that call nobody are not here.
fn hosts<'a>(
    case: &Case<'a>,
    sent: &BTreeMap<Which<'a>, Vec<&'a SentCall>>,
) -> BTreeMap<(&'a str, &'a str), &'a str> {
    let host = |(which, calls): (&Which<'a>, &Vec<&'a SentCall>)| {
        let saga = case.sagas.get(which.0)?;
        Some(((saga.saga_type, which.1), calls.first()?.to.as_str()))
    };
    sent.iter().filter_map(host).collect()
}

/// The newest attempt that had been announced to whoever made a call.
fn of_call(call: &SentCall, announced: &[Announced]) -> Option<Announced> {
    let known = |it: &&Announced| it.at_us <= call.sent_at_us && it.epoch <= call.epoch;
    announced.iter().rev().find(|it| known(it) && it.attempt.is_some()).copied()
}

fn is_first(announced: &Announced) -> bool {
    announced.attempt == Some(1)
}

fn hear_call<'a>(call: &'a SentCall, announced: &[Announced], ledger: &mut Ledger<'a>) {
    let Some(known) = of_call(call, announced) else { return };
    let heard = ledger.entry((call.by, call.to.as_str())).or_default();
    if is_first(&known) {
        heard.push((call.sent_at_us, Heard::Earns { from_us: known.at_us, amount: PERCENT }));
        return;
    }
    heard.push((call.sent_at_us, Heard::Leaves { from_us: known.at_us }));
    if let Some((at_us, status)) = call.answer
        && is_word(status)
    {
        let earns = Heard::Earns { from_us: at_us, amount: 1.0 + PERCENT };
        heard.push((at_us + HEARD_US, earns));
    }
}

/// Whether a status is the participant's own word. Everything else leaves open what happened.
fn is_word(status: u16) -> bool {
    matches!(status, 200..=299 | 400 | 402 | 406 | 409..=413 | 415 | 422)
}

/// First attempts that nobody saw leave have paid in all the same: of whoever announced them, and of those who
/// took the saga up while they were open.
fn hear_unsent<'a>(
    case: &Case<'_>,
    announced: &[Announced],
    calls: &[&SentCall],
    host: &'a str,
    ledger: &mut Ledger<'a>,
) {
    for (place, first) in announced.iter().enumerate().filter(|(_, it)| is_first(it)) {
        let open_until_us = announced.get(place + 1).map_or(u64::MAX, |next| next.at_us);
        let is_open = |at_us: u64| (first.at_us..open_until_us).contains(&at_us);
        let taken = case.evidence.shards.iter();
        let taken = taken.filter(|it| it.taken && it.shard == first.shard && is_open(it.at_us));
        let mut begun: BTreeMap<Machine, Vec<u64>> = BTreeMap::new();
        begun.entry(first.by).or_default().push(first.at_us);
        for taken in taken {
            begun.entry(taken.node).or_default().push(taken.at_us);
        }
        for (node, moments) in begun {
            let is_seen = |call: &&&SentCall| call.by == node && is_open(call.sent_at_us);
            let seen = calls.iter().filter(is_seen).count();
            for from_us in moments.into_iter().skip(seen) {
                let earns = Heard::Earns { from_us, amount: PERCENT };
                ledger.entry((node, host)).or_default().push((open_until_us, earns));
            }
        }
    }
}

/// From when to when a node had one budget.
fn boots(case: &Case<'_>, node: Machine) -> Vec<(u64, u64)> {
    let booted = |change: &&crate::evidence::PowerChange| {
        change.machine == node && change.what == Power::Booted
    };
    let mut begins: Vec<u64> = vec![0];
    begins.extend(case.evidence.power.iter().filter(booted).map(|change| change.at_us));
    begins.sort_unstable();
    let ends = begins.iter().copied().skip(1).chain([u64::MAX]);
    begins.iter().copied().zip(ends).collect()
}

/// One budget from its beginning to its end, or until it is exceeded.
fn follow(
    case: &Case<'_>,
    (node, host): (Machine, &str),
    heard: &[(u64, Heard)],
    (from_us, until_us): (u64, u64),
    finding: &mut Finding,
) {
    let mut bucket = Bucket::new(terms(case, node), from_us);
    for (now_us, order, number) in moments(heard, (from_us, until_us)) {
        let (at_us, what) = heard[number];
        let exceeded = match (order, what) {
            (2, _) => bucket.leave((at_us, number)),
            (_, Heard::Earns { amount, .. }) => {
                bucket.earn(now_us, amount, (at_us, number));
                None
            }
            (_, Heard::Leaves { .. }) => {
                bucket.may_go(now_us, (at_us, number));
                None
            }
        };
        if let Some(exceeded) = exceeded {
            let detail = format!("{node} to {host}: {exceeded:.1} too many at {at_us} us");
            finding.break_promise("more repetitions than the retry budget gives", detail);
            return;
        }
    }
}

/// When what begins, and what leaves, in the order of time: 0 something is paid in, 1 a repetition may be let go,
/// 2 it leaves; and the place of what is heard.
fn moments(heard: &[(u64, Heard)], (from_us, until_us): (u64, u64)) -> Vec<(u64, u8, usize)> {
    let mut moments: Vec<(u64, u8, usize)> = Vec::new();
    for (number, (at_us, what)) in heard.iter().enumerate() {
        match what {
            Heard::Earns { from_us: begins_us, .. } => {
                let begins_us = from_us.max(*begins_us);
                if *at_us >= begins_us && begins_us < until_us {
                    moments.push((begins_us, 0, number));
                }
            }
            Heard::Leaves { from_us: begins_us } => {
                if (from_us..until_us).contains(at_us) {
                    moments.push((from_us.max(*begins_us), 1, number));
                    moments.push((*at_us, 2, number));
                }
            }
        }
    }
    moments.sort_unstable();
    moments
}

fn terms(case: &Case<'_>, node: Machine) -> Terms {
    let knobs = &case.evidence.plan.knobs;
    // A clock may run ahead of the world's, and the budget with it.
    let fast = |fault: &Fault| match fault {
        Fault::ClockDrift { machine, ppm } if *machine == node => (*ppm).max(0) as f64,
        _ => 0.0,
    };
    let ppm: f64 = case.evidence.plan.episodes.iter().map(|episode| fast(&episode.fault)).sum();
    let each_us = f64::from(knobs.retries_per_s) * 1e-6 * (1.0 + ppm * 1e-6);
    Terms { burst: f64::from(knobs.retry_burst), each_us }
}
