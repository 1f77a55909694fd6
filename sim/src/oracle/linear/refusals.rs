//! A refusal rests on what can be seen by then. Whoever is refused looks at what is and decides again: they
//! must find the event, or the claim, for which they were refused, and a power loss must not take it any
//! more. For each refusal it was written down how far everybody could read the log at that moment.
//!
//! Not judged are refusals of an epoch, which stands nowhere in the log, and of a claim that nobody was seen
//! to take, or that an append may have taken that has no event and no answer: nobody knows where it stands.

use std::collections::{BTreeMap, BTreeSet};

use crate::evidence::{Answered, LogEntry};
use crate::oracle::Finding;
use crate::oracle::case::Case;
use crate::oracle::naive::append::Append;

/// A claim and who has it: kind, key, owner.
type Held<'a> = (&'a str, &'a str, &'a str);

pub(super) fn examine(case: &Case<'_>, finding: &mut Finding) {
    let takers = takers(case);
    for answer in &case.evidence.store_answers {
        match &answer.what {
            Answered::WrongVersion { append_id, stream, version, head } if *version > 0 => {
                let detail = || format!("append {append_id}: {stream} at {version}, head {head}");
                match event(case, stream, *version) {
                    Some(event) => finding.expect(
                        event.position <= *head,
                        "a refusal rests on an event that was not to be seen yet",
                        detail,
                    ),
                    None => finding.expect(
                        false,
                        "a refusal rests on an event that the stream does not have",
                        detail,
                    ),
                }
            }
            Answered::ClaimTaken { append_id, kind, key, owner, head } => {
                let takers = takers.get(&(kind.as_str(), key.as_str(), owner.as_str()));
                let Some(is_seen) = takers.and_then(|takers| is_taken_by(takers, *head)) else {
                    continue;
                };
                finding.expect(
                    is_seen,
                    "a refusal rests on a claim that was not to be seen yet",
                    || format!("append {append_id}: {kind} {key} of {owner}, head {head}"),
                );
            }
            Answered::WrongVersion { .. } | Answered::Unmade { .. } | Answered::NotWoken { .. } => {
            }
        }
    }
}

/// The event by which a stream came to a version.
fn event<'a>(case: &Case<'a>, stream: &str, version: u64) -> Option<&'a LogEntry> {
    let place = usize::try_from(version.checked_sub(1)?).ok()?;
    case.streams.get(stream)?.get(place).copied()
}

/// The appends that were to take the claims for which somebody was refused, by claim and owner.
fn takers<'c, 'a>(case: &'c Case<'a>) -> BTreeMap<Held<'a>, Vec<&'c Append<'a>>> {
    let refused = case.evidence.store_answers.iter().filter_map(|answer| match &answer.what {
        Answered::ClaimTaken { kind, key, owner, .. } => {
            Some((kind.as_str(), key.as_str(), owner.as_str()))
        }
        Answered::WrongVersion { .. } | Answered::Unmade { .. } | Answered::NotWoken { .. } => None,
    });
    let refused: BTreeSet<Held<'a>> = refused.collect();
    let mut takers: BTreeMap<Held<'a>, Vec<&Append<'a>>> = BTreeMap::new();
    if refused.is_empty() {
        return takers;
    }
    for append in &case.appends {
        for (kind, key, owner) in append.takes {
            let held = (kind.as_str(), key.as_str(), owner.as_str());
            if refused.contains(&held) {
                takers.entry(held).or_default().push(append);
            }
        }
    }
    takers
}

/// Whether one of these appends was made no later than at a position. None: nobody knows.
fn is_taken_by(takers: &[&Append<'_>], head: u64) -> Option<bool> {
    let mut positions = takers.iter().filter_map(|append| append.position());
    if positions.any(|position| position <= head) {
        return Some(true);
    }
    let is_anywhere = |append: &&Append<'_>| {
        append.entries.is_empty() && append.acknowledged.is_none() && !append.is_refused()
    };
    (!takers.iter().any(is_anywhere)).then_some(false)
}

#[cfg(test)]
mod tests {
    use super::super::Linear;
    use super::*;
    use crate::evidence::{AppendResult, StoreAnswer, StoreWhat};
    use crate::oracle::naive::append::Claim;
    use crate::oracle::testing::{History, caught, clean};

    const UNSEEN: &str = "a refusal rests on a claim that was not to be seen yet";

    /// A list of two events, the second at 3, and a seat that is taken at 4.
    fn taken() -> History {
        let mut history = History::empty();
        history.append("list-1", 1);
        history.append("list-2", 1);
        history.append("list-1", 1);
        let seat = ("seat".to_owned(), "12".to_owned(), "list-2".to_owned());
        history.append_claiming("list-2", vec![seat], vec![]);
        history
    }

    fn said(mut history: History, what: Answered) -> History {
        history.evidence.store_answers.push(StoreAnswer { at_us: history.now_us, what });
        history
    }

    fn wrong_version(version: u64, head: u64) -> History {
        let (append_id, stream) = ("append-9".to_owned(), "list-1".to_owned());
        said(taken(), Answered::WrongVersion { append_id, stream, version, head })
    }

    fn claim_taken(history: History, owner: &str, head: u64) -> History {
        let append_id = "append-9".to_owned();
        let (kind, key, owner) = ("seat".to_owned(), "12".to_owned(), owner.to_owned());
        said(history, Answered::ClaimTaken { append_id, kind, key, owner, head })
    }

    /// The last append becomes one without events, and nobody knows what came of it.
    fn without_events(history: &mut History, new: AppendResult) {
        let last = history.evidence.store_calls.last_mut().expect("a call");
        if let StoreWhat::Append { writes, result, .. } = &mut last.what {
            writes.clear();
            *result = new;
        }
        history.evidence.log.pop();
    }

    fn examined(history: &History) -> u64 {
        clean(&Linear, history).examined
    }

    #[test]
    fn a_refusal_for_what_can_be_seen_is_right() {
        let before = examined(&taken());
        for (version, head) in [(1, 1), (2, 3), (2, 4), (1, 4)] {
            assert_eq!(examined(&wrong_version(version, head)), before + 1);
        }
        assert_eq!(examined(&wrong_version(0, 0)), before, "it rests on no event");
        assert_eq!(examined(&claim_taken(taken(), "list-2", 4)), before + 1);
    }

    #[test]
    fn a_refusal_before_the_write_that_it_rests_on_is_caught() {
        let unseen = "a refusal rests on an event that was not to be seen yet";
        caught(&Linear, &wrong_version(2, 2), unseen);
        caught(&Linear, &claim_taken(taken(), "list-2", 3), UNSEEN);
    }

    #[test]
    fn a_refusal_for_what_never_came_to_be_is_caught() {
        let never = "a refusal rests on an event that the stream does not have";
        caught(&Linear, &wrong_version(3, 4), never);
        let mut lost = taken();
        lost.last_result(AppendResult::Unknown);
        lost.evidence.log.pop();
        caught(&Linear, &claim_taken(lost, "list-2", 3), UNSEEN);
    }

    #[test]
    fn a_claim_that_was_taken_before_and_is_taken_again_was_to_be_seen() {
        let mut history = taken();
        let seat: Claim = ("seat".to_owned(), "12".to_owned(), "list-2".to_owned());
        history.append_claiming("list-2", vec![], vec![seat.clone()]);
        history.append_claiming("list-2", vec![seat], vec![]);
        clean(&Linear, &claim_taken(history, "list-2", 4));
    }

    #[test]
    fn what_nobody_knows_of_a_claim_is_not_judged() {
        let before = examined(&taken());
        assert_eq!(examined(&claim_taken(taken(), "list-7", 4)), before, "nobody took it");
        let mut history = taken();
        without_events(&mut history, AppendResult::Unknown);
        let before = examined(&history);
        assert_eq!(examined(&claim_taken(history, "list-2", 3)), before, "it may be anywhere");
        let mut history = taken();
        without_events(&mut history, AppendResult::Appended { position: 3, versions: vec![] });
        let before = examined(&history);
        assert_eq!(examined(&claim_taken(history, "list-2", 3)), before + 1);
    }
}
