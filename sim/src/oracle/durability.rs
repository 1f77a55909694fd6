//! What was acknowledged to anybody is in the log where it was said to be; what was refused is not, also when
//! it was asked for again after its answer was lost ([`refused`]); what nobody knows is there whole and once,
//! or not at all, and was not said to be unmade; nothing is there that nobody appended; and nothing was told
//! of before it was synced.

mod refused;

use crate::evidence::{Answered, LogEntry, StoreAnswer, StoreWhat};

use super::case::Case;
use super::naive::append::Append;
use super::{Finding, Oracle};

/// See the module.
#[derive(Debug)]
pub struct Durability;

impl Oracle for Durability {
    fn name(&self) -> &'static str {
        "durability"
    }

    fn is_due(&self, case: &Case<'_>) -> bool {
        let appends =
            |call: &crate::evidence::StoreCall| matches!(call.what, StoreWhat::Append { .. });
        case.starts_sagas() || case.evidence.store_calls.iter().any(appends)
    }

    fn examine(&self, case: &Case<'_>) -> Finding {
        let mut finding = Finding::default();
        for told in &case.evidence.at_risk {
            let what = "the store told of what a power loss could still take";
            finding.break_promise(what, told.as_str());
        }
        for answer in &case.evidence.store_answers {
            examine_unmade(answer, &mut finding);
        }
        for append in &case.appends {
            examine_append(append, &mut finding);
        }
        refused::examine(case, &mut finding);
        for (place, entry) in case.evidence.log.iter().enumerate() {
            let last = if case.repeats() { case.place(&entry.id) } else { Some(place) };
            finding.expect(last == Some(place), "an event is in the log twice", || {
                format!("event {} at {} and in place {last:?}", entry.id, entry.position)
            });
            if last == Some(place) && case.writers[place].is_none() {
                let detail = format!("{} of {} at {}", entry.id, entry.stream, entry.position);
                finding.break_promise("an event that nobody appended is in the log", detail);
            }
        }
        finding
    }
}

/// Whoever is told that an append was not made need not ask for it again, and may do something else
/// instead: a write of it must not be on its way to the disk then. Who asks for it again while the first
/// one is still being written may well be told that this call did nothing: only first ones are written down.
fn examine_unmade(answer: &StoreAnswer, finding: &mut Finding) {
    let Answered::Unmade { append_id, may_be_there } = &answer.what else { return };
    finding.expect(
        !may_be_there,
        "an append was said to be unmade that may be on the disk",
        || format!("append {append_id} at {} us", answer.at_us),
    );
}

fn examine_append(append: &Append<'_>, finding: &mut Finding) {
    finding.look();
    if let Some(what) = append.contradiction {
        finding.break_promise(what, format!("append {}", append.id));
    }
    let all = append.entries.len();
    let there: Vec<&LogEntry> = append.entries.iter().flatten().copied().collect();
    let detail = || format!("append {}: {} of {all} events", append.id, there.len());
    if append.is_used_up && (append.acknowledged.is_some() || !there.is_empty()) {
        finding.break_promise("an append was made whose id had been used up", detail());
    } else if append.acknowledged.is_some() && there.len() < all {
        finding.break_promise("an acknowledged append is not in the log", detail());
    } else if append.is_refused() && !there.is_empty() {
        finding.break_promise("a refused append is in the log", detail());
    } else if !there.is_empty() && there.len() < all {
        finding.break_promise("an append is in the log in part", detail());
    } else if !there.is_empty() {
        examine_place(append, &there, finding);
    }
}

/// The events of an append stand side by side, in the order of its writes.
fn examine_place(append: &Append<'_>, there: &[&LogEntry], finding: &mut Finding) {
    let side_by_side = there.windows(2).all(|pair| pair[1].position == pair[0].position + 1);
    if !side_by_side {
        let detail = format!("append {}", append.id);
        finding.break_promise("the events of an append do not stand side by side", detail);
    }
    let mut events = there.iter();
    let mut versions = Vec::with_capacity(append.writes.len());
    for write in append.writes {
        let written: Vec<_> = events.by_ref().take(write.events.len()).collect();
        let in_stream = written.iter().all(|entry| entry.stream == write.stream);
        if !in_stream {
            let detail = format!("append {}: {}", append.id, write.stream);
            finding.break_promise("an event is in another stream than it was appended to", detail);
        }
        versions.push(written.last().map(|entry| entry.version));
    }
    let Some((position, said)) = append.acknowledged else { return };
    let last = there.last().map_or(0, |entry| entry.position);
    let as_said =
        |(version, said): (&Option<u64>, &u64)| version.is_none_or(|version| version == *said);
    let right =
        position == last && versions.len() == said.len() && versions.iter().zip(said).all(as_said);
    if !right {
        let what = "an append is elsewhere in the log than its answer said";
        let detail =
            format!("append {}: said {position} {said:?}, is {last} {versions:?}", append.id);
        finding.break_promise(what, detail);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::AppendResult;
    use crate::oracle::testing::{History, caught, clean};

    #[test]
    fn a_log_that_has_what_was_acknowledged_is_durable() {
        let finding = clean(&Durability, &History::good());
        assert!(finding.examined > 20, "{}", finding.examined);
    }

    #[test]
    fn an_acknowledgement_before_the_sync_is_caught() {
        let mut history = History::good();
        history.evidence.log.truncate(5);
        caught(&Durability, &history, "an acknowledged append is not in the log");
    }

    #[test]
    fn what_was_refused_may_not_be_there() {
        let mut history = History::empty();
        history.append("list-1", 1);
        history.last_result(AppendResult::Refused { why: "fenced".to_owned(), actual: None });
        caught(&Durability, &history, "a refused append is in the log");
    }

    #[test]
    fn an_append_that_is_said_to_be_unmade_is_not_on_its_way_to_the_disk() {
        let said_of_one = |may_be_there| {
            let mut history = History::good();
            let what = Answered::Unmade { append_id: "append-0".to_owned(), may_be_there };
            history.evidence.store_answers.push(StoreAnswer { at_us: 1, what });
            history
        };
        clean(&Durability, &said_of_one(false));
        let what = "an append was said to be unmade that may be on the disk";
        caught(&Durability, &said_of_one(true), what);
    }

    #[test]
    fn what_nobody_knows_may_be_there_once_or_not_at_all() {
        let mut history = History::empty();
        history.append("list-1", 2);
        history.last_result(AppendResult::Unknown);
        clean(&Durability, &history);
        let mut lost = History::empty();
        lost.append("list-1", 2);
        lost.last_result(AppendResult::Unknown);
        lost.evidence.log.clear();
        clean(&Durability, &lost);
        history.evidence.log.pop();
        caught(&Durability, &history, "an append is in the log in part");
    }

    #[test]
    fn a_dedupe_record_that_came_after_the_commit_is_caught() {
        let mut history = History::empty();
        history.append("list-1", 1);
        let again = history.evidence.log[0].clone();
        history.evidence.log.push(LogEntry { position: 2, version: 2, ..again });
        caught(&Durability, &history, "an event is in the log twice");
    }

    #[test]
    fn one_append_id_has_one_result() {
        let mut history = History::empty();
        history.append("list-1", 1);
        let mut again = history.evidence.store_calls[0].clone();
        if let StoreWhat::Append { result, .. } = &mut again.what {
            *result = AppendResult::Appended { position: 9, versions: vec![9] };
        }
        history.evidence.store_calls.push(again);
        caught(&Durability, &history, "one append id was answered with two results");
    }

    #[test]
    fn an_append_id_stands_for_one_content() {
        let under_its_id = |result: AppendResult, other: bool| {
            let mut history = History::empty();
            history.append("list-1", 1);
            let mut again = history.evidence.store_calls[0].clone();
            if let StoreWhat::Append { result: said, writes, .. } = &mut again.what {
                *said = result;
                if other {
                    writes[0].events = vec!["another".to_owned()];
                }
            }
            history.evidence.store_calls.push(again);
            history
        };
        let reused = || AppendResult::Refused { why: "append-id-reused".to_owned(), actual: None };
        let made = AppendResult::Appended { position: 1, versions: vec![1] };
        clean(&Durability, &under_its_id(made.clone(), false));
        clean(&Durability, &under_its_id(reused(), true));
        let twice = under_its_id(made, true);
        caught(&Durability, &twice, "one append id was acknowledged for two contents");
        let refused = under_its_id(reused(), false);
        caught(&Durability, &refused, "an append was refused as if it were another one");
    }

    #[test]
    fn an_event_from_nowhere_is_caught() {
        let mut history = History::empty();
        history.append("list-1", 1);
        history.evidence.store_calls.clear();
        caught(&Durability, &history, "an event that nobody appended is in the log");
    }

    #[test]
    fn an_answer_says_where_the_events_are() {
        let mut history = History::empty();
        history.append("list-1", 1);
        history.last_result(AppendResult::Appended { position: 1, versions: vec![2] });
        caught(&Durability, &history, "an append is elsewhere in the log than its answer said");
    }
}
