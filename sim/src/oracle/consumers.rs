//! A consumer group acts on every event that it is there for, once as far as its own documents go, and in the
//! order of the event's stream: nothing is lost, nothing is done twice, and nothing passes an event that waits
//! or is parked (I11). What operators have skipped is not acted on.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::case::Case;
use super::naive::http::answered;
use super::naive::json::number;
use super::{Finding, Oracle};
use crate::statement::{CATEGORIES, GROUP, documents, records};

/// See the module.
#[derive(Debug)]
pub struct Consumers;

impl Oracle for Consumers {
    fn name(&self) -> &'static str {
        "consumers"
    }

    fn is_due(&self, case: &Case<'_>) -> bool {
        let stored = case.evidence.documents.iter().any(|(view, ..)| *view == records());
        stored && case.is_quiet() && wanted(case).next().is_some()
    }

    fn examine(&self, case: &Case<'_>) -> Finding {
        let mut finding = Finding::default();
        // Where no group ever ran nothing is missed.
        if !self.is_due(case) {
            return finding;
        }
        let kept = Kept::of(case);
        examine_asked(case, &mut finding);
        let mut done: BTreeMap<u64, &str> = BTreeMap::new();
        for (stream, positions) in &kept.documents {
            let in_order = positions.is_sorted();
            finding.expect(in_order, "a consumer was given events in another order", || {
                format!("{stream}: {positions:?}")
            });
            for position in positions {
                let twice = done.insert(*position, stream).is_some();
                finding.expect(!twice, "a consumer acted on an event twice", || {
                    format!("{position} of {stream}")
                });
            }
        }
        let mut first_letters: BTreeMap<&str, u64> = BTreeMap::new();
        for (stream, position) in wanted(case) {
            kept.examine_event(stream, position, done.remove(&position), &mut finding);
            if kept.letters.contains(&position) {
                first_letters.entry(stream).or_insert(position);
            }
        }
        for (position, stream) in done {
            let detail = format!("{position} of {stream}");
            finding.break_promise("a consumer acted on what is not in the log", detail);
        }
        for (stream, letter) in first_letters {
            let last = kept.documents.get(stream).and_then(|positions| positions.last());
            let holds = last.is_none_or(|last| *last < letter);
            finding.expect(holds, "an event passed one that waits", || {
                format!("{stream}: {last:?} is done and {letter} waits")
            });
        }
        finding
    }
}

/// What an operator was told is in the log is there.
fn examine_asked(case: &Case<'_>, finding: &mut Finding) {
    for (verb, event) in [("replay", "ReplayRequested"), ("skip", "SkipRequested")] {
        let request = format!("POST /consumers/{GROUP}/{verb}");
        let calls = case.evidence.calls.iter().filter(|call| call.request == request);
        let told = calls.filter(|call| answered(call, 202).is_some()).count();
        let requests = case.streams.get(format!("consumer-{GROUP}").as_str());
        let logged = requests.into_iter().flatten().filter(|it| it.event_type == event).count();
        finding.expect(
            told <= logged,
            "a request of an operator was acknowledged and lost",
            || format!("{verb}: {told} acknowledged, {logged} in the log"),
        );
    }
}

/// What the store has of the group.
struct Kept<'a> {
    /// By stream, the positions acted on, in that order.
    documents: BTreeMap<&'a str, Vec<u64>>,
    letters: BTreeSet<u64>,
    skipped: BTreeSet<u64>,
}

impl<'a> Kept<'a> {
    fn of(case: &'a Case<'_>) -> Self {
        let mut letters = BTreeSet::new();
        let (own, of_consumer) = (records(), documents());
        let mut documents = BTreeMap::new();
        for (view, key, document) in &case.evidence.documents {
            if *view == of_consumer {
                let positions = document.as_array().into_iter().flatten();
                documents.insert(key.as_str(), positions.filter_map(Value::as_u64).collect());
            } else if *view == own {
                letters.extend(key.strip_prefix("letter/").and_then(|at| at.parse::<u64>().ok()));
            }
        }
        let requests = case.streams.get(format!("consumer-{GROUP}").as_str());
        let skips = requests.into_iter().flatten().filter(|it| it.event_type == "SkipRequested");
        let skipped = skips.filter_map(|it| number(&it.payload, "position")).collect();
        Self { documents, letters, skipped }
    }

    /// Done, or kept, or skipped, and not two of these.
    fn examine_event(
        &self,
        stream: &str,
        position: u64,
        done: Option<&str>,
        finding: &mut Finding,
    ) {
        let detail = || format!("{position} of {stream}");
        let (waits, skipped) = (self.letters.contains(&position), self.skipped.contains(&position));
        let known = done.is_some() || waits || skipped;
        finding.expect(known, "an event that a consumer wants was lost", detail);
        let both = done.is_some() && waits;
        finding.expect(!both, "an event waits although a consumer has acted on it", detail);
        let own = done.is_none_or(|written| written == stream);
        finding.expect(own, "a consumer has an event under another stream", detail);
    }
}

/// The events that the group is there for, in the order of the log.
fn wanted<'a>(case: &'a Case<'_>) -> impl Iterator<Item = (&'a str, u64)> {
    let is_wanted =
        |stream: &str| stream.split_once('-').is_some_and(|(of, _)| CATEGORIES.contains(&of));
    let log = case.evidence.log.iter().filter(move |entry| is_wanted(&entry.stream));
    log.map(|entry| (entry.stream.as_str(), entry.position))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::oracle::testing::{History, caught, clean};

    /// Three events of one list and one of another, all acted on.
    fn history() -> History {
        let mut history = History::good();
        for list in ["list-77", "list-77", "list-78", "list-77"] {
            history.say(list, "Appended", json!({}));
        }
        let mut positions: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        for entry in &history.evidence.log {
            if entry.stream.starts_with("list-") {
                positions.entry(entry.stream.clone()).or_default().push(entry.position);
            }
        }
        for (stream, positions) in positions {
            history.evidence.documents.push((documents(), stream, json!(positions)));
        }
        history.evidence.documents.push((records(), "group".to_owned(), json!({ "place": 1 })));
        history
    }

    #[test]
    fn what_an_operator_was_told_is_in_the_log() {
        let mut history = history();
        let request = format!("POST /consumers/{GROUP}/replay");
        let by = json!({"key": null, "reason": "r", "actor": "a"});
        history.say(&format!("consumer-{GROUP}"), "ReplayRequested", by);
        history.call(0, &request, None, Value::Null, Some((202, json!({}))));
        clean(&Consumers, &history);
        history.call(0, &request, None, Value::Null, Some((202, json!({}))));
        caught(&Consumers, &history, "a request of an operator was acknowledged and lost");
    }

    fn document<'a>(history: &'a mut History, stream: &str) -> &'a mut Vec<Value> {
        let of = |(_, key, _): &&mut (String, String, Value)| key == stream;
        let found = history.evidence.documents.iter_mut().find(of).expect("it has one");
        found.2.as_array_mut().expect("positions")
    }

    fn letter(history: &mut History, position: &Value) {
        let key = format!("letter/{:020}", position.as_u64().expect("a position"));
        history.evidence.documents.push((records(), key, json!({ "key": "list-77" })));
    }

    #[test]
    fn everything_once_and_in_its_order_is_right() {
        assert!(clean(&Consumers, &history()).examined >= 8);
    }

    #[test]
    fn what_is_parked_or_skipped_is_not_lost() {
        let mut parked = history();
        let last = document(&mut parked, "list-77").pop().expect("three of them");
        caught(&Consumers, &parked, "an event that a consumer wants was lost");
        letter(&mut parked, &last);
        clean(&Consumers, &parked);
        let mut skipped = history();
        let first = document(&mut skipped, "list-77").remove(0);
        let asked = json!({ "position": first, "reason": "r", "actor": "a" });
        skipped.say("consumer-statement", "SkipRequested", asked);
        clean(&Consumers, &skipped);
    }

    #[test]
    fn twice_out_of_order_and_past_a_letter_are_caught() {
        let mut twice = history();
        let last = document(&mut twice, "list-77").last().cloned().expect("three of them");
        document(&mut twice, "list-77").push(last);
        caught(&Consumers, &twice, "a consumer acted on an event twice");
        let mut swapped = history();
        document(&mut swapped, "list-77").swap(0, 1);
        caught(&Consumers, &swapped, "a consumer was given events in another order");
        let mut passed = history();
        let first = document(&mut passed, "list-77").remove(0);
        letter(&mut passed, &first);
        caught(&Consumers, &passed, "an event passed one that waits");
    }
}
