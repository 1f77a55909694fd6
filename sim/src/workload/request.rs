//! What operations are on the wire.

use bytes::Bytes;
use http::{Method, Request, header};
use http_body_util::Full;
use serde_json::{Value, json};

use crate::fate;
use crate::plan::{Operation, Planned};
use crate::seed::Seed;
use crate::trip::TRIP;

use super::body;

/// Every so manieth operator who says that a step was done does not say what it returned.
const SAYS_NOTHING_EACH: u32 = 4;

/// A request as a client sends it, each time the same.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(super) method: Method,
    pub(super) path: String,
    pub(crate) body: Value,
    pub(super) key: Option<String>,
    pub(crate) wait_s: Option<u32>,
    /// Whether it may be sent again when nobody knows what became of it.
    pub(super) repeatable: bool,
}

impl Sent {
    /// Sent again when nobody knows what became of it.
    pub(crate) fn new(method: Method, path: String, body: Value) -> Self {
        Self { method, path, body, key: None, wait_s: None, repeatable: true }
    }

    /// A look at something.
    pub(crate) fn get(path: String) -> Self {
        Self::new(Method::GET, path, Value::Null)
    }

    /// Does away with something.
    pub(crate) fn delete(path: String) -> Self {
        Self::new(Method::DELETE, path, Value::Null)
    }

    /// A request with a body.
    pub(crate) fn post(path: String, body: Value) -> Self {
        Self::new(Method::POST, path, body)
    }

    /// `POST /orders`.
    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// An operator who says that a step was done mostly says also what it returned, where all steps of the
    /// saga return the same kind of thing. `all`: the plan's operations.
    pub(super) fn with_result(mut self, planned: &Planned, all: &[Planned]) -> Self {
        let Operation::Operate { order, .. } = planned.operation else { return self };
        let says = !planned.id.is_multiple_of(SAYS_NOTHING_EACH);
        if says && self.body["outcome"] == "succeeded" && returns_references(order, all) {
            let reference = format!("told by an operator, operation {}", planned.id);
            self.body["result"] = json!({ "reference": reference });
        }
        self
    }

    /// With an access token, and a deadline for the server to answer by.
    pub(crate) fn into_http(self, token: &str, key: Option<&str>) -> Request<Full<Bytes>> {
        let bytes = if self.body.is_null() { Bytes::new() } else { self.body.to_string().into() };
        let mut request = Request::builder()
            .method(self.method)
            .uri(self.path)
            .header(header::HOST, "sagaline")
            .header(header::CONTENT_TYPE, "application/json");
        if !token.is_empty() {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        if let Some(seconds) = self.wait_s {
            request = request.header("prefer", format!("wait={seconds}"));
        }
        request.body(Full::new(bytes)).expect("paths and headers are made of plain letters")
    }
}

/// What an operation sends over HTTP. None: it is not of that kind, or its order is not known.
pub(super) fn of(
    planned: &Planned,
    seed: Seed,
    id_of: impl Fn(u32) -> Option<String>,
) -> Option<Sent> {
    let get = |path: &str, order: u32| Some(Sent::get(format!("{path}/{}", id_of(order)?)));
    match &planned.operation {
        Operation::PlaceOrder { key, products, token, shape, otherwise, wait_s } => {
            let mut order = body::order(products, token, *shape);
            if let Some(otherwise) = otherwise {
                body::say(&mut order, *otherwise);
            }
            let mut sent = Sent::post("/orders".to_owned(), order);
            sent.key = (*key > 0).then(|| format!("key-{key}"));
            sent.wait_s = *wait_s;
            sent.repeatable = sent.key.is_some();
            Some(sent)
        }
        Operation::StartSaga { saga_type, key, input, fate: _ } => {
            let correlation = fate::correlation(*key);
            let body =
                json!({ "sagaType": saga_type, "data": input, "correlationId": correlation });
            let mut sent = Sent::post("/sagas".to_owned(), body);
            sent.key = Some(format!("start-{key}"));
            Some(sent)
        }
        Operation::CancelOrder { order } => {
            let path = format!("/orders/{}", id_of(*order)?);
            Some(Sent::new(Method::DELETE, path, json!({ "reason": "does not want it any more" })))
        }
        Operation::ConfirmOrder { order } => {
            let path = format!("/orders/{}/confirm", id_of(*order)?);
            let body = json!({ "paymentId": payment_id(seed, *order) });
            Some(Sent::new(Method::PUT, path, body))
        }
        Operation::HandleOrder { order, verb } => {
            let path = format!("/orders/{}/{verb}", id_of(*order)?);
            Some(match verb.as_str() {
                "refund" => Sent::post(path, json!({ "reason": "a merchant of the simulation" })),
                _ => Sent::new(Method::PUT, path, Value::Null),
            })
        }
        Operation::ReadOrder { order } => get("/orders", *order),
        Operation::ReadSaga { order } => get("/sagas", *order),
        Operation::TraceOrder { order } => get("/trace/order", *order),
        Operation::ListOrders => Some(Sent::get("/orders?limit=50".to_owned())),
        // Sent once, as every verb of an operator.
        Operation::AskConsumer { group, verb, key } => {
            let body = json!({ "reason": reason_of(planned), "key": key });
            let sent = Sent::post(format!("/consumers/{group}/{verb}"), body);
            Some(Sent { repeatable: false, ..sent })
        }
        Operation::Rebuild { view } => {
            Some(Sent::post(format!("/projections/{view}/rebuild"), json!({})))
        }
        Operation::Operate { order, verb } => Some(verb_of(planned, verb, &id_of(*order)?)),
        Operation::Account { .. }
        | Operation::WalkList { .. }
        | Operation::ReadStream { .. }
        | Operation::AppendList { .. }
        | Operation::ReadList { .. }
        | Operation::ReadAll { .. }
        | Operation::HoldLock { .. }
        | Operation::OverstayLock { .. } => None,
    }
}

/// Whether the steps of what this operation starts return references: those of orders do, and those of trips.
/// Beside the orders trips are the simulation's own; what a user calls so is the user's.
fn returns_references(started_by: u32, all: &[Planned]) -> bool {
    let places = |planned: &Planned| matches!(planned.operation, Operation::PlaceOrder { .. });
    let started = all.iter().find(|planned| planned.id == started_by);
    started.is_some_and(|started| match &started.operation {
        Operation::StartSaga { saga_type, .. } => saga_type == TRIP && all.iter().any(places),
        _ => places(started),
    })
}

/// Why an operator does something: in the words of this operation alone, so that what comes of it can be told
/// from what comes of another.
fn reason_of(planned: &Planned) -> String {
    format!("an operator of the simulation, operation {}", planned.id)
}

/// An operator's verb. Sent once: the second might find, and change, another state.
pub(super) fn verb_of(planned: &Planned, verb: &str, saga: &str) -> Sent {
    let (path, outcome) = match verb.split_once('-') {
        Some((path, outcome)) => (path, Some(outcome)),
        None => (verb, None),
    };
    let mut body = json!({ "reason": reason_of(planned) });
    if let Some(outcome) = outcome {
        body["outcome"] = json!(outcome);
    }
    let sent = Sent::post(format!("/saga/{path}/{saga}"), body);
    Sent { repeatable: false, ..sent }
}

/// The payment with which a merchant confirms an order: the same each time it is tried.
fn payment_id(seed: Seed, order: u32) -> String {
    let mut bytes = [0; 16];
    seed.stream(&format!("payment/{order}")).fill(&mut bytes);
    uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fate::Fate;
    use crate::machine::Machine;
    use crate::plan::OrderShape;
    use crate::visit::VISIT;

    fn planned(id: u32, operation: Operation) -> Planned {
        let (at_ms, customer, to, gives_up_after_ms) = (0, 0, Machine::Balancer, None);
        Planned { id, at_ms, customer, to, gives_up_after_ms, operation }
    }

    fn started(id: u32, saga_type: &str) -> Planned {
        let (saga_type, input, fate) = (saga_type.to_owned(), json!({}), Fate::default());
        planned(id, Operation::StartSaga { saga_type, key: id, input, fate })
    }

    /// What an operator says that a step of this saga returned.
    fn result(id: u32, order: u32, verb: &str, all: &[Planned]) -> Value {
        let operate = planned(id, Operation::Operate { order, verb: verb.to_owned() });
        let sent = of(&operate, Seed(1), |_| Some("saga".to_owned())).expect("a known order");
        assert_eq!(sent.body["reason"], json!(reason_of(&operate)));
        sent.with_result(&operate, all).body["result"].clone()
    }

    #[test]
    fn an_operator_says_what_a_step_returned_where_all_steps_can_read_it() {
        let (token, shape) = ("tok_ok".to_owned(), OrderShape::Plain);
        let products = vec![1];
        let (wait_s, otherwise) = (None, None);
        let place = Operation::PlaceOrder { key: 1, products, token, shape, wait_s, otherwise };
        let all = [planned(1, place), started(2, TRIP), started(3, VISIT)];
        for order in [1, 2] {
            assert!(result(5, order, "resolve-succeeded", &all)["reference"].is_string());
            assert!(result(8, order, "resolve-succeeded", &all).is_null());
            assert!(result(5, order, "resolve-rejected", &all).is_null());
            assert!(result(5, order, "skip", &all).is_null());
        }
        assert!(result(5, 3, "resolve-succeeded", &all).is_null());
        assert!(result(5, 2, "resolve-succeeded", &all[1..]).is_null(), "a trip of a user's");
    }
}
