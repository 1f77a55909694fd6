//! Requests of customers and what they are answered.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::evidence::{Answer, Call, Look, Role, Who};
use crate::machine::Machine;

use super::History;
use super::orders::user;

fn body(product: &str) -> Value {
    json!({"items": [{"productId": product, "productName": "Lamp", "quantity": 1, "price": 5.0}],
        "shippingAddress": {"city": "Rome"}, "paymentMethod": {"type": "card", "token": "tok_ok"}})
}

/// An order as it is shown.
pub(in crate::oracle) fn shown(customer: u32, order: &str, product: &str, status: &str) -> Value {
    json!({"id": order, "userId": user(customer), "status": status, "totalAmount": 5.0,
        "items": [{"productId": product, "productName": "Lamp", "quantity": 1, "price": 5.0}],
        "currency": "USD", "shippingAddress": {"city": "Rome"}, "paymentMethod": {"type": "card"}})
}

impl History {
    /// A request that was answered.
    pub(in crate::oracle) fn call(
        &mut self,
        customer: u32,
        request: &str,
        key: Option<&str>,
        body: Value,
        answer: Option<(u16, Value)>,
    ) -> &mut Call {
        let sent_at_us = self.sent_now();
        let ended_at_us = self.sent_now();
        let calls = &mut self.evidence.calls;
        calls.push(Call {
            operation: 0,
            customer,
            to: Machine::Balancer,
            request: request.to_owned(),
            key: key.map(str::to_owned),
            body,
            sent_at_us,
            ended_at_us,
            answer: answer.map(|(status, body)| Answer {
                status,
                replayed: false,
                node: Some("node-1".to_owned()),
                said: BTreeMap::new(),
                body,
            }),
        });
        calls.last_mut().expect("it was pushed just now")
    }

    /// What somebody was shown at rest.
    pub(in crate::oracle) fn look_at(
        &mut self,
        role: Role,
        customer: u32,
        list: Option<u32>,
        request: &str,
        (status, body): (u16, Value),
    ) {
        let user = if role == Role::Customer { user(customer) } else { format!("{role:?}") };
        let (sent_at_us, ended_at_us) = (self.sent_now(), self.sent_now());
        self.evidence.looks.push(Look {
            who: Who { role, user },
            list,
            request: request.to_owned(),
            body: Value::Null,
            wait_s: None,
            sent_at_us,
            ended_at_us,
            answer: Some(Answer {
                status,
                replayed: false,
                node: None,
                said: BTreeMap::new(),
                body,
            }),
        });
    }

    /// What somebody was shown of a list that was gone through while faults were on.
    pub(in crate::oracle) fn walk(
        &mut self,
        role: Role,
        customer: u32,
        list: u32,
        request: &str,
        answer: (u16, Value),
    ) {
        self.look_at(role, customer, Some(list), request, answer);
        self.evidence.walks.extend(self.evidence.looks.pop());
    }

    /// The answer to the request that placed an order: it had been sent before the append.
    pub(super) fn accepted(
        &mut self,
        customer: u32,
        key: &str,
        product: &str,
        order: &str,
        sent_at_us: u64,
    ) {
        self.place(customer, key, product, order, false).sent_at_us = sent_at_us;
    }

    /// `POST /orders`, answered with an order.
    pub(in crate::oracle) fn place(
        &mut self,
        customer: u32,
        key: &str,
        product: &str,
        order: &str,
        replayed: bool,
    ) -> &mut Call {
        let answer = (201, shown(customer, order, product, "pending"));
        let call = self.call(customer, "POST /orders", Some(key), body(product), Some(answer));
        if let Some(answer) = &mut call.answer {
            answer.replayed = replayed;
        }
        call
    }

    /// `POST /orders`, refused because another order holds the product.
    pub(in crate::oracle) fn conflict(&mut self, customer: u32, product: &str, existing: &str) {
        let problem = json!({"error": "DUPLICATE_ORDER", "existingOrderId": existing,
            "productId": product});
        let sent = Some((409, problem));
        self.call(customer, "POST /orders", Some("other"), body(product), sent);
    }

    /// `GET /orders/{id}`, answered with this status.
    pub(in crate::oracle) fn look(&mut self, customer: u32, order: &str, status: &str) {
        let number =
            self.orders.iter().position(|known| known == order).map_or(0, |place| place + 1);
        let answer = shown(customer, order, &format!("product-{number}"), status);
        self.call(
            customer,
            &format!("GET /orders/{order}"),
            None,
            Value::Null,
            Some((200, answer)),
        );
    }
}
