//! A list waits for its view: whoever asks for one finds in it what was acknowledged before, as it was by
//! then or later. Unless the view lags: then the node answers with what there is, once it has waited for
//! half a second by its own clock. So an answer that was there sooner than any node's clock can have run
//! through that time is one for which the view had come as far as the log was when the node began to wait.
//!
//! What proves nothing: a list that took longer; one that was asked for while a node was ending, because who
//! no longer follows the log does not wait for it; and what the store was asked to write before it was
//! last switched on, because it may have told a follower of a part of a view that was lost with its power.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::evidence::{Call, LogEntry, Look, Power, PowerChange, Role};
use crate::fault::{Episode, Fault};
use crate::machine::Machine;
use crate::oracle::Finding;
use crate::oracle::case::Case;
use crate::oracle::naive::http::{Asks, answered};
use crate::oracle::naive::json::{list, number, text};
use crate::oracle::naive::saga::Saga;
use crate::oracle::naive::saga_page::is_as_far_as_shown;
use crate::oracle::shown::status_of;

use super::listed::{events, said, stream, up_to, wanted, was_order, was_payment};
use super::{Customers, STOPPING_US};

/// So long a node waits for a view, by its own clock.
const VIEW_WAIT_US: u64 = 500_000;

const MILLION: u64 = 1_000_000;

pub(super) fn examine(case: &Case<'_>, customers: &Customers<'_>, finding: &mut Finding) {
    let wait_us = shortest_wait_us(case);
    let pages = pages(case, customers).into_iter();
    for page in pages.filter(|page| page.waited_for_its_view(case, wait_us)) {
        let (kind, status) = wanted(page.request);
        for entry in list(page.body, kind) {
            page.examine_entry(case, kind, entry, finding);
        }
        if status.is_none() && said(page.request, "type").is_none() {
            page.examine_whole(case, kind, finding);
        }
    }
}

/// How long a node waits by the world's time if its clock has all the drifts that run ahead at once.
fn shortest_wait_us(case: &Case<'_>) -> u64 {
    let ahead_ppm = |episode: &Episode| match &episode.fault {
        Fault::ClockDrift { ppm, .. } => u64::try_from(*ppm).unwrap_or(0),
        _ => 0,
    };
    let ppm: u64 = case.evidence.plan.episodes.iter().map(ahead_ppm).sum();
    VIEW_WAIT_US * MILLION / (MILLION + ppm)
}

/// A page of a list, as it was shown.
struct Page<'a> {
    request: &'a str,
    /// Whose is listed; none: everybody's.
    user: Option<&'a str>,
    sent_at_us: u64,
    ended_at_us: u64,
    /// When the store was last switched on before the answer.
    store_since_us: u64,
    body: &'a Value,
}

/// Customers' lists of their orders, and every page that was gone through.
fn pages<'a>(case: &Case<'a>, customers: &Customers<'a>) -> Vec<Page<'a>> {
    let evidence = case.evidence;
    let booted =
        |change: &&PowerChange| change.machine == Machine::Store && change.what == Power::Booted;
    let boots: Vec<u64> = evidence.power.iter().filter(booted).map(|change| change.at_us).collect();
    let store_since_us =
        |at_us: u64| boots.iter().copied().filter(|boot| *boot <= at_us).max().unwrap_or(0);
    let of_call = |call: &'a Call| {
        let answer = answered(call, 200).filter(|_| Asks::of(call) == Asks::Orders)?;
        Some(Page {
            request: &call.request,
            user: Some(*customers.users.get(&call.customer)?),
            sent_at_us: call.sent_at_us,
            ended_at_us: call.ended_at_us,
            store_since_us: store_since_us(call.ended_at_us),
            body: &answer.body,
        })
    };
    let of_walk = |look: &'a Look| {
        let answer = look.answer.as_ref().filter(|answer| answer.status == 200)?;
        let sees_all = look.who.role == Role::Admin || wanted(&look.request).0 == "payments";
        Some(Page {
            request: &look.request,
            user: (!sees_all).then_some(look.who.user.as_str()),
            sent_at_us: look.sent_at_us,
            ended_at_us: look.ended_at_us,
            store_since_us: store_since_us(look.ended_at_us),
            body: &answer.body,
        })
    };
    let calls = evidence.calls.iter().filter_map(of_call);
    calls.chain(evidence.walks.iter().filter_map(of_walk)).collect()
}

/// Something that a list can show.
struct Listed<'a> {
    id: &'a str,
    user: Option<&'a str>,
    /// By which the newest come first.
    age: u64,
    /// The event that made it.
    first: &'a LogEntry,
}

/// All orders, or all sagas, by their id.
fn all<'a>(case: &'a Case<'_>, kind: &str) -> Vec<Listed<'a>> {
    let of_order = case.orders.values().map(|order| {
        let (user, first) = (Some(order.user), order.placed);
        Listed { id: order.id, user, age: first.recorded_at_us, first }
    });
    let of_saga = case.sagas.values().filter_map(|saga| {
        let first = *saga.entries.first()?;
        let age = number(&first.payload, "startedAtUs")?;
        Some(Listed { id: saga.id, user: text(saga.input, "userId"), age, first })
    });
    match kind {
        "orders" => of_order.collect(),
        "sagas" => of_saga.collect(),
        _ => Vec::new(),
    }
}

impl Page<'_> {
    /// Whether the node cannot have answered from a view that lags.
    fn waited_for_its_view(&self, case: &Case<'_>, wait_us: u64) -> bool {
        let ends = case.evidence.stops.iter().any(|stop| {
            let gone_at_us = stop.ended_at_us.unwrap_or(stop.told_at_us + STOPPING_US);
            stop.told_at_us <= self.ended_at_us && self.sent_at_us <= gone_at_us
        });
        self.ended_at_us.saturating_sub(self.sent_at_us) < wait_us && !ends
    }

    /// Whether an event was in the log for certain when the list was asked for.
    fn comes_behind(&self, case: &Case<'_>, event: &LogEntry) -> bool {
        case.append_of(event).is_some_and(|append| {
            append.sent_at_us >= self.store_since_us
                && append.acknowledged_at_us.is_some_and(|at_us| at_us < self.sent_at_us)
        })
    }

    fn told(&self, what: &str) -> String {
        let user = self.user.unwrap_or("everybody");
        format!("{} of {user} at {} us: {what}", self.request, self.sent_at_us)
    }

    /// What is shown is as it was behind the last event that was acknowledged before, or behind a later one.
    /// What it never was is told by others.
    fn examine_entry(&self, case: &Case<'_>, kind: &str, entry: &Value, finding: &mut Finding) {
        let id = text(entry, "id").unwrap_or("");
        let events = events(case, kind, id);
        let last = events.iter().rposition(|event| self.comes_behind(case, event));
        let Some(last) = last else { return };
        let was = |event: &&LogEntry| is_as_behind(case, kind, event, entry);
        let is_fresh = events[last..].iter().any(was);
        if is_fresh || events[..last].iter().any(was) {
            finding.expect(is_fresh, "a list shows something as it was before", || {
                let event = events[last];
                self.told(&format!("{} at {} is not in {entry}", event.event_type, event.position))
            });
        }
    }

    /// A first page has everything that was acknowledged before and is newer than the oldest it shows, or
    /// everything, when it is not full; and any page counts all of it.
    fn examine_whole(&self, case: &Case<'_>, kind: &str, finding: &mut Finding) {
        let all = all(case, kind);
        let is_theirs = |it: &&Listed<'_>| self.user.is_none() || self.user == it.user;
        let known: Vec<&Listed<'_>> =
            all.iter().filter(is_theirs).filter(|it| self.comes_behind(case, it.first)).collect();
        if known.is_empty() {
            return;
        }
        let total = number(self.body, "total").unwrap_or(u64::MAX);
        finding.expect(
            total >= known.len() as u64,
            "a list counts less than there was before",
            || self.told(&format!("{} were acknowledged, {total} are counted", known.len())),
        );
        let limit = said(self.request, "limit").and_then(|limit| limit.parse::<usize>().ok());
        let is_first = ["cursor", "page"].iter().all(|part| said(self.request, part).is_none());
        let Some(limit) = limit.filter(|_| is_first) else { return };
        let shown: Vec<&str> =
            list(self.body, kind).iter().filter_map(|entry| text(entry, "id")).collect();
        let last = shown.last().filter(|_| shown.len() >= limit);
        // What nobody knows of is told by others, and says nothing of how far the page goes back.
        let back_to = last.map(|last| all.iter().find(|it| it.id == *last).map(|it| it.age));
        let newer_than = match back_to {
            None => None,
            Some(Some(age)) => Some(age),
            Some(None) => return,
        };
        let shown: BTreeSet<&str> = shown.into_iter().collect();
        for it in known.into_iter().filter(|it| newer_than.is_none_or(|age| it.age > age)) {
            let is_there = shown.contains(it.id);
            finding.expect(is_there, "a list leaves out what was acknowledged before", || {
                self.told(&format!("{} at {}", it.id, it.first.position))
            });
        }
    }
}

/// Whether something was as it is shown when this was the last of its events.
fn is_as_behind(case: &Case<'_>, kind: &str, last: &LogEntry, shown: &Value) -> bool {
    let id = text(shown, "id").unwrap_or("");
    match kind {
        "orders" => was_order(case, id, last, shown),
        "payments" => was_payment(case, id, last, shown),
        _ => Saga::fold(id, up_to(stream(case, "saga", id), last)).is_some_and(|saga| {
            text(shown, "status") == Some(status_of(&saga)) && is_as_far_as_shown(&saga, shown)
        }),
    }
}

#[cfg(test)]
#[path = "waited_for_tests.rs"]
mod tests;
