//! A lock has one holder at a time: while a lease lasts that was neither given up nor forgotten by a failing
//! service nobody else is given the lock, and who comes too late is told so and takes it from nobody. And it
//! has a holder no longer than was asked for.

mod outlived;

use std::collections::BTreeMap;

use crate::evidence::{LockCall, LockWhat, Power};
use crate::fault::Fault;
use crate::machine::Machine;
use crate::plan::Operation;

use super::case::Case;
use super::{Finding, Oracle};

/// A lock's clock may run so much too fast, in hundredths, before its leases are called too short.
const FAST_PERCENT: u64 = 5;

/// See the module.
#[derive(Debug)]
pub struct Locks;

impl Oracle for Locks {
    fn name(&self) -> &'static str {
        "locks"
    }

    fn is_due(&self, case: &Case<'_>) -> bool {
        let holds = |operation: &Operation| {
            matches!(operation, Operation::HoldLock { .. } | Operation::OverstayLock { .. })
        };
        case.plans(holds) && case.is_quiet()
    }

    fn examine(&self, case: &Case<'_>) -> Finding {
        let mut finding = Finding::default();
        let mut by_resource: BTreeMap<&str, Vec<&LockCall>> = BTreeMap::new();
        for call in &case.evidence.lock_calls {
            by_resource.entry(&call.resource).or_default().push(call);
        }
        for (resource, calls) in &by_resource {
            examine_lock(case, resource, calls, &mut finding);
            outlived::examine(case, resource, calls, &mut finding);
        }
        finding
    }
}

/// A lease that was given, and until when nobody else can have the lock.
struct Held<'a> {
    call: &'a LockCall,
    token: u64,
    until_us: u64,
}

fn examine_lock(case: &Case<'_>, resource: &str, calls: &[&LockCall], finding: &mut Finding) {
    let leases: Vec<_> = calls.iter().filter_map(|call| lease(call, calls)).collect();
    for lease in &leases {
        finding.look();
        for later in leases.iter().filter(|later| later.call.sent_at_us >= lease.call.ended_at_us) {
            let is_within = later.call.ended_at_us <= lease.until_us;
            if is_within && !may_forget(case, lease.call.sent_at_us, later.call.ended_at_us) {
                let detail = format!("{resource}: {:?} while {:?}", later.call, lease.call);
                finding.break_promise("a lock was given that another held", detail);
            }
        }
    }
    for call in calls {
        let (LockWhat::Release { token, held: Some(true) }
        | LockWhat::Renew { token, held: Some(true) }) = call.what
        else {
            continue;
        };
        finding.look();
        let own = leases.iter().find(|lease| lease.token == token);
        let taken_since = |other: &&Held<'_>| {
            other.token != token
                && other.call.ended_at_us <= call.sent_at_us
                && own.is_some_and(|own| own.call.ended_at_us <= other.call.sent_at_us)
        };
        if let Some(other) = leases.iter().find(taken_since)
            && !may_forget(case, 0, call.ended_at_us)
        {
            let detail = format!("{resource}: {call:?} behind {:?}", other.call);
            finding.break_promise("a lease was still good that another had followed", detail);
        }
    }
}

/// The lease that a request was given, if it was.
fn lease<'a>(call: &'a LockCall, calls: &[&LockCall]) -> Option<Held<'a>> {
    let LockWhat::Acquire { token: Some(token) } = call.what else { return None };
    let lasts_us = call.ttl_us - call.ttl_us * FAST_PERCENT / 100;
    let mut until_us = call.sent_at_us + lasts_us;
    let mut given_up_us = u64::MAX;
    for other in calls {
        match other.what {
            LockWhat::Renew { token: of, held: Some(true) } if of == token => {
                until_us = until_us.max(other.sent_at_us + lasts_us);
            }
            // Sent is done, perhaps: an answer that was lost says nothing else.
            LockWhat::Release { token: of, .. } if of == token => {
                given_up_us = given_up_us.min(other.sent_at_us);
            }
            _ => {}
        }
    }
    Some(Held { call, token, until_us: until_us.min(given_up_us) })
}

/// Whether the service may have forgotten, or lied, between two moments.
fn may_forget(case: &Case<'_>, from_us: u64, until_us: u64) -> bool {
    let began_us = case.evidence.phases.chaos_at_us;
    let forgets = |fault: &Fault| match fault {
        Fault::LocksLost | Fault::LocksEvicted { .. } | Fault::LocksLie { .. } => true,
        // What time it is on the wall is nothing to a lease.
        Fault::ClockDrift { machine, .. } => *machine == Machine::Locks,
        _ => false,
    };
    let within =
        |at_us: u64, for_us: u64| at_us <= until_us && at_us.saturating_add(for_us) >= from_us;
    // The service looks for such episodes every now and then.
    const LATE_US: u64 = 100_000;
    let episodes = case.evidence.plan.episodes.iter().filter(|episode| forgets(&episode.fault));
    let forgot = episodes.into_iter().any(|episode| {
        within(began_us + episode.at_ms * 1_000, episode.for_ms.saturating_mul(1_000) + LATE_US)
    });
    let crashed = |change: &&crate::evidence::PowerChange| {
        change.machine == Machine::Locks && matches!(change.what, Power::Crashed | Power::Booted)
    };
    let mut crashes = case.evidence.power.iter().filter(crashed);
    forgot || crashes.any(|change| within(change.at_us, 0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::Episode;
    use crate::oracle::testing::{History, caught, clean};

    pub(super) fn call(at_ms: u64, what: LockWhat) -> LockCall {
        LockCall {
            resource: "work-1".to_owned(),
            holder: "client".to_owned(),
            sent_at_us: at_ms * 1_000,
            ended_at_us: (at_ms + 2) * 1_000,
            ttl_us: 1_000_000,
            what,
        }
    }

    pub(super) fn history(calls: &[(u64, LockWhat)]) -> History {
        let mut history = History::good();
        history.evidence.lock_calls =
            calls.iter().map(|(at_ms, what)| call(*at_ms, *what)).collect();
        history
    }

    pub(super) fn given(token: u64) -> LockWhat {
        LockWhat::Acquire { token: Some(token) }
    }

    pub(super) fn released(token: u64, held: bool) -> LockWhat {
        LockWhat::Release { token, held: Some(held) }
    }

    #[test]
    fn one_holder_after_the_other_is_right() {
        let calls = [
            (0, given(1)),
            (500, LockWhat::Refused),
            (600, released(1, true)),
            (610, given(2)),
            (1_700, given(3)),
            (1_800, released(2, false)),
            (1_900, released(3, true)),
        ];
        assert!(clean(&Locks, &history(&calls)).examined >= 5);
    }

    #[test]
    fn a_lock_that_is_given_twice_is_caught_unless_the_service_forgot() {
        let mut twice = history(&[(0, given(1)), (500, given(2))]);
        caught(&Locks, &twice, "a lock was given that another held");
        let episode = Episode { id: 1, at_ms: 300, for_ms: 10, fault: Fault::LocksLost };
        twice.evidence.plan.episodes.push(episode);
        clean(&Locks, &twice);
        clean(&Locks, &history(&[(0, given(1)), (999, given(2))]));
        let renewed = LockWhat::Renew { token: 1, held: Some(true) };
        let renewed = history(&[(0, given(1)), (900, renewed), (1_500, given(2))]);
        caught(&Locks, &renewed, "a lock was given that another held");
    }

    #[test]
    fn a_lock_that_is_released_without_its_token_is_caught() {
        let calls =
            [(0, given(1)), (1_100, given(2)), (1_200, released(1, true)), (1_300, given(3))];
        let history = history(&calls);
        caught(&Locks, &history, "a lease was still good that another had followed");
        caught(&Locks, &history, "a lock was given that another held");
    }
}
