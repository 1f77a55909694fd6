//! Requests by what they ask for.

use serde_json::Value;

use crate::evidence::{Answer, Call};

use super::json::text;

/// What a request is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asks<'a> {
    /// `POST /orders`.
    PlaceOrder,
    /// `GET /orders/{id}`.
    Order(&'a str),
    /// `DELETE /orders/{id}`.
    Cancel(&'a str),
    /// `PUT /orders/{id}/confirm`.
    Confirm(&'a str),
    /// `PUT /orders/{id}/ship` or `deliver`, `POST /orders/{id}/refund`.
    Handle {
        /// The order.
        order: &'a str,
        /// What is to be done with it.
        verb: &'a str,
    },
    /// `GET /orders`.
    Orders,
    /// `POST /sagas`.
    StartSaga,
    /// `GET /sagas/{id}`.
    Saga(&'a str),
    /// Anything else.
    Other,
}

impl<'a> Asks<'a> {
    /// What a call asks for.
    pub fn of(call: &'a Call) -> Self {
        let (method, target) = call.request.split_once(' ').unwrap_or(("", ""));
        let path = target.split('?').next().unwrap_or("");
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        match (method, parts.as_slice()) {
            ("POST", ["orders"]) => Self::PlaceOrder,
            ("GET", ["orders"]) => Self::Orders,
            ("GET", ["orders", id]) => Self::Order(id),
            ("DELETE", ["orders", id]) => Self::Cancel(id),
            ("PUT", ["orders", id, "confirm"]) => Self::Confirm(id),
            ("PUT", ["orders", order, verb @ ("ship" | "deliver")])
            | ("POST", ["orders", order, verb @ "refund"]) => Self::Handle { order, verb },
            ("POST", ["sagas"]) => Self::StartSaga,
            ("GET", ["sagas", id]) => Self::Saga(id),
            _ => Self::Other,
        }
    }
}

/// The answer of a call when it has this status.
pub fn answered(call: &Call, status: u16) -> Option<&Answer> {
    call.answer.as_ref().filter(|answer| answer.status == status)
}

/// The stable code of a refusal.
pub fn code(answer: &Answer) -> Option<&str> {
    text(&answer.body, "error")
}

/// The id of what an answer shows.
pub fn id(body: &Value) -> Option<&str> {
    text(body, "id")
}
