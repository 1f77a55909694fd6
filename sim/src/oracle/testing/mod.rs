//! Histories made by hand, for the tests of the oracles: a good one of whole orders with everything that
//! goes with them, and small ones of single calls. Bad ones are good ones with one thing wrong.

mod at_rest;
mod http;
mod orders;
mod pages;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::evidence::{
    AppendResult, BankEffect, BankEntry, Evidence, Expected, LogEntry, Phases, StoreCall,
    StoreWhat, Subscriber, Write, digest_of,
};
use crate::machine::Machine;
use crate::plan::{Knobs, Plan};
use crate::seed::Seed;

use super::case::Case;
use super::naive::append::Claim;
use super::{Finding, Oracle};

pub(super) use self::at_rest::summary;
pub(super) use self::http::shown as order_shown;
pub(super) use self::pages::{events_shown, saga_shown, saga_undone};

/// An oracle must find this broken.
#[track_caller]
pub(super) fn caught(oracle: &dyn Oracle, history: &History, what: &str) {
    let finding = oracle.examine(&Case::new(&history.evidence));
    let found: Vec<_> = finding.violations.iter().map(|it| it.what.as_str()).collect();
    assert!(found.contains(&what), "not caught: {what}; found {found:?}");
}

/// An oracle must find nothing broken, and must have looked.
#[track_caller]
pub(super) fn clean(oracle: &dyn Oracle, history: &History) -> Finding {
    let finding = oracle.examine(&Case::new(&history.evidence));
    assert!(finding.violations.is_empty(), "{:#?}", finding.violations);
    assert!(finding.examined > 0, "nothing was examined");
    finding
}

/// What an append is to be made of.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) fence: Option<(u32, u64)>,
    pub(super) expected: Option<Expected>,
    /// Stream, type, payload.
    pub(super) events: Vec<(String, &'static str, Value)>,
    pub(super) takes: Vec<Claim>,
    pub(super) releases: Vec<Claim>,
    pub(super) correlation: String,
}

/// A history in the making: calls come one after the other, two milliseconds apart.
pub(super) struct History {
    pub(super) evidence: Evidence,
    pub(super) now_us: u64,
    /// The orders of the good history: two completed ones and a compensated one.
    pub(super) orders: Vec<String>,
    versions: BTreeMap<String, u64>,
}

impl History {
    pub(super) fn empty() -> Self {
        let knobs = Knobs {
            shards: 4,
            lease_ms: 3_000,
            product_lock_ms: 5_000,
            participant_calls_max: 16,
            breaker_outcomes: 10,
            breaker_open_ms: 500,
            lock_per_customer: false,
            snapshot_events: 512,
            retry_burst: 100,
            retries_per_s: 10,
            followers_page: 2_000,
            store_keeps: 4_096,
            store_batch: 1_024,
            conflict_retries: 8,
            short_tokens_s: 0,
            subscriptions: false,
            reads_put_aside_percent: 0,
        };
        let plan = Plan {
            seed: Seed(1),
            scenario: "by hand".to_owned(),
            knobs,
            sagas: Vec::new(),
            chaos_ms: 40_000,
            left_broken: Vec::new(),
            episodes: Vec::new(),
            operations: Vec::new(),
        };
        let phases = Phases { chaos_at_us: 0, healed_at_us: 40_000_000, quiet_at_us: None };
        let evidence = Evidence {
            plan,
            calls: Vec::new(),
            store_calls: Vec::new(),
            log: Vec::new(),
            claims: Vec::new(),
            bank: Vec::new(),
            remotes: Vec::new(),
            sent: Vec::new(),
            unreached: Vec::new(),
            lives: Vec::new(),
            bus: Vec::new(),
            lock_calls: Vec::new(),
            at_risk: Vec::new(),
            store_answers: Vec::new(),
            contradictions: Vec::new(),
            looks: Vec::new(),
            walks: Vec::new(),
            swaps: Vec::new(),
            documents: Vec::new(),
            subscribers: Vec::new(),
            readings: Vec::new(),
            handed: Vec::new(),
            shards: Vec::new(),
            power: Vec::new(),
            stops: Vec::new(),
            confessed: Vec::new(),
            leaks: Vec::new(),
            bites: BTreeMap::new(),
            phases,
            undone: Vec::new(),
            crashes: Vec::new(),
        };
        Self { evidence, now_us: 1_000, orders: Vec::new(), versions: BTreeMap::new() }
    }

    /// A moment, and time passes.
    pub(super) fn sent_now(&mut self) -> u64 {
        self.now_us += 1_000;
        self.now_us
    }

    pub(super) fn append(&mut self, stream: &str, events: u64) {
        self.append_expecting(stream, events, Expected::Any);
    }

    pub(super) fn append_expecting(&mut self, stream: &str, events: u64, expected: Expected) {
        let events = (0..events).map(|_| (stream.to_owned(), "Listed", json!({}))).collect();
        self.make(Batch { events, expected: Some(expected), ..Batch::default() });
    }

    /// One event to each stream, in one append.
    pub(super) fn append_to(&mut self, streams: &[&str], expected: Expected) {
        let events = streams.iter().map(|stream| ((*stream).to_owned(), "Listed", json!({})));
        let events = events.collect();
        self.make(Batch { events, expected: Some(expected), ..Batch::default() });
    }

    pub(super) fn append_fenced(&mut self, stream: &str, shard: u32, epoch: u64) {
        let events = vec![(stream.to_owned(), "Listed", json!({}))];
        self.make(Batch { events, fence: Some((shard, epoch)), ..Batch::default() });
    }

    pub(super) fn append_claiming(
        &mut self,
        stream: &str,
        takes: Vec<Claim>,
        releases: Vec<Claim>,
    ) {
        let events = vec![(stream.to_owned(), "Listed", json!({}))];
        self.make(Batch { events, takes, releases, ..Batch::default() });
    }

    /// An append that is made and acknowledged.
    pub(super) fn make(&mut self, batch: Batch) {
        let sent_at_us = self.sent_now();
        let mut writes: Vec<Write> = Vec::new();
        for (stream, event_type, payload) in batch.events {
            let id = self.record(&stream, event_type, payload, &batch.correlation);
            let of_saga = writes.first().filter(|write| write.stream.starts_with("saga-"));
            if let Some(first) = of_saga.filter(|write| write.stream != stream)
                && let Some(staged) = self.evidence.log.last_mut()
            {
                staged.causation_id = first.events.first().cloned();
            }
            match writes.iter_mut().find(|write| write.stream == stream) {
                Some(write) => write.events.push(id),
                None => {
                    let before = self.versions[&stream] - 1;
                    let of_list = stream.starts_with("list-");
                    let usual = if of_list { Expected::Any } else { Expected::Exact(before) };
                    let expected = batch.expected.unwrap_or(usual);
                    writes.push(Write { stream, expected, events: vec![id] });
                }
            }
        }
        let claims = &mut self.evidence.claims;
        claims.retain(|held| !batch.releases.contains(held));
        claims.extend(batch.takes.iter().cloned());
        let position = self.evidence.log.len() as u64;
        let versions = writes.iter().map(|write| self.versions[&write.stream]).collect();
        let append_id = format!("append-{}", self.evidence.store_calls.len());
        let of_saga = writes.iter().any(|write| write.stream.starts_with("saga-"));
        let fence = batch.fence.or_else(|| of_saga.then_some((0, orders::EPOCH)));
        let what = StoreWhat::Append {
            append_id,
            fence,
            writes,
            takes: batch.takes,
            releases: batch.releases,
            result: AppendResult::Appended { position, versions },
        };
        self.store_call(sent_at_us, what);
    }

    /// One more event of a saga, in an append of its own.
    pub(super) fn say(&mut self, stream: &str, event_type: &'static str, payload: Value) {
        let correlation = format!("c-{}", stream.trim_start_matches("saga-"));
        let events = vec![(stream.to_owned(), event_type, payload)];
        self.make(Batch { events, correlation, ..Batch::default() });
    }

    fn record(
        &mut self,
        stream: &str,
        event_type: &str,
        payload: Value,
        correlation: &str,
    ) -> String {
        let version = self.versions.entry(stream.to_owned()).or_default();
        *version += 1;
        let position = self.evidence.log.len() as u64 + 1;
        let id = format!("event-{position}");
        let before = self.evidence.log.iter().rfind(|entry| entry.stream == stream);
        let causation_id = before.map(|entry| entry.id.clone());
        self.evidence.log.push(LogEntry {
            position,
            stream: stream.to_owned(),
            version: *version,
            id: id.clone(),
            event_type: event_type.to_owned(),
            correlation_id: correlation.to_owned(),
            causation_id,
            node: "node-1".to_owned(),
            recorded_at_us: self.now_us,
            schema_version: 1,
            payload_digest: digest_of(payload.to_string().as_bytes()),
            payload,
        });
        id
    }

    fn store_call(&mut self, sent_at_us: u64, what: StoreWhat) {
        let ended_at_us = self.sent_now();
        let call = StoreCall { by: Machine::Node1, sent_at_us, ended_at_us, what };
        self.evidence.store_calls.push(call);
    }

    /// The answer to the last append becomes this one.
    pub(super) fn last_result(&mut self, new: AppendResult) {
        let appends = self.evidence.store_calls.iter_mut().rev();
        let result = appends.map(|call| &mut call.what).find_map(|what| match what {
            StoreWhat::Append { result, .. } => Some(result),
            StoreWhat::ReadStream { .. } | StoreWhat::ReadAll { .. } => None,
        });
        *result.expect("an append") = new;
    }

    /// An append that is refused for its expectation.
    pub(super) fn refuse(&mut self, stream: &str, expected: Expected, actual: u64) {
        let sent_at_us = self.sent_now();
        let append_id = format!("append-{}", self.evidence.store_calls.len());
        let events = vec![format!("never-{append_id}")];
        let what = StoreWhat::Append {
            append_id,
            fence: None,
            writes: vec![Write { stream: stream.to_owned(), expected, events }],
            takes: Vec::new(),
            releases: Vec::new(),
            result: AppendResult::Refused {
                why: "wrong-expected-version".to_owned(),
                actual: Some((stream.to_owned(), actual)),
            },
        };
        self.store_call(sent_at_us, what);
    }

    pub(super) fn read_stream(&mut self, stream: &str, from: u64, limit: usize) {
        let sent_at_us = self.sent_now();
        let of_stream = self.evidence.log.iter().filter(|entry| entry.stream == stream);
        let wanted = of_stream.filter(|entry| entry.version >= from).take(limit);
        let events = wanted.map(|entry| (entry.version, entry.id.clone())).collect();
        let stream = stream.to_owned();
        let (backward, events) = (false, Some(events));
        let what = StoreWhat::ReadStream { stream, from, backward, limit, events };
        self.store_call(sent_at_us, what);
    }

    fn behind(&self, after: u64) -> Vec<(u64, String)> {
        let behind = self.evidence.log.iter().filter(|entry| entry.position > after);
        behind.map(|entry| (entry.position, entry.id.clone())).collect()
    }

    pub(super) fn read_all(&mut self, after: u64) {
        let sent_at_us = self.sent_now();
        let events = self.behind(after);
        self.store_call(sent_at_us, StoreWhat::ReadAll { after, events: Some(events) });
    }

    pub(super) fn subscribe(&mut self, name: &str, after: u64) {
        let seen = self.behind(after);
        self.evidence.subscribers.push(Subscriber { name: name.to_owned(), after, seen });
    }

    pub(super) fn bank(
        &mut self,
        order: &str,
        operation: &str,
        key: &str,
        amount_minor: u64,
        effect: BankEffect,
    ) {
        let at_us = self.sent_now();
        self.evidence.bank.push(BankEntry {
            seq: self.evidence.bank.len() as u64 + 1,
            at_us,
            by: Machine::Node1,
            key: key.to_owned(),
            epoch: 1,
            order: order.to_owned(),
            operation: operation.to_owned(),
            amount_minor,
            effect,
            said: None,
        });
    }
}
