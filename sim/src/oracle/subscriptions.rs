//! Who follows the log through a node's own interface is given every event that is wanted, once and in the log's
//! order, from where they began to where they stand, over the seam between what is past and what is new, also
//! when they stop waiting in the middle; nothing else; and at rest they have come to the log's head. Where the
//! subscription says that it stands is where somebody can go on another time: nothing that is given later lies
//! before it.

use std::collections::BTreeSet;

use crate::evidence::{Begins, LogEntry, Reading, Wanted};
use crate::machine::Machine;

use super::case::Case;
use super::{Finding, Oracle};

/// What came so shortly before the world was at rest may have come behind the last look at a reader.
const LATE_US: u64 = 5_000_000;

/// See the module.
#[derive(Debug)]
pub struct Subscriptions;

impl Oracle for Subscriptions {
    fn name(&self) -> &'static str {
        "subscriptions"
    }

    fn is_due(&self, case: &Case<'_>) -> bool {
        case.evidence.plan.knobs.subscriptions && case.is_quiet()
    }

    fn examine(&self, case: &Case<'_>) -> Finding {
        let mut finding = Finding::default();
        for reading in &case.evidence.readings {
            examine_beginning(case, reading, &mut finding);
            examine_given(case, reading, &mut finding);
            examine_passed_over(case, reading, &mut finding);
        }
        if self.is_due(case) {
            examine_rest(case, &mut finding);
        }
        finding
    }
}

/// It begins where it was to begin. The head is behind whatever was acknowledged by then, and before whatever
/// was not even asked for.
fn examine_beginning(case: &Case<'_>, reading: &Reading, finding: &mut Finding) {
    let after = reading.after;
    let holds = match reading.begins {
        Begins::Start => after == 0,
        Begins::After(position) => after == position,
        Begins::Head => !case.evidence.log.iter().any(|entry| {
            let Some(append) = case.append_of(entry) else { return false };
            let was_there = append.acknowledged_at_us.is_some_and(|at| at < reading.asked_at_us);
            let is_new = append.sent_at_us > reading.begun_at_us;
            (was_there && entry.position > after) || (is_new && entry.position <= after)
        }),
    };
    finding.expect(holds, "a subscription began somewhere else", || {
        format!("{}: {:?} became {after}", who(reading), reading.begins)
    });
}

/// What it was given is in the log and wanted, once, in order, and nothing of it behind a place that was said
/// to have passed it.
fn examine_given(case: &Case<'_>, reading: &Reading, finding: &mut Finding) {
    let (mut last, mut place) = (reading.after, reading.after);
    for given in &reading.given {
        let position = given.position;
        let detail = || format!("{}: {position} behind {last}, at {place}", who(reading));
        finding.expect(position > last, "an event was given twice or too late", detail);
        let passed = position > last && position <= place;
        finding.expect(!passed, "an event came behind a place that had passed it", detail);
        let entry = case.at(position).filter(|entry| {
            (&entry.id, &entry.stream, &entry.event_type)
                == (&given.id, &given.stream, &given.event_type)
        });
        finding.expect(entry.is_some(), "an event was given that is not in the log", || {
            format!("{}: {given:?}", who(reading))
        });
        let wanted = entry.is_none_or(|entry| admits(&reading.wanted, entry));
        finding.expect(wanted, "an event was given that nobody wanted", || {
            format!("{}: {given:?}", who(reading))
        });
        (last, place) = (position, given.place);
    }
}

/// Whatever is wanted up to where it stands was given. The first that was not says enough.
fn examine_passed_over(case: &Case<'_>, reading: &Reading, finding: &mut Finding) {
    let given: BTreeSet<u64> = reading.given.iter().map(|given| given.position).collect();
    let passed = case.evidence.log.iter().find(|entry| {
        let position = entry.position;
        (reading.after < position && position <= reading.place)
            && admits(&reading.wanted, entry)
            && !given.contains(&position)
    });
    finding.expect(passed.is_none(), "an event was passed over", || {
        let position = passed.map_or(0, |entry| entry.position);
        format!("{}: {position}, and it is at {}", who(reading), reading.place)
    });
}

/// The last reader of each node has come to the head.
fn examine_rest(case: &Case<'_>, finding: &mut Finding) {
    let until_us = case.evidence.phases.quiet_at_us.unwrap_or(0).saturating_sub(LATE_US);
    let was_there = |entry: &&LogEntry| {
        let append = case.append_of(entry);
        append.and_then(|append| append.acknowledged_at_us).is_some_and(|at| at < until_us)
    };
    let head = case.evidence.log.iter().rfind(was_there).map_or(0, |entry| entry.position);
    for node in Machine::NODES {
        let last = case.evidence.readings.iter().rfind(|reading| reading.node == node);
        let place = last.map(|reading| reading.place);
        let holds = place.is_some_and(|place| place >= head);
        finding.expect(holds, "a subscription did not come to the log's head", || {
            format!("{node}: {place:?}, the head is {head}")
        });
    }
}

/// Whether an event is wanted.
fn admits(wanted: &Wanted, entry: &LogEntry) -> bool {
    let category = entry.stream.split('-').next().unwrap_or_default();
    let one_of =
        |names: &[String], name: &str| names.is_empty() || names.iter().any(|it| it == name);
    let at_us = entry.recorded_at_us;
    one_of(&wanted.categories, category)
        && one_of(&wanted.event_types, &entry.event_type)
        && wanted.correlation_id.as_ref().is_none_or(|id| *id == entry.correlation_id)
        && wanted.recorded_from_us.is_none_or(|from_us| at_us >= from_us)
        && wanted.recorded_to_us.is_none_or(|to_us| at_us < to_us)
}

fn who(reading: &Reading) -> String {
    format!("the reader of {} in its life {}", reading.node, reading.boot)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Given;
    use crate::oracle::testing::{History, caught, clean};

    /// Orders, followed on each node: everything from the beginning, some types from the middle, and the events
    /// of sagas alone; and the first node's reader went on later where it was.
    fn followed() -> History {
        let mut history = History::good();
        history.evidence.plan.knobs.subscriptions = true;
        let event_types = vec!["SagaStarted".to_owned(), "OrderPlaced".to_owned()];
        let types = Wanted { event_types, ..Wanted::default() };
        let categories = Wanted { categories: vec!["saga".to_owned()], ..Wanted::default() };
        read(&mut history, Machine::Node1, Begins::Start, Wanted::default());
        read(&mut history, Machine::Node2, Begins::After(7), types);
        read(&mut history, Machine::Node3, Begins::After(0), categories);
        history.evidence.readings[0].given.truncate(4);
        history.evidence.readings[0].place = 4;
        read(&mut history, Machine::Node1, Begins::After(4), Wanted::default());
        history
    }

    /// A reader of all that is wanted from there on.
    fn read(history: &mut History, node: Machine, begins: Begins, wanted: Wanted) {
        let asked_at_us = history.sent_now();
        let head = history.evidence.log.len() as u64;
        let after = match begins {
            Begins::Start => 0,
            Begins::After(position) => position,
            Begins::Head => head,
        };
        let behind = history.evidence.log.iter().filter(|entry| entry.position > after);
        let given = behind.filter(|entry| admits(&wanted, entry)).map(|entry| Given {
            position: entry.position,
            id: entry.id.clone(),
            stream: entry.stream.clone(),
            event_type: entry.event_type.clone(),
            place: entry.position,
        });
        let given = given.collect();
        history.evidence.readings.push(Reading {
            node,
            boot: 1,
            begins,
            wanted,
            asked_at_us,
            begun_at_us: asked_at_us,
            after,
            given,
            place: head,
        });
    }

    #[test]
    fn readers_that_are_given_what_they_want_are_right() {
        let history = followed();
        let readings = &history.evidence.readings;
        assert!(readings.iter().all(|reading| !reading.given.is_empty()));
        assert!(readings[1].given.len() < readings[2].given.len());
        assert!(clean(&Subscriptions, &history).examined > 100);
    }

    #[test]
    fn an_event_that_is_passed_over_at_the_seam_is_caught() {
        for reading in 0..4 {
            let mut history = followed();
            history.evidence.readings[reading].given.remove(1);
            caught(&Subscriptions, &history, "an event was passed over");
        }
    }

    #[test]
    fn an_event_that_is_given_twice_is_caught() {
        let mut history = followed();
        let again = history.evidence.readings[2].given[1].clone();
        history.evidence.readings[2].given.insert(2, again);
        caught(&Subscriptions, &history, "an event was given twice or too late");
    }

    #[test]
    fn a_place_behind_what_was_not_given_yet_is_caught() {
        let mut history = followed();
        let given = &mut history.evidence.readings[2].given;
        given[0].place = given[1].position;
        caught(&Subscriptions, &history, "an event came behind a place that had passed it");
        let mut history = followed();
        // Its node died before the rest was given.
        history.evidence.readings[0].place = 6;
        caught(&Subscriptions, &history, "an event was passed over");
    }

    #[test]
    fn what_nobody_wanted_and_what_is_not_in_the_log_is_caught() {
        let mut history = followed();
        history.evidence.readings[3].wanted.categories = vec!["order".to_owned()];
        caught(&Subscriptions, &history, "an event was given that nobody wanted");
        let mut history = followed();
        history.evidence.readings[3].given[2].id = "another".to_owned();
        caught(&Subscriptions, &history, "an event was given that is not in the log");
    }

    #[test]
    fn a_time_and_a_correlation_id_are_kept() {
        let mut history = followed();
        let entries = &history.evidence.log;
        let (from, to) = (entries[9].recorded_at_us, entries[20].recorded_at_us);
        let id = entries[12].correlation_id.clone();
        let times =
            Wanted { recorded_from_us: Some(from), recorded_to_us: Some(to), ..Wanted::default() };
        read(&mut history, Machine::Node1, Begins::Start, times);
        let correlated = Wanted { correlation_id: Some(id), ..Wanted::default() };
        read(&mut history, Machine::Node2, Begins::Start, correlated);
        clean(&Subscriptions, &history);
        history.evidence.readings[4].wanted.recorded_to_us = Some(from);
        caught(&Subscriptions, &history, "an event was given that nobody wanted");
        history.evidence.readings[4].wanted.recorded_to_us = Some(to);
        clean(&Subscriptions, &history);
        history.evidence.readings[5].wanted.correlation_id = Some("another".to_owned());
        caught(&Subscriptions, &history, "an event was given that nobody wanted");
    }

    #[test]
    fn the_head_is_behind_what_was_acknowledged_and_before_what_comes() {
        let mut history = followed();
        read(&mut history, Machine::Node1, Begins::Head, Wanted::default());
        history.append("list-1", 1);
        history.append("list-1", 1);
        // The others want nothing of that, and pass on.
        let all = history.evidence.log.len() as u64;
        history.evidence.readings[1..3].iter_mut().for_each(|reading| reading.place = all);
        let began = |history: &mut History, after: u64| {
            let head = history.evidence.log.len() as u64;
            let reading = &mut history.evidence.readings[4];
            (reading.after, reading.place) = (after, head);
            let behind = history.evidence.log.iter().filter(|entry| entry.position > after);
            let given = behind.map(|entry| Given {
                position: entry.position,
                id: entry.id.clone(),
                stream: entry.stream.clone(),
                event_type: entry.event_type.clone(),
                place: entry.position,
            });
            reading.given = given.collect();
        };
        let head = all - 2;
        began(&mut history, head);
        clean(&Subscriptions, &history);
        for wrong in [head + 1, head - 1] {
            began(&mut history, wrong);
            caught(&Subscriptions, &history, "a subscription began somewhere else");
        }
        began(&mut history, head);
        clean(&Subscriptions, &history);
        history.evidence.readings[1].after = 8;
        caught(&Subscriptions, &history, "a subscription began somewhere else");
    }

    #[test]
    fn a_reader_that_does_not_come_to_the_head_is_caught() {
        const WHAT: &str = "a subscription did not come to the log's head";
        let mut history = followed();
        let last = &mut history.evidence.readings[3];
        last.given.pop();
        last.place -= 1;
        caught(&Subscriptions, &history, WHAT);
        history.evidence.phases.quiet_at_us = None;
        clean(&Subscriptions, &history);
        let mut history = followed();
        history.evidence.readings.retain(|reading| reading.node != Machine::Node2);
        caught(&Subscriptions, &history, WHAT);
    }
}
