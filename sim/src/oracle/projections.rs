//! The views at the end are the fold of the log: every order, payment and saga has its document, with what
//! a naive fold of its own stream says, and there is no other.

use serde_json::Value;

use crate::machine::Machine;

use super::case::Case;
use super::naive::json::{list, minor, number, text};
use super::naive::order::Order;
use super::naive::payment::Payment;
use super::naive::saga::{End, Progress, Saga};
use super::{Finding, Oracle};

/// See the module.
#[derive(Debug)]
pub struct Projections;

impl Oracle for Projections {
    fn name(&self) -> &'static str {
        "projections"
    }

    fn is_due(&self, case: &Case<'_>) -> bool {
        case.starts_sagas() && case.is_quiet()
    }

    fn examine(&self, case: &Case<'_>) -> Finding {
        let mut finding = Finding::default();
        // Only a world at rest has views at the head of the log.
        if !case.is_quiet() || case.is_left_broken(Machine::Store) {
            return finding;
        }
        let mut shown = [0, 0, 0];
        for (view, key, document) in &case.evidence.documents {
            // The store names a view with its version: `orders.v1`.
            let (place, problems) = match view.split('.').next().unwrap_or(view) {
                "orders" => {
                    let payment = case.payments.get(key.as_str());
                    let order = case.orders.get(key.as_str());
                    (0, order.map(|order| order_problems(order, payment, document)))
                }
                "payments" => {
                    let payment = case.payments.get(key.as_str());
                    (1, payment.map(|payment| payment_problems(payment, document)))
                }
                "sagas" => {
                    let saga = case.sagas.get(key.as_str());
                    (2, saga.map(|saga| saga_problems(saga, document)))
                }
                // Snapshots and the node's own views: caches that nobody is shown.
                _ => continue,
            };
            shown[place] += 1;
            examine_document(view, key, problems, document, &mut finding);
        }
        let folded = [case.orders.len(), case.payments.len(), case.sagas.len()];
        for ((view, shown), folded) in ["orders", "payments", "sagas"].iter().zip(shown).zip(folded)
        {
            let complete = shown == folded;
            let detail = || format!("{view}: {shown} documents, {folded} in the log");
            if !complete {
                finding.break_promise("a view has other documents than the log", detail());
            }
        }
        finding
    }
}

fn examine_document(
    view: &str,
    key: &str,
    problems: Option<Vec<&'static str>>,
    document: &Value,
    finding: &mut Finding,
) {
    finding.look();
    let Some(problems) = problems else {
        let what = "a view shows what the log does not have";
        finding.break_promise(what, format!("{view} {key}: {document}"));
        return;
    };
    if !problems.is_empty() {
        let what = "a document is not the fold of the log";
        finding.break_promise(what, format!("{view} {key}: {}: {document}", problems.join(", ")));
    }
}

/// The names of what is false.
pub(super) fn wrong<const N: usize>(checks: [(bool, &'static str); N]) -> Vec<&'static str> {
    checks.into_iter().filter(|(holds, _)| !holds).map(|(_, name)| name).collect()
}

/// `processing` is an order that waits while its payment is authorised: from the payment's first event
/// behind the order's.
pub(super) fn status_of(order: &Order<'_>, payment: Option<&Payment>) -> &'static str {
    let placed = order.placed.position;
    let authorized =
        payment.and_then(|payment| payment.authorized_at).is_some_and(|at| at > placed);
    if order.status == "pending" && authorized { "processing" } else { order.status }
}

fn order_problems(
    order: &Order<'_>,
    payment: Option<&Payment>,
    shown: &Value,
) -> Vec<&'static str> {
    wrong([
        (text(shown, "id") == Some(order.id), "id"),
        (text(shown, "userId") == Some(order.user), "userId"),
        (text(shown, "status") == Some(status_of(order, payment)), "status"),
        (minor(shown, "totalAmount") == Some(order.total_minor), "totalAmount"),
        (text(shown, "paymentId") == order.payment, "paymentId"),
        (
            text(shown, "correlationId") == Some(order.placed.correlation_id.as_str()),
            "correlationId",
        ),
        (order.is_shown_in(shown), "what was ordered"),
    ])
}

fn payment_problems(payment: &Payment, shown: &Value) -> Vec<&'static str> {
    wrong([
        (text(shown, "status") == Some(payment.status), "status"),
        (minor(shown, "amount") == Some(payment.amount_minor), "amount"),
        (minor(shown, "capturedAmount") == Some(payment.captured_minor), "capturedAmount"),
        (minor(shown, "refundedAmount") == Some(payment.refunded_minor), "refundedAmount"),
    ])
}

/// The word for where a saga is on its way.
pub(super) fn phase_of(saga: &Saga<'_>) -> &'static str {
    match saga.end {
        Some(End::Completed) => "completed",
        Some(End::Compensated) => "compensated",
        None if saga.aborted_at.is_some() => "compensating",
        None if saga.is_committed() => "committing",
        None => "running",
    }
}

fn saga_problems(saga: &Saga<'_>, shown: &Value) -> Vec<&'static str> {
    let nothing = Value::Null;
    let state = shown.get("state").unwrap_or(&nothing);
    let epochs = saga.entries.iter().filter_map(|entry| number(&entry.payload, "epoch"));
    let parked = state.get("parked").is_some_and(|parked| !parked.is_null());
    let steps = list(state, "steps");
    let same_steps = steps.len() == saga.steps.len()
        && steps.iter().zip(&saga.steps).all(|(shown, step)| {
            let directions = ["action", "compensation"].iter().zip(step.progress);
            directions.into_iter().all(|(field, progress)| progress_is(shown.get(field), progress))
        });
    wrong([
        (text(state, "sagaType") == Some(saga.saga_type), "sagaType"),
        (text(state, "phase") == Some(phase_of(saga)), "phase"),
        (number(state, "events") == Some(saga.entries.len() as u64), "events"),
        (number(state, "epoch") == epochs.max(), "epoch"),
        (state.get("paused").is_some_and(|paused| *paused == true) == saga.is_paused, "paused"),
        (parked != saga.parked.is_empty(), "parked"),
        (state.get("input") == Some(saga.input), "input"),
        (text(shown, "userId") == text(saga.input, "userId"), "userId"),
        (same_steps, "steps"),
    ])
}

/// A state without fields is its name; one with fields is an object with its name. Of what has not begun
/// nothing is said.
fn progress_is(shown: Option<&Value>, progress: Progress) -> bool {
    let name = shown.and_then(|shown| match shown {
        Value::String(name) => Some(name.as_str()),
        Value::Object(fields) => fields.keys().next().map(String::as_str),
        _ => None,
    });
    match progress {
        Progress::New => shown.is_none() || name == Some("notStarted"),
        Progress::Open => matches!(name, Some("started" | "waiting")),
        Progress::Done => name == Some("succeeded"),
        Progress::Rejected => name == Some("rejected"),
        Progress::Skipped => name == Some("skipped"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::oracle::testing::{History, caught, clean};

    fn document<'a>(history: &'a mut History, view: &str) -> &'a mut Value {
        let found = history.evidence.documents.iter_mut().find(|(name, ..)| name == view);
        &mut found.expect("a document").2
    }

    #[test]
    fn documents_that_are_the_fold_are_right() {
        assert_eq!(clean(&Projections, &History::good()).examined, 9);
    }

    #[test]
    fn a_snapshot_that_is_off_by_one_is_caught() {
        let mut history = History::good();
        document(&mut history, "sagas")["state"]["events"] = json!(9);
        caught(&Projections, &history, "a document is not the fold of the log");
        let mut history = History::good();
        document(&mut history, "orders.v1")["status"] = json!("processing");
        caught(&Projections, &history, "a document is not the fold of the log");
        let mut history = History::good();
        document(&mut history, "payments")["capturedAmount"] = json!(10.0);
        caught(&Projections, &history, "a document is not the fold of the log");
    }

    #[test]
    fn an_order_shown_with_other_lines_is_caught() {
        for (at, wrong) in [
            ("/items/0/price", json!(10.0)),
            ("/items/0/quantity", json!(2)),
            ("/items/0/productName", json!("Table")),
            ("/items/0/productId", json!("product-2")),
            ("/items", json!([])),
            ("/currency", json!("EUR")),
            ("/paymentMethod/type", json!("external")),
        ] {
            let mut history = History::good();
            let order = document(&mut history, "orders.v1");
            *order.pointer_mut(at).expect("a field") = wrong;
            caught(&Projections, &history, "a document is not the fold of the log");
        }
    }

    #[test]
    fn a_step_shown_in_another_state_is_caught() {
        let mut history = History::good();
        document(&mut history, "sagas")["state"]["steps"][1]["action"] =
            json!({"started": {"attempt": 1}});
        caught(&Projections, &history, "a document is not the fold of the log");
    }

    #[test]
    fn a_document_too_few_or_too_many_is_caught() {
        let mut history = History::good();
        let (view, _, document) = history.evidence.documents[0].clone();
        history.evidence.documents.push((view, "ghost".to_owned(), document));
        caught(&Projections, &history, "a view shows what the log does not have");
        let mut history = History::good();
        history.evidence.documents.pop();
        caught(&Projections, &history, "a view has other documents than the log");
    }
}
