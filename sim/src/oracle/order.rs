//! The log has dense positions and its streams dense versions; whoever reads it, whenever and however,
//! sees the same event at the same position, each position once and in order, and none is skipped. Whoever
//! waits for it to go on is woken when it does: only a log that stood still lets their time pass.

use std::collections::BTreeMap;

use crate::evidence::{Answered, StoreAnswer, StoreWhat};

use super::case::Case;
use super::{Finding, Oracle};

/// See the module.
#[derive(Debug)]
pub struct Order;

impl Oracle for Order {
    fn name(&self) -> &'static str {
        "order"
    }

    fn is_due(&self, case: &Case<'_>) -> bool {
        case.starts_sagas() || !case.evidence.subscribers.is_empty()
    }

    fn examine(&self, case: &Case<'_>) -> Finding {
        let mut finding = Finding::default();
        examine_log(case, &mut finding);
        for contradiction in &case.evidence.contradictions {
            let what = "the store contradicts itself";
            finding.break_promise(what, contradiction.as_str());
        }
        for answer in &case.evidence.store_answers {
            examine_wait(answer, &mut finding);
        }
        let mut prefix = Prefix::of_log(case);
        for subscriber in &case.evidence.subscribers {
            let who = format!("subscriber {}", subscriber.name);
            prefix.examine_reader(&who, subscriber.after, &subscriber.seen, &mut finding);
        }
        for call in &case.evidence.store_calls {
            if let StoreWhat::ReadAll { after, events: Some(events) } = &call.what {
                let who = format!("a read of {} at {} us", call.by, call.ended_at_us);
                prefix.examine_reader(&who, *after, events, &mut finding);
            }
        }
        finding
    }
}

fn examine_log(case: &Case<'_>, finding: &mut Finding) {
    for (entry, expected) in case.evidence.log.iter().zip(1_u64..) {
        finding.expect(entry.position == expected, "positions of the log are not dense", || {
            format!("{} where {expected} is due", entry.position)
        });
    }
    for (stream, entries) in &case.streams {
        let dense = entries.iter().zip(1_u64..).all(|(entry, version)| entry.version == version);
        let rising = entries.windows(2).all(|pair| pair[0].position < pair[1].position);
        finding.expect(dense && rising, "versions of a stream are not dense", || {
            let found: Vec<_> =
                entries.iter().map(|entry| (entry.version, entry.position)).collect();
            format!("{stream}: {found:?}")
        });
    }
}

/// The log is looked at in the moment in which the time is up, so that what comes behind that is no excuse.
fn examine_wait(answer: &StoreAnswer, finding: &mut Finding) {
    let Answered::NotWoken { behind, head } = &answer.what else { return };
    let at_us = answer.at_us;
    finding.expect(head <= behind, "the log went on and did not wake who waited", || {
        format!("at {at_us} us: head {head}, waited to come behind {behind}")
    });
}

/// What anybody has ever seen at each position: the log, and what is not in it any more.
struct Prefix<'c, 'a> {
    case: &'c Case<'a>,
    gone: BTreeMap<u64, &'a str>,
    head: u64,
}

impl<'c, 'a> Prefix<'c, 'a> {
    fn of_log(case: &'c Case<'a>) -> Self {
        let head = case.evidence.log.last().map_or(0, |entry| entry.position);
        Self { case, gone: BTreeMap::new(), head }
    }

    /// One reader, from its start: nothing left out, nothing twice, nothing but what is in the log.
    fn examine_reader(
        &mut self,
        who: &str,
        after: u64,
        events: &'a [(u64, String)],
        finding: &mut Finding,
    ) {
        finding.look();
        let mut last = after;
        for (position, id) in events {
            finding.look();
            if *position > last + 1 {
                let what = "a position was skipped";
                finding.break_promise(what, format!("{who}: {position} after {last}"));
            } else if *position <= last {
                let what = "a position came twice or backwards";
                finding.break_promise(what, format!("{who}: {position} after {last}"));
            }
            last = *position;
            self.compare(who, *position, id, finding);
        }
    }

    fn compare(&mut self, who: &str, position: u64, id: &'a str, finding: &mut Finding) {
        let known = match self.case.at(position) {
            Some(entry) => entry.id.as_str(),
            None => *self.gone.entry(position).or_insert(id),
        };
        if known != id {
            let what = "two events were seen at one position";
            finding.break_promise(what, format!("{who}: {id} and {known} at {position}"));
        } else if position > self.head {
            let what = "an event that was seen is not in the log any more";
            finding.break_promise(what, format!("{who}: {id} at {position}, head {}", self.head));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Subscriber;
    use crate::oracle::testing::{History, caught, clean};

    fn followed() -> History {
        let mut history = History::empty();
        for _ in 0..5 {
            history.append("list-1", 2);
        }
        history.subscribe("all", 0);
        history.subscribe("late", 4);
        history.read_all(2);
        history
    }

    #[test]
    fn subscribers_that_see_everything_once_are_right() {
        let finding = clean(&Order, &followed());
        assert!(finding.examined >= 30, "{}", finding.examined);
    }

    #[test]
    fn a_reader_without_a_gap_guard_is_caught() {
        let mut history = followed();
        history.evidence.subscribers[0].seen.remove(6);
        caught(&Order, &history, "a position was skipped");
    }

    #[test]
    fn a_live_subscription_that_starts_behind_the_head_is_caught() {
        let mut history = followed();
        history.evidence.subscribers[1].seen.remove(0);
        caught(&Order, &history, "a position was skipped");
    }

    #[test]
    fn a_wake_up_that_is_sent_to_nobody_is_caught() {
        let waited = |behind, head| {
            let mut history = followed();
            let what = Answered::NotWoken { behind, head };
            history.evidence.store_answers.push(StoreAnswer { at_us: history.now_us, what });
            history
        };
        let before = clean(&Order, &followed()).examined;
        assert_eq!(clean(&Order, &waited(10, 10)).examined, before + 1);
        clean(&Order, &waited(12, 10));
        caught(&Order, &waited(9, 10), "the log went on and did not wake who waited");
    }

    #[test]
    fn an_event_that_comes_twice_at_the_seam_is_caught() {
        let mut history = followed();
        let again = history.evidence.subscribers[0].seen[3].clone();
        history.evidence.subscribers[0].seen.insert(4, again);
        caught(&Order, &history, "a position came twice or backwards");
    }

    #[test]
    fn another_event_at_a_known_position_is_caught() {
        let mut history = followed();
        history.evidence.subscribers[0].seen[3].1 = "other".to_owned();
        caught(&Order, &history, "two events were seen at one position");
    }

    #[test]
    fn what_was_seen_stays() {
        let mut history = followed();
        let seen = vec![(11, "gone".to_owned())];
        history.evidence.subscribers.push(Subscriber { name: "tail".to_owned(), after: 10, seen });
        caught(&Order, &history, "an event that was seen is not in the log any more");
    }

    #[test]
    fn a_hole_in_the_log_is_caught() {
        let mut history = followed();
        history.evidence.log.remove(3);
        caught(&Order, &history, "positions of the log are not dense");
    }
}
