//! Lists that are gone through page by page while faults are on. A view may lag behind the log, and change between
//! two pages; but each page is of one moment, and each thing on it is as the log had it at some moment. What one
//! has gone past does not come again, and a page that was announced is there.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::evidence::{Answer, LogEntry, Look};
use crate::oracle::Finding;
use crate::oracle::case::Case;
use crate::oracle::naive::json::{list, minor, text};
use crate::oracle::naive::order::Order;
use crate::oracle::naive::payment::Payment;
use crate::oracle::naive::saga::End;
use crate::oracle::projections;

pub(super) fn examine(case: &Case<'_>, finding: &mut Finding) {
    let mut walks: BTreeMap<u32, Vec<(&Look, &Answer)>> = BTreeMap::new();
    for look in &case.evidence.walks {
        let Some(answer) = &look.answer else { continue };
        examine_status(look, answer.status, finding);
        if answer.status == 200 {
            walks.entry(look.list.unwrap_or(0)).or_default().push((look, answer));
        }
    }
    for pages in walks.values() {
        examine_walk(case, pages, finding);
    }
}

fn shown(look: &Look, what: &str) -> String {
    let who = &look.who;
    format!("{:?} {} at {} us: {}: {what}", who.role, who.user, look.sent_at_us, look.request)
}

/// Whoever asks for what there is may have to wait for it, and is not refused. A node whose clock is wrong may
/// take a token for over.
fn examine_status(look: &Look, status: u16, finding: &mut Finding) {
    let detail = || shown(look, &status.to_string());
    let possible = status < 500 || matches!(status, 502..=504);
    finding.expect(possible, "an answer says that the server failed", detail);
    let refused = matches!(status, 400 | 403..=405);
    let what = match look.request.contains("cursor=") {
        true => "a page that was announced was refused",
        false => "a list was refused",
    };
    finding.expect(!refused, what, detail);
}

/// What a request says in its query.
pub(super) fn said<'a>(request: &'a str, name: &str) -> Option<&'a str> {
    let (_, query) = request.split_once('?')?;
    let mut parts = query.split('&').filter_map(|part| part.split_once('='));
    parts.find(|(known, _)| *known == name).map(|(_, value)| value)
}

/// What is listed: `orders`, `payments` or `sagas`, and of which status alone.
pub(super) fn wanted(request: &str) -> (&str, Option<&str>) {
    let target = request.strip_prefix("GET /").unwrap_or("");
    let path = target.split('?').next().unwrap_or("");
    let mut parts = path.split('/');
    let kind = parts.next().unwrap_or("");
    (kind, parts.nth(1).or_else(|| said(request, "status")))
}

fn examine_walk(case: &Case<'_>, pages: &[(&Look, &Answer)], finding: &mut Finding) {
    let (mut seen, mut ages) = (BTreeSet::new(), Vec::new());
    for (look, answer) in pages {
        let (kind, status) = wanted(&look.request);
        let entries = list(&answer.body, kind);
        examine_length(look, answer, entries.len(), finding);
        for entry in entries {
            let id = text(entry, "id").unwrap_or("");
            let first = seen.insert(id);
            finding.expect(first, "who goes through a list is shown something twice", || {
                shown(look, id)
            });
            let fits = status.is_none_or(|status| text(entry, "status") == Some(status));
            finding.expect(fits, "a list of one status shows something of another", || {
                shown(look, &entry.to_string())
            });
            if let Some(what) = problem(case, kind, look, entry) {
                finding.break_promise(what, shown(look, &entry.to_string()));
            }
            ages.push(text(entry, "createdAt"));
        }
    }
    let newest_first = ages.windows(2).all(|pair| pair[0] >= pair[1]);
    finding.expect(newest_first, "who goes through a list is not shown the newest first", || {
        shown(pages[0].0, "the first page")
    });
}

/// A page holds no more than was asked for, and as many when there are more behind it.
fn examine_length(look: &Look, answer: &Answer, entries: usize, finding: &mut Finding) {
    let Some(limit) = said(&look.request, "limit").and_then(|limit| limit.parse::<usize>().ok())
    else {
        return;
    };
    let has_more = text(&answer.body, "nextCursor").is_some();
    let fits = entries == limit || (entries < limit && !has_more);
    finding.expect(fits, "a page has not as many entries as it was to have", || {
        shown(look, &format!("{entries} entries"))
    });
}

/// What is wrong with something that a list shows, if anything is.
fn problem(case: &Case<'_>, kind: &str, look: &Look, entry: &Value) -> Option<&'static str> {
    const UNKNOWN: &str = "a list shows what the log does not have";
    const NEVER: &str = "a list shows something as it never was";
    const TOO_SOON: &str = "a list shows what had not happened yet";
    let id = text(entry, "id").unwrap_or("");
    let since = match kind {
        "orders" if case.orders.contains_key(id) => order_since(case, id, entry),
        "payments" if case.payments.contains_key(id) => payment_since(case, id, entry),
        "sagas" if case.sagas.contains_key(id) => saga_since(case, id, entry),
        _ => return Some(UNKNOWN),
    };
    let Some(since) = since else { return Some(NEVER) };
    // What nobody had asked to be written by then nobody could know.
    let written = case.append_of(since).is_none_or(|append| append.sent_at_us <= look.ended_at_us);
    (!written).then_some(TOO_SOON)
}

/// The events that change how something is listed, in the order of the log: of an order also those
/// of its payment.
pub(super) fn events<'a>(case: &'a Case<'_>, kind: &str, id: &str) -> Vec<&'a LogEntry> {
    let own = |category| stream(case, category, id).iter().copied();
    let mut events: Vec<&LogEntry> = match kind {
        "orders" => own("order").chain(own("payment")).collect(),
        "payments" => own("payment").collect(),
        _ => own("saga").collect(),
    };
    events.sort_by_key(|event| event.position);
    events
}

/// The events of a stream, in the order of the log.
pub(super) fn stream<'a>(case: &'a Case<'_>, category: &str, id: &str) -> &'a [&'a LogEntry] {
    case.streams.get(format!("{category}-{id}").as_str()).map_or(&[][..], Vec::as_slice)
}

/// Those of them up to an event.
pub(super) fn up_to<'a>(entries: &'a [&'a LogEntry], last: &LogEntry) -> &'a [&'a LogEntry] {
    &entries[..entries.partition_point(|entry| entry.position <= last.position)]
}

/// The first event behind which an order was as it is shown. Its payment's events count as well.
fn order_since<'a>(case: &'a Case<'_>, id: &'a str, shown: &Value) -> Option<&'a LogEntry> {
    let mut events = events(case, "orders", id).into_iter();
    events.find(|last| was_order(case, id, last, shown))
}

/// Whether an order was as it is shown behind an event of its own, or of its payment.
pub(super) fn was_order(case: &Case<'_>, id: &str, last: &LogEntry, shown: &Value) -> bool {
    let (own, payment) = (stream(case, "order", id), stream(case, "payment", id));
    let Some(order) = Order::fold(id, up_to(own, last)) else { return false };
    let payment = Payment::fold(up_to(payment, last));
    text(shown, "userId") == Some(order.user)
        && minor(shown, "totalAmount") == Some(order.total_minor)
        && order.is_shown_in(shown)
        && text(shown, "status") == Some(projections::status_of(&order, payment.as_ref()))
        && text(shown, "paymentId") == order.payment
}

/// The first event behind which a payment was as it is shown.
fn payment_since<'a>(case: &'a Case<'_>, id: &str, shown: &Value) -> Option<&'a LogEntry> {
    let mut own = stream(case, "payment", id).iter().copied();
    own.find(|last| was_payment(case, id, last, shown))
}

/// Whether a payment was as it is shown behind an event of its own.
pub(super) fn was_payment(case: &Case<'_>, id: &str, last: &LogEntry, shown: &Value) -> bool {
    Payment::fold(up_to(stream(case, "payment", id), last)).is_some_and(|payment| {
        text(shown, "status") == Some(payment.status)
            && minor(shown, "amount") == Some(payment.amount_minor)
            && minor(shown, "capturedAmount") == Some(payment.captured_minor)
            && minor(shown, "refundedAmount") == Some(payment.refunded_minor)
    })
}

/// The event behind which a saga could be as it is shown: of its way only what stays is looked at.
fn saga_since<'a>(case: &'a Case<'_>, id: &str, shown: &Value) -> Option<&'a LogEntry> {
    let saga = case.sagas.get(id).filter(|saga| text(shown, "sagaType") == Some(saga.saga_type))?;
    let event = match text(shown, "status")? {
        "started" => "SagaStarted",
        "compensating" => "SagaAborted",
        "parked" => "SagaParked",
        "completed" if saga.end == Some(End::Completed) => "SagaCompleted",
        "compensated" if saga.end == Some(End::Compensated) => "SagaCompensated",
        _ => return None,
    };
    saga.entries.iter().copied().find(|entry| entry.event_type == event)
}

#[cfg(test)]
#[path = "listed_tests.rs"]
mod tests;
