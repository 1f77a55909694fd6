//! The sagas on their way: as many as have not ended in the log, one's own or everybody's, and the
//! oldest of them.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::evidence::{Look, Role};
use crate::oracle::Finding;
use crate::oracle::case::Case;
use crate::oracle::naive::json::{list, number, text};

use super::{status_of, told, yes};

/// The words for sagas that have not ended.
const ACTIVE: [&str; 3] = ["started", "compensating", "parked"];

pub(super) fn examine(case: &Case<'_>, look: &Look, finding: &mut Finding) {
    let limit = look.request.strip_prefix("GET /saga/active?limit=");
    let Some(limit) = limit.and_then(|limit| limit.parse::<usize>().ok()) else { return };
    if look.who.role == Role::Nobody {
        return;
    }
    let Some(answer) = yes(look) else {
        finding.break_promise("a list was not shown at rest", told(look));
        return;
    };
    let logged = on_their_way(case, look);
    let total = number(&answer.body, "total");
    finding.expect(total == Some(logged.len() as u64), "a list is counted wrongly", || {
        format!("{} in the log, {total:?} are told: {}", logged.len(), of(look))
    });
    let shown = list(&answer.body, "sagas");
    let fits = shown.len() == logged.len().min(limit);
    finding.expect(fits, "a page has not as many entries as it was to have", || {
        format!("{} of {}: {}", shown.len(), logged.len(), of(look))
    });
    examine_entries(logged, look, shown, finding);
    let ages: Vec<_> = shown.iter().map(|entry| text(entry, "createdAt")).collect();
    let oldest_first = ages.is_sorted();
    finding.expect(oldest_first, "a list is not shown oldest first", || of(look));
}

/// Each belongs there, once, and is shown as it is. Behind the page there may be more.
pub(super) fn examine_entries(
    mut left: BTreeMap<&str, &'static str>,
    look: &Look,
    shown: &[Value],
    finding: &mut Finding,
) {
    for entry in shown {
        let id = text(entry, "id").unwrap_or("");
        match left.remove(id) {
            Some(status) => {
                let same = text(entry, "status") == Some(status);
                let what = "a list shows something as it is not";
                finding.expect(same, what, || format!("{entry} is {status}; {}", of(look)));
            }
            None => {
                let what = "a list shows what does not belong there, or something twice";
                finding.break_promise(what, format!("{id}; {}", of(look)));
            }
        }
    }
}

/// The sagas that somebody may see and that have not ended, with their status.
pub(super) fn on_their_way<'a>(case: &'a Case<'_>, look: &Look) -> BTreeMap<&'a str, &'static str> {
    let (sees_all, user) = (look.who.role == Role::Admin, look.who.user.as_str());
    let sagas = case.sagas.values();
    let theirs = sagas.filter(|saga| sees_all || text(saga.input, "userId") == Some(user));
    let known = theirs.map(|saga| (saga.id, status_of(saga)));
    known.filter(|(_, status)| ACTIVE.contains(status)).collect()
}

fn of(look: &Look) -> String {
    format!("{} of {:?} {}", look.request, look.who.role, look.who.user)
}
