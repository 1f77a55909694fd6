//! A no is for ever where what it was for cannot change back: an epoch that is over, a version that is past.
//! What was refused for that cannot be made any more. When it is in the log it had been made before, its
//! answer had been lost, and whoever asked again should have been told that it was made.
//!
//! A no that may become a yes (a claim that another stream holds, a stream that has not come as far as was
//! expected) is judged where it is the last word that a node was told, which goes by it: clients that append to
//! lists themselves are not so careful. Not judged is a store that does not answer. Nor is an append that was also asked for with
//! another content, or under an epoch that was not over with the one that was refused.

use std::collections::BTreeMap;

use crate::evidence::{AppendResult, Expected, Power, StoreCall, StoreWhat};

use crate::machine::Machine;
use crate::oracle::Finding;
use crate::oracle::case::Case;
use crate::oracle::naive::append::Append;

pub(super) fn examine(case: &Case<'_>, finding: &mut Finding) {
    for (append, calls) in asked_again(case).values() {
        examine_last_word(case, append, calls, finding);
        if !calls.iter().all(|call| append.is_content_of(call)) {
            continue;
        }
        let is_there = append.entries.iter().any(Option::is_some);
        for call in calls.iter().filter(|call| is_for_ever(call, calls)) {
            finding.expect(!is_there, "an append was refused that had been made", || {
                let StoreCall { by, sent_at_us, what, .. } = call;
                format!("append {} of {by}, sent at {sent_at_us} us: {what:?}", append.id)
            });
        }
    }
}

/// What a node has been told last is what it goes by: it asks again while it does not know, and then no more.
fn examine_last_word(
    case: &Case<'_>,
    append: &Append<'_>,
    calls: &[&StoreCall],
    finding: &mut Finding,
) {
    let of_node = calls.iter().filter(|call| call.by != Machine::Clients);
    let Some(last) = of_node.max_by_key(|call| call.sent_at_us) else { return };
    let StoreWhat::Append { result: AppendResult::Refused { why, .. }, .. } = &last.what else {
        return;
    };
    // Who is gone at that moment may not have heard it.
    let heard = last.ended_at_us..last.ended_at_us + HEARD_US;
    let is_gone = case.evidence.power.iter().any(|it| {
        let ends = matches!(it.what, Power::Crashed | Power::Stopped);
        ends && it.machine == last.by && heard.contains(&it.at_us)
    });
    let is_no = FOR_WHOEVER_DECIDED.contains(&why.as_str()) && !is_gone;
    if is_no && append.is_content_of(last) {
        let is_there = append.entries.iter().any(Option::is_some);
        finding.expect(!is_there, "an append was refused, and was made later", || {
            let StoreCall { by, sent_at_us, what, .. } = last;
            format!("append {} of {by}, sent at {sent_at_us} us: {what:?}", append.id)
        });
    }
}

/// So soon an answer is heard, by whoever is there.
const HEARD_US: u64 = 1_000_000;
/// What the log has otherwise than whoever decided had thought.
const FOR_WHOEVER_DECIDED: [&str; 3] = ["wrong-expected-version", "claim-taken", "claim-not-held"];

/// By their ids the appends that were refused at some time, and of which at another nobody knew, or somebody
/// knew that they were made; and all calls of each. An append without events leaves nothing in the log to
/// be found.
fn asked_again<'c, 'a>(
    case: &'c Case<'a>,
) -> BTreeMap<&'a str, (&'c Append<'a>, Vec<&'a StoreCall>)> {
    let told_otherwise = |append: &&Append<'_>| {
        let is_refused = append.refused.is_some() && !append.is_refused();
        is_refused && !append.entries.is_empty()
    };
    let appends = case.appends.iter().filter(told_otherwise);
    let mut asked: BTreeMap<_, _> =
        appends.map(|append| (append.id, (append, Vec::new()))).collect();
    for call in &case.evidence.store_calls {
        if let StoreWhat::Append { append_id, .. } = &call.what
            && let Some((_, calls)) = asked.get_mut(append_id.as_str())
        {
            calls.push(call);
        }
    }
    asked
}

/// Whether none of these calls can make the append any more, once this one was refused.
fn is_for_ever(call: &StoreCall, calls: &[&StoreCall]) -> bool {
    let StoreWhat::Append { fence, writes, result, .. } = &call.what else { return false };
    let AppendResult::Refused { why, actual } = result else { return false };
    match (why.as_str(), fence, actual) {
        ("fenced", Some(over), _) => calls.iter().all(|call| is_over(call, *over)),
        ("wrong-expected-version", _, Some((stream, actual))) => {
            let mut of_stream = writes.iter().filter(|write| write.stream == *stream);
            of_stream.next().is_some_and(|write| is_past(write.expected, *actual))
                && of_stream.all(|write| is_past(write.expected, *actual))
        }
        _ => false,
    }
}

/// Whether the epoch of a call is over when this one of the same shard is. Epochs only rise.
fn is_over(call: &StoreCall, (over_shard, over_epoch): (u32, u64)) -> bool {
    match &call.what {
        StoreWhat::Append { fence: Some((shard, epoch)), .. } => {
            *shard == over_shard && *epoch <= over_epoch
        }
        _ => false,
    }
}

/// Whether a stream that has come to a version will never again be as it was expected. Streams only grow.
fn is_past(expected: Expected, actual: u64) -> bool {
    match expected {
        Expected::NoStream => actual > 0,
        Expected::Exact(version) => actual > version,
        Expected::Any | Expected::StreamExists => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::Durability;
    use super::*;
    use crate::evidence::PowerChange;
    use crate::oracle::testing::{History, caught, clean};

    const WHAT: &str = "an append was refused that had been made";

    /// The last call comes once more, and is answered so.
    fn again(history: &mut History, why: &str, actual: Option<(String, u64)>) {
        let mut again = history.evidence.store_calls.last().expect("a call").clone();
        (again.sent_at_us, again.ended_at_us) = (history.sent_now(), history.sent_now());
        history.evidence.store_calls.push(again);
        history.last_result(AppendResult::Refused { why: why.to_owned(), actual });
    }

    /// An append under an epoch whose answer was lost.
    fn unanswered() -> History {
        let mut history = History::empty();
        history.append_fenced("list-1", 7, 1);
        history.last_result(AppendResult::Unknown);
        history
    }

    fn asked_by(history: &mut History, machine: Machine) {
        history.evidence.store_calls.iter_mut().for_each(|call| call.by = machine);
    }

    fn fence(history: &mut History) -> &mut Option<(u32, u64)> {
        let last = history.evidence.store_calls.last_mut().expect("a call");
        let StoreWhat::Append { fence, .. } = &mut last.what else { panic!("an append") };
        fence
    }

    #[test]
    fn an_append_that_was_made_and_is_fenced_when_it_is_asked_for_again_is_caught() {
        let mut history = unanswered();
        again(&mut history, "fenced", None);
        caught(&Durability, &history, WHAT);
        history.evidence.log.clear();
        clean(&Durability, &history);
    }

    #[test]
    fn what_is_refused_to_a_node_and_made_later_is_caught_unless_the_node_is_gone() {
        const LATER: &str = "an append was refused, and was made later";
        let refused = || {
            let mut history = unanswered();
            again(&mut history, "claim-taken", None);
            asked_by(&mut history, Machine::Node1);
            history
        };
        caught(&Durability, &refused(), LATER);
        let mut unheard = refused();
        let (machine, at_us) = (Machine::Node1, unheard.now_us + 1);
        unheard.evidence.power.push(PowerChange { at_us, machine, what: Power::Crashed });
        clean(&Durability, &unheard);
        let mut never = refused();
        never.evidence.log.clear();
        clean(&Durability, &never);
    }

    #[test]
    fn what_is_made_though_its_id_was_used_up_is_caught() {
        const USED_UP: &str = "an append was made whose id had been used up";
        let used_up = || {
            let mut history = unanswered();
            again(&mut history, "claim-taken", None);
            again(&mut history, "claim-taken", None);
            history.last_result(AppendResult::Appended { position: 1, versions: vec![0] });
            let last = history.evidence.store_calls.last_mut().expect("a call");
            if let StoreWhat::Append { writes, fence, .. } = &mut last.what {
                *fence = None;
                writes.iter_mut().for_each(|write| {
                    write.expected = Expected::Any;
                    write.events.clear();
                });
            }
            asked_by(&mut history, Machine::Node1);
            history
        };
        caught(&Durability, &used_up(), USED_UP);
        let mut never = used_up();
        never.evidence.log.clear();
        clean(&Durability, &never);
    }

    #[test]
    fn a_no_that_may_become_a_yes_is_no_lie_to_clients() {
        for why in ["claim-taken", "claim-not-held", "unavailable"] {
            let mut history = unanswered();
            again(&mut history, why, None);
            asked_by(&mut history, Machine::Clients);
            clean(&Durability, &history);
        }
        let mut history = History::empty();
        history.append_expecting("list-1", 1, Expected::Exact(0));
        history.last_result(AppendResult::Unknown);
        let call = history.evidence.store_calls.last_mut().expect("a call");
        if let StoreWhat::Append { writes, .. } = &mut call.what {
            writes[0].expected = Expected::StreamExists;
        }
        again(&mut history, "wrong-expected-version", Some(("list-1".to_owned(), 0)));
        asked_by(&mut history, Machine::Clients);
        clean(&Durability, &history);
    }

    #[test]
    fn what_is_asked_for_again_under_a_newer_epoch_may_be_made_after_it_was_fenced() {
        for newer in [Some((7, 2)), Some((8, 1)), None] {
            let mut history = unanswered();
            again(&mut history, "fenced", None);
            again(&mut history, "fenced", None);
            history.last_result(AppendResult::Unknown);
            *fence(&mut history) = newer;
            clean(&Durability, &history);
        }
    }

    #[test]
    fn an_append_that_was_made_and_stands_in_its_own_way_is_caught() {
        for expected in [Expected::NoStream, Expected::Exact(0)] {
            let refused_at = |version| {
                let mut history = History::empty();
                history.append_expecting("list-1", 1, expected);
                history.last_result(AppendResult::Unknown);
                again(&mut history, "wrong-expected-version", Some(("list-1".to_owned(), version)));
                asked_by(&mut history, Machine::Clients);
                history
            };
            caught(&Durability, &refused_at(1), WHAT);
            clean(&Durability, &refused_at(0));
        }
    }

    #[test]
    fn what_is_refused_though_it_was_acknowledged_is_caught() {
        let mut history = History::empty();
        history.append_fenced("list-1", 7, 1);
        clean(&Durability, &history);
        again(&mut history, "fenced", None);
        caught(&Durability, &history, WHAT);
    }

    #[test]
    fn an_id_that_stands_for_something_else_says_nothing() {
        let mut history = unanswered();
        again(&mut history, "fenced", None);
        let call = history.evidence.store_calls.last_mut().expect("a call");
        if let StoreWhat::Append { writes, .. } = &mut call.what {
            writes[0].events = vec!["another".to_owned()];
        }
        clean(&Durability, &history);
    }
}
