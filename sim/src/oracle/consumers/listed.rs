//! What a group has parked, as an operator is shown it who is about to have it delivered again: page by page
//! and then at once. Each event stands there once, in the order of the log, as the log has it and with as
//! many held behind it as there are; both ways show the same, and nothing is left out that was refused, or
//! failed for the last time, and that nobody has asked for since.
//!
//! What a former owner of the group makes of an event is not kept: an event that somebody has acted on, or
//! before which another of its stream is parked, may be anywhere. While anything is handed out, or an
//! operator asks for something, and where a clock was far ahead, nothing is said of what is left out.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::is_far_ahead;
use crate::evidence::{Call, Came, Handed, LogEntry};
use crate::oracle::Finding;
use crate::oracle::case::Case;
use crate::oracle::naive::http::answered;
use crate::oracle::naive::json::{list, number, text};
use crate::oracle::naive::time;
use crate::statement::{ATTEMPTS, GROUP};

/// What was asked for or appended so long before has its turn behind it.
const SETTLED_US: u64 = 200_000;
/// Looks that follow each other closer than this belong together.
const TOGETHER_US: u64 = 5_000_000;

pub(super) fn examine(case: &Case<'_>, finding: &mut Finding) {
    let walks = Walk::all(case);
    for walk in &walks {
        examine_pages(walk, finding);
        examine_letters(case, walk, finding);
        if walk.is_whole() && is_settled(case, walk.began_us(), walk.ended_us()) {
            examine_left_out(case, walk, finding);
        }
    }
    for pair in walks.windows(2) {
        let (before, after) = (&pair[0], &pair[1]);
        let together = after.began_us() <= before.ended_us() + TOGETHER_US;
        let whole = before.is_whole() && after.is_whole();
        if together && whole && is_settled(case, before.began_us(), after.ended_us()) {
            let known = |walk: &Walk<'_>| walk.positions_known(case, before.began_us());
            let (one, other) = (known(before), known(after));
            let what = "what is parked is not the same page by page and at once";
            finding.expect(one == other, what, || format!("{one:?} and {other:?}"));
        }
    }
}

/// A list that was gone through: each page is the one behind the one before.
struct Walk<'a> {
    pages: Vec<(&'a Call, &'a Value)>,
}

impl<'a> Walk<'a> {
    fn all(case: &'a Case<'_>) -> Vec<Self> {
        let request = format!("GET /consumers/{GROUP}/parked?");
        let mut walks: Vec<Self> = Vec::new();
        for call in case.evidence.calls.iter().filter(|it| it.request.starts_with(&request)) {
            let Some(answer) = answered(call, 200) else { continue };
            let (page, cursor) = ((call, &answer.body), said(call, "cursor"));
            let goes_on = |walk: &&mut Self| cursor.is_some() && walk.goes_on_at() == cursor;
            match walks.last_mut().filter(goes_on) {
                Some(walk) => walk.pages.push(page),
                None => walks.push(Self { pages: vec![page] }),
            }
        }
        walks
    }

    /// The cursor of the page behind the last one.
    fn goes_on_at(&self) -> Option<&'a str> {
        self.pages.last().and_then(|&(_, body)| text(body, "nextCursor"))
    }

    /// Whether it went from the beginning to the end.
    fn is_whole(&self) -> bool {
        let begins = self.pages.first().is_some_and(|(call, _)| said(call, "cursor").is_none());
        begins && self.goes_on_at().is_none()
    }

    fn began_us(&self) -> u64 {
        self.pages.first().map_or(0, |(call, _)| call.sent_at_us)
    }

    fn ended_us(&self) -> u64 {
        self.pages.last().map_or(0, |(call, _)| call.ended_at_us)
    }

    fn letters(&self) -> impl Iterator<Item = &'a Value> {
        self.pages.iter().flat_map(|&(_, body)| list(body, "parked"))
    }

    fn positions(&self) -> Vec<u64> {
        self.letters().filter_map(|letter| number(letter, "position")).collect()
    }

    /// Of these the ones that were in the log by then.
    fn positions_known(&self, case: &Case<'_>, at_us: u64) -> BTreeSet<u64> {
        let known = |at: &u64| case.at(*at).is_none_or(|entry| is_known(case, entry, at_us));
        self.positions().into_iter().filter(known).collect()
    }
}

/// What a call says in its query.
fn said<'a>(call: &'a Call, name: &str) -> Option<&'a str> {
    let (_, query) = call.request.split_once('?')?;
    let mut parts = query.split('&').filter_map(|part| part.split_once('='));
    parts.find(|(known, _)| *known == name).map(|(_, value)| value)
}

/// Whether an event had its turn behind it at a moment.
fn is_known(case: &Case<'_>, entry: &LogEntry, at_us: u64) -> bool {
    let acknowledged_at_us = case.append_of(entry).and_then(|append| append.acknowledged_at_us);
    acknowledged_at_us.is_some_and(|since_us| since_us + SETTLED_US <= at_us)
}

/// Whether nothing is parked, or not parked any more, between two moments.
fn is_settled(case: &Case<'_>, from_us: u64, until_us: u64) -> bool {
    let asks = |entry: &&LogEntry| {
        let append = case.append_of(entry);
        !is_known(case, entry, from_us) && append.is_none_or(|it| it.sent_at_us <= until_us)
    };
    let requests = case.streams.get(format!("consumer-{GROUP}").as_str());
    let mut handed = case.evidence.handed.iter();
    !requests.into_iter().flatten().any(asks)
        && !handed.any(|it| (from_us.saturating_sub(SETTLED_US)..=until_us).contains(&it.at_us))
        && !is_far_ahead(case)
}

fn examine_pages(walk: &Walk<'_>, finding: &mut Finding) {
    for (call, body) in &walk.pages {
        let limit = said(call, "limit").and_then(|limit| limit.parse().ok()).unwrap_or(0);
        let shown = list(body, "parked").len();
        let fits = shown == limit || (shown < limit && text(body, "nextCursor").is_none());
        let what = "a page of what is parked has not as many entries as it was to have";
        finding.expect(fits, what, || format!("{shown}: {}", call.request));
    }
    let positions = walk.positions();
    let in_order = positions.windows(2).all(|pair| pair[0] < pair[1]);
    let what = "what is parked is shown twice, or in another order";
    finding.expect(in_order, what, || format!("{positions:?}"));
}

fn examine_letters(case: &Case<'_>, walk: &Walk<'_>, finding: &mut Finding) {
    for letter in walk.letters() {
        let entry = number(letter, "position").and_then(|position| case.at(position));
        let same = entry.is_some_and(|entry| {
            is_shown(entry, letter) && is_held(case, entry, letter, walk.began_us())
        });
        let what = "a parked event is shown as it is not";
        finding.expect(same, what, || format!("{letter} for {entry:?}"));
    }
}

fn is_shown(entry: &LogEntry, letter: &Value) -> bool {
    text(letter, "key") == Some(entry.stream.as_str())
        && text(letter, "eventId") == Some(entry.id.as_str())
        && text(letter, "eventType") == Some(entry.event_type.as_str())
        && text(letter, "stream") == Some(entry.stream.as_str())
        && number(letter, "version") == Some(entry.version)
        && text(letter, "correlationId") == Some(entry.correlation_id.as_str())
        && time::is_shown(letter, "recordedAt", Some(entry.recorded_at_us))
}

/// Whether all later events of its stream are said to be held behind it, those that were just coming aside.
fn is_held(case: &Case<'_>, entry: &LogEntry, letter: &Value, at_us: u64) -> bool {
    let stream = case.streams.get(entry.stream.as_str()).into_iter().flatten();
    let behind: Vec<_> = stream.filter(|later| later.version > entry.version).collect();
    let known = behind.iter().filter(|later| is_known(case, later, at_us)).count() as u64;
    let held = number(letter, "held");
    held.is_some_and(|held| (known..=behind.len() as u64).contains(&held))
}

/// What cannot be anywhere else is there.
fn examine_left_out(case: &Case<'_>, walk: &Walk<'_>, finding: &mut Finding) {
    let requests = case.streams.get(format!("consumer-{GROUP}").as_str());
    let requests = requests.into_iter().flatten();
    let skipped: BTreeSet<u64> =
        requests.filter_map(|request| number(&request.payload, "position")).collect();
    let mut by_event: BTreeMap<u64, Vec<&Handed>> = BTreeMap::new();
    for handed in case.evidence.handed.iter().filter(|it| it.at_us < walk.began_us()) {
        by_event.entry(handed.position).or_default().push(handed);
    }
    let first_of: BTreeMap<&str, u64> = walk
        .letters()
        .filter_map(|letter| Some((text(letter, "stream")?, number(letter, "position")?)))
        .collect();
    for (position, handed) in by_event {
        let Some(entry) = case.at(position).filter(|_| is_given_up(&handed)) else { continue };
        if skipped.contains(&position) {
            continue;
        }
        let first = first_of.get(entry.stream.as_str());
        let is_there = first.is_some_and(|first| *first <= position);
        let what = "a parked event is left out of what is parked";
        finding.expect(is_there, what, || format!("{position} of {}: {handed:?}", entry.stream));
    }
}

/// Whether it was tried for the last time, and never acted on.
fn is_given_up(handed: &[&Handed]) -> bool {
    let is_last = handed.last().is_some_and(|last| match last.came {
        Came::Refused => true,
        Came::Failed { .. } => last.attempt >= ATTEMPTS,
        Came::Done => false,
    });
    is_last && handed.iter().all(|it| it.came != Came::Done)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fault::{Episode, Fault};
    use crate::machine::Machine;
    use crate::oracle::testing::History;

    const TWICE: &str = "what is parked is shown twice, or in another order";
    const NOT_THE_SAME: &str = "what is parked is not the same page by page and at once";
    const LEFT_OUT: &str = "a parked event is left out of what is parked";
    const OTHERWISE: &str = "a parked event is shown as it is not";

    /// Three lists of two events each, of which the first was refused and the second never tried; and their
    /// first events as they are shown.
    fn parked() -> (History, Vec<Value>) {
        let mut history = History::good();
        let lists = ["list-76", "list-77", "list-78"];
        for list in lists.iter().chain(&lists) {
            history.say(list, "Appended", json!({}));
        }
        let first = |entry: &&LogEntry| entry.version == 1 && lists.contains(&&*entry.stream);
        let first: Vec<LogEntry> = history.evidence.log.iter().filter(first).cloned().collect();
        for entry in &first {
            hand(&mut history, entry.position, 1, Came::Refused);
        }
        history.now_us += 1_000_000;
        (history, first.iter().map(|entry| letter(entry, 1)).collect())
    }

    fn letter(entry: &LogEntry, held: u64) -> Value {
        json!({"key": entry.stream, "position": entry.position, "eventId": entry.id,
            "eventType": entry.event_type, "stream": entry.stream, "version": entry.version,
            "correlationId": entry.correlation_id,
            "recordedAt": time::written(entry.recorded_at_us), "attempts": 1,
            "reason": "REFUSED: r", "held": held})
    }

    fn hand(history: &mut History, position: u64, attempt: u32, came: Came) {
        let (at_us, node, boot) = (history.sent_now(), Machine::Node1, 1);
        history.evidence.handed.push(Handed { at_us, node, boot, position, attempt, came });
    }

    fn page(history: &mut History, query: &str, letters: &[Value], next: Option<&str>) {
        let request = format!("GET /consumers/{GROUP}/parked?{query}");
        let body = json!({"parked": letters, "nextCursor": next});
        history.call(0, &request, None, Value::Null, Some((200, body)));
    }

    /// Two on a page, and then all at once.
    fn shown(history: &mut History, letters: &[Value]) {
        page(history, "limit=2", &letters[..2], Some("aa"));
        page(history, "limit=2&cursor=aa", &letters[2..], None);
        page(history, "limit=100", letters, None);
    }

    fn found(history: &History) -> Vec<String> {
        let mut finding = Finding::default();
        examine(&Case::new(&history.evidence), &mut finding);
        assert!(finding.examined > 0, "nothing was examined");
        finding.violations.into_iter().map(|it| it.what).collect()
    }

    #[test]
    fn each_once_and_the_same_both_ways_is_right() {
        let (mut history, letters) = parked();
        shown(&mut history, &letters);
        assert!(found(&history).is_empty(), "{:?}", found(&history));
    }

    #[test]
    fn a_page_that_begins_with_the_last_of_the_one_before_is_caught() {
        let (mut history, letters) = parked();
        page(&mut history, "limit=2", &letters[..2], Some("aa"));
        page(&mut history, "limit=2&cursor=aa", &letters[1..], None);
        assert_eq!(found(&history), [TWICE]);
        let (mut history, letters) = parked();
        page(&mut history, "limit=1", &letters[..1], Some("aa"));
        page(&mut history, "limit=1&cursor=aa", &letters[..1], Some("aa"));
        page(&mut history, "limit=1&cursor=aa", &letters[..1], Some("aa"));
        assert_eq!(found(&history), [TWICE]);
    }

    #[test]
    fn what_is_passed_over_is_caught() {
        let (mut history, letters) = parked();
        page(&mut history, "limit=1", &letters[..1], Some("aa"));
        page(&mut history, "limit=1&cursor=aa", &letters[2..], None);
        page(&mut history, "limit=100", &letters, None);
        assert_eq!(found(&history), [LEFT_OUT, NOT_THE_SAME]);
        let (mut history, letters) = parked();
        page(&mut history, "limit=2", &letters[..1], Some("aa"));
        page(&mut history, "limit=2&cursor=aa", &letters[1..], None);
        assert_eq!(
            found(&history),
            ["a page of what is parked has not as many entries as it was to have"]
        );
    }

    #[test]
    fn what_is_elsewhere_is_not_left_out() {
        let (mut history, letters) = parked();
        let done = letters[2]["position"].as_u64().expect("a position");
        hand(&mut history, done, 2, Came::Done);
        history.now_us += 1_000_000;
        page(&mut history, "limit=100", &letters[..2], None);
        assert!(found(&history).is_empty());
        let (mut history, letters) = parked();
        let position = letters[0]["position"].clone();
        let skip = json!({"position": position, "reason": "r", "actor": "a"});
        history.say(&format!("consumer-{GROUP}"), "SkipRequested", skip);
        history.now_us += 1_000_000;
        page(&mut history, "limit=100", &letters[1..], None);
        assert!(found(&history).is_empty());
        let (mut history, letters) = parked();
        let held = letters[0]["position"].as_u64().expect("a position") + 3;
        hand(&mut history, held, ATTEMPTS, Came::Failed { not_before_ms: None });
        history.now_us += 1_000_000;
        page(&mut history, "limit=100", &letters, None);
        assert!(found(&history).is_empty());
    }

    #[test]
    fn while_something_happens_nothing_is_left_out() {
        let half_shown = |happens: fn(&mut History)| {
            let (mut history, letters) = parked();
            page(&mut history, "limit=100", &letters, None);
            happens(&mut history);
            page(&mut history, "limit=100", &letters[..1], None);
            found(&history)
        };
        assert_eq!(half_shown(|_| ()), [LEFT_OUT, LEFT_OUT, NOT_THE_SAME]);
        let asked = half_shown(|history| {
            let by = json!({"key": null, "reason": "r", "actor": "a"});
            history.say(&format!("consumer-{GROUP}"), "ReplayRequested", by);
        });
        assert!(asked.is_empty(), "{asked:?}");
        let handed = half_shown(|history| hand(history, 1, 1, Came::Done));
        assert!(handed.is_empty(), "{handed:?}");
        let ahead = half_shown(|history| {
            let fault = Fault::ClockStep { machine: Machine::Node2, step_ms: 3_600_000 };
            history.evidence.plan.episodes.push(Episode { id: 1, at_ms: 0, for_ms: 1, fault });
        });
        assert!(ahead.is_empty(), "{ahead:?}");
    }

    #[test]
    fn an_event_that_is_shown_otherwise_is_caught() {
        for (field, wrong) in [
            ("key", json!("list-1")),
            ("eventId", json!("another")),
            ("eventType", json!("another")),
            ("stream", json!("list-1")),
            ("version", json!(2)),
            ("correlationId", json!("another")),
            ("recordedAt", json!("1970-01-01T00:00:00.000000Z")),
            ("held", json!(0)),
            ("held", json!(2)),
        ] {
            let (mut history, mut letters) = parked();
            letters[1][field] = wrong;
            shown(&mut history, &letters);
            assert!(found(&history).contains(&OTHERWISE.to_owned()), "{field}");
        }
    }
}
