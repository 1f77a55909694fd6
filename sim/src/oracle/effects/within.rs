//! What participants within the nodes did: they write to the log, the effect and what their barrier says of it
//! in one append. Told in the same words as what remote services say of themselves.

use crate::evidence::{Effect, LogEntry, RemoteCall};
use crate::oracle::case::Case;
use crate::oracle::naive::append::Append;
use crate::oracle::naive::json::{number, text};
use crate::visit;

/// In the order of the log, at moments that do not fall: no effect is later than its append was sent or one
/// before it in the log.
pub(super) fn told(case: &Case<'_>) -> Vec<RemoteCall> {
    let visits = case.evidence.plan.sagas.iter().any(|saga| saga.name == visit::VISIT);
    // Beside the orders visits are the simulation's own.
    if !(visits && case.places_orders()) {
        return Vec::new();
    }
    let mut appends: Vec<_> =
        case.appends.iter().filter_map(|it| Some((it.position()?, it))).collect();
    appends.sort_unstable_by_key(|(position, _)| *position);
    let mut calls: Vec<RemoteCall> = Vec::new();
    for (_, append) in appends {
        let Some(mut call) = call(append) else { continue };
        call.at_us = calls.last().map_or(0, |before| before.at_us).max(call.at_us);
        calls.push(call);
    }
    calls
}

/// What an append did at the museum, if it is one of its desk's.
fn call(append: &Append<'_>) -> Option<RemoteCall> {
    let of = |category: &str| {
        let mut entries = append.entries.iter().copied().flatten();
        entries.find(|entry| entry.stream.starts_with(category))
    };
    let (museum, barrier) = (of("museum-"), of("barrier-"));
    let effect = match (museum, barrier) {
        (Some(museum), _) => done(museum)?,
        (None, Some(barrier)) => recorded(barrier)?,
        (None, None) => return None,
    };
    let (Effect::Done { key }
    | Effect::Undone { of: key }
    | Effect::Tombstone { of: key }
    | Effect::Repeated { key }
    | Effect::Declined { key }) = &effect
    else {
        return None;
    };
    Some(RemoteCall {
        at_us: append.sent_at_us,
        by: append.by,
        remote: visit::HOST.to_owned(),
        request: "append".to_owned(),
        key: Some(key.clone()),
        epoch: barrier.and_then(|barrier| number(&barrier.payload, "epoch")),
        correlation: museum.or(barrier).map(|entry| entry.correlation_id.clone()),
        status: 200,
        effect: Some(effect),
    })
}

fn done(museum: &LogEntry) -> Option<Effect> {
    let key = |field| text(&museum.payload, field).map(str::to_owned);
    Some(match museum.event_type.as_str() {
        "GuestEntered" => Effect::Done { key: key("key")? },
        "GuestLeft" => Effect::Undone { of: key("of")? },
        _ => return None,
    })
}

/// What the barrier recorded without an effect beside it.
fn recorded(barrier: &LogEntry) -> Option<Effect> {
    let call = barrier.stream.strip_prefix("barrier-")?;
    let (saga, step) = call.split_once('.')?;
    let key = format!("{saga}/{step}/action");
    Some(match barrier.event_type.as_str() {
        "ActionAnswered" => Effect::Declined { key },
        "ActionUndone" => Effect::Tombstone { of: key },
        "EpochRaised" => Effect::Repeated { key },
        _ => return None,
    })
}
