//! What administrators are shown of the whole: which node took which of the latest orders, and the flows that
//! are under way.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::evidence::{LogEntry, Look, Role};
use crate::oracle::Finding;
use crate::oracle::case::Case;
use crate::oracle::naive::json::{list, number, text};
use crate::oracle::naive::time;

use super::active::on_their_way;
use super::{told, yes};

/// So many are shown of those who are not asked for a number of them.
const SHOWN: usize = 100;
/// A flow to which nothing has happened for so long does not move.
const STUCK_MS: u64 = 60_000;

pub(super) fn examine(case: &Case<'_>, look: &Look, finding: &mut Finding) {
    let Some(answer) = yes(look).filter(|_| look.who.role == Role::Admin) else { return };
    match look.request.as_str() {
        "GET /trace/distribution" => examine_orders(case, look, &answer.body, finding),
        "GET /trace/active-flows" => examine_flows(case, look, &answer.body, finding),
        _ => {}
    }
}

/// Nothing is ordered at rest: these are the last orders of the log.
fn examine_orders(case: &Case<'_>, look: &Look, body: &Value, finding: &mut Finding) {
    let placed = case.evidence.log.iter().filter(|entry| entry.event_type == "OrderPlaced");
    let placed: Vec<_> = placed.collect();
    let latest = &placed[placed.len().saturating_sub(SHOWN)..];
    let arrivals = list(body, "arrivals");
    let before = latest.first().into_iter().chain(latest);
    let same = arrivals.len() == latest.len()
        && latest.iter().zip(before).zip(arrivals).all(|((entry, before), shown)| {
            let since_us = entry.recorded_at_us.saturating_sub(before.recorded_at_us);
            is_arrival(entry, shown) && number(shown, "sincePreviousUs") == Some(since_us)
        });
    let what = "it is not shown which node took which order";
    finding.expect(same, what, || format!("{} orders: {}", latest.len(), told(look)));
    let mut by_node: BTreeMap<&str, u64> = BTreeMap::new();
    for entry in latest {
        *by_node.entry(entry.node.as_str()).or_default() += 1;
    }
    let nodes = list(body, "nodes");
    let counted = nodes.iter().map(|node| Some((text(node, "nodeId")?, number(node, "orders")?)));
    let counted: Option<BTreeMap<&str, u64>> = counted.collect();
    let right = number(body, "orders") == Some(latest.len() as u64)
        && nodes.len() == by_node.len()
        && counted.is_some_and(|counted| counted == by_node);
    finding.expect(right, "a list is counted wrongly", || format!("{by_node:?}: {}", told(look)));
}

fn is_arrival(entry: &LogEntry, shown: &Value) -> bool {
    let order = entry.stream.split_once('-').map(|(_, order)| order);
    text(shown, "orderId") == order
        && text(shown, "nodeId") == Some(entry.node.as_str())
        && number(shown, "position") == Some(entry.position)
        && number(shown, "arrivedAtUs") == Some(entry.recorded_at_us)
        && time::is_shown(shown, "arrivedAt", Some(entry.recorded_at_us))
}

fn examine_flows(case: &Case<'_>, look: &Look, body: &Value, finding: &mut Finding) {
    let mut left = on_their_way(case, look);
    let flows = list(body, "flows");
    let stuck = flows.iter().filter(|flow| flow["isStuck"] == true).count() as u64;
    let counted = number(body, "total") == Some(left.len() as u64)
        && flows.len() == left.len().min(SHOWN)
        && number(body, "stuck") == Some(stuck);
    finding.expect(counted, "a list is counted wrongly", || {
        format!("{} in the log, {stuck} are stuck: {}", left.len(), told(look))
    });
    for flow in flows {
        let id = text(flow, "sagaId").unwrap_or("");
        let status = left.remove(id);
        let what = "a list shows what does not belong there, or something twice";
        finding.expect(status.is_some(), what, || format!("{id}: {}", look.request));
        let Some(saga) = case.sagas.get(id).filter(|_| status.is_some()) else { continue };
        let idle_ms = number(flow, "idleMs");
        let same = text(flow, "status") == status
            && text(flow, "sagaType") == Some(saga.saga_type)
            && idle_ms.is_some_and(|idle_ms| flow["isStuck"] == (idle_ms >= STUCK_MS));
        let what = "a list shows something as it is not";
        finding.expect(same, what, || format!("{flow} is {status:?}; {}", look.request));
    }
    let ages: Vec<_> = flows.iter().map(|flow| text(flow, "startedAt")).collect();
    finding.expect(ages.is_sorted(), "a list is not shown oldest first", || look.request.clone());
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::Shown;
    use crate::evidence::Role;
    use crate::oracle::naive::time;
    use crate::oracle::testing::{History, caught, clean};

    const ORDERS: &str = "it is not shown which node took which order";

    /// Which node took which order, and two flows that are under way, one of which does not move.
    fn asked() -> History {
        let mut history = History::good();
        let older = history.start_order(4, "key-4", "product-4");
        let newer = history.start_order(5, "key-5", "product-5");
        let log = history.evidence.log.iter().filter(|it| it.event_type == "OrderPlaced");
        let mut before_us = None;
        let arrivals: Vec<Value> = log
            .map(|entry| {
                let at_us = entry.recorded_at_us;
                let since_us = at_us - before_us.replace(at_us).unwrap_or(at_us);
                let order = entry.stream.trim_start_matches("order-");
                json!({"orderId": order, "nodeId": entry.node, "position": entry.position,
                    "arrivedAtUs": at_us, "arrivedAt": time::written(at_us),
                    "sincePreviousUs": since_us})
            })
            .collect();
        let orders = arrivals.len();
        let nodes = json!([{"nodeId": "node-1", "orders": orders, "share": 1.0}]);
        let taken = json!({"orders": orders, "nodes": nodes, "arrivals": arrivals});
        let flow = |id: &str, day: u32, idle_ms: u64| {
            json!({"sagaId": id, "sagaType": "order-processing", "status": "started",
                "startedAt": format!("2026-01-0{day}T00:00:00.000000Z"), "idleMs": idle_ms,
                "isStuck": idle_ms >= 60_000})
        };
        let flows = json!({"total": 2, "stuck": 1,
            "flows": [flow(&older, 4, 60_000), flow(&newer, 5, 59_999)]});
        history.look_at(Role::Admin, 0, None, "GET /trace/distribution", (200, taken));
        history.look_at(Role::Admin, 0, None, "GET /trace/active-flows", (200, flows));
        history.look_at(Role::Customer, 1, None, "GET /trace/distribution", (403, json!({})));
        history
    }

    fn body(history: &mut History, look: usize) -> &mut Value {
        &mut history.evidence.looks[look].answer.as_mut().expect("an answer").body
    }

    #[test]
    fn what_the_log_has_is_right() {
        assert!(clean(&Shown, &asked()).examined >= 10);
    }

    #[test]
    fn an_order_of_another_node_or_that_is_left_out_is_caught() {
        for (field, wrong) in [
            ("orderId", json!("another")),
            ("nodeId", json!("node-2")),
            ("position", json!(1_000)),
            ("arrivedAtUs", json!(1)),
            ("arrivedAt", json!("2026-01-01T00:00:00.000000Z")),
            ("sincePreviousUs", json!(1)),
        ] {
            let mut history = asked();
            body(&mut history, 0)["arrivals"][1][field] = wrong;
            caught(&Shown, &history, ORDERS);
        }
        let mut history = asked();
        if let Some(arrivals) = body(&mut history, 0)["arrivals"].as_array_mut() {
            arrivals.remove(0);
        }
        caught(&Shown, &history, ORDERS);
        let mut history = asked();
        body(&mut history, 0)["nodes"][0]["orders"] = json!(1);
        caught(&Shown, &history, "a list is counted wrongly");
    }

    #[test]
    fn a_flow_that_has_ended_is_counted_or_moves_otherwise_is_caught() {
        let mut history = asked();
        let ended = history.orders[0].clone();
        body(&mut history, 1)["flows"][0]["sagaId"] = json!(ended);
        let what = "a list shows what does not belong there, or something twice";
        caught(&Shown, &history, what);
        for (field, wrong) in [
            ("status", json!("parked")),
            ("sagaType", json!("order-refund")),
            ("idleMs", json!(59_999)),
        ] {
            let mut history = asked();
            body(&mut history, 1)["flows"][0][field] = wrong;
            caught(&Shown, &history, "a list shows something as it is not");
        }
        for field in ["total", "stuck"] {
            let mut history = asked();
            body(&mut history, 1)[field] = json!(5);
            caught(&Shown, &history, "a list is counted wrongly");
        }
        let mut history = asked();
        if let Some(flows) = body(&mut history, 1)["flows"].as_array_mut() {
            flows.reverse();
        }
        caught(&Shown, &history, "a list is not shown oldest first");
    }
}
