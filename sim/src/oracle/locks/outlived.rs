//! A lease lasts for the time that was asked for, counted from when it was given or renewed last, and no
//! longer. Behind its end it is nobody's: its holder is told so, and nobody is refused the lock for its sake.
//!
//! Left out is what may have other reasons. Who was not answered may hold the lock for all that anybody
//! knows, and from any time on: what was sent can be held up on its way. A renewal without an answer may have
//! been made in the lease's last moment. While the service's clock runs too slowly everything lasts longer,
//! and a request of which a copy was made may take effect once more, whenever it arrives.

use crate::evidence::{LockCall, LockWhat};
use crate::fault::Fault;
use crate::machine::Machine;
use crate::oracle::Finding;
use crate::oracle::case::Case;

/// A lock's clock may run so much too slowly, in hundredths, before its leases are called too long.
const SLOW_PERCENT: u64 = 5;

/// A lease that was given, and when it has ended at the latest.
struct Lease {
    sent_at_us: u64,
    until_us: u64,
}

/// All requests about one lock.
pub(super) fn examine(case: &Case<'_>, resource: &str, calls: &[&LockCall], finding: &mut Finding) {
    let leases = calls.iter().filter_map(|call| follow(case, call, calls, finding));
    let leases: Vec<_> = leases.collect();
    let is_open = |call: &&&LockCall| matches!(call.what, LockWhat::Acquire { token: None });
    let open = calls.iter().filter(is_open).map(|call| call.sent_at_us).min();
    for call in calls.iter().filter(|call| call.what == LockWhat::Refused) {
        let may_be_held = open.is_some_and(|sent_at_us| sent_at_us <= call.ended_at_us);
        if may_be_held || has_other_reasons(case, call.ended_at_us) {
            continue;
        }
        let was_held = |lease: &Lease| {
            lease.sent_at_us <= call.ended_at_us && call.sent_at_us <= lease.until_us
        };
        let what = "a lock was refused that nobody held any more";
        finding.expect(leases.iter().any(was_held), what, || format!("{resource}: {call:?}"));
    }
}

/// The lease that a request was given, if it was, through all that was asked of it since.
fn follow(
    case: &Case<'_>,
    given: &LockCall,
    calls: &[&LockCall],
    finding: &mut Finding,
) -> Option<Lease> {
    let LockWhat::Acquire { token: Some(token) } = given.what else { return None };
    let mut until_us = end_us(given.ended_at_us, given.ttl_us);
    let mut own: Vec<_> = calls.iter().filter(|call| is_about(call, token)).collect();
    own.sort_by_key(|call| call.sent_at_us);
    for call in own {
        let (LockWhat::Renew { held, .. } | LockWhat::Release { held, .. }) = call.what else {
            continue;
        };
        if held == Some(true) && !has_other_reasons(case, call.ended_at_us) {
            let what = "a lease was still good long after its end";
            let detail = || format!("{}: {call:?}, ended by {until_us}", call.resource);
            finding.expect(call.sent_at_us <= until_us, what, detail);
        }
        until_us = match call.what {
            LockWhat::Renew { held: Some(true), .. } => {
                until_us.max(end_us(call.ended_at_us, call.ttl_us))
            }
            LockWhat::Renew { held: None, .. } if call.sent_at_us <= until_us => {
                end_us(until_us, call.ttl_us)
            }
            // It was given up, or was over already.
            _ if held.is_some() => until_us.min(call.ended_at_us),
            _ => until_us,
        };
    }
    Some(Lease { sent_at_us: given.sent_at_us, until_us })
}

fn is_about(call: &LockCall, token: u64) -> bool {
    match call.what {
        LockWhat::Renew { token: of, .. } | LockWhat::Release { token: of, .. } => of == token,
        LockWhat::Acquire { .. } | LockWhat::Refused => false,
    }
}

/// When a lease has ended that began, or was renewed, by then.
fn end_us(by_us: u64, ttl_us: u64) -> u64 {
    by_us.saturating_add(ttl_us).saturating_add(ttl_us / 100 * SLOW_PERCENT)
}

/// Whether the service's clock may have been slow, or a request to it been copied, before a moment.
fn has_other_reasons(case: &Case<'_>, at_us: u64) -> bool {
    let is_reason = |fault: &Fault| match fault {
        Fault::ClockDrift { machine, .. } => *machine == Machine::Locks,
        Fault::Duplicate { link, .. } => link.from == Machine::Locks || link.to == Machine::Locks,
        _ => false,
    };
    let began_us = case.evidence.phases.chaos_at_us;
    let mut episodes = case.evidence.plan.episodes.iter();
    episodes.any(|it| is_reason(&it.fault) && began_us + it.at_ms * 1_000 <= at_us)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{call, given, history, released};
    use crate::evidence::LockWhat;
    use crate::fault::{Episode, Fault, Link};
    use crate::machine::Machine;
    use crate::oracle::locks::Locks;
    use crate::oracle::testing::{History, caught, clean};

    const REFUSED: &str = "a lock was refused that nobody held any more";
    const GOOD: &str = "a lease was still good long after its end";

    fn renewed(held: Option<bool>) -> LockWhat {
        LockWhat::Renew { token: 1, held }
    }

    /// Taken for a second, and renewed twice: over at 1.6 s.
    fn kept(then: &[(u64, LockWhat)]) -> History {
        let kept = [(0, given(1)), (300, renewed(Some(true))), (600, renewed(Some(true)))];
        history(&[&kept[..], then].concat())
    }

    fn with(mut history: History, at_ms: u64, fault: Fault) -> History {
        history.evidence.plan.episodes.push(Episode { id: 1, at_ms, for_ms: 10, fault });
        history
    }

    #[test]
    fn a_lease_that_lasts_for_its_time_is_right() {
        let then = [
            (1_500, LockWhat::Refused),
            (1_700, given(2)),
            (2_000, released(1, false)),
            (2_600, LockWhat::Refused),
            (2_650, released(2, true)),
        ];
        assert!(clean(&Locks, &kept(&then)).examined >= 5);
        clean(&Locks, &kept(&[(1_590, renewed(Some(true))), (2_500, released(1, true))]));
    }

    #[test]
    fn who_is_refused_what_nobody_holds_any_more_is_caught() {
        caught(&Locks, &kept(&[(1_700, LockWhat::Refused)]), REFUSED);
        caught(&Locks, &kept(&[(700, released(1, true)), (710, LockWhat::Refused)]), REFUSED);
        caught(
            &Locks,
            &kept(&[(1_000, renewed(Some(false))), (1_010, LockWhat::Refused)]),
            REFUSED,
        );
        caught(&Locks, &history(&[(0, LockWhat::Refused)]), REFUSED);
    }

    #[test]
    fn who_may_hold_the_lock_after_all_is_a_reason_to_refuse_it() {
        let open = LockWhat::Acquire { token: None };
        clean(&Locks, &kept(&[(1_650, open), (1_700, LockWhat::Refused)]));
        let unanswered = (700, LockWhat::Release { token: 1, held: None });
        clean(&Locks, &kept(&[unanswered, (1_500, LockWhat::Refused)]));
        let late = [(1_600, renewed(None)), (2_600, LockWhat::Refused)];
        clean(&Locks, &kept(&late));
        caught(&Locks, &kept(&[(1_600, renewed(None)), (2_900, LockWhat::Refused)]), REFUSED);
    }

    #[test]
    fn a_lease_that_is_good_behind_its_end_is_caught() {
        caught(&Locks, &kept(&[(1_700, released(1, true))]), GOOD);
        caught(&Locks, &kept(&[(1_700, renewed(Some(true)))]), GOOD);
        caught(&Locks, &kept(&[(1_650, renewed(Some(false))), (1_700, released(1, true))]), GOOD);
        clean(&Locks, &kept(&[(1_600, renewed(None)), (2_600, released(1, true))]));
    }

    #[test]
    fn slow_clocks_and_copies_are_reasons() {
        let late = || kept(&[(1_690, LockWhat::Refused), (1_700, released(1, true))]);
        let slow = |machine| Fault::ClockDrift { machine, ppm: -200_000 };
        clean(&Locks, &with(late(), 100, slow(Machine::Locks)));
        caught(&Locks, &with(late(), 100, slow(Machine::Node1)), GOOD);
        caught(&Locks, &with(late(), 5_000, slow(Machine::Locks)), REFUSED);
        let link = Link { from: Machine::Clients, to: Machine::Locks };
        clean(&Locks, &with(late(), 100, Fault::Duplicate { link, percent: 50 }));
        let link = Link { from: Machine::Clients, to: Machine::Node1 };
        caught(&Locks, &with(late(), 100, Fault::Duplicate { link, percent: 50 }), GOOD);
    }

    #[test]
    fn of_a_lock_alone_is_judged_what_concerns_it() {
        let mut other = kept(&[]);
        let refused = call(700, LockWhat::Refused);
        other.evidence.lock_calls.push(refused.clone());
        clean(&Locks, &other);
        let elsewhere = crate::evidence::LockCall { resource: "work-2".to_owned(), ..refused };
        other.evidence.lock_calls.push(elsewhere);
        caught(&Locks, &other, REFUSED);
    }
}
