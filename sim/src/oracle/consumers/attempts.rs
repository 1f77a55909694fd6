//! How often and when a consumer is handed an event. Attempts are counted one by one, up to as many as the
//! policy has, and an event that was not refused is parked behind the last of them, not before. Whoever asks
//! to be left alone is, as long as one node has the event in one life: another node may not know of the
//! attempt, and a node may forget what it could not store. Then an attempt is made again under its number, or
//! all of them are, and no pause is owed. A clock that is set while the pause lasts may shorten it.
//!
//! Only an attempt that failed is followed by the next one. Behind one that was refused for good, or that was
//! done, the event is handed out again only where that was lost before it was stored, under the same number or
//! a smaller one, or because an operator has asked for it, and then from the first attempt on.

use std::collections::BTreeMap;

use crate::evidence::{Came, Handed};
use crate::oracle::Finding;
use crate::oracle::case::Case;
use crate::oracle::naive::http::answered;
use crate::oracle::naive::json::{list, number, text};
use crate::statement::{ATTEMPTS, GROUP, REFUSED};

/// What is lost between two clocks that count in other units.
const SLACK_US: u64 = 1_000;

pub(super) fn examine(case: &Case<'_>, finding: &mut Finding) {
    let mut by_event: BTreeMap<u64, Vec<&Handed>> = BTreeMap::new();
    for handed in &case.evidence.handed {
        by_event.entry(handed.position).or_default().push(handed);
    }
    for handed in by_event.values() {
        examine_numbers(handed, finding);
        examine_pauses(case, handed, finding);
    }
    examine_parked(case, finding);
}

fn shown(handed: &[&Handed]) -> String {
    let attempt = |it: &&Handed| {
        format!("{} on {} ({}) at {} us: {:?}", it.attempt, it.node, it.boot, it.at_us, it.came)
    };
    let position = handed.first().map_or(0, |it| it.position);
    format!("{position}: {}", handed.iter().map(attempt).collect::<Vec<_>>().join("; "))
}

/// Whoever makes an attempt that is not the first knows of the one before it, and that it failed: of two under
/// one number one is enough, since another node may know of that one alone.
fn examine_numbers(handed: &[&Handed], finding: &mut Finding) {
    // By the number of an attempt whether one of them failed.
    let mut known = BTreeMap::from([(0, true)]);
    for it in handed {
        let within = it.attempt <= ATTEMPTS;
        let what = "a consumer was handed an event more often than its policy says";
        finding.expect(within, what, || shown(handed));
        let before = it.attempt.checked_sub(1).and_then(|before| known.get(&before).copied());
        let what = "a consumer was handed an event without the attempt before";
        finding.expect(before.is_some(), what, || shown(handed));
        let what = "a consumer was handed an event again behind an attempt that had not failed";
        finding.expect(before != Some(false), what, || shown(handed));
        *known.entry(it.attempt).or_default() |= matches!(it.came, Came::Failed { .. });
    }
}

fn examine_pauses(case: &Case<'_>, handed: &[&Handed], finding: &mut Finding) {
    let Some(first) = handed.first() else { return };
    if case.clock_skew_us(&[first.node]) > 0 {
        return;
    }
    for pair in handed.windows(2) {
        let (before, after) = (pair[0], pair[1]);
        if (after.node, after.boot) != (first.node, first.boot) {
            return;
        }
        let Came::Failed { not_before_ms: Some(pause_ms) } = before.came else { continue };
        if after.attempt == before.attempt + 1 {
            let paused_us = after.at_us.saturating_sub(before.at_us) + SLACK_US;
            let what = "a consumer was handed an event again sooner than it had asked for";
            finding.expect(paused_us >= pause_ms * 1_000, what, || shown(handed));
        }
    }
}

/// What an operator is shown as parked was tried as often as it may be, or was refused.
fn examine_parked(case: &Case<'_>, finding: &mut Finding) {
    let request = format!("GET /consumers/{GROUP}/parked");
    for call in case.evidence.calls.iter().filter(|call| call.request.starts_with(&request)) {
        let Some(answer) = answered(call, 200) else { continue };
        for parked in list(&answer.body, "parked") {
            let refused = text(parked, "reason").is_some_and(|why| why.starts_with(REFUSED));
            let used_up = number(parked, "attempts") == Some(u64::from(ATTEMPTS));
            let what = "an event was parked before its attempts were used up";
            finding.expect(refused || used_up, what, || parked.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::fault::{Episode, Fault};
    use crate::machine::Machine;
    use crate::oracle::testing::History;

    const FAILED: Came = Came::Failed { not_before_ms: None };
    const LEFT_ALONE: Came = Came::Failed { not_before_ms: Some(400) };

    /// What is found broken of one event that was handed out like this: when in milliseconds, on which
    /// node, as which attempt, and what came of it.
    fn found(attempts: &[(u64, Machine, u32, Came)], change: impl Fn(&mut History)) -> Vec<String> {
        let mut history = History::good();
        let handed = attempts.iter().map(|&(at_ms, node, attempt, came)| {
            let (at_us, boot, position) = (at_ms * 1_000, 1, 30);
            Handed { at_us, node, boot, position, attempt, came }
        });
        history.evidence.handed = handed.collect();
        change(&mut history);
        let mut finding = Finding::default();
        examine(&Case::new(&history.evidence), &mut finding);
        assert!(finding.examined > 0, "nothing was examined");
        finding.violations.into_iter().map(|it| it.what).collect()
    }

    const ONE: Machine = Machine::Node1;
    const TWO: Machine = Machine::Node2;

    #[test]
    fn attempts_one_by_one_and_from_the_front_again_are_right() {
        let done = [(0, ONE, 1, LEFT_ALONE), (400, ONE, 2, FAILED), (410, ONE, 3, Came::Done)];
        assert!(found(&done, |_| ()).is_empty());
        let mut replayed: Vec<_> =
            (1..=ATTEMPTS).map(|it| (u64::from(it), ONE, it, FAILED)).collect();
        replayed.push((9, ONE, 1, Came::Done));
        assert!(found(&replayed, |_| ()).is_empty());
    }

    #[test]
    fn what_was_not_stored_is_tried_again_under_its_number() {
        let forgot = [(0, ONE, 1, LEFT_ALONE), (1, ONE, 1, LEFT_ALONE), (402, ONE, 2, Came::Done)];
        assert!(found(&forgot, |_| ()).is_empty());
        let moved = [(0, ONE, 1, FAILED), (1, TWO, 1, LEFT_ALONE), (2, ONE, 2, Came::Done)];
        assert!(found(&moved, |_| ()).is_empty());
    }

    #[test]
    fn an_attempt_too_many_or_out_of_nothing_is_caught() {
        let attempts: Vec<_> =
            (1..=ATTEMPTS + 1).map(|it| (u64::from(it), ONE, it, FAILED)).collect();
        let what = "a consumer was handed an event more often than its policy says";
        assert_eq!(found(&attempts, |_| ()), [what]);
        let what = "a consumer was handed an event without the attempt before";
        assert_eq!(found(&[(0, ONE, 1, FAILED), (9, TWO, 3, FAILED)], |_| ()), [what]);
        assert_eq!(found(&[(0, ONE, 0, Came::Done)], |_| ()), [what]);
    }

    #[test]
    fn what_was_refused_is_handed_out_again_from_the_front_alone() {
        let replayed = [(0, ONE, 1, Came::Refused), (90, ONE, 1, Came::Done)];
        assert!(found(&replayed, |_| ()).is_empty());
        // Nobody had stored that it was refused.
        let moved = [(0, ONE, 1, FAILED), (9, ONE, 2, Came::Refused), (20, TWO, 2, Came::Refused)];
        assert!(found(&moved, |_| ()).is_empty());
        let what = "a consumer was handed an event again behind an attempt that had not failed";
        let again = [(0, ONE, 1, Came::Refused), (90, ONE, 2, Came::Done)];
        assert_eq!(found(&again, |_| ()), [what]);
        let elsewhere = [(0, ONE, 1, Came::Refused), (90, TWO, 2, Came::Done)];
        assert_eq!(found(&elsewhere, |_| ()), [what]);
        let done = [(0, ONE, 1, Came::Done), (90, ONE, 2, Came::Done)];
        assert_eq!(found(&done, |_| ()), [what]);
    }

    #[test]
    fn an_attempt_that_failed_somewhere_is_followed_by_the_next() {
        let one_failed =
            [(0, ONE, 1, FAILED), (9, TWO, 1, Came::Refused), (20, ONE, 2, Came::Refused)];
        assert!(found(&one_failed, |_| ()).is_empty());
    }

    #[test]
    fn a_consumer_that_is_not_left_alone_is_caught_unless_a_clock_was_set() {
        let soon = [(0, ONE, 1, LEFT_ALONE), (300, ONE, 2, Came::Done)];
        let what = "a consumer was handed an event again sooner than it had asked for";
        assert_eq!(found(&soon, |_| ()), [what]);
        let set = |machine| {
            let fault = Fault::ClockStep { machine, step_ms: 200 };
            let episode = Episode { id: 1, at_ms: 0, for_ms: 1, fault };
            found(&soon, |history| history.evidence.plan.episodes.push(episode.clone()))
        };
        assert!(set(ONE).is_empty());
        assert_eq!(set(TWO), [what]);
    }

    #[test]
    fn what_is_parked_too_soon_is_caught() {
        let parked = |attempts: u32, reason: &str| {
            let letter = json!({ "position": 29, "attempts": attempts, "reason": reason });
            let page = json!({ "parked": [letter] });
            let request = format!("GET /consumers/{GROUP}/parked?limit=100");
            found(&[], |history| {
                history.call(0, &request, None, Value::Null, Some((200, page.clone())));
            })
        };
        assert!(parked(ATTEMPTS, "it failed").is_empty());
        assert!(parked(1, "REFUSED: until an operator says otherwise").is_empty());
        let what = "an event was parked before its attempts were used up";
        assert_eq!(parked(ATTEMPTS - 1, "it failed"), [what]);
    }
}
