//! The things of the good history as they are shown when all has come to rest, alone and in traces.

use serde_json::{Value, json};

use crate::evidence::LogEntry;
use crate::oracle::naive::time;

use super::History;
use super::http::shown;
use super::pages::{saga_shown, saga_undone};

/// What a trace says of all its events together.
pub(in crate::oracle) fn summary(entries: &[&LogEntry]) -> Value {
    let at_us = |entry: Option<&&LogEntry>| entry.map_or(0, |entry| entry.recorded_at_us);
    let (first, last) = (at_us(entries.first()), at_us(entries.last()));
    json!({"events": entries.len(), "nodes": ["node-1"], "startedAt": time::written(first),
        "endedAt": time::written(last), "durationUs": last - first, "truncated": false})
}

impl History {
    /// The events of a stream.
    pub(in crate::oracle) fn of_stream(&self, stream: &str) -> Vec<&LogEntry> {
        self.evidence.log.iter().filter(|entry| entry.stream == stream).collect()
    }

    /// The order of this number, from 1: two are paid, the third is cancelled.
    pub(in crate::oracle) fn order_at_rest(&self, number: usize) -> Value {
        let id = self.orders[number - 1].as_str();
        let status = ["paid", "paid", "cancelled", "pending"][number.min(4) - 1];
        let customer = u32::try_from(number).expect("few orders");
        let mut order = shown(customer, id, &format!("product-{number}"), status);
        match status {
            "paid" => order["paymentId"] = json!(id),
            "cancelled" => order["reason"] = json!("no"),
            _ => {}
        }
        self.dated(order, &format!("order-{id}"))
    }

    /// The payment of the order of this number.
    pub(in crate::oracle) fn payment_at_rest(&self, number: usize) -> Value {
        let id = self.orders[number - 1].as_str();
        let is_paid = number < 3;
        let mut payment = json!({"id": id, "orderId": id, "amount": 5.0, "currency": "USD",
            "status": if is_paid { "completed" } else { "failed" },
            "capturedAmount": if is_paid { 5.0 } else { 0.0 }, "refundedAmount": 0.0,
            "reference": "r"});
        if !is_paid {
            payment["declineCode"] = json!("NO");
            payment["declineReason"] = json!("no");
        }
        self.dated(payment, &format!("payment-{id}"))
    }

    /// The saga of the order of this number.
    pub(in crate::oracle) fn saga_at_rest(&self, number: usize) -> Value {
        let id = self.orders[number - 1].as_str();
        if number < 3 { saga_shown(id, 4) } else { saga_undone(id) }
    }

    /// With the request that it is of, and when it came into being and was changed last.
    fn dated(&self, mut shown: Value, stream: &str) -> Value {
        let entries = self.of_stream(stream);
        let (first, last) = (entries[0], entries[entries.len() - 1]);
        shown["correlationId"] = json!(first.correlation_id);
        shown["createdAt"] = json!(time::written(first.recorded_at_us));
        shown["updatedAt"] = json!(time::written(last.recorded_at_us));
        shown
    }
}
