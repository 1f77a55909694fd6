//! The log on the bus (I11): every committed event is published at least once, first publications of a key
//! come in the order of the log, nothing is published that is not committed, and consumers act on each
//! message exactly once. Whoever publishes an event, and however often, says of it what the log has: so all
//! its messages say the same.

use std::collections::BTreeMap;

use crate::evidence::{BusEntry, BusWhat, LogEntry, PAYLOAD};
use crate::fault::Fault;
use crate::machine::Machine;

use super::case::Case;
use super::naive::moment::micros;
use super::{Finding, Oracle};

/// See the module.
#[derive(Debug)]
pub struct Outbox;

impl Oracle for Outbox {
    fn name(&self) -> &'static str {
        "outbox"
    }

    fn is_due(&self, case: &Case<'_>) -> bool {
        case.starts_sagas() && !case.is_left_broken(Machine::Bus)
    }

    fn examine(&self, case: &Case<'_>) -> Finding {
        let mut finding = Finding::default();
        let way = Way::of(case, &mut finding);
        let Some(quiet_at_us) = case.evidence.phases.quiet_at_us else { return finding };
        if case.is_left_broken(Machine::Bus) {
            return finding;
        }
        // What comes while the nodes are switched off is published by whoever is switched on next.
        let in_time = |entry: &LogEntry| {
            case.append_of(entry).is_none_or(|append| append.sent_at_us <= quiet_at_us)
        };
        let log = case.evidence.log.iter().zip(&way.published);
        for (entry, published) in log.filter(|(entry, _)| in_time(entry)) {
            finding.expect(published.is_some(), "a committed event was never published", || {
                format!("{} {} at {}", entry.stream, entry.event_type, entry.position)
            });
        }
        way.examine_consumers(case, quiet_at_us.saturating_sub(redelivery_us(case)), &mut finding);
        finding
    }
}

/// The topics of the log; others are the nodes' own.
fn is_public(entry: &BusEntry) -> bool {
    entry.topic.ends_with("-events")
}

/// What became of each entry of the log, by its place there.
struct Way<'a> {
    /// When it was first published.
    published: Vec<Option<u64>>,
    /// For each group and topic that it consumes: whether it acted on the entry.
    acted: BTreeMap<(&'a str, &'a str), Vec<bool>>,
    /// The position of the newest entry published so far, for each topic and key.
    last: BTreeMap<(&'a str, &'a str), u64>,
}

impl<'a> Way<'a> {
    fn of(case: &Case<'a>, finding: &mut Finding) -> Self {
        let (published, acted) = (vec![None; case.evidence.log.len()], BTreeMap::new());
        let mut way = Self { published, acted, last: BTreeMap::new() };
        for entry in case.evidence.bus.iter().filter(|entry| is_public(entry)) {
            let Some(place) = case.place(&entry.message) else {
                if matches!(entry.what, BusWhat::Published { .. }) {
                    let detail = format!("{} on {}", entry.message, entry.topic);
                    let what = "something was published that is not in the log";
                    finding.break_promise(what, detail);
                }
                continue;
            };
            match &entry.what {
                BusWhat::Published { said, .. } => {
                    examine_said(&case.evidence.log[place], said, finding);
                    way.publish(case, entry, place, finding);
                }
                BusWhat::Acted { group } => way.act(entry, group, place, finding),
                BusWhat::Delivered { .. } => {}
            }
        }
        way
    }

    fn publish(
        &mut self,
        case: &Case<'_>,
        entry: &'a BusEntry,
        place: usize,
        finding: &mut Finding,
    ) {
        if self.published[place].is_some() {
            return;
        }
        finding.look();
        self.published[place] = Some(entry.at_us);
        let event = &case.evidence.log[place];
        if case.append_of(event).is_some_and(|made| made.sent_at_us > entry.at_us) {
            let detail = format!("{} at {} us", entry.message, entry.at_us);
            finding.break_promise("something was published before it was appended", detail);
        }
        if entry.topic.strip_suffix("-events") != event.stream.split('-').next()
            || entry.key != event.correlation_id
        {
            let detail = format!("{} on {} with key {}", entry.message, entry.topic, entry.key);
            finding.break_promise("an event was published under another topic or key", detail);
        }
        let before = self.last.entry((&entry.topic, &entry.key)).or_default();
        if event.position < *before {
            let detail = format!("key {}: {} after {before}", entry.key, event.position);
            finding.break_promise("events of a key were published out of order", detail);
        }
        *before = event.position.max(*before);
    }

    fn act(&mut self, entry: &'a BusEntry, group: &'a str, place: usize, finding: &mut Finding) {
        let entries = self.published.len();
        let acted = self.acted.entry((group, &entry.topic));
        let acted = acted.or_insert_with(|| vec![false; entries]);
        finding.expect(!acted[place], "a consumer acted on a message more than once", || {
            format!("{group} on {} of {}", entry.message, entry.topic)
        });
        acted[place] = true;
    }

    /// A consumer has acted by now on all that were published, in a healed world, up to `done_by_us`.
    fn examine_consumers(&self, case: &Case<'_>, done_by_us: u64, finding: &mut Finding) {
        if case.evidence.phases.healed_at_us > done_by_us {
            return;
        }
        for ((group, topic), acted) in &self.acted {
            let log = case.evidence.log.iter().zip(&self.published).zip(acted);
            for ((entry, published), acted) in log {
                let of_topic = topic.strip_suffix("-events") == entry.stream.split('-').next();
                if of_topic && published.is_some_and(|at_us| at_us <= done_by_us) {
                    finding.expect(*acted, "a consumer never acted on a message", || {
                        format!("{group} on {} of {topic}", entry.id)
                    });
                }
            }
        }
    }
}

/// A message says of its event what the log has, each time it is published; its source is the node that wrote
/// the event, whichever relays it.
fn examine_said(event: &LogEntry, said: &BTreeMap<String, String>, finding: &mut Finding) {
    const WHAT: &str = "a message says of its event what is not so";
    let (position, schema) = (event.position.to_string(), event.schema_version.to_string());
    let source = format!("/sagaline/{}", event.node);
    let wanted = [
        ("ce_specversion", Some("1.0")),
        ("ce_id", Some(event.id.as_str())),
        ("ce_source", Some(source.as_str())),
        ("ce_type", Some(event.event_type.as_str())),
        ("ce_subject", Some(event.stream.as_str())),
        ("ce_sequence", Some(position.as_str())),
        ("ce_schemaversion", Some(schema.as_str())),
        ("ce_correlationid", Some(event.correlation_id.as_str())),
        ("ce_causationid", event.causation_id.as_deref()),
        (PAYLOAD, Some(event.payload_digest.as_str())),
    ];
    for (name, wanted) in wanted {
        let it = said.get(name).map(String::as_str);
        finding.expect(it == wanted, WHAT, || {
            format!("{}: {name} {it:?}, in the log {wanted:?}", event.id)
        });
    }
    let time = said.get("ce_time");
    let is_so = time.and_then(|time| micros(time)) == Some(event.recorded_at_us);
    finding.expect(is_so, WHAT, || {
        format!("{}: ce_time {time:?}, in the log {} us", event.id, event.recorded_at_us)
    });
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

    #[test]
    fn a_message_that_says_what_is_not_so_is_caught() {
        for (name, value) in [
            ("ce_specversion", Some("0.3")),
            ("ce_id", None),
            ("ce_source", Some("/sagaline/node-2")),
            ("ce_time", Some("1970-01-01T00:00:00.000001Z")),
            ("ce_time", None),
            ("ce_sequence", Some("1")),
            ("ce_schemaversion", Some("2")),
            ("ce_correlationid", Some("another")),
            ("ce_type", Some("OrderLost")),
            ("ce_subject", None),
            ("ce_causationid", Some("another")),
            (PAYLOAD, Some("0")),
        ] {
            let mut history = History::good();
            let mut published =
                history.evidence.bus.iter_mut().filter_map(|entry| match &mut entry.what {
                    BusWhat::Published { said, .. } => Some(said),
                    _ => None,
                });
            let said = published.nth(1).expect("a second message");
            said.remove(name);
            said.extend(value.map(|value| (name.to_owned(), value.to_owned())));
            caught(&Outbox, &history, "a message says of its event what is not so");
        }
    }

    #[test]
    fn a_message_that_says_something_else_the_second_time_is_caught() {
        let mut history = History::good();
        let mut again = history.evidence.bus[of_kind(&history, is_published)].clone();
        again.at_us += 1;
        history.evidence.bus.push(again.clone());
        clean(&Outbox, &history);
        if let BusWhat::Published { by, said } = &mut again.what {
            *by = Machine::Node2;
            said.insert("ce_source".to_owned(), "/sagaline/node-2".to_owned());
        }
        history.evidence.bus.push(again);
        caught(&Outbox, &history, "a message says of its event what is not so");
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
    fn what_comes_while_the_nodes_are_switched_off_waits_for_the_next_one() {
        let mut history = History::good();
        history.evidence.phases.quiet_at_us = Some(history.now_us);
        history.append("list-9", 1);
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
