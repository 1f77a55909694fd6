//! How many calls a node has under way at one participant: no more than its places, and none beside itself.
//!
//! Only calls that were answered are looked at, from their leaving to their answer's beginning: these are
//! certainly under way. Whoever gave up a call may have given up its place before.

use std::collections::BTreeMap;

use crate::evidence::SentCall;
use crate::machine::Machine;
use crate::oracle::Finding;
use crate::oracle::case::Case;

pub(super) fn examine(case: &Case<'_>, finding: &mut Finding) {
    examine_twins(case, finding);
    let most = case.evidence.plan.knobs.participant_calls_max;
    let mut changes: BTreeMap<(Machine, &str), Vec<(u64, bool)>> = BTreeMap::new();
    for SentCall { by, to, sent_at_us, answer, .. } in &case.evidence.sent {
        let Some((answered_at_us, _)) = answer else { continue };
        finding.look();
        // Answered in the microsecond in which it left: under way at no moment.
        if answered_at_us == sent_at_us {
            continue;
        }
        let changes = changes.entry((*by, to)).or_default();
        // At one moment the end of one comes before the beginning of another.
        changes.extend([(*sent_at_us, true), (*answered_at_us, false)]);
    }
    for ((node, participant), mut changes) in changes {
        changes.sort_by_key(|(at_us, begins)| (*at_us, *begins));
        let mut under_way = 0;
        let mut highest = (0, 0);
        for (at_us, begins) in changes {
            under_way = if begins { under_way + 1 } else { under_way - 1 };
            highest = highest.max((under_way, at_us));
        }
        finding.expect(highest.0 <= most, "more calls at once than a node may have", || {
            format!("{node} at {participant}: {} of {most}, at {} us", highest.0, highest.1)
        });
    }
}

/// Under one epoch a node makes no call anew that it still waits for: what it does not wait for any more it has
/// given up, and hears no answer to.
fn examine_twins(case: &Case<'_>, finding: &mut Finding) {
    let mut answered: BTreeMap<(Machine, &str, &str, u64), u64> = BTreeMap::new();
    for SentCall { by, to, key, epoch, sent_at_us, answer } in &case.evidence.sent {
        let answered_at_us = answered.entry((*by, to, key, *epoch)).or_default();
        finding.expect(sent_at_us >= answered_at_us, "a call was made beside itself", || {
            format!("{key} by {by} at {sent_at_us} us, answered at {answered_at_us} us")
        });
        *answered_at_us = answer.map_or(0, |(at_us, _)| at_us).max(*answered_at_us);
    }
}
