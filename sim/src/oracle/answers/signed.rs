//! What an operator had done bears in the log who asked for it, and why; so does a cancel of an order. And a
//! step that was said to have been done has returned what was said.
//!
//! What was answered does not matter: a request that was refused or had no answer may have a copy that was
//! acted upon. An event that nobody is known to have asked for proves nothing, nor does one for which somebody
//! gave no reason: then the product has words of its own. Who operates is known by what they looked at; where
//! nobody did, only the reasons are examined.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::evidence::{LogEntry, Role};
use crate::oracle::Finding;
use crate::oracle::case::Case;
use crate::oracle::naive::json::{number, text};

/// Where what is asked of consumer groups stands.
const GROUPS: &str = "consumer-";
/// A customer's verb, beside those of operators.
const CANCEL: &str = "cancel";

pub(super) fn examine(case: &Case<'_>, finding: &mut Finding) {
    let requests = Requests::of(case);
    for saga in case.sagas.values() {
        let customer = case.orders.get(saga.id).map(|order| order.user);
        for (place, entry) in saga.entries.iter().enumerate() {
            requests.examine(saga.id, customer, entry, finding);
            requests.examine_result(saga.id, &saga.entries[place..], finding);
        }
    }
    let groups = case.streams.range(GROUPS..);
    for (stream, entries) in groups.take_while(|(stream, _)| stream.starts_with(GROUPS)) {
        for entry in entries {
            requests.examine(&stream[GROUPS.len()..], None, entry, finding);
        }
    }
}

/// What was asked for, and who may ask for it.
struct Requests<'a> {
    /// What the requests said, by what they were about and by their verb.
    bodies: BTreeMap<(&'a str, &'a str), Vec<&'a Value>>,
    /// The ids of those who operate; empty: nobody knows.
    operators: BTreeSet<&'a str>,
}

impl<'a> Requests<'a> {
    fn of(case: &Case<'a>) -> Self {
        let mut bodies: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for call in &case.evidence.calls {
            if let Some(what) = what(&call.request) {
                bodies.entry(what).or_default().push(&call.body);
            }
        }
        let looks = case.evidence.looks.iter().chain(&case.evidence.walks);
        let admins = looks.map(|look| &look.who).filter(|who| who.role == Role::Admin);
        let operators = admins.map(|who| who.user.as_str()).filter(|user| !user.is_empty());
        Self { bodies, operators: operators.collect() }
    }

    /// What such requests said; none: nobody is known to have asked, or somebody gave no reason.
    fn known<'s>(&'s self, thing: &'s str, verb: &'s str) -> Option<&'s [&'a Value]> {
        let bodies = self.bodies.get(&(thing, verb))?;
        bodies.iter().all(|body| text(body, "reason").is_some()).then_some(bodies.as_slice())
    }

    /// An event of a saga or a consumer group; `customer`: whose order the saga is of.
    fn examine(
        &self,
        thing: &str,
        customer: Option<&str>,
        entry: &LogEntry,
        finding: &mut Finding,
    ) {
        let Some(signed) = Signed::of(entry) else { return };
        let Some(bodies) = self.known(thing, signed.verb) else { return };
        let detail = || format!("{} at {}: {signed:?}", entry.stream, entry.position);
        let is_given = bodies.iter().any(|body| signed.is_asked_for_by(body));
        finding.expect(is_given, "something was done for a reason that nobody gave", detail);
        let who = match signed.verb {
            CANCEL => customer.map(|customer| signed.actor == Some(customer)),
            _ if self.operators.is_empty() => None,
            _ => Some(signed.actor.is_some_and(|actor| self.operators.contains(actor))),
        };
        if let Some(who) = who {
            finding.expect(who, "something was done in the name of who did not ask", detail);
        }
    }

    /// The first of these events, if it says that somebody told what became of a step, and the next: what a
    /// step that was done has returned is what they said, and nothing if they said nothing.
    fn examine_result(&self, saga: &str, entries: &[&LogEntry], finding: &mut Finding) {
        let [resolved, ended, ..] = entries else { return };
        let step = |entry: &LogEntry| number(&entry.payload, "step");
        if (&*resolved.event_type, &*ended.event_type) != ("StepResolved", "StepSucceeded")
            || step(resolved) != step(ended)
        {
            return;
        }
        let Some(signed) = Signed::of(resolved) else { return };
        let said = self.known(saga, signed.verb).into_iter().flatten().filter(|body| {
            signed.is_asked_for_by(body) && text(body, "outcome") == Some("succeeded")
        });
        let results = said.map(|body| body.get("result").unwrap_or(&Value::Null));
        let results: Vec<_> = results.collect();
        if results.is_empty() {
            return;
        }
        let returned = ended.payload.get("result").unwrap_or(&Value::Null);
        let same = results.contains(&returned);
        finding.expect(same, "a step returned something else than an operator said", || {
            format!("saga {saga} at {}: {returned}, said were {results:?}", ended.position)
        });
    }
}

/// What a request is about, a saga, an order or a consumer group, and its verb.
fn what(request: &str) -> Option<(&str, &str)> {
    let (method, path) = request.split_once(" /")?;
    let (family, rest) = path.split_once('/')?;
    let (thing, verb) = match (method, family) {
        ("DELETE", "orders") => (rest, CANCEL),
        ("POST", "saga") => {
            let (verb, saga) = rest.split_once('/')?;
            (saga, verb)
        }
        ("POST", "consumers") => rest.split_once('/')?,
        _ => return None,
    };
    (!thing.contains('/')).then_some((thing, verb))
}

/// What an event says of the request behind it.
#[derive(Debug)]
struct Signed<'a> {
    verb: &'static str,
    reason: Option<&'a str>,
    actor: Option<&'a str>,
    /// Of a consumer group what is delivered again; none: everything.
    key: Option<&'a str>,
}

impl<'a> Signed<'a> {
    /// None: it is not what a person asked for.
    fn of(entry: &'a LogEntry) -> Option<Self> {
        let said = &entry.payload;
        let (verb, by) = match entry.event_type.as_str() {
            "SagaPaused" => ("pause", said),
            "SagaResumed" => ("resume", said),
            "SagaUnparked" | "RetryRequested" => ("retry", said),
            "StepSkipped" | "SkipRequested" => ("skip", said),
            "StepResolved" => ("resolve", said),
            "ReplayRequested" => ("replay", said),
            "AbortRequested" | "SagaAborted" => {
                let why = said.get("reason")?;
                let operator = why.get("operator").map(|by| ("compensate", by));
                operator.or_else(|| Some((CANCEL, why.get("cancelled")?)))?
            }
            _ => return None,
        };
        let (reason, actor) = (text(by, "reason"), text(by, "actor"));
        Some(Self { verb, reason, actor, key: text(said, "key") })
    }

    fn is_asked_for_by(&self, body: &Value) -> bool {
        let same_key = self.verb != "replay" || text(body, "key") == self.key;
        text(body, "reason") == self.reason && same_key
    }
}

#[cfg(test)]
#[path = "signed_tests.rs"]
mod tests;
