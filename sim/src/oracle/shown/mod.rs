//! What anybody is shown when all has come to rest is the log, as far as it is theirs: lists without anything
//! missing, doubled or foreign, in their order and with the right counts, whichever way they are read; single
//! things as a naive fold has them, sagas step by step; traces, and the pages of the log itself, with every
//! event as it is, and with each thing that they are about as it is now. Who waits for what has ended is
//! answered at once.

mod active;
mod lists;
mod log_pages;
mod pending;
mod saga_pages;
mod short_lists;
mod single;
mod sweeps;
mod things;
mod traces;
mod users;
mod whole;

use crate::evidence::{Answer, Look};

use super::case::Case;
use super::naive::saga::{End, Saga};
use super::{Finding, Oracle};

/// See the module.
#[derive(Debug)]
pub struct Shown;

impl Oracle for Shown {
    fn name(&self) -> &'static str {
        "shown"
    }

    fn is_due(&self, case: &Case<'_>) -> bool {
        !case.evidence.looks.is_empty()
    }

    fn examine(&self, case: &Case<'_>) -> Finding {
        let mut finding = Finding::default();
        for look in &case.evidence.looks {
            let status = look.answer.as_ref().map_or(0, |answer| answer.status);
            let answered = (200..500).contains(&status);
            finding.expect(answered, "a node at rest did not answer", || told(look));
            things::examine(case, look, &mut finding);
            active::examine(case, look, &mut finding);
            short_lists::examine(case, look, &mut finding);
            pending::examine(case, look, &mut finding);
            saga_pages::examine(case, look, &mut finding);
            log_pages::examine(case, look, &mut finding);
            whole::examine(case, look, &mut finding);
        }
        lists::examine(case, &mut finding);
        finding
    }
}

fn told(look: &Look) -> String {
    let answer = look.answer.as_ref().map(|answer| format!("{} {}", answer.status, answer.body));
    let answer = answer.unwrap_or_else(|| "nothing".to_owned());
    format!("{:?} {}: {} -> {answer}", look.who.role, look.who.user, look.request)
}

/// The answer when it is a yes.
fn yes(look: &Look) -> Option<&Answer> {
    look.answer.as_ref().filter(|answer| answer.status == 200)
}

/// The word that the API has for how a saga stands.
pub(super) fn status_of(saga: &Saga<'_>) -> &'static str {
    match saga.end {
        _ if !saga.parked.is_empty() => "parked",
        Some(End::Completed) => "completed",
        Some(End::Compensated) => "compensated",
        None if saga.aborted_at.is_some() => "compensating",
        None => "started",
    }
}

#[cfg(test)]
mod tests;
