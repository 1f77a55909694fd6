//! Whether a node goes on calling a participant that only fails: its breaker opens, and from then on a few
//! calls try how it is.
//!
//! Only what is certain is looked at. A streak is what a life of a node hears of one participant without a
//! single success: calls that were answered with a failure, and connections that could not be opened. Behind
//! as many of them as the breaker judges by it has opened, closed or on its ramp; behind twice as many if it
//! closed in between. From then on a round of calls leaves each time it has been open for its shortest time,
//! or a round that was not answered is over.

use std::collections::BTreeMap;

use crate::evidence::Power;
use crate::machine::Machine;
use crate::oracle::Finding;
use crate::oracle::case::Case;

/// Calls of a round, and rounds that can begin in half the time for which a breaker stays open.
const ROUND: u32 = 4;
const ROUNDS: u32 = 2;
/// What left at that moment was let go before, and an answer is heard of when the rest of it has come.
const LEAVING_US: u64 = 250_000;
/// What was let go before may wait for its connection, and leave together when there is one: what leaves within
/// so short a time counts as no more than a round.
const TOGETHER_US: u64 = 10_000;
/// A call is told by its request. One that cannot connect is not, and a question about what became of it,
/// which no breaker holds back, cannot connect either.
const CALL: u32 = 2;
const CONNECTION: u32 = 1;
const CALL_MAX: u32 = 3;

pub(super) fn examine(case: &Case<'_>, finding: &mut Finding) {
    let mut heard: BTreeMap<(Machine, &str), Vec<(u64, What)>> = BTreeMap::new();
    for call in &case.evidence.sent {
        let heard = heard.entry((call.by, &call.to)).or_default();
        heard.push((call.sent_at_us, What::Left(CALL)));
        heard.push(match call.answer {
            Some((at_us, status)) if status >= 500 => (at_us, What::Failed(CALL)),
            Some((at_us, _)) => (at_us, What::Succeeded),
            None => continue,
        });
    }
    for it in &case.evidence.unreached {
        let heard = heard.entry((it.by, &it.to)).or_default();
        heard.push((it.at_us, What::Left(CONNECTION)));
        heard.push((it.at_us, What::Failed(CONNECTION)));
    }
    let window_us = case.evidence.plan.knobs.breaker_open_ms * 500;
    for ((node, participant), mut heard) in heard {
        let power = case.evidence.power.iter().filter(|change| change.machine == node);
        // Whoever was paused lets leave afterwards what was let go before.
        let begins = power.filter(|it| it.what != Power::Paused);
        heard.extend(begins.map(|change| (change.at_us, What::Began)));
        heard.sort_by_key(|(at_us, _)| *at_us);
        let streaks = streaks(case.evidence.plan.knobs.breaker_outcomes, heard);
        for streak in streaks.into_iter().filter(|streak| !streak.0.is_empty()) {
            let (most, at_us) = streak.most_within(window_us);
            let holds = most <= CALL_MAX * ROUND * ROUNDS;
            finding.expect(holds, "a participant that only failed was called all the same", || {
                format!("{node} at {participant}: some {} calls from {at_us} us on", most / CALL)
            });
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum What {
    /// The node begins anew, or goes on after a pause.
    Began,
    Succeeded,
    Failed(u32),
    Left(u32),
}

/// What left behind the moment from which on the breaker is certainly open, until something succeeded: when, and
/// how much together.
#[derive(Default)]
struct Streak(Vec<(u64, u32)>);

impl Streak {
    fn leave(&mut self, at_us: u64, weight: u32) {
        match self.0.last_mut() {
            Some((first_us, left)) if at_us <= *first_us + TOGETHER_US => {
                *left = (*left + weight).min(CALL_MAX * ROUND);
            }
            Some(_) | None => self.0.push((at_us, weight)),
        }
    }

    /// The most that left within such a time, and from when on.
    fn most_within(&self, window_us: u64) -> (u32, u64) {
        let (mut first, mut within, mut most) = (0, 0, (0, 0));
        for (at_us, weight) in &self.0 {
            within += weight;
            while self.0[first].0 + window_us < *at_us {
                within -= self.0[first].1;
                first += 1;
            }
            most = most.max((within, self.0[first].0));
        }
        most
    }
}

fn streaks(outcomes: u32, heard: Vec<(u64, What)>) -> Vec<Streak> {
    // What has failed in a row, and since when the breaker is open by that.
    let (mut failed, mut open_at_us) = (0, None);
    let (mut streaks, mut streak) = (Vec::new(), Streak::default());
    for (at_us, what) in heard {
        match what {
            What::Began | What::Succeeded => {
                streaks.push(std::mem::take(&mut streak));
                (failed, open_at_us) = (0, None);
            }
            What::Failed(weight) => {
                failed += weight;
                if failed >= CALL * 2 * outcomes {
                    open_at_us.get_or_insert(at_us);
                }
            }
            What::Left(weight) => {
                if open_at_us.is_some_and(|open| open + LEAVING_US < at_us) {
                    streak.leave(at_us, weight);
                }
            }
        }
    }
    streaks.push(streak);
    streaks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::{PowerChange, SentCall, Unreached};
    use crate::oracle::testing::History;

    const WHAT: &str = "a participant that only failed was called all the same";

    /// Calls every so many microseconds, each answered half as long after that.
    fn calls(history: &mut History, count: u64, every_us: u64, status: u16) {
        for _ in 0..count {
            history.now_us += every_us;
            let (at_us, by) = (history.now_us, Machine::Node1);
            history.evidence.sent.push(SentCall {
                by,
                to: "bank".to_owned(),
                key: String::new(),
                epoch: 1,
                sent_at_us: at_us,
                answer: Some((at_us + every_us / 2, status)),
            });
        }
    }

    fn found(history: &History) -> Vec<String> {
        let mut finding = Finding::default();
        examine(&Case::new(&history.evidence), &mut finding);
        finding.violations.into_iter().map(|it| it.what).collect()
    }

    fn begun() -> History {
        let mut history = History::empty();
        let (at_us, machine) = (0, Machine::Node1);
        history.evidence.power.push(PowerChange { at_us, machine, what: Power::Booted });
        history
    }

    #[test]
    fn a_breaker_that_never_opens_is_caught() {
        // It judges by ten, and stays open for half a second.
        let mut history = begun();
        calls(&mut history, 60, 10_000, 503);
        assert_eq!(found(&history), [WHAT]);
        // Closed or on its ramp: what went well before does not let more through.
        for went_well in [1, 40, 100] {
            let mut history = begun();
            calls(&mut history, 8, 10_000, 503);
            calls(&mut history, went_well, 10_000, 200);
            calls(&mut history, 60, 10_000, 503);
            assert_eq!(found(&history), [WHAT]);
        }
    }

    #[test]
    fn connections_that_cannot_be_opened_are_failures_too() {
        let mut history = begun();
        for _ in 0..120 {
            history.now_us += 5_000;
            let (by, at_us) = (Machine::Node1, history.now_us);
            history.evidence.unreached.push(Unreached { by, to: "bank".to_owned(), at_us });
        }
        assert_eq!(found(&history), [WHAT]);
    }

    #[test]
    fn what_was_let_go_before_may_leave_together() {
        let mut history = begun();
        calls(&mut history, 20, 10_000, 503);
        history.now_us += 400_000;
        calls(&mut history, 60, 100, 503);
        assert!(found(&history).is_empty());
    }

    #[test]
    fn rounds_that_try_how_it_is_are_right() {
        let mut history = begun();
        calls(&mut history, 20, 10_000, 503);
        for _ in 0..12 {
            history.now_us += 500_000;
            calls(&mut history, 4, 1_000, 503);
        }
        assert!(found(&history).is_empty());
    }

    #[test]
    fn one_success_among_them_says_that_it_works() {
        let mut history = begun();
        for _ in 0..100 {
            calls(&mut history, 9, 5_000, 503);
            calls(&mut history, 1, 5_000, 402);
        }
        assert!(found(&history).is_empty());
    }
}
