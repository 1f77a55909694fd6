//! Evidence as shapes with places: what the page's script draws.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use crate::evidence::{
    AppendResult, BankEffect, BankEntry, BusEntry, BusWhat, Call, Effect, Evidence, LogEntry,
    RemoteCall, StoreCall, StoreWhat,
};
use crate::machine::Machine;
use crate::oracle::Finding;
use crate::verdict::Verdict;

use super::hurt;
use super::whose::{Whose, id_in};

/// A run as shapes. Times are simulated microseconds, lanes are indexes of `lanes`.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "each is what the page shows under that name")]
pub struct Drawing {
    pub seed: String,
    pub scenario: String,
    pub verdict: String,
    pub failed: bool,
    pub knobs: Value,
    pub phases: Value,
    pub lanes: Vec<&'static str>,
    pub faults: Vec<FaultBand>,
    pub messages: Vec<Message>,
    pub events: Vec<Event>,
    pub sagas: Vec<SagaThread>,
    pub violations: Vec<ViolationNote>,
    pub bites: Value,
    pub undone: Vec<String>,
    pub crashes: Vec<String>,
}

/// A fault over some lanes.
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs, reason = "each is what the page shows under that name")]
pub struct FaultBand {
    pub from: u64,
    pub to: u64,
    pub lanes: Vec<usize>,
    pub family: &'static str,
    pub label: String,
    pub detail: Value,
}

/// A request from one lane to another and back.
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs, reason = "each is what the page shows under that name")]
pub struct Message {
    pub from: u64,
    pub to: u64,
    pub by: usize,
    pub at: usize,
    pub kind: &'static str,
    pub label: String,
    /// `yes`, `no` or `lost`.
    pub end: &'static str,
    pub saga: Option<String>,
    pub detail: Value,
}

/// Something that happened on one lane.
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs, reason = "each is what the page shows under that name")]
pub struct Event {
    pub at: u64,
    pub lane: usize,
    pub kind: &'static str,
    pub label: String,
    pub saga: Option<String>,
    pub detail: Value,
}

/// A saga's way.
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs, reason = "each is what the page shows under that name")]
pub struct SagaThread {
    pub id: String,
    pub end: String,
    /// Moments and lanes, in order.
    pub way: Vec<(u64, usize)>,
}

/// What an oracle found broken.
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs, reason = "each is what the page shows under that name")]
pub struct ViolationNote {
    pub oracle: String,
    pub what: String,
    pub detail: String,
    pub saga: Option<String>,
}

fn lane(machine: Machine) -> usize {
    LANES.iter().position(|lane| *lane == machine).unwrap_or(0)
}

/// From the outside in: clients above, what is called below.
const LANES: [Machine; 9] = [
    Machine::Clients,
    Machine::Balancer,
    Machine::Node1,
    Machine::Node2,
    Machine::Node3,
    Machine::Store,
    Machine::Locks,
    Machine::Bus,
    Machine::Bank,
];

/// Draws a run.
pub fn draw(evidence: &Evidence, verdict: &Verdict, findings: &[(String, Finding)]) -> Drawing {
    let whose = Whose::of(evidence);
    let mut messages: Vec<_> = evidence.calls.iter().map(|call| http(call, &whose)).collect();
    messages.extend(evidence.store_calls.iter().map(|call| store(call, &whose)));
    messages.sort_by_key(|message| message.from);
    let appended = appended(evidence);
    let mut events: Vec<_> =
        evidence.log.iter().map(|entry| logged(entry, &appended, &whose)).collect();
    events.extend(evidence.bank.iter().map(bank));
    events.extend(evidence.remotes.iter().map(remote));
    events.extend(evidence.bus.iter().filter_map(|entry| bus(entry, &whose)));
    events.extend(evidence.shards.iter().map(shard));
    events.sort_by_key(|event| event.at);
    Drawing {
        seed: evidence.plan.seed.to_string(),
        scenario: evidence.plan.scenario.clone(),
        verdict: verdict.to_string(),
        failed: verdict.signature().is_some(),
        knobs: json!(evidence.plan.knobs),
        phases: json!(evidence.phases),
        lanes: LANES.map(Machine::name).to_vec(),
        faults: faults(evidence),
        sagas: threads(&messages, &events),
        messages,
        events,
        violations: violations(findings),
        bites: json!(evidence.bites),
        undone: evidence.undone.clone(),
        crashes: evidence.crashes.clone(),
    }
}

fn faults(evidence: &Evidence) -> Vec<FaultBand> {
    let chaos_us = evidence.phases.chaos_at_us;
    let band = |episode: &crate::fault::Episode| FaultBand {
        from: chaos_us + episode.at_ms * 1_000,
        to: chaos_us + (episode.at_ms + episode.for_ms) * 1_000,
        lanes: hurt::lanes(&episode.fault).into_iter().map(lane).collect(),
        family: hurt::family(&episode.fault),
        label: hurt::label(&episode.fault),
        detail: json!(episode),
    };
    evidence.plan.episodes.iter().map(band).collect()
}

fn http(call: &Call, whose: &Whose) -> Message {
    let status = call.answer.as_ref().map_or(0, |answer| answer.status);
    let (end, said) = match status {
        0 => ("lost", "no answer".to_owned()),
        200..=399 => ("yes", status.to_string()),
        _ => ("no", status.to_string()),
    };
    Message {
        from: call.sent_at_us,
        to: call.ended_at_us,
        by: lane(Machine::Clients),
        at: lane(call.to),
        kind: "http",
        label: format!("{} — {said}", call.request),
        end,
        saga: whose.call(call),
        detail: json!(call),
    }
}

fn store(call: &StoreCall, whose: &Whose) -> Message {
    let (kind, end, label) = match &call.what {
        StoreWhat::Append { writes, result, .. } => {
            let events: usize = writes.iter().map(|write| write.events.len()).sum();
            let streams: Vec<_> = writes.iter().map(|write| write.stream.as_str()).collect();
            let (end, said) = match result {
                AppendResult::Appended { position, .. } => ("yes", format!("at {position}")),
                AppendResult::Refused { why, .. } => ("no", why.clone()),
                AppendResult::Unknown => ("lost", "unknown".to_owned()),
            };
            ("append", end, format!("append {events} to {} — {said}", streams.join(", ")))
        }
        StoreWhat::ReadStream { stream, backward, events, .. } => {
            let back = if *backward { " back" } else { "" };
            ("read", end_of(events), format!("read {stream}{back}: {}", count(events)))
        }
        StoreWhat::ReadAll { after, events } => {
            ("read", end_of(events), format!("read the log behind {after}: {}", count(events)))
        }
    };
    Message {
        from: call.sent_at_us,
        to: call.ended_at_us,
        by: lane(call.by),
        at: lane(Machine::Store),
        kind,
        label,
        end,
        saga: whose.store_call(call),
        detail: json!(call),
    }
}

fn end_of(events: &Option<Vec<(u64, String)>>) -> &'static str {
    if events.is_some() { "yes" } else { "lost" }
}

fn count(events: &Option<Vec<(u64, String)>>) -> String {
    events.as_ref().map_or_else(|| "failed".to_owned(), |events| events.len().to_string())
}

/// Who appended an event and when they knew it: the true time, where the log only has the store's.
fn appended(evidence: &Evidence) -> BTreeMap<&str, (u64, Machine)> {
    let mut known = BTreeMap::new();
    for call in &evidence.store_calls {
        if let StoreWhat::Append { writes, result: AppendResult::Appended { .. }, .. } = &call.what
        {
            for id in writes.iter().flat_map(|write| &write.events) {
                known.entry(id.as_str()).or_insert((call.ended_at_us, call.by));
            }
        }
    }
    known
}

fn logged(entry: &LogEntry, appended: &BTreeMap<&str, (u64, Machine)>, whose: &Whose) -> Event {
    let (at, by) = match appended.get(entry.id.as_str()) {
        Some((at, by)) => (*at, lane(*by)),
        None => (entry.recorded_at_us, lane(Machine::Store)),
    };
    Event {
        at,
        lane: by,
        kind: "event",
        label: format!("{} {} ({})", entry.position, entry.event_type, entry.stream),
        saga: whose.event(&entry.id),
        detail: json!(entry),
    }
}

fn bank(entry: &BankEntry) -> Event {
    let kind = match entry.effect {
        BankEffect::Done => "bankDone",
        BankEffect::Repeated | BankEffect::Probed | BankEffect::TurnedAway => "bankSame",
        BankEffect::Tombstone | BankEffect::Declined | BankEffect::Refused => "bankNo",
    };
    Event {
        at: entry.at_us,
        lane: lane(Machine::Bank),
        kind,
        label: format!("{} {} — {:?}", entry.operation, entry.amount_minor, entry.effect),
        saga: id_in(&entry.order).or_else(|| id_in(&entry.key)),
        detail: json!(entry),
    }
}

/// Remote services are on the bank's machine.
fn remote(call: &RemoteCall) -> Event {
    let kind = match &call.effect {
        Some(Effect::Done { .. } | Effect::Undone { .. }) => "bankDone",
        Some(Effect::Repeated { .. } | Effect::Probed { .. }) => "bankSame",
        Some(_) | None => "bankNo",
    };
    Event {
        at: call.at_us,
        lane: lane(Machine::Bank),
        kind,
        label: format!("{} {} — {}", call.remote, call.request, call.status),
        saga: call.key.as_deref().and_then(id_in),
        detail: json!(call),
    }
}

fn bus(entry: &BusEntry, whose: &Whose) -> Option<Event> {
    let (kind, said) = match &entry.what {
        BusWhat::Published { by, .. } => ("published", format!("published by {by}")),
        BusWhat::Delivered { group } => ("delivered", format!("delivered to {group}")),
        BusWhat::Acted { .. } => return None,
    };
    Some(Event {
        at: entry.at_us,
        lane: lane(Machine::Bus),
        kind,
        label: format!("{} {said}", entry.topic),
        saga: whose.event(&entry.message),
        detail: json!(entry),
    })
}

fn shard(change: &crate::evidence::ShardChange) -> Event {
    let verb = if change.taken { "takes" } else { "leaves" };
    Event {
        at: change.at_us,
        lane: lane(change.node),
        kind: "shard",
        label: format!("{verb} shard {} in epoch {}", change.shard, change.epoch),
        saga: None,
        detail: json!(change),
    }
}

/// Each saga's way over the lanes, and the last event of its stream.
fn threads(messages: &[Message], events: &[Event]) -> Vec<SagaThread> {
    let mut ways: BTreeMap<&str, Vec<(u64, usize)>> = BTreeMap::new();
    let mut ends: BTreeMap<&str, &str> = BTreeMap::new();
    for event in events {
        if let Some(saga) = &event.saga
            && matches!(event.kind, "event" | "bankDone" | "bankNo")
        {
            ways.entry(saga).or_default().push((event.at, event.lane));
            if let Some(name) = event.detail["eventType"].as_str() {
                ends.insert(saga, name);
            }
        }
    }
    for message in messages.iter().filter(|message| message.kind == "http") {
        if let Some(saga) = &message.saga {
            ways.entry(saga).or_default().push((message.from, message.by));
        }
    }
    let thread = |(id, mut way): (&str, Vec<(u64, usize)>)| {
        way.sort_unstable();
        let end = ends.get(id).copied().unwrap_or_default().to_owned();
        SagaThread { id: id.to_owned(), end, way }
    };
    let mut threads: Vec<_> = ways.into_iter().map(thread).collect();
    threads.sort_by_key(|thread| thread.way.first().copied());
    threads
}

fn violations(findings: &[(String, Finding)]) -> Vec<ViolationNote> {
    let of = |(oracle, finding): &(String, Finding)| {
        let note = |violation: &crate::oracle::Violation| ViolationNote {
            oracle: oracle.clone(),
            what: violation.what.clone(),
            detail: violation.detail.clone(),
            saga: id_in(&violation.detail),
        };
        finding.violations.iter().map(note).collect::<Vec<_>>()
    };
    findings.iter().flat_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::evidence;

    #[test]
    fn a_saga_is_a_thread_from_the_client_over_its_node_to_the_bank() {
        let drawing = draw(&evidence(), &Verdict::Pass, &[]);
        let lanes: Vec<_> =
            drawing.sagas[0].way.iter().map(|(_, lane)| drawing.lanes[*lane]).collect();
        assert_eq!(lanes, ["clients", "node-2", "bank"]);
        assert_eq!(drawing.sagas[0].end, "OrderPlaced");
    }

    #[test]
    fn a_partition_lies_over_the_side_that_was_cut_off() {
        let drawing = draw(&evidence(), &Verdict::Pass, &[]);
        let band = &drawing.faults[0];
        assert_eq!(
            (drawing.lanes[band.lanes[0]], band.from, band.to),
            ("node-3", 1_100_000, 10_100_000)
        );
        assert!(band.label.contains("node-3 ⇹ store"), "{}", band.label);
    }
}
