//! The trace of a run: everything anybody saw, in the order of its end, and the state in which it ended;
//! one hash over the one and one over the other. Two runs of one plan must have the same hashes; when they
//! have not, the first line in which their traces differ says where they parted.
//!
//! The hashes are over the entries in binary: as text they would cost a run more than its oracles do.

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
    Lock,
    Sent,
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
    add(Kind::Lock, evidence.lock_calls.iter().map(|call| call.ended_at_us).collect());
    add(Kind::Sent, evidence.sent.iter().map(|call| call.sent_at_us).collect());
    places.sort_unstable();
    places
}

/// Takes one entry after the other.
trait Sink {
    fn take(&mut self, entry: &impl Serialize) -> io::Result<()>;
}

/// One JSON value a line.
struct Lines<W>(W);

impl<W: Write> Sink for Lines<W> {
    fn take(&mut self, entry: &impl Serialize) -> io::Result<()> {
        serde_json::to_writer(&mut self.0, entry)?;
        self.0.write_all(b"\n")
    }
}

/// All of them in one hash.
struct Hash(io::BufWriter<blake3::Hasher>);

impl Hash {
    fn new() -> Self {
        Self(io::BufWriter::with_capacity(1 << 16, blake3::Hasher::new()))
    }

    fn text(self) -> String {
        // A hasher takes everything.
        let hasher = self.0.into_inner().map_err(io::IntoInnerError::into_error);
        hasher.expect("a hasher does not fail").finalize().to_hex()[..16].to_owned()
    }
}

impl Sink for Hash {
    fn take(&mut self, entry: &impl Serialize) -> io::Result<()> {
        let config = bincode::config::standard();
        let written = bincode::serde::encode_into_std_write(entry, &mut self.0, config);
        written.map(drop).map_err(io::Error::other)
    }
}

/// Writes the trace, one JSON object a line, and behind it the state in which the run ended.
pub fn write(evidence: &Evidence, to: &mut impl Write) -> io::Result<()> {
    let mut lines = Lines(to);
    way(evidence, &mut lines)?;
    ending(evidence, &mut lines)
}

/// Everything that was seen, in its order.
fn way(evidence: &Evidence, to: &mut impl Sink) -> io::Result<()> {
    for (at_us, kind, index) in places(evidence) {
        match kind {
            Kind::StoreCall => line(to, at_us, kind, &evidence.store_calls[index])?,
            Kind::Bank => line(to, at_us, kind, &evidence.bank[index])?,
            Kind::Remote => line(to, at_us, kind, &evidence.remotes[index])?,
            Kind::Bus => line(to, at_us, kind, &evidence.bus[index])?,
            Kind::Shard => line(to, at_us, kind, &evidence.shards[index])?,
            Kind::Call => line(to, at_us, kind, &evidence.calls[index])?,
            Kind::Lock => line(to, at_us, kind, &evidence.lock_calls[index])?,
            Kind::Sent => line(to, at_us, kind, &evidence.sent[index])?,
        }
    }
    Ok(())
}

fn line<T: Serialize>(to: &mut impl Sink, at_us: u64, kind: Kind, entry: &T) -> io::Result<()> {
    to.take(&Line { at_us, kind, entry })
}

/// The log, the claims, the documents and all that the run's end says. Every part of the evidence is named
/// here, so that none is forgotten: those that are left out are in the [`way`], and the plan was given.
fn ending(evidence: &Evidence, to: &mut impl Sink) -> io::Result<()> {
    let Evidence {
        plan: _,
        calls: _,
        store_calls: _,
        lock_calls: _,
        log,
        claims,
        bank: _,
        remotes: _,
        sent: _,
        unreached,
        lives,
        bus: _,
        at_risk,
        store_answers,
        contradictions,
        looks,
        walks,
        swaps,
        documents,
        subscribers,
        readings,
        handed,
        shards: _,
        power,
        stops,
        confessed,
        leaks,
        bites,
        phases,
        undone,
        crashes,
    } = evidence;
    each(to, "log", log)?;
    each(to, "claim", claims)?;
    each(to, "document", documents)?;
    each(to, "subscriber", subscribers)?;
    each(to, "reading", readings)?;
    each(to, "handed", handed)?;
    each(to, "confessed", confessed)?;
    each(to, "unreached", unreached)?;
    each(to, "leak", leaks)?;
    each(to, "power", power)?;
    each(to, "stop", stops)?;
    each(to, "life", lives)?;
    each(to, "at risk", at_risk)?;
    each(to, "store answer", store_answers)?;
    each(to, "contradiction", contradictions)?;
    each(to, "look", looks)?;
    each(to, "walk", walks)?;
    each(to, "swap", swaps)?;
    each(to, "bites", &[bites])?;
    each(to, "phases", &[phases])?;
    each(to, "undone", undone)?;
    each(to, "crash", crashes)
}

fn each<T: Serialize>(to: &mut impl Sink, name: &str, entries: &[T]) -> io::Result<()> {
    entries.iter().try_for_each(|entry| to.take(&(name, entry)))
}

/// The hash over everything that was seen and the one over the state in which the run ended, hexadecimal,
/// with a dash between them.
pub fn digest(evidence: &Evidence) -> String {
    let (way, ending) = (hash(|to| way(evidence, to)), hash(|to| ending(evidence, to)));
    format!("{way}-{ending}")
}

fn hash(write: impl FnOnce(&mut Hash) -> io::Result<()>) -> String {
    let mut hash = Hash::new();
    // A hasher takes everything, and evidence can be written.
    write(&mut hash).expect("hashing does not fail");
    hash.text()
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
    use crate::evidence::{
        Answered, Came, Handed, Life, LockCall, LockWhat, Look, Power, PowerChange, RemoteCall,
        Role, SentCall, Stop, StoreAnswer, Swap, Who,
    };
    use crate::machine::Machine;
    use crate::testing::evidence;

    type Change = (&'static str, fn(&mut Evidence));

    /// One of each part of the way.
    const SEEN: [Change; 8] = [
        ("calls", |e| e.calls[0].ended_at_us += 1),
        ("storeCalls", |e| e.store_calls[0].by = Machine::Node3),
        ("bank", |e| e.bank[0].amount_minor += 1),
        ("bus", |e| e.bus[0].at_us += 1),
        ("shards", |e| e.shards[0].epoch += 1),
        ("lockCalls", |e| {
            e.lock_calls.push(LockCall {
                resource: "r".to_owned(),
                holder: "h".to_owned(),
                sent_at_us: 1,
                ended_at_us: 2,
                ttl_us: 3,
                what: LockWhat::Acquire { token: None },
            });
        }),
        ("remotes", |e| {
            e.remotes.push(RemoteCall {
                at_us: 1,
                by: Machine::Node1,
                remote: "rooms".to_owned(),
                request: "POST /book".to_owned(),
                key: None,
                epoch: None,
                correlation: None,
                status: 200,
                effect: None,
            });
        }),
        ("sent", |e| {
            e.sent.push(SentCall {
                by: Machine::Node1,
                to: "rooms".to_owned(),
                key: "k".to_owned(),
                epoch: 1,
                sent_at_us: 1,
                answer: None,
            });
        }),
    ];

    fn look() -> Look {
        Look {
            who: Who { role: Role::Nobody, user: String::new() },
            list: None,
            request: "GET /orders".to_owned(),
            body: Value::Null,
            wait_s: None,
            sent_at_us: 1,
            ended_at_us: 2,
            answer: None,
        }
    }

    /// And of each part of the end.
    const LEFT: [Change; 20] = [
        ("log", |e| e.log[0].payload = Value::Null),
        ("claims", |e| e.claims.clear()),
        ("documents", |e| e.documents.clear()),
        ("subscribers", |e| e.subscribers[0].after += 1),
        ("readings", |e| e.readings[0].place += 1),
        ("handed", |e| {
            let (at_us, node, boot, position) = (1, Machine::Node1, 1, 1);
            e.handed.push(Handed { at_us, node, boot, position, attempt: 1, came: Came::Done });
        }),
        ("leaks", |e| e.leaks.push("a task".to_owned())),
        ("power", |e| {
            let (machine, what) = (Machine::Store, Power::Booted);
            e.power.push(PowerChange { at_us: 1, machine, what });
        }),
        ("lives", |e| {
            e.lives.push(Life { saga: "s".to_owned(), places: 1, dies_at: None, died: false });
        }),
        ("atRisk", |e| e.at_risk.push("an event".to_owned())),
        ("storeAnswers", |e| {
            let what = Answered::Unmade { append_id: "a".to_owned(), may_be_there: false };
            e.store_answers.push(StoreAnswer { at_us: 1, what });
        }),
        ("contradictions", |e| e.contradictions.push("an index".to_owned())),
        ("stops", |e| {
            let (node, unfinished) = (Machine::Node1, None);
            e.stops.push(Stop { node, told_at_us: 1, ended_at_us: Some(2), unfinished });
        }),
        ("looks", |e| e.looks.push(look())),
        ("walks", |e| e.walks.push(look())),
        ("swaps", |e| {
            let view = "orders".to_owned();
            e.swaps.push(Swap { at_us: 1, view, before: None, after: Some(1) });
        }),
        ("bites", |e| e.bites.clear()),
        ("phases", |e| e.phases.healed_at_us += 1),
        ("undone", |e| e.undone.push("a saga".to_owned())),
        ("crashes", |e| e.crashes.push("a panic".to_owned())),
    ];

    #[test]
    fn every_part_of_the_evidence_changes_its_hash_and_no_other() {
        let parts = |evidence: &Evidence| {
            let digest = digest(evidence);
            let (way, ending) = digest.split_once('-').unwrap();
            (way.to_owned(), ending.to_owned())
        };
        let first = parts(&evidence());
        assert_eq!(parts(&evidence()), first);
        let changed = |(name, change): Change| {
            let mut other = evidence();
            change(&mut other);
            let other = parts(&other);
            (name, other.0 != first.0, other.1 != first.1)
        };
        assert_eq!(SEEN.map(changed), SEEN.map(|(name, _)| (name, true, false)));
        assert_eq!(LEFT.map(changed), LEFT.map(|(name, _)| (name, false, true)));
    }

    #[test]
    fn no_part_of_the_evidence_but_the_plan_is_left_out() {
        let mut full = evidence();
        let fills = [
            "lockCalls",
            "remotes",
            "sent",
            "handed",
            "lives",
            "atRisk",
            "storeAnswers",
            "contradictions",
            "stops",
            "looks",
            "walks",
            "swaps",
        ];
        let changes = || SEEN.iter().chain(&LEFT);
        changes()
            .filter(|(name, _)| fills.contains(name))
            .for_each(|(_, change)| change(&mut full));
        let full = serde_json::to_value(&full).expect("evidence can be written");
        let mut parts: Vec<_> = full.as_object().expect("an object").keys().cloned().collect();
        parts.retain(|name| name != "plan");
        let mut known: Vec<_> = changes().map(|(name, _)| (*name).to_owned()).collect();
        known.sort_unstable();
        parts.sort_unstable();
        assert_eq!(parts, known);
    }

    #[test]
    fn the_first_different_line_is_named() {
        assert_eq!(first_difference("a\nb", "a\nb"), None);
        assert_eq!(first_difference("a\nb", "a\nc"), Some((2, "b".to_owned(), "c".to_owned())));
        let named = first_difference("a", "a\nc");
        assert_eq!(named, Some((2, "(the end)".to_owned(), "c".to_owned())));
    }
}
