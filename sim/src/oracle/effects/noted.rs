//! A barrier that lets a call through knows its owner from then on: who had the saga before is refused. So
//! behind every yes stands a record of the call's epoch in the log, also where the yes only repeats a former
//! one.
//!
//! Looked at are the visits, whose barriers are in the log. A no need not have come from the barrier, and one
//! that did may have left nothing: only what was answered with a yes is looked at. The record is appended
//! before the answer begins to come, both by the world's own time; of a record whose append nobody saw the
//! time is not asked.

use std::collections::BTreeMap;

use crate::evidence::SentCall;
use crate::oracle::Finding;
use crate::oracle::case::Case;
use crate::oracle::naive::json::number;
use crate::oracle::naive::steps::Key;
use crate::visit;

/// Saga, step and epoch.
type Noted<'a> = (&'a str, &'a str, u64);

pub(super) fn examine(case: &Case<'_>, finding: &mut Finding) {
    // Beside the orders visits are the simulation's own.
    if !case.places_orders() {
        return;
    }
    let noted = noted(case);
    for SentCall { by, key, epoch, answer, .. } in &case.evidence.sent {
        let Some((answered_at_us, 200)) = *answer else { continue };
        let Some(parsed) = Key::parse(key) else { continue };
        let saga = case.sagas.get(parsed.saga);
        if saga.is_none_or(|saga| saga.saga_type != visit::VISIT) {
            continue;
        }
        let sent_at_us = noted.get(&(parsed.saga, parsed.step, *epoch));
        let is_noted = sent_at_us.is_some_and(|sent_at_us| *sent_at_us <= answered_at_us);
        finding.expect(is_noted, "an answered call left no epoch at its barrier", || {
            format!("{key} of {by} under {epoch}, answered at {answered_at_us} us: {sent_at_us:?}")
        });
    }
}

/// When each record of an epoch was first sent to the store.
fn noted<'a>(case: &Case<'a>) -> BTreeMap<Noted<'a>, u64> {
    const PREFIX: &str = "barrier-";
    let mut noted: BTreeMap<Noted<'a>, u64> = BTreeMap::new();
    let barriers = case.streams.range(PREFIX..).take_while(|(name, _)| name.starts_with(PREFIX));
    for (name, entries) in barriers {
        let Some((saga, step)) = name[PREFIX.len()..].split_once('.') else { continue };
        for entry in entries {
            let Some(epoch) = number(&entry.payload, "epoch") else { continue };
            let sent_at_us = case.append_of(entry).map_or(0, |append| append.sent_at_us);
            let first = noted.entry((saga, step, epoch)).or_insert(sent_at_us);
            *first = sent_at_us.min(*first);
        }
    }
    noted
}
