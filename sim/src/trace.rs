//! The trace of a run: everything anybody saw, in the order of its end, and one hash over all of it. Two
//! runs of one plan must have the same hash; when they have not, the first line in which their traces
//! differ says where they parted.

use std::io::{self, Write};

use serde::Serialize;

use crate::evidence::Evidence;

/// What one line is about. Their order is the order of lines at the same moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
enum Kind {
    StoreCall,
    Bank,
    Remote,
    Bus,
    Shard,
    Call,
}

#[derive(Serialize)]
struct Line<'a, T> {
    at_us: u64,
    kind: Kind,
    entry: &'a T,
}

/// When something was seen, what it is, and its place among its kind: a total order.
type Place = (u64, Kind, usize);

fn places(evidence: &Evidence) -> Vec<Place> {
    let mut places = Vec::new();
    let mut add = |kind: Kind, moments: Vec<u64>| {
        places.extend(moments.into_iter().enumerate().map(|(index, at_us)| (at_us, kind, index)));
    };
    add(Kind::StoreCall, evidence.store_calls.iter().map(|call| call.ended_at_us).collect());
    add(Kind::Bank, evidence.bank.iter().map(|entry| entry.at_us).collect());
    add(Kind::Remote, evidence.remotes.iter().map(|call| call.at_us).collect());
    add(Kind::Bus, evidence.bus.iter().map(|entry| entry.at_us).collect());
    add(Kind::Shard, evidence.shards.iter().map(|change| change.at_us).collect());
    add(Kind::Call, evidence.calls.iter().map(|call| call.ended_at_us).collect());
    places.sort_unstable();
    places
}

/// Writes the trace, one JSON object a line, and behind it the state in which the run ended.
pub fn write(evidence: &Evidence, to: &mut impl Write) -> io::Result<()> {
    for (at_us, kind, index) in places(evidence) {
        match kind {
            Kind::StoreCall => line(to, at_us, kind, &evidence.store_calls[index])?,
            Kind::Bank => line(to, at_us, kind, &evidence.bank[index])?,
            Kind::Remote => line(to, at_us, kind, &evidence.remotes[index])?,
            Kind::Bus => line(to, at_us, kind, &evidence.bus[index])?,
            Kind::Shard => line(to, at_us, kind, &evidence.shards[index])?,
            Kind::Call => line(to, at_us, kind, &evidence.calls[index])?,
        }
    }
    ending(evidence, to)
}

fn line<T: Serialize>(to: &mut impl Write, at_us: u64, kind: Kind, entry: &T) -> io::Result<()> {
    serde_json::to_writer(&mut *to, &Line { at_us, kind, entry })?;
    to.write_all(b"\n")
}

/// The log, the claims, the documents and all that the run's end says.
fn ending(evidence: &Evidence, to: &mut impl Write) -> io::Result<()> {
    each(to, "log", &evidence.log)?;
    each(to, "claim", &evidence.claims)?;
    each(to, "document", &evidence.documents)?;
    each(to, "subscriber", &evidence.subscribers)?;
    each(to, "leak", &evidence.leaks)?;
    each(to, "bites", &[&evidence.bites])?;
    each(to, "phases", &[evidence.phases])?;
    each(to, "undone", &evidence.undone)?;
    each(to, "crash", &evidence.crashes)
}

fn each<T: Serialize>(to: &mut impl Write, name: &str, entries: &[T]) -> io::Result<()> {
    for entry in entries {
        serde_json::to_writer(&mut *to, &(name, entry))?;
        to.write_all(b"\n")?;
    }
    Ok(())
}

/// The hash over the whole trace, hexadecimal.
pub fn digest(evidence: &Evidence) -> String {
    let mut hasher = blake3::Hasher::new();
    let mut text = io::BufWriter::with_capacity(1 << 16, &mut hasher);
    // A hasher takes everything.
    write(evidence, &mut text).and_then(|()| text.flush()).expect("a hasher does not fail");
    drop(text);
    hasher.finalize().to_hex()[..16].to_owned()
}

/// Where two traces part: the number of the line from 1, and both lines.
pub fn first_difference(one: &str, other: &str) -> Option<(usize, String, String)> {
    let (mut ones, mut others) = (one.lines(), other.lines());
    let shown = |line: Option<&str>| line.unwrap_or("(the end)").to_owned();
    let mut number = 0;
    loop {
        number += 1;
        match (ones.next(), others.next()) {
            (None, None) => return None,
            (a, b) if a == b => {}
            (a, b) => return Some((number, shown(a), shown(b))),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::machine::Machine;
    use crate::testing::evidence;

    #[test]
    fn every_field_of_every_entry_changes_the_hash() {
        let first = evidence();
        assert_eq!(digest(&first), digest(&first.clone()));
        let changed = |change: fn(&mut Evidence)| {
            let mut other = evidence();
            change(&mut other);
            digest(&other)
        };
        let all = [
            changed(|e| e.calls[0].ended_at_us += 1),
            changed(|e| e.store_calls[0].by = Machine::Node3),
            changed(|e| e.bank[0].amount_minor += 1),
            changed(|e| e.log[0].payload = Value::Null),
            changed(|e| e.undone.push("a saga".to_owned())),
        ];
        assert!(all.iter().all(|other| *other != digest(&first)), "{all:?}");
    }

    #[test]
    fn the_first_different_line_is_named() {
        assert_eq!(first_difference("a\nb", "a\nb"), None);
        assert_eq!(first_difference("a\nb", "a\nc"), Some((2, "b".to_owned(), "c".to_owned())));
        let named = first_difference("a", "a\nc");
        assert_eq!(named, Some((2, "(the end)".to_owned(), "c".to_owned())));
    }
}
