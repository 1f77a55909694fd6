//! Each stream behaves as one list: every append and read of it took effect at one moment between its
//! sending and its end.
//!
//! The general question (Wing and Gong) needs a search. Here the final order of a stream is known from
//! the log, so its state is a number, its length, that only grows; an operation bounds the moments at which
//! the length may reach a version:
//!
//! - an append of versions a to b: the length reaches a not before it was sent, and b not after it was
//!   acknowledged; an unknown one has no end;
//! - a read, or a refusal, that saw a length between `low` and `high`: `low` was reached by its end, and
//!   `high + 1` not before it was sent.
//!
//! Each bound is about one version, so a stream is linearizable exactly when, going through its versions,
//! the latest of the lower bounds so far is never behind the upper bound. That is exact, for any number
//! of calls, in O(n log n): there is no search and nothing is given up. What several streams say of each
//! other is [`super::list_append`]'s. What a refusal rests on was to be seen when it was given
//! ([`refusals`]).

mod refusals;

use std::collections::BTreeMap;

use crate::evidence::{AppendResult, Expected, LogEntry, StoreCall, StoreWhat, Write};

use super::case::Case;
use super::naive::append::Append;
use super::{Finding, Oracle};

/// See the module.
#[derive(Debug)]
pub struct Linear;

impl Oracle for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn is_due(&self, case: &Case<'_>) -> bool {
        case.starts_sagas()
    }

    fn examine(&self, case: &Case<'_>) -> Finding {
        let mut finding = Finding::default();
        let mut lists: BTreeMap<&str, List<'_>> = BTreeMap::new();
        for append in &case.appends {
            examine_append(append, &mut lists, &mut finding);
            examine_checked(case, append, &mut finding);
        }
        for call in &case.evidence.store_calls {
            examine_call(case, call, &mut lists, &mut finding);
        }
        for (stream, list) in &lists {
            list.examine(stream, &mut finding);
        }
        refusals::examine(case, &mut finding);
        finding
    }
}

/// When a stream's length can have reached each version, as far as its calls tell.
#[derive(Debug, Default)]
struct List<'a> {
    bounds: BTreeMap<u64, Bounds<'a>>,
}

/// Not before and not after, in simulated microseconds, and who says so.
#[derive(Debug, Clone, Copy)]
struct Bounds<'a> {
    from: (u64, &'a str),
    until: (u64, &'a str),
}

impl Default for Bounds<'_> {
    fn default() -> Self {
        Self { from: (0, "nobody"), until: (u64::MAX, "nobody") }
    }
}

impl<'a> List<'a> {
    fn reached_by(&mut self, version: u64, at_us: u64, who: &'a str) {
        let bounds = self.bounds.entry(version).or_default();
        bounds.until = bounds.until.min((at_us, who));
    }

    fn not_before(&mut self, version: u64, at_us: u64, who: &'a str) {
        let bounds = self.bounds.entry(version).or_default();
        bounds.from = bounds.from.max((at_us, who));
    }

    /// Somebody saw a length from `low` to `high` between these moments.
    fn observed(&mut self, (low, high): (u64, u64), call: &StoreCall, who: &'a str) {
        if low > 0 {
            self.reached_by(low, call.ended_at_us, who);
        }
        if high < u64::MAX {
            self.not_before(high + 1, call.sent_at_us, who);
        }
    }

    /// Whether moments can be chosen for all versions in their order.
    fn examine(&self, stream: &str, finding: &mut Finding) {
        finding.look();
        let mut from = (0, "nobody");
        for (version, bounds) in &self.bounds {
            from = from.max(bounds.from);
            if from.0 > bounds.until.0 {
                let detail = format!(
                    "{stream}: version {version} was there at {} us ({}) and not yet at {} us ({})",
                    bounds.until.0, bounds.until.1, from.0, from.1
                );
                finding.break_promise("a stream is not linearizable", detail);
                return;
            }
        }
    }
}

/// An append that was made bounds the versions it wrote, and its expectation was met there.
fn examine_append<'a>(
    append: &Append<'a>,
    lists: &mut BTreeMap<&'a str, List<'a>>,
    finding: &mut Finding,
) {
    for (write, entries) in append.written() {
        let mut there = entries.iter().flatten().map(|entry| entry.version);
        let Some(first) = there.next() else { continue };
        let last = there.next_back().unwrap_or(first);
        finding.look();
        let list = lists.entry(&write.stream).or_default();
        list.not_before(first, append.sent_at_us, "its append was not sent");
        if let Some(at_us) = append.acknowledged_at_us {
            list.reached_by(last, at_us, "its append was acknowledged");
        }
        if is_blind(write) {
            let detail = format!("append {} to {}: {:?}", append.id, write.stream, write.expected);
            finding.break_promise("an append expected nothing of what it goes on from", detail);
        }
        if !admits(write.expected, first - 1) {
            let detail = format!(
                "append {} to {} expected {:?} at version {}",
                append.id,
                write.stream,
                write.expected,
                first - 1
            );
            finding.break_promise("an append was made that expected another version", detail);
        }
    }
}

/// Streams that an append only looked at were as it expected them where it was made.
fn examine_checked(case: &Case<'_>, append: &Append<'_>, finding: &mut Finding) {
    let Some(first) = append.entries.iter().flatten().map(|entry| entry.position).min() else {
        return;
    };
    for write in append.writes.iter().filter(|write| write.events.is_empty()) {
        let entries = case.streams.get(write.stream.as_str()).map_or(&[][..], Vec::as_slice);
        let version = entries.iter().filter(|entry| entry.position < first).count() as u64;
        let met = admits(write.expected, version);
        finding.expect(
            met,
            "an append was made beside a stream that it expected otherwise",
            || {
                let expected = write.expected;
                format!(
                    "append {}: {} is at {version}, expected {expected:?}",
                    append.id, write.stream
                )
            },
        );
    }
}

/// Sagas and aggregates are decided on what was read; only the clients' lists take anything from anybody.
fn is_blind(write: &Write) -> bool {
    let is_list = write.stream.starts_with("list-");
    !is_list && matches!(write.expected, Expected::Any | Expected::StreamExists)
}

fn admits(expected: Expected, version: u64) -> bool {
    match expected {
        Expected::Any => true,
        Expected::NoStream => version == 0,
        Expected::StreamExists => version > 0,
        Expected::Exact(exact) => version == exact,
    }
}

fn examine_call<'a>(
    case: &Case<'a>,
    call: &'a StoreCall,
    lists: &mut BTreeMap<&'a str, List<'a>>,
    finding: &mut Finding,
) {
    match &call.what {
        StoreWhat::Append { writes, result, .. } => {
            if let AppendResult::Refused { why, actual: Some((stream, actual)) } = result
                && why == "wrong-expected-version"
            {
                finding.look();
                examine_refusal(writes, stream, *actual, finding);
                let list = lists.entry(stream).or_default();
                list.observed((*actual, *actual), call, "a refusal saw the length");
            }
        }
        StoreWhat::ReadStream { stream, from, backward, limit, events: Some(events) } => {
            finding.look();
            let known = case.streams.get(stream.as_str()).map_or(&[][..], Vec::as_slice);
            let (is_right, lengths) = match backward {
                false => (is_part_of(known, *from, *limit, events), seen(*from, *limit, events)),
                true => {
                    (is_part_back(known, *from, *limit, events), seen_back(*from, *limit, events))
                }
            };
            if let Err(what) = is_right {
                finding.break_promise(what, format!("{stream} from {from}: {events:?}"));
                return;
            }
            let list = lists.entry(stream).or_default();
            list.observed(lengths, call, "a read saw the length");
        }
        StoreWhat::ReadStream { events: None, .. } | StoreWhat::ReadAll { .. } => {}
    }
}

/// A refusal for the version is one that the version explains.
fn examine_refusal(writes: &[Write], stream: &str, actual: u64, finding: &mut Finding) {
    let of_stream = writes.iter().find(|write| write.stream == stream);
    if of_stream.is_none_or(|write| admits(write.expected, actual)) {
        let expected = of_stream.map(|write| write.expected);
        let detail = format!("{stream}: expected {expected:?}, was {actual}");
        finding.break_promise("an append was refused though its expectation was met", detail);
    }
}

/// Which lengths a read says are possible.
fn seen(from: u64, limit: usize, events: &[(u64, String)]) -> (u64, u64) {
    let from = from.max(1);
    match events.last() {
        Some((last, _)) if events.len() >= limit => (*last, u64::MAX),
        Some((last, _)) => (*last, *last),
        None if limit == 0 => (0, u64::MAX),
        None => (0, from - 1),
    }
}

/// The same of a read that begins at a version and goes back: it sees the last one that there is, unless that is
/// behind its beginning.
fn seen_back(from: u64, limit: usize, events: &[(u64, String)]) -> (u64, u64) {
    match events.first() {
        Some((first, _)) if *first == from => (from, u64::MAX),
        Some((first, _)) => (*first, *first),
        None if limit == 0 || from == 0 => (0, u64::MAX),
        None => (0, 0),
    }
}

/// Whether a read shows a piece of the list as it finally is, from where it was asked to begin.
fn is_part_of(
    known: &[&LogEntry],
    from: u64,
    limit: usize,
    events: &[(u64, String)],
) -> Result<(), &'static str> {
    are_of_list(known, limit, events, from.max(1)..)
}

/// The same of a read that goes back: it ends where it is full, or at the list's beginning.
fn is_part_back(
    known: &[&LogEntry],
    from: u64,
    limit: usize,
    events: &[(u64, String)],
) -> Result<(), &'static str> {
    let first = events.first().map_or(0, |(version, _)| *version);
    if first > from || (events.len() < limit && events.len() as u64 != first) {
        return Err("a read of a stream left out or repeated a version");
    }
    are_of_list(known, limit, events, (1..=first).rev())
}

fn are_of_list(
    known: &[&LogEntry],
    limit: usize,
    events: &[(u64, String)],
    versions: impl Iterator<Item = u64>,
) -> Result<(), &'static str> {
    if events.len() > limit {
        return Err("a read brought more than it was asked for");
    }
    for ((version, id), expected) in events.iter().zip(versions) {
        if *version != expected {
            return Err("a read of a stream left out or repeated a version");
        }
        let place = usize::try_from(version - 1).unwrap_or(usize::MAX);
        match known.get(place) {
            Some(entry) if entry.id == *id => {}
            Some(_) => return Err("a read saw another event than the stream has"),
            None => return Err("a read saw an event that the stream does not have"),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::testing::{History, caught, clean};

    fn lists() -> History {
        let mut history = History::empty();
        for n in 0..6 {
            history.append("list-1", 1 + n % 2);
            history.read_stream("list-1", 1, 100);
            history.append_expecting("list-2", 1, Expected::Exact(n));
            history.read_stream("list-2", 2, 2);
        }
        history.read_stream("list-3", 1, 10);
        history
    }

    fn reads(history: &mut History) -> Vec<&mut StoreCall> {
        let calls = history.evidence.store_calls.iter_mut();
        calls.filter(|call| matches!(call.what, StoreWhat::ReadStream { .. })).collect()
    }

    #[test]
    fn calls_one_after_the_other_are_linearizable() {
        let finding = clean(&Linear, &lists());
        assert!(finding.examined >= 24, "{}", finding.examined);
    }

    #[test]
    fn a_stream_that_is_only_looked_at_is_as_it_was_expected() {
        let looked_at = |expected: Expected| {
            let mut history = lists();
            history.append("list-3", 1);
            if let Some(StoreWhat::Append { writes, .. }) =
                history.evidence.store_calls.last_mut().map(|call| &mut call.what)
            {
                let (stream, events) = ("list-2".to_owned(), Vec::new());
                writes.push(Write { stream, expected, events });
            }
            history
        };
        for met in [Expected::Exact(6), Expected::StreamExists, Expected::Any] {
            clean(&Linear, &looked_at(met));
        }
        for not_met in [Expected::Exact(5), Expected::NoStream] {
            let what = "an append was made beside a stream that it expected otherwise";
            caught(&Linear, &looked_at(not_met), what);
        }
    }

    #[test]
    fn a_stale_read_is_caught() {
        let mut history = lists();
        let late = history.now_us + 10;
        let mut reads = reads(&mut history);
        (reads[0].sent_at_us, reads[0].ended_at_us) = (late, late + 1);
        caught(&Linear, &history, "a stream is not linearizable");
    }

    #[test]
    fn a_read_of_what_was_not_sent_yet_is_caught() {
        let mut history = lists();
        let mut reads = reads(&mut history);
        let last = reads.len() - 2;
        (reads[last].sent_at_us, reads[last].ended_at_us) = (0, 1);
        caught(&Linear, &history, "a stream is not linearizable");
    }

    #[test]
    fn an_unknown_append_may_take_effect_late_but_not_before_it_was_sent() {
        let mut history = History::empty();
        history.read_stream("list-1", 1, 10);
        history.append("list-1", 1);
        history.last_result(AppendResult::Unknown);
        history.evidence.store_calls[0].ended_at_us = history.now_us + 1_000;
        history.evidence.store_calls[0].sent_at_us = history.now_us + 999;
        clean(&Linear, &history);
        history.last_result(AppendResult::Appended { position: 1, versions: vec![1] });
        caught(&Linear, &history, "a stream is not linearizable");
    }

    #[test]
    fn a_dropped_expected_version_is_caught() {
        let mut history = lists();
        history.append_expecting("list-2", 1, Expected::Exact(2));
        caught(&Linear, &history, "an append was made that expected another version");
    }

    #[test]
    fn a_refusal_must_be_explained_by_a_version_at_that_time() {
        let mut history = lists();
        history.refuse("list-2", Expected::Exact(2), 6);
        clean(&Linear, &history);
        history.refuse("list-2", Expected::Exact(2), 5);
        caught(&Linear, &history, "a stream is not linearizable");
        let mut history = lists();
        history.refuse("list-2", Expected::Exact(6), 6);
        caught(&Linear, &history, "an append was refused though its expectation was met");
    }

    #[test]
    fn a_read_that_leaves_something_out_is_caught() {
        let mut history = lists();
        let mut reads = reads(&mut history);
        let last = reads.len() - 3;
        if let StoreWhat::ReadStream { events: Some(events), .. } = &mut reads[last].what {
            events.remove(1);
        }
        caught(&Linear, &history, "a read of a stream left out or repeated a version");
    }

    /// What is read back from a version: all of it, the newest alone, and from the middle.
    fn read_back(change: impl Fn(&mut Vec<(u64, String)>), from: u64, limit: usize) -> History {
        let mut history = lists();
        history.read_stream("list-2", 1, 100);
        let last = history.evidence.store_calls.last_mut().expect("a read");
        if let StoreWhat::ReadStream {
            events: Some(events), from: at, backward, limit: most, ..
        } = &mut last.what
        {
            (*at, *backward, *most) = (from, true, limit);
            events.retain(|(version, _)| *version <= from);
            events.reverse();
            events.truncate(limit);
            change(events);
        }
        history
    }

    #[test]
    fn reads_back_from_the_end_or_the_middle_are_right() {
        for (from, limit) in [(u64::MAX, 100), (u64::MAX, 1), (6, 2), (4, 100), (0, 1)] {
            clean(&Linear, &read_back(|_| (), from, limit));
        }
    }

    #[test]
    fn a_read_back_that_leaves_something_out_is_caught() {
        let what = "a read of a stream left out or repeated a version";
        caught(&Linear, &read_back(|events| drop(events.remove(2)), u64::MAX, 100), what);
        caught(&Linear, &read_back(|events| drop(events.pop()), u64::MAX, 100), what);
        caught(&Linear, &read_back(|events| drop(events.pop()), 4, 100), what);
        let stale = "a stream is not linearizable";
        caught(&Linear, &read_back(|events| drop(events.remove(0)), u64::MAX, 100), stale);
        caught(&Linear, &read_back(Vec::clear, u64::MAX, 1), stale);
        let other = "a read saw another event than the stream has";
        caught(&Linear, &read_back(|events| events[0].1.push('x'), u64::MAX, 1), other);
    }

    #[test]
    fn tens_of_thousands_of_calls_are_examined_at_once() {
        let mut history = History::empty();
        for n in 0..10_000_u64 {
            history.append(&format!("list-{}", n % 7), 1);
            history.read_stream(&format!("list-{}", n % 7), 1 + n / 14, 50);
        }
        assert_eq!(clean(&Linear, &history).examined, 20_007);
    }
}
