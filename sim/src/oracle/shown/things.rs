//! What is asked for by its id: single things and traces; and what is given up.

use crate::evidence::Look;
use crate::oracle::Finding;
use crate::oracle::case::Case;

use super::{single, sweeps, told, traces, yes};

/// A node at rest answers within this time what needs no waiting.
const AT_ONCE_US: u64 = 2_000_000;

pub(super) fn examine(case: &Case<'_>, look: &Look, finding: &mut Finding) {
    let Some(answer) = yes(look) else { return };
    let (method, target) = look.request.split_once(' ').unwrap_or(("", ""));
    let parts: Vec<&str> = target.trim_matches('/').split('/').collect();
    let body = &answer.body;
    let mut expect = |same: bool| {
        finding.expect(same, "something is shown as it is not", || told(look));
    };
    match (method, parts.as_slice()) {
        ("GET", ["orders", id]) => {
            expect(single::is_order(case, id, body));
            examine_wait(case, id, look, finding);
        }
        ("GET", ["sagas", id]) => {
            expect(single::is_saga(case, id, body));
            examine_wait(case, id, look, finding);
        }
        ("GET", ["payments", id]) => expect(single::is_payment(case, id, body)),
        ("GET", ["trace", "order", id]) => traces::of_order(case, id, look, body, finding),
        ("GET", ["trace", "correlation", id]) => traces::of_request(case, id, look, body, finding),
        ("POST", ["saga", "maintenance", "cleanup-pending"]) => {
            sweeps::examine(case, look, body, finding);
        }
        _ => {}
    }
}

/// Who waits for what has ended long ago does not wait.
fn examine_wait(case: &Case<'_>, id: &str, look: &Look, finding: &mut Finding) {
    let ended = case.sagas.get(id).is_some_and(|saga| saga.end.is_some());
    if look.wait_s.is_some() && ended {
        let waited_us = look.ended_at_us - look.sent_at_us;
        let at_once = waited_us <= AT_ONCE_US;
        finding.expect(at_once, "who waited for what had ended was kept waiting", || {
            format!("{waited_us} us: {}", told(look))
        });
    }
}
