//! A consumer group acts on every event that it is there for, once as far as its own documents go, and in the
//! order of the event's stream: nothing is lost, nothing is done twice, and nothing passes an event that waits
//! or is parked (I11). What operators have skipped is not acted on, and what they had delivered again is: at
//! rest nothing is parked any more. How often it tries an event, and when, is its policy's (`attempts`). An
//! operator is shown what is parked, each event once (`listed`).

mod attempts;
mod listed;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::case::Case;
use super::naive::http::answered;
use super::naive::json::{number, text};
use super::{Finding, Oracle};
use crate::fault::Fault;
use crate::machine::Machine;
use crate::statement::{CATEGORIES, GROUP, documents, records};

/// With a clock that was ahead by no more than this, every event that waits at rest has its turn before the
/// last parked ones are delivered.
const AHEAD_MS_MAX: i64 = 60_000;

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
        examine_parked(case, &kept, &mut finding);
        attempts::examine(case, &mut finding);
        listed::examine(case, &mut finding);
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
            if kept.letters.contains_key(&position) {
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

/// At rest an operator has everything delivered again that is parked, until nothing is: what is parked for all
/// that never would be. What waits for its time the liveness phase has waited for, as long as that made sense.
fn examine_parked(case: &Case<'_>, kept: &Kept<'_>, finding: &mut Finding) {
    if is_far_ahead(case) {
        return;
    }
    let quiet_at_us = case.evidence.phases.quiet_at_us.unwrap_or(0);
    // What comes later nobody had delivered again.
    let in_time = |position: u64| {
        let append = case.at(position).and_then(|entry| case.append_of(entry));
        append.and_then(|append| append.acknowledged_at_us).is_some_and(|at| at < quiet_at_us)
    };
    for (position, stream) in kept.letters.iter().filter(|(position, _)| in_time(**position)) {
        let excused = kept.waiting.contains(stream) || kept.skipped.contains(position);
        finding.expect(excused, "a parked event was not delivered again", || {
            format!("{position} of {stream}")
        });
    }
}

/// Whether the clock of a node may have set a time for an event to be delivered again that is behind the rest:
/// what is parked then nobody looks after.
fn is_far_ahead(case: &Case<'_>) -> bool {
    let ahead_ms = |node: Machine| -> i64 {
        let episodes = case.evidence.plan.episodes.iter();
        let ahead = episodes.filter_map(|episode| match &episode.fault {
            Fault::ClockOffset { machine, offset_ms: ms }
            | Fault::ClockStep { machine, step_ms: ms } => (*machine == node).then_some(*ms),
            _ => None,
        });
        ahead.filter(|ms| *ms > 0).sum()
    };
    Machine::NODES.into_iter().any(|node| ahead_ms(node) > AHEAD_MS_MAX)
}

/// What the store has of the group.
struct Kept<'a> {
    /// By stream, the positions acted on, in that order.
    documents: BTreeMap<&'a str, Vec<u64>>,
    /// Positions that wait, are parked, or are held behind such a one, with their streams.
    letters: BTreeMap<u64, &'a str>,
    /// Streams whose first letter is delivered again at its time.
    waiting: BTreeSet<&'a str>,
    skipped: BTreeSet<u64>,
}

impl<'a> Kept<'a> {
    fn of(case: &'a Case<'_>) -> Self {
        let (mut letters, mut waiting) = (BTreeMap::new(), BTreeSet::new());
        let (own, of_consumer) = (records(), documents());
        let mut documents = BTreeMap::new();
        for (view, key, document) in &case.evidence.documents {
            if *view == of_consumer {
                let positions = document.as_array().into_iter().flatten();
                documents.insert(key.as_str(), positions.filter_map(Value::as_u64).collect());
            } else if *view == own {
                let letter = key.strip_prefix("letter/").and_then(|at| at.parse::<u64>().ok());
                letters.extend(letter.map(|at| (at, text(document, "key").unwrap_or(""))));
                let waits = number(document, "dueUs").is_some();
                waiting.extend(key.strip_prefix("lane/").filter(|_| waits));
            }
        }
        let requests = case.streams.get(format!("consumer-{GROUP}").as_str());
        let skips = requests.into_iter().flatten().filter(|it| it.event_type == "SkipRequested");
        let skipped = skips.filter_map(|it| number(&it.payload, "position")).collect();
        Self { documents, letters, waiting, skipped }
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
        let waits = self.letters.contains_key(&position);
        let skipped = self.skipped.contains(&position);
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
    use crate::fault::Episode;
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

    /// The last event of a list is kept, and delivered again then; none: it is parked.
    fn keep(history: &mut History, due_us: Option<u64>) -> Value {
        let last = document(history, "list-77").pop().expect("three of them");
        letter(history, &last);
        lane(history, &last, due_us);
        last
    }

    fn letter(history: &mut History, position: &Value) {
        let key = format!("letter/{:020}", position.as_u64().expect("a position"));
        history.evidence.documents.push((records(), key, json!({ "key": "list-77" })));
    }

    fn lane(history: &mut History, position: &Value, due_us: Option<u64>) {
        let lane = json!({ "position": position, "attempts": 1, "reason": "REFUSED: r",
            "dueUs": due_us, "sinceUs": 1, "letters": 1 });
        history.evidence.documents.push((records(), "lane/list-77".to_owned(), lane));
    }

    #[test]
    fn everything_once_and_in_its_order_is_right() {
        assert!(clean(&Consumers, &history()).examined >= 8);
    }

    #[test]
    fn what_waits_or_is_skipped_is_not_lost() {
        let mut waits = history();
        let last = document(&mut waits, "list-77").pop().expect("three of them");
        caught(&Consumers, &waits, "an event that a consumer wants was lost");
        letter(&mut waits, &last);
        lane(&mut waits, &last, Some(7));
        clean(&Consumers, &waits);
        let mut skipped = history();
        let first = document(&mut skipped, "list-77").remove(0);
        let asked = json!({ "position": first, "reason": "r", "actor": "a" });
        skipped.say("consumer-statement", "SkipRequested", asked);
        clean(&Consumers, &skipped);
    }

    #[test]
    fn what_is_parked_at_rest_is_caught() {
        let what = "a parked event was not delivered again";
        let mut parked = history();
        let last = keep(&mut parked, None);
        caught(&Consumers, &parked, what);
        let asked = json!({ "position": last, "reason": "r", "actor": "a" });
        parked.say("consumer-statement", "SkipRequested", asked);
        clean(&Consumers, &parked);
        let mut later = history();
        keep(&mut later, None);
        later.evidence.phases.quiet_at_us = Some(1);
        clean(&Consumers, &later);
        let mut forgotten = history();
        let last = document(&mut forgotten, "list-77").pop().expect("three of them");
        letter(&mut forgotten, &last);
        caught(&Consumers, &forgotten, what);
    }

    #[test]
    fn what_a_clock_far_ahead_has_put_off_is_left_alone() {
        let ahead = |machine, step_ms| {
            let mut history = history();
            keep(&mut history, None);
            let fault = Fault::ClockStep { machine, step_ms };
            history.evidence.plan.episodes.push(Episode { id: 1, at_ms: 0, for_ms: 1, fault });
            history
        };
        let what = "a parked event was not delivered again";
        clean(&Consumers, &ahead(Machine::Node2, 3_600_000));
        caught(&Consumers, &ahead(Machine::Locks, 3_600_000), what);
        caught(&Consumers, &ahead(Machine::Node2, 4_000), what);
        caught(&Consumers, &ahead(Machine::Node2, -3_600_000), what);
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
