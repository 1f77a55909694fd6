//! Whole orders: the appends, the bank's entries, the requests and answers of their customers, and what
//! goes with them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::evidence::{
    BankEffect, BusEntry, BusWhat, Expected, PAYLOAD, Power, PowerChange, ShardChange,
};
use crate::machine::Machine;
use crate::oracle::naive::append::Claim;
use crate::plan::{Operation, OrderShape, Planned};

use super::{Batch, History};

/// What every order of these histories costs, in minor units.
pub(in crate::oracle) const PRICE: u64 = 500;

pub(super) const EPOCH: u64 = 1;

/// A customer's id at the product.
pub(in crate::oracle) fn user(customer: u32) -> String {
    format!("user-{customer}")
}

/// A moment of the first day of all days, as a message says it.
fn moment(at_us: u64) -> String {
    let (seconds, us) = (at_us / 1_000_000, at_us % 1_000_000);
    let (minutes, seconds) = (seconds / 60, seconds % 60);
    format!("1970-01-01T{:02}:{:02}:{seconds:02}.{us:06}Z", minutes / 60, minutes % 60)
}

/// An event of a saga's or an order's stream: stream, type, payload.
type Event = (String, &'static str, Value);

/// The events of one order and its saga.
struct Flow(String);

impl Flow {
    fn saga(&self, event_type: &'static str, payload: Value) -> Event {
        (format!("saga-{}", self.0), event_type, payload)
    }

    fn started(&self, step: u32) -> Event {
        self.saga("StepStarted", json!({"step": step, "atUs": 1, "epoch": EPOCH}))
    }

    fn succeeded(&self, step: u32) -> Event {
        self.saga("StepSucceeded", json!({"step": step, "result": null, "atUs": 1}))
    }

    fn order(&self, event_type: &'static str, payload: Value) -> Event {
        (format!("order-{}", self.0), event_type, payload)
    }

    fn payment(&self, event_type: &'static str) -> Event {
        let payload = json!({"orderId": self.0, "amountMinor": PRICE, "currency": "USD",
            "reference": "r"});
        (format!("payment-{}", self.0), event_type, payload)
    }

    fn declined(&self) -> Event {
        let payload = json!({"orderId": self.0, "amountMinor": PRICE, "currency": "USD",
            "code": "NO", "reason": "no"});
        (format!("payment-{}", self.0), "PaymentDeclined", payload)
    }

    fn voided(&self) -> Event {
        (format!("payment-{}", self.0), "PaymentVoided", json!({}))
    }

    fn live(&self) -> Claim {
        ("saga-live".to_owned(), format!("00000/{}", self.0), format!("saga-{}", self.0))
    }

    fn key(&self, step: &str) -> String {
        format!("{}/{step}", self.0)
    }

    fn batch(&self, events: Vec<Event>) -> Batch {
        Batch {
            fence: Some((0, EPOCH)),
            expected: None,
            events,
            takes: Vec::new(),
            releases: Vec::new(),
            correlation: format!("c-{}", self.0),
        }
    }
}

impl History {
    /// The refund `r1` of the first order waits for a person at this step, of two, behind so many attempts.
    pub(in crate::oracle) fn parked_refund(&mut self, step: u32, attempts: u32) {
        let input = json!({"terms": {"orderId": self.orders[0]}});
        let started = json!({"sagaType": "order-refund", "steps": 2, "pivot": 0, "input": input,
            "epoch": 1});
        self.say("saga-r1", "SagaStarted", started);
        self.say("saga-r1", "StepStarted", json!({"step": 0, "atUs": 1, "epoch": 1}));
        if step > 0 {
            let succeeded = json!({"step": 0, "result": null, "atUs": 2});
            self.say("saga-r1", "StepSucceeded", succeeded);
            self.say("saga-r1", "StepStarted", json!({"step": 1, "atUs": 2, "epoch": 1}));
        }
        let parked = json!({"step": step, "direction": "action", "atUs": 10,
            "reason": {"attemptsUsedUp": {"attempts": attempts, "cause": "no"}}});
        self.say("saga-r1", "SagaParked", parked);
    }

    /// Two orders that were paid and one that was undone, and everything that goes with them.
    pub(in crate::oracle) fn good() -> Self {
        let mut history = Self::empty();
        history.boot();
        let first = history.completed_order(1, "key-1", "product-1");
        let second = history.completed_order(2, "key-2", "product-2");
        let third = history.compensated_order(3, "key-3", "product-3");
        history.orders = vec![first.clone(), second, third];
        history.place(1, "key-1", "product-1", &first, true);
        history.look(1, &first, "paid");
        history.conflict(4, "product-1", &first);
        history.read_stream(&format!("saga-{first}"), 1, 100);
        history.read_all(0);
        history.subscribe("all", 0);
        history.publish();
        history.show();
        history.evidence.phases.quiet_at_us = Some(50_000_000);
        history
    }

    /// Every node is switched on and takes its shards.
    fn boot(&mut self) {
        for node in Machine::NODES {
            let at_us = self.sent_now();
            self.evidence.power.push(PowerChange { at_us, machine: node, what: Power::Booted });
        }
        for shard in 0..self.evidence.plan.knobs.shards {
            let node = Machine::NODES[shard as usize % 3];
            let at_us = self.sent_now();
            let taken = ShardChange { at_us, node, shard, epoch: EPOCH, taken: true };
            self.evidence.shards.push(taken);
        }
    }

    /// An order that was accepted and whose saga is under way.
    pub(in crate::oracle) fn start_order(
        &mut self,
        customer: u32,
        key: &str,
        product: &str,
    ) -> String {
        let id = format!("order{}", self.evidence.log.len());
        self.plan_order(customer, product);
        let sent_at_us = self.sent_now();
        let flow = Flow(id.clone());
        let locked_until_us = self.now_us + 5_000_000;
        let input = json!({"userId": user(customer)});
        let started = json!({"sagaType": "order-processing", "definition": "d", "steps": 4,
            "pivot": 2, "input": input, "startedAtUs": 0, "deadlineAtUs": 900_000_000, "epoch": EPOCH});
        let placed = json!({"userId": user(customer), "totalMinor": PRICE, "currency": "USD",
            "items": [{"productId": product, "productName": "Lamp", "quantity": 1,
                "priceMinor": PRICE}],
            "paymentKind": "card", "idempotencyKey": key, "lockedUntilUs": locked_until_us});
        let mut batch = flow.batch(vec![
            flow.saga("SagaStarted", started),
            flow.started(0),
            flow.succeeded(0),
            flow.started(1),
            flow.order("OrderPlaced", placed),
        ]);
        batch.expected = Some(Expected::NoStream);
        let claim = |kind: &str, key: String| (kind.to_owned(), key, format!("order-{id}"));
        batch.takes = vec![
            flow.live(),
            claim("order-key", format!("{}/{key}", user(customer))),
            claim("product", product.to_owned()),
        ];
        self.make(batch);
        self.accepted(customer, key, product, &id, sent_at_us);
        id
    }

    pub(in crate::oracle) fn completed_order(
        &mut self,
        customer: u32,
        key: &str,
        product: &str,
    ) -> String {
        let id = self.start_order(customer, key, product);
        let flow = Flow(id.clone());
        self.bank(&id, "authorize", &flow.key("authorize_payment/action"), PRICE, BankEffect::Done);
        self.make(flow.batch(vec![
            flow.succeeded(1),
            flow.started(2),
            flow.payment("PaymentAuthorized"),
        ]));
        self.bank(&id, "capture", &flow.key("capture_payment/action"), PRICE, BankEffect::Done);
        let confirmed = json!({"paidMinor": PRICE, "paymentId": id});
        let mut batch = flow.batch(vec![
            flow.succeeded(2),
            flow.started(3),
            flow.succeeded(3),
            flow.saga("SagaCompleted", json!({"atUs": 2})),
            flow.payment("PaymentCaptured"),
            flow.order("OrderConfirmed", confirmed),
        ]);
        batch.releases = vec![flow.live(), self.product_claim(&id, product)];
        self.make(batch);
        id
    }

    /// An order whose capture the bank declined.
    pub(in crate::oracle) fn compensated_order(
        &mut self,
        customer: u32,
        key: &str,
        product: &str,
    ) -> String {
        let id = self.start_order(customer, key, product);
        let flow = Flow(id.clone());
        self.bank(&id, "authorize", &flow.key("authorize_payment/action"), PRICE, BankEffect::Done);
        self.make(flow.batch(vec![
            flow.succeeded(1),
            flow.started(2),
            flow.payment("PaymentAuthorized"),
        ]));
        self.bank(&id, "capture", &flow.key("capture_payment/action"), PRICE, BankEffect::Declined);
        let undo = |step: u32| {
            flow.saga("CompensationStarted", json!({"step": step, "atUs": 2, "epoch": EPOCH}))
        };
        let undone =
            |step: u32| flow.saga("CompensationSucceeded", json!({"step": step, "atUs": 2}));
        let no = json!({"step": 2, "code": "NO", "reason": "no", "atUs": 2});
        let why =
            json!({"reason": {"rejected": {"step": 2, "code": "NO", "reason": "no"}}, "atUs": 2});
        self.make(flow.batch(vec![
            flow.saga("StepRejected", no),
            flow.saga("SagaAborted", why),
            undo(1),
            flow.declined(),
        ]));
        self.bank(
            &id,
            "void",
            &flow.key("authorize_payment/compensation"),
            PRICE,
            BankEffect::Done,
        );
        let mut batch = flow.batch(vec![
            undone(1),
            undo(0),
            undone(0),
            flow.saga("SagaCompensated", json!({"atUs": 3})),
            flow.voided(),
            flow.order("OrderCancelled", json!({"reason": "no"})),
        ]);
        batch.releases = vec![flow.live(), self.product_claim(&id, product)];
        self.make(batch);
        id
    }

    fn product_claim(&self, id: &str, product: &str) -> Claim {
        ("product".to_owned(), product.to_owned(), format!("order-{id}"))
    }

    fn plan_order(&mut self, customer: u32, product: &str) {
        let operations = &mut self.evidence.plan.operations;
        let number = product.strip_prefix("product-").and_then(|number| number.parse().ok());
        operations.push(Planned {
            id: u32::try_from(operations.len()).unwrap_or(u32::MAX),
            at_ms: 0,
            customer,
            to: Machine::Balancer,
            gives_up_after_ms: None,
            operation: Operation::PlaceOrder {
                key: 1,
                products: vec![number.unwrap_or(0)],
                token: "tok_ok".to_owned(),
                shape: OrderShape::Plain,
                otherwise: None,
                wait_s: None,
            },
        });
    }

    /// Everything in the log is on the bus and was acted on once.
    pub(in crate::oracle) fn publish(&mut self) {
        let at_us = self.sent_now();
        for entry in &self.evidence.log {
            let category = entry.stream.split('-').next().unwrap_or("");
            let step = |what| BusEntry {
                at_us,
                topic: format!("{category}-events"),
                message: entry.id.clone(),
                key: entry.correlation_id.clone(),
                what,
            };
            let mut said: BTreeMap<_, _> = [
                ("ce_specversion", "1.0".to_owned()),
                ("ce_id", entry.id.clone()),
                ("ce_source", format!("/sagaline/{}", entry.node)),
                ("ce_type", entry.event_type.clone()),
                ("ce_subject", entry.stream.clone()),
                ("ce_time", moment(entry.recorded_at_us)),
                ("ce_sequence", entry.position.to_string()),
                ("ce_schemaversion", entry.schema_version.to_string()),
                ("ce_correlationid", entry.correlation_id.clone()),
                (PAYLOAD, entry.payload_digest.clone()),
            ]
            .map(|(name, value)| (name.to_owned(), value))
            .into();
            let cause = entry.causation_id.clone();
            said.extend(cause.map(|cause| ("ce_causationid".to_owned(), cause)));
            self.evidence.bus.push(step(BusWhat::Published { by: Machine::Node1, said }));
            let group = || "mailer".to_owned();
            self.evidence.bus.push(step(BusWhat::Delivered { group: group() }));
            self.evidence.bus.push(step(BusWhat::Acted { group: group() }));
        }
    }

    /// The views as they are after the whole log.
    pub(in crate::oracle) fn show(&mut self) {
        let documents = &mut self.evidence.documents;
        for (n, id) in self.orders.iter().enumerate() {
            let (paid, customer) = (n < 2, n + 1);
            let user_id = format!("user-{customer}");
            let status = if paid { "paid" } else { "cancelled" };
            let mut order = json!({"id": id, "userId": user_id, "status": status,
                "items": [{"productId": format!("product-{customer}"), "productName": "Lamp",
                    "quantity": 1, "price": 5.0}],
                "totalAmount": 5.0, "currency": "USD", "paymentMethod": {"type": "card"},
                "correlationId": format!("c-{id}")});
            if paid {
                order["paymentId"] = json!(id);
            }
            documents.push(("orders.v1".to_owned(), id.clone(), order));
            let captured = if paid { 5.0 } else { 0.0 };
            let payment = json!({"id": id, "orderId": id, "amount": 5.0,
                "status": if paid { "completed" } else { "failed" },
                "capturedAmount": captured, "refundedAmount": 0.0});
            documents.push(("payments".to_owned(), id.clone(), payment));
            let (phase, events) = if paid { ("completed", 10) } else { ("compensated", 13) };
            let undone = |step: usize| !paid && step < 2;
            let step = |step: usize| {
                let action = match (paid, step) {
                    (true, _) | (false, 0 | 1) => json!("succeeded"),
                    (false, 2) => json!({"rejected": {"code": "NO", "reason": "no"}}),
                    (false, _) => json!("notStarted"),
                };
                let compensation = if undone(step) { "succeeded" } else { "notStarted" };
                json!({"action": action, "compensation": compensation})
            };
            let state = json!({"sagaType": "order-processing", "phase": phase, "events": events,
                "epoch": EPOCH, "paused": false, "parked": null, "input": {"userId": user_id},
                "steps": (0..4).map(step).collect::<Vec<_>>()});
            let saga = json!({"id": id, "correlationId": format!("c-{id}"), "userId": user_id,
                "state": state});
            documents.push(("sagas".to_owned(), id.clone(), saga));
        }
    }
}
