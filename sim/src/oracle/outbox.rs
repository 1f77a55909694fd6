//! The log on the bus (I11): every committed event is published at least once, first publications of a key
//! come in the order of the log, nothing is published that is not committed, and consumers act on each
//! message exactly once.

use std::collections::{BTreeMap, BTreeSet};

use crate::evidence::{BusEntry, BusWhat};
use crate::fault::Fault;
use crate::machine::Machine;

use super::case::Case;
use super::{Finding, Oracle};

/// See the module.
#[derive(Debug)]
pub struct Outbox;

impl Oracle for Outbox {
    fn name(&self) -> &'static str {
        "outbox"
    }

    fn is_due(&self, case: &Case<'_>) -> bool {
        case.places_orders() && !case.is_left_broken(Machine::Bus)
    }

    fn examine(&self, case: &Case<'_>) -> Finding {
        let mut finding = Finding::default();
        let published = examine_published(case, &mut finding);
        let must_be_done = case.is_quiet() && !case.is_left_broken(Machine::Bus);
        if must_be_done {
            for entry in &case.evidence.log {
                let there = published.contains(entry.id.as_str());
                finding.expect(there, "a committed event was never published", || {
                    format!("{} {} at {}", entry.stream, entry.event_type, entry.position)
                });
            }
        }
        let done_by_us = case.evidence.phases.quiet_at_us.filter(|_| must_be_done).unwrap_or(0);
        examine_consumers(case, done_by_us.saturating_sub(redelivery_us(case)), &mut finding);
        finding
    }
}

/// The topic of a stream's events.
fn topic(stream: &str) -> String {
    format!("{}-events", stream.split('-').next().unwrap_or(""))
}

fn is_public(entry: &BusEntry) -> bool {
    entry.topic.ends_with("-events")
}

fn examine_published<'a>(case: &Case<'a>, finding: &mut Finding) -> BTreeSet<&'a str> {
    let mut published: BTreeSet<&str> = BTreeSet::new();
    let mut last: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for entry in case.evidence.bus.iter().filter(|entry| is_public(entry)) {
        if !matches!(entry.what, BusWhat::Published { .. }) || !published.insert(&entry.message) {
            continue;
        }
        finding.look();
        let Some(event) = case.by_id.get(entry.message.as_str()) else {
            let detail = format!("{} on {}", entry.message, entry.topic);
            finding.break_promise("something was published that is not in the log", detail);
            continue;
        };
        let before_sent =
            case.append_of(&event.id).is_some_and(|made| made.sent_at_us > entry.at_us);
        if before_sent {
            let detail = format!("{} at {} us", entry.message, entry.at_us);
            finding.break_promise("something was published before it was appended", detail);
        }
        if entry.topic != topic(&event.stream) || entry.key != event.correlation_id {
            let detail = format!("{} on {} with key {}", entry.message, entry.topic, entry.key);
            finding.break_promise("an event was published under another topic or key", detail);
        }
        let before = last.entry((&entry.topic, &entry.key)).or_default();
        if event.position < *before {
            let detail = format!("key {}: {} after {before}", entry.key, event.position);
            finding.break_promise("events of a key were published out of order", detail);
        }
        *before = event.position.max(*before);
    }
    published
}

/// How long a message may be on its way that was handed to a consumer that is gone.
fn redelivery_us(case: &Case<'_>) -> u64 {
    const SLACK_MS: u64 = 2_000;
    let longest = case.evidence.plan.episodes.iter().map(|episode| match episode.fault {
        Fault::BusDelayedRedelivery { added_ms } => added_ms,
        _ => 0,
    });
    let lease_ms = case.evidence.plan.knobs.lease_ms;
    (2 * lease_ms + SLACK_MS + longest.max().unwrap_or(0)) * 1_000
}

/// A consumer acts once on each message of a topic that it consumes; by now on all that were published, in
/// a healed world, up to `done_by_us`.
fn examine_consumers(case: &Case<'_>, done_by_us: u64, finding: &mut Finding) {
    let mut acted: BTreeMap<(&str, &str, &str), u32> = BTreeMap::new();
    let mut consumed: BTreeSet<(&str, &str)> = BTreeSet::new();
    for entry in case.evidence.bus.iter().filter(|entry| is_public(entry)) {
        if let BusWhat::Acted { group } = &entry.what {
            *acted.entry((group, &entry.topic, &entry.message)).or_default() += 1;
            consumed.insert((group, &entry.topic));
        }
    }
    for ((group, topic, message), times) in &acted {
        finding.expect(*times == 1, "a consumer acted on a message more than once", || {
            format!("{group} on {message} of {topic}: {times} times")
        });
    }
    if case.evidence.phases.healed_at_us > done_by_us {
        return;
    }
    for entry in case.evidence.bus.iter().filter(|entry| is_public(entry)) {
        if !matches!(entry.what, BusWhat::Published { .. }) || entry.at_us > done_by_us {
            continue;
        }
        for (group, _) in consumed.iter().filter(|(_, topic)| *topic == entry.topic) {
            let there = acted.contains_key(&(*group, entry.topic.as_str(), entry.message.as_str()));
            finding.expect(there, "a consumer never acted on a message", || {
                format!("{group} on {} of {}", entry.message, entry.topic)
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::testing::{History, caught, clean};

    fn of_kind(history: &History, wanted: impl Fn(&BusWhat) -> bool) -> usize {
        history.evidence.bus.iter().position(|entry| wanted(&entry.what)).expect("such an entry")
    }

    fn is_published(what: &BusWhat) -> bool {
        matches!(what, BusWhat::Published { .. })
    }

    fn is_acted(what: &BusWhat) -> bool {
        matches!(what, BusWhat::Acted { .. })
    }

    #[test]
    fn a_log_that_is_on_the_bus_is_right() {
        let mut history = History::good();
        assert!(clean(&Outbox, &history).examined > 60);
        let again = history.evidence.bus[of_kind(&history, is_published)].clone();
        history.evidence.bus.push(again);
        clean(&Outbox, &history);
    }

    #[test]
    fn a_publication_before_the_commit_is_caught() {
        let mut history = History::good();
        let mut ghost = history.evidence.bus[of_kind(&history, is_published)].clone();
        ghost.message = "never committed".to_owned();
        history.evidence.bus.push(ghost);
        caught(&Outbox, &history, "something was published that is not in the log");
        let mut history = History::good();
        let first = of_kind(&history, is_published);
        history.evidence.bus[first].at_us = 0;
        caught(&Outbox, &history, "something was published before it was appended");
    }

    #[test]
    fn an_event_that_the_outbox_forgot_is_caught() {
        let mut history = History::good();
        let first = history.evidence.bus[0].message.clone();
        history.evidence.bus.retain(|entry| entry.message != first);
        caught(&Outbox, &history, "a committed event was never published");
        history.evidence.phases.quiet_at_us = None;
        clean(&Outbox, &history);
    }

    #[test]
    fn an_offset_that_was_committed_before_the_handler_is_caught() {
        let mut history = History::good();
        let first = of_kind(&history, is_acted);
        history.evidence.bus.remove(first);
        caught(&Outbox, &history, "a consumer never acted on a message");
    }

    #[test]
    fn a_consumer_that_acts_twice_is_caught() {
        let mut history = History::good();
        let again = history.evidence.bus[of_kind(&history, is_acted)].clone();
        history.evidence.bus.push(again);
        caught(&Outbox, &history, "a consumer acted on a message more than once");
    }

    #[test]
    fn events_of_a_key_out_of_order_are_caught() {
        let mut history = History::good();
        let bus = &mut history.evidence.bus;
        let first = bus.remove(0);
        bus.push(first);
        caught(&Outbox, &history, "events of a key were published out of order");
    }
}
