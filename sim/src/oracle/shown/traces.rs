//! Traces: every event, once, in the order of the log; what they come to together; and each thing that they
//! are about as it is now, by whichever request it came to that.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::evidence::{LogEntry, Look};
use crate::oracle::Finding;
use crate::oracle::case::Case;
use crate::oracle::naive::event::are_shown;
use crate::oracle::naive::json::{list, number, text};
use crate::oracle::naive::time;

use super::single;

/// The flow of an order: its own events, its payment's and its saga's, and the refund's apart from them.
pub(super) fn of_order(
    case: &Case<'_>,
    id: &str,
    look: &Look,
    body: &Value,
    finding: &mut Finding,
) {
    let of_flow = |entry: &&LogEntry| {
        let (category, key) = parts(entry);
        key == id && matches!(category, "order" | "payment" | "saga")
    };
    let logged: Vec<_> = case.evidence.log.iter().filter(of_flow).collect();
    examine_events(logged, look, body, finding);
    let correlation = case.orders.get(id).map(|order| order.placed.correlation_id.as_str());
    for (field, same) in [
        ("correlationId", text(body, "correlationId") == correlation),
        ("order", single::is_order(case, id, &body["order"])),
        (
            "payment",
            is_told(case.payments.contains_key(id), &body["payment"], |shown| {
                single::is_payment(case, id, shown)
            }),
        ),
        (
            "saga",
            is_told(case.sagas.contains_key(id), &body["saga"], |shown| {
                single::is_saga(case, id, shown)
            }),
        ),
        (
            "refund",
            is_told(case.refunds.contains_key(id), &body["refund"], |shown| {
                is_refund(case, id, shown)
            }),
        ),
    ] {
        examine_thing(same, field, look, body, finding);
    }
}

/// What one request has set in motion. Who may see a part of it may see it all: each request is one
/// person's.
pub(super) fn of_request(
    case: &Case<'_>,
    id: &str,
    look: &Look,
    body: &Value,
    finding: &mut Finding,
) {
    let of_request = |entry: &&LogEntry| entry.correlation_id == id;
    let logged: Vec<_> = case.evidence.log.iter().filter(of_request).collect();
    let told = examine_events(logged, look, body, finding);
    let (flows, sagas) = (keys(&told, &["order", "payment"]), keys(&told, &["saga"]));
    let orders = flows.iter().copied().filter(|key| case.orders.contains_key(*key));
    let payments = flows.iter().copied().filter(|key| case.payments.contains_key(*key));
    let sagas = sagas.into_iter().filter(|key| case.sagas.contains_key(*key));
    for (field, same) in [
        (
            "orders",
            each_is(list(body, "orders"), orders, |id, shown| single::is_order(case, id, shown)),
        ),
        (
            "payments",
            each_is(list(body, "payments"), payments, |id, shown| {
                single::is_payment(case, id, shown)
            }),
        ),
        (
            "sagas",
            each_is(list(body, "sagas"), sagas, |id, shown| single::is_saga(case, id, shown)),
        ),
    ] {
        examine_thing(same, field, look, body, finding);
    }
}

fn examine_thing(same: bool, field: &str, look: &Look, body: &Value, finding: &mut Finding) {
    finding.expect(same, "a trace shows something as it is not", || {
        format!("{field} of {} by {:?}: {}", look.request, look.who.role, body[field])
    });
}

/// Every event, once, in the order of the log, unless the trace says that there are more than it shows; and
/// the summary of those that it shows, which are returned.
fn examine_events<'a>(
    logged: Vec<&'a LogEntry>,
    look: &Look,
    body: &Value,
    finding: &mut Finding,
) -> Vec<&'a LogEntry> {
    let shown = places(list(body, "timeline"));
    let is_shown = |entry: &&LogEntry| shown.contains(&place(entry));
    let is_truncated = body["summary"]["truncated"] == true;
    let same = match is_truncated {
        false => shown.iter().copied().eq(logged.iter().map(|entry| place(entry))),
        true => {
            let found = logged.iter().copied().filter(is_shown);
            shown.is_sorted() && found.count() == shown.len()
        }
    };
    let all = logged.len();
    finding.expect(same, "a trace does not show what happened", || {
        format!("{} of {all} events: {}", shown.len(), look.request)
    });
    let told: Vec<_> = match is_truncated {
        false => logged,
        true => logged.into_iter().filter(is_shown).collect(),
    };
    if same {
        let as_it_is = are_shown(&told, list(body, "timeline"));
        finding.expect(as_it_is, "an event is shown as it is not", || super::told(look));
    }
    let summary = &body["summary"];
    finding.expect(sums_up(summary, &told), "a trace is summed up wrongly", || {
        format!("{} of {} events: {summary}", look.request, told.len())
    });
    told
}

/// Whether the summary is that of these events.
fn sums_up(summary: &Value, told: &[&LogEntry]) -> bool {
    let nodes: BTreeSet<&str> = told.iter().map(|entry| entry.node.as_str()).collect();
    let shown = list(summary, "nodes").iter().map(Value::as_str);
    let first_us = told.first().map(|entry| entry.recorded_at_us);
    let last_us = told.last().map(|entry| entry.recorded_at_us);
    let took_us = first_us.zip(last_us).map(|(first, last)| last.saturating_sub(first));
    number(summary, "events") == Some(told.len() as u64)
        && shown.eq(nodes.into_iter().map(Some))
        && time::is_shown(summary, "startedAt", first_us)
        && time::is_shown(summary, "endedAt", last_us)
        && number(summary, "durationUs") == Some(took_us.unwrap_or(0))
}

/// The saga that gives an order's money back, with all its events.
fn is_refund(case: &Case<'_>, order: &str, shown: &Value) -> bool {
    let events = places(list(shown, "timeline"));
    case.refunds_of(order).any(|refund| {
        single::is_saga(case, refund.id, &shown["saga"])
            && events.iter().copied().eq(refund.entries.iter().map(|entry| place(entry)))
    })
}

/// Whether a thing is told of as it is, and not at all when there is none.
fn is_told(is_there: bool, shown: &Value, same: impl FnOnce(&Value) -> bool) -> bool {
    if is_there { same(shown) } else { shown.is_null() }
}

/// Whether these are the things of these ids, in their order, each as it is.
fn each_is<'a>(
    shown: &[Value],
    ids: impl Iterator<Item = &'a str>,
    same: impl Fn(&str, &Value) -> bool,
) -> bool {
    let ids: Vec<_> = ids.collect();
    ids.len() == shown.len() && ids.iter().zip(shown).all(|(id, shown)| same(id, shown))
}

/// The keys of the streams of these categories, in their order, each once.
fn keys<'a>(entries: &[&'a LogEntry], categories: &[&str]) -> BTreeSet<&'a str> {
    let streams = entries.iter().copied().map(parts);
    let wanted = streams.filter(|(category, _)| categories.contains(category));
    wanted.map(|(_, key)| key).collect()
}

/// The category and the key of an event's stream.
fn parts(entry: &LogEntry) -> (&str, &str) {
    entry.stream.split_once('-').unwrap_or(("", ""))
}

/// An event by its position and its id.
fn place(entry: &LogEntry) -> (Option<u64>, Option<&str>) {
    (Some(entry.position), Some(entry.id.as_str()))
}

fn places(timeline: &[Value]) -> Vec<(Option<u64>, Option<&str>)> {
    timeline.iter().map(|event| (number(event, "position"), text(event, "eventId"))).collect()
}

#[cfg(test)]
#[path = "traces_tests.rs"]
mod tests;
