//! A small run as evidence, made by hand: for the tests of whatever reads evidence.

use std::collections::BTreeMap;

use serde_json::json;

use crate::evidence::{
    Answer, AppendResult, BankEffect, BankEntry, Begins, BusEntry, BusWhat, Call, Evidence,
    Expected, LogEntry, Phases, Reading, ShardChange, StoreCall, StoreWhat, Subscriber, Wanted,
    Write,
};
use crate::fault::{Episode, Fault, FaultKind};
use crate::machine::Machine;
use crate::plan::{Knobs, Operation, OrderShape, Plan, Planned};
use crate::seed::Seed;

const ORDER: &str = "0192f3a0-0000-7000-8000-000000000001";

/// One order, placed through the balancer, kept by node 2, captured by the bank while node 3 is cut off.
pub(crate) fn evidence() -> Evidence {
    Evidence {
        plan: plan(),
        calls: vec![call()],
        store_calls: vec![append()],
        log: vec![logged()],
        claims: vec![("saga-live".to_owned(), "00001/x".to_owned(), format!("saga-{ORDER}"))],
        bank: vec![captured()],
        remotes: Vec::new(),
        sent: Vec::new(),
        unreached: Vec::new(),
        lives: Vec::new(),
        bus: vec![BusEntry {
            at_us: 1_700_000,
            topic: "order-events".to_owned(),
            message: "event-1".to_owned(),
            key: "correlation-1".to_owned(),
            what: BusWhat::Published { by: Machine::Node2, said: BTreeMap::new() },
        }],
        lock_calls: Vec::new(),
        at_risk: Vec::new(),
        store_answers: Vec::new(),
        contradictions: Vec::new(),
        looks: Vec::new(),
        walks: Vec::new(),
        swaps: Vec::new(),
        documents: vec![("orders".to_owned(), ORDER.to_owned(), json!({ "status": "paid" }))],
        subscribers: vec![Subscriber {
            name: "from-zero".to_owned(),
            after: 0,
            seen: vec![(1, "event-1".to_owned())],
        }],
        readings: vec![Reading {
            node: Machine::Node2,
            boot: 1,
            begins: Begins::Start,
            wanted: Wanted::default(),
            asked_at_us: 400_000,
            begun_at_us: 400_000,
            after: 0,
            given: Vec::new(),
            place: 0,
        }],
        handed: Vec::new(),
        shards: vec![ShardChange {
            at_us: 500_000,
            node: Machine::Node2,
            shard: 1,
            epoch: 1,
            taken: true,
        }],
        power: Vec::new(),
        stops: Vec::new(),
        confessed: Vec::new(),
        leaks: Vec::new(),
        bites: BTreeMap::from([(FaultKind::Partition, 3)]),
        phases: Phases {
            chaos_at_us: 1_000_000,
            healed_at_us: 41_000_000,
            quiet_at_us: Some(42_000_000),
        },
        undone: Vec::new(),
        crashes: Vec::new(),
    }
}

fn plan() -> Plan {
    let operation = Operation::PlaceOrder {
        key: 1,
        products: vec![1_001],
        token: "tok_ok".to_owned(),
        shape: OrderShape::Plain,
        otherwise: None,
        wait_s: None,
    };
    Plan {
        seed: Seed(7),
        scenario: "standard".to_owned(),
        knobs: Knobs::draw(Seed(7)),
        sagas: Vec::new(),
        chaos_ms: 40_000,
        left_broken: Vec::new(),
        episodes: vec![Episode {
            id: 1,
            at_ms: 100,
            for_ms: 9_000,
            fault: Fault::Partition {
                one: vec![Machine::Node3],
                other: vec![Machine::Store],
                one_way: false,
            },
        }],
        operations: vec![Planned {
            id: 1,
            at_ms: 500,
            customer: 0,
            to: Machine::Balancer,
            gives_up_after_ms: None,
            operation,
        }],
    }
}

fn call() -> Call {
    Call {
        operation: 1,
        customer: 0,
        to: Machine::Balancer,
        request: "POST /orders".to_owned(),
        key: Some("key-1".to_owned()),
        body: json!({ "items": [] }),
        sent_at_us: 1_500_000,
        ended_at_us: 1_520_000,
        answer: Some(Answer {
            status: 201,
            replayed: false,
            node: Some("node-2".to_owned()),
            said: BTreeMap::new(),
            body: json!({ "id": ORDER, "status": "pending" }),
        }),
    }
}

fn append() -> StoreCall {
    let write = Write {
        stream: format!("order-{ORDER}"),
        expected: Expected::NoStream,
        events: vec!["event-1".to_owned()],
    };
    StoreCall {
        by: Machine::Node2,
        sent_at_us: 1_505_000,
        ended_at_us: 1_510_000,
        what: StoreWhat::Append {
            append_id: "append-1".to_owned(),
            fence: Some((1, 1)),
            writes: vec![write],
            takes: Vec::new(),
            releases: Vec::new(),
            result: AppendResult::Appended { position: 1, versions: vec![1] },
        },
    }
}

fn logged() -> LogEntry {
    LogEntry {
        position: 1,
        stream: format!("order-{ORDER}"),
        version: 1,
        id: "event-1".to_owned(),
        event_type: "OrderPlaced".to_owned(),
        correlation_id: "correlation-1".to_owned(),
        causation_id: None,
        node: "node-2".to_owned(),
        recorded_at_us: 1_508_000,
        schema_version: 1,
        payload: json!({ "customer": "</script><b>" }),
        payload_digest: "0123456789abcdef".to_owned(),
    }
}

fn captured() -> BankEntry {
    BankEntry {
        seq: 1,
        at_us: 1_600_000,
        by: Machine::Node2,
        key: format!("{ORDER}/capture_payment/action"),
        epoch: 1,
        order: ORDER.to_owned(),
        operation: "capture".to_owned(),
        amount_minor: 1_250,
        effect: BankEffect::Done,
        said: None,
    }
}
