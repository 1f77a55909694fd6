//! Streams as lists to which calls append: anomalies between several streams, after Adya's classes as
//! Elle names them.
//!
//! The log tells the final order of every stream and of all streams together, so the dependencies need
//! not be guessed: an append comes behind the one that wrote the version (and the position) before; a
//! read behind the append whose events it saw last, and before the one that wrote what it did not see;
//! a call behind every call that had ended before it was sent. A cycle among these means that no order of
//! the calls explains what they saw. Real time is a chain of moments, so there are O(n) edges, and one
//! Tarjan pass tells that there is no cycle.

use std::collections::BTreeMap;

use crate::evidence::{Expected, LogEntry, StoreCall, StoreWhat};

use super::case::Case;
use super::graph::{Edge, Graph};
use super::naive::append::Append;
use super::{Finding, Oracle};

/// See the module.
#[derive(Debug)]
pub struct ListAppend;

impl Oracle for ListAppend {
    fn name(&self) -> &'static str {
        "list-append"
    }

    fn is_due(&self, case: &Case<'_>) -> bool {
        case.places_orders()
    }

    fn examine(&self, case: &Case<'_>) -> Finding {
        let mut finding = Finding::default();
        let calls = Calls::of(case);
        finding.examined = calls.calls.len() as u64;
        calls.examine_reads(&mut finding);
        examine_updates(case, &mut finding);
        calls.examine_cycles(&mut finding);
        finding
    }
}

/// One append or read, and between which moments it was.
struct Called<'a> {
    what: What<'a>,
    sent_at_us: u64,
    ended_at_us: Option<u64>,
}

/// What was called.
enum What<'a> {
    /// An append: a place among them.
    Append(usize),
    /// A read of a list, or of the log.
    Read(&'a StoreCall),
}

/// What a read saw of a list.
struct Seen<'a> {
    call: usize,
    /// A stream, or the whole log.
    list: Option<&'a str>,
    /// The place of the last event it saw, or before which it saw nothing, and that event's id.
    last: (u64, Option<&'a str>),
    /// Whether it saw that nothing came behind.
    is_end: bool,
}

/// All calls of a run, and who wrote what.
struct Calls<'c, 'a> {
    case: &'c Case<'a>,
    calls: Vec<Called<'a>>,
    seen: Vec<Seen<'a>>,
    /// For each list (a stream, or the whole log) the appends that wrote its places, from the first on.
    writers: BTreeMap<Option<&'a str>, Vec<Option<usize>>>,
}

impl<'c, 'a> Calls<'c, 'a> {
    fn of(case: &'c Case<'a>) -> Self {
        let mut calls = Self {
            case,
            calls: case.appends.iter().enumerate().map(called).collect(),
            seen: Vec::new(),
            writers: BTreeMap::new(),
        };
        let writer = |entry: &LogEntry| case.writers.get(case.place_of(entry)?).copied().flatten();
        calls.writers.insert(None, case.writers.clone());
        for (stream, entries) in &case.streams {
            let writers = entries.iter().map(|entry| writer(entry)).collect();
            calls.writers.insert(Some(stream), writers);
        }
        calls.add_reads();
        calls
    }

    fn add_reads(&mut self) {
        for call in &self.case.evidence.store_calls {
            let (list, before, last, is_end) = match &call.what {
                // It sees the last one that there is, unless that is behind its beginning.
                StoreWhat::ReadStream {
                    stream,
                    from,
                    backward: true,
                    limit,
                    events: Some(events),
                } => {
                    let last = events.first();
                    let is_end = *limit > 0 && last.is_none_or(|(place, _)| place < from);
                    (Some(stream.as_str()), 0, last, is_end && *from > 0)
                }
                StoreWhat::ReadStream { stream, from, limit, events: Some(events), .. } => {
                    let is_end = events.len() < *limit;
                    (Some(stream.as_str()), from.saturating_sub(1), events.last(), is_end)
                }
                // A page of the whole log may end anywhere; only an empty one says that it is the end.
                StoreWhat::ReadAll { after, events: Some(events) } => {
                    (None, *after, events.last(), events.is_empty())
                }
                _ => continue,
            };
            let last = last.map_or((before, None), |(place, id)| (*place, Some(id.as_str())));
            self.seen.push(Seen { call: self.calls.len(), list, last, is_end });
            self.calls.push(Called {
                what: What::Read(call),
                sent_at_us: call.sent_at_us,
                ended_at_us: Some(call.ended_at_us),
            });
        }
    }

    /// Reads of what was refused, and reads of a part of an append.
    fn examine_reads(&self, finding: &mut Finding) {
        let case = self.case;
        for seen in &self.seen {
            let Some(id) = seen.last.1 else { continue };
            let lost = case.unlogged.get(id).copied();
            let Some(writer) = lost.or_else(|| self.writer(seen.list, seen.last.0)) else {
                continue;
            };
            let append = &case.appends[writer];
            if append.is_refused() {
                let what = "an aborted read (G1a)";
                finding.break_promise(what, format!("{}: {}", self.name(seen.call), append.id));
            }
            if seen.is_end && self.writer(seen.list, seen.last.0 + 1) == Some(writer) {
                let what = "an intermediate read (G1b)";
                finding.break_promise(what, format!("{}: {}", self.name(seen.call), append.id));
            }
        }
    }

    /// Who wrote a place of a list.
    fn writer(&self, list: Option<&str>, place: u64) -> Option<usize> {
        let place = usize::try_from(place.checked_sub(1)?).ok()?;
        self.writers.get(&list)?.get(place).copied().flatten()
    }

    fn graph(&self) -> Graph {
        let mut graph = Graph::new(self.calls.len());
        for writers in self.writers.values() {
            let mut writers = writers.iter().flatten();
            let Some(mut before) = writers.next() else { continue };
            for writer in writers {
                graph.edge(*before, *writer, Edge::WriteWrite);
                before = writer;
            }
        }
        for seen in &self.seen {
            // An empty page has seen nothing: it may begin behind an end that is still to be reached.
            if let Some(writer) = seen.last.1.and_then(|_| self.writer(seen.list, seen.last.0)) {
                graph.edge(writer, seen.call, Edge::WriteRead);
            }
            if let Some(next) = self.writer(seen.list, seen.last.0 + 1).filter(|_| seen.is_end) {
                graph.edge(seen.call, next, Edge::ReadWrite);
            }
        }
        self.add_real_time(&mut graph);
        graph
    }

    /// A chain of the moments at which calls ended: each call comes before the moment of its end, and
    /// behind the last moment before its sending.
    fn add_real_time(&self, graph: &mut Graph) {
        let mut ends: Vec<(u64, usize)> = Vec::new();
        for (number, call) in self.calls.iter().enumerate() {
            ends.extend(call.ended_at_us.map(|end| (end, number)));
        }
        ends.sort_unstable();
        let mut moments: Vec<(u64, usize)> = Vec::with_capacity(ends.len());
        for (end, number) in ends {
            let moment = graph.node();
            graph.edge(number, moment, Edge::RealTime);
            if let Some((_, before)) = moments.last() {
                graph.edge(*before, moment, Edge::RealTime);
            }
            moments.push((end, moment));
        }
        for (number, call) in self.calls.iter().enumerate() {
            let behind = moments.partition_point(|(end, _)| *end < call.sent_at_us);
            if let Some((_, moment)) = behind.checked_sub(1).and_then(|last| moments.get(last)) {
                graph.edge(*moment, number, Edge::RealTime);
            }
        }
    }

    fn examine_cycles(&self, finding: &mut Finding) {
        use Edge::{ReadWrite, RealTime, WriteRead, WriteWrite};
        let graph = self.graph();
        if graph.cycle(&[WriteWrite, WriteRead, ReadWrite, RealTime]).is_none() {
            return;
        }
        let classes: [(&[Edge], &str, &str); 6] = [
            (&[WriteWrite], "a cycle of writes (G0)", ""),
            (&[WriteWrite, WriteRead], "circular information flow (G1c)", ""),
            (
                &[WriteWrite, WriteRead, ReadWrite],
                "a read skew (G-single)",
                "an anti-dependency cycle (G2)",
            ),
            (&[WriteWrite, RealTime], "a cycle of writes against real time (G0)", ""),
            (&[WriteWrite, WriteRead, RealTime], "information flow against real time (G1c)", ""),
            (
                &[WriteWrite, WriteRead, ReadWrite, RealTime],
                "a stale read against real time (G-single)",
                "an anti-dependency cycle against real time (G2)",
            ),
        ];
        let found = classes.iter().find_map(|(wanted, single, several)| {
            let cycle = graph.cycle(wanted)?;
            let missed = cycle.iter().filter(|(_, edge)| *edge == ReadWrite).count();
            Some((if missed > 1 { *several } else { *single }, cycle))
        });
        if let Some((what, cycle)) = found {
            finding.break_promise(what, self.show(&cycle));
        }
    }

    fn show(&self, cycle: &[(usize, Edge)]) -> String {
        let step = |(node, edge): &(usize, Edge)| format!("{} -{edge:?}-> ", self.name(*node));
        let again = cycle.first().map_or_else(String::new, |(node, _)| self.name(*node));
        cycle.iter().map(step).collect::<String>() + &again
    }

    /// A call for a person; what is no call is a moment.
    fn name(&self, node: usize) -> String {
        match self.calls.get(node).map(|call| &call.what) {
            Some(What::Append(place)) => {
                let append = &self.case.appends[*place];
                let streams: Vec<_> = append.writes.iter().map(|it| it.stream.as_str()).collect();
                format!("append {} to {} by {}", append.id, streams.join("+"), append.by)
            }
            Some(What::Read(call)) => format!("{:?} by {}", call.what, call.by),
            None => "(time passes)".to_owned(),
        }
    }
}

fn called<'a>((place, append): (usize, &Append<'_>)) -> Called<'a> {
    Called {
        what: What::Append(place),
        sent_at_us: append.sent_at_us,
        ended_at_us: append.acknowledged_at_us,
    }
}

/// Two appends that both believed to be the first behind one version.
fn examine_updates(case: &Case<'_>, finding: &mut Finding) {
    let mut behind: BTreeMap<(&str, u64), &str> = BTreeMap::new();
    for append in case.appends.iter().filter(|append| append.acknowledged.is_some()) {
        for write in append.writes.iter().filter(|write| !write.events.is_empty()) {
            let version = match write.expected {
                Expected::Exact(version) => version,
                Expected::NoStream => 0,
                Expected::Any | Expected::StreamExists => continue,
            };
            if let Some(other) = behind.insert((&write.stream, version), append.id) {
                let detail = format!("{} at {version}: {other} and {}", write.stream, append.id);
                finding.break_promise("a lost update", detail);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::AppendResult;
    use crate::oracle::testing::{History, caught, clean};

    fn pairs() -> History {
        let mut history = History::empty();
        for _ in 0..4 {
            history.append_to(&["list-x", "list-y"], Expected::Any);
            history.read_stream("list-x", 1, 100);
            history.read_stream("list-y", 1, 100);
            history.read_all(0);
        }
        history
    }

    #[test]
    fn batches_and_reads_in_their_order_have_no_cycle() {
        assert_eq!(clean(&ListAppend, &pairs()).examined, 16);
    }

    #[test]
    fn who_begins_behind_the_end_has_not_seen_what_comes_there() {
        let mut history = History::empty();
        history.append("list-x", 1);
        history.read_all(3);
        history.append("list-x", 3);
        clean(&ListAppend, &history);
    }

    #[test]
    fn a_torn_batch_is_a_cycle() {
        let mut history = History::empty();
        history.append_to(&["list-x", "list-y"], Expected::Any);
        let (x, y) = (history.sent_now(), history.sent_now());
        history.read_stream("list-x", 1, 100);
        history.read_stream("list-y", 1, 100);
        // One reader saw the second half and then not the first.
        let calls = &mut history.evidence.store_calls;
        if let StoreWhat::ReadStream { events: Some(events), .. } = &mut calls[1].what {
            events.clear();
        }
        calls[0].ended_at_us = y + 1_000_000;
        (calls[2].sent_at_us, calls[2].ended_at_us) = (x, x + 1);
        (calls[1].sent_at_us, calls[1].ended_at_us) = (x + 2, x + 3);
        caught(&ListAppend, &history, "a stale read against real time (G-single)");
    }

    #[test]
    fn two_lists_in_two_orders_are_a_cycle_of_writes() {
        let mut history = History::empty();
        history.append_to(&["list-x", "list-y"], Expected::Any);
        history.append_to(&["list-x", "list-y"], Expected::Any);
        let log = &mut history.evidence.log;
        let (first, second) = (log[1].id.clone(), log[3].id.clone());
        (log[1].id, log[3].id) = (second, first);
        caught(&ListAppend, &history, "a cycle of writes (G0)");
    }

    #[test]
    fn a_read_of_what_was_refused_is_caught() {
        let mut history = History::empty();
        history.append("list-x", 1);
        history.read_stream("list-x", 1, 10);
        if let StoreWhat::Append { result, .. } = &mut history.evidence.store_calls[0].what {
            *result = AppendResult::Refused { why: "fenced".to_owned(), actual: None };
        }
        caught(&ListAppend, &history, "an aborted read (G1a)");
    }

    #[test]
    fn a_read_of_half_an_append_is_caught() {
        let mut history = History::empty();
        history.append("list-x", 2);
        history.read_stream("list-x", 1, 10);
        if let StoreWhat::ReadStream { events: Some(events), .. } =
            &mut history.evidence.store_calls[1].what
        {
            events.pop();
        }
        caught(&ListAppend, &history, "an intermediate read (G1b)");
    }

    #[test]
    fn a_dropped_expected_version_loses_an_update() {
        let mut history = History::empty();
        history.append("list-x", 1);
        history.append_expecting("list-x", 1, Expected::Exact(1));
        history.append_expecting("list-x", 1, Expected::Exact(1));
        caught(&ListAppend, &history, "a lost update");
    }

    #[test]
    fn a_write_that_goes_behind_a_later_one_is_caught() {
        let mut history = History::empty();
        history.append("list-x", 1);
        history.append("list-y", 1);
        let calls = &mut history.evidence.store_calls;
        let (first, second) = (calls[0].clone(), calls[1].clone());
        (calls[0].sent_at_us, calls[0].ended_at_us) =
            (second.ended_at_us + 1, second.ended_at_us + 2);
        (calls[1].sent_at_us, calls[1].ended_at_us) = (first.sent_at_us, first.ended_at_us);
        caught(&ListAppend, &history, "a cycle of writes against real time (G0)");
    }
}
