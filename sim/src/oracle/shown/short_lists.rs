//! Lists of sagas that are asked for once: those of orders that are being paid, and those that one request
//! has set in motion. They hold what the log has, of one's own or of everybody's, each once, newest first.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::evidence::{Look, Role};
use crate::oracle::Finding;
use crate::oracle::case::Case;
use crate::oracle::naive::json::{list, number, text};
use crate::oracle::naive::saga::Saga;

use super::active::examine_entries;
use super::{status_of, told, yes};

pub(super) fn examine(case: &Case<'_>, look: &Look, finding: &mut Finding) {
    let Some(wanted) = Wanted::of(look).filter(|_| look.who.role != Role::Nobody) else { return };
    let Some(answer) = yes(look) else {
        // Whether there is nothing of a request that somebody may see is looked at with their rights.
        if wanted.request.is_none() {
            finding.break_promise("a list was not shown at rest", told(look));
        }
        return;
    };
    let logged = wanted.in_log(case, look);
    let limit = wanted.limit.or_else(|| number(&answer.body, "limit")).filter(|limit| *limit > 0);
    let all = logged.len() as u64;
    let right = limit.is_some_and(|limit| {
        number(&answer.body, "total") == Some(all)
            && number(&answer.body, "totalPages") == Some(all.div_ceil(limit))
            && number(&answer.body, "limit") == Some(limit)
    });
    finding
        .expect(right, "a list is counted wrongly", || format!("{all} in the log: {}", told(look)));
    let shown = list(&answer.body, "sagas");
    let fits = shown.len() as u64 == all.min(limit.unwrap_or(0));
    finding.expect(fits, "a page has not as many entries as it was to have", || {
        format!("{} of {all}: {}", shown.len(), look.request)
    });
    examine_entries(logged, look, shown, finding);
    examine_order(look, shown, finding);
}

fn examine_order(look: &Look, shown: &[Value], finding: &mut Finding) {
    let ages: Vec<_> = shown.iter().map(|entry| text(entry, "createdAt")).collect();
    let newest_first = ages.windows(2).all(|pair| pair[0] >= pair[1]);
    finding.expect(newest_first, "a list is not shown newest first", || look.request.clone());
}

/// What a list is to hold.
struct Wanted<'a> {
    /// The sagas of the request with this correlation id; none: those of orders that are being paid.
    request: Option<&'a str>,
    /// So many at most; none: as many as the answer says.
    limit: Option<u64>,
}

impl<'a> Wanted<'a> {
    fn of(look: &'a Look) -> Option<Self> {
        let target = look.request.strip_prefix("GET /")?;
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let limit = query.strip_prefix("limit=").and_then(|limit| limit.parse().ok());
        match path.split('/').collect::<Vec<_>>().as_slice() {
            ["sagas", "orders", "processing"] => Some(Self { request: None, limit }),
            ["sagas", "correlation", id] | ["saga", "status", id] => {
                Some(Self { request: Some(*id), limit })
            }
            _ => None,
        }
    }

    fn holds(&self, saga: &Saga<'_>) -> bool {
        match self.request {
            Some(id) => saga.entries.first().is_some_and(|first| first.correlation_id == id),
            None => saga.saga_type == "order-processing" && status_of(saga) == "started",
        }
    }

    /// The sagas that belong there and that somebody may see, with their status.
    fn in_log<'c>(&self, case: &'c Case<'_>, look: &Look) -> BTreeMap<&'c str, &'static str> {
        let (sees_all, user) = (look.who.role == Role::Admin, look.who.user.as_str());
        let sagas = case.sagas.values();
        let theirs = sagas.filter(|saga| sees_all || text(saga.input, "userId") == Some(user));
        theirs.filter(|saga| self.holds(saga)).map(|saga| (saga.id, status_of(saga))).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::Shown;
    use crate::evidence::Role;
    use crate::oracle::testing::{History, caught, clean, saga_shown};

    const LISTED_WRONGLY: &str = "a list shows what does not belong there, or something twice";

    fn page(sagas: &[&Value], total: u64, limit: u64) -> (u16, Value) {
        let pages = total.div_ceil(limit);
        let page = json!({"sagas": sagas, "total": total, "page": 1, "limit": limit,
            "totalPages": pages});
        (200, page)
    }

    /// Orders that are being paid, as everybody is shown them, and what one request has set in motion.
    fn asked() -> History {
        let mut history = History::good();
        let older = history.start_order(4, "key-4", "product-4");
        let newer = history.start_order(5, "key-5", "product-5");
        let saga = |id: &str, done: usize, day: u32| {
            let mut saga = saga_shown(id, done);
            saga["createdAt"] = json!(format!("2026-01-0{day}T00:00:00.000000Z"));
            saga
        };
        let request = format!("c-{older}");
        let (older, newer) = (saga(&older, 1, 4), saga(&newer, 1, 5));
        let paid = "GET /sagas/orders/processing?limit=100";
        history.look_at(Role::Admin, 0, None, paid, page(&[&newer, &older], 2, 100));
        history.look_at(Role::Customer, 4, None, paid, page(&[&older], 1, 100));
        history.look_at(Role::Merchant, 0, None, paid, page(&[], 0, 100));
        history.look_at(Role::Nobody, 0, None, paid, (401, json!({})));
        for path in ["/sagas/correlation", "/saga/status"] {
            let path = format!("GET {path}/{request}");
            history.look_at(Role::Customer, 4, None, &path, page(&[&older], 1, 20));
            history.look_at(Role::Customer, 5, None, &path, (404, json!({})));
        }
        history
    }

    fn body(history: &mut History, look: usize) -> &mut Value {
        &mut history.evidence.looks[look].answer.as_mut().expect("an answer").body
    }

    #[test]
    fn lists_that_hold_what_belongs_there_are_right() {
        assert!(clean(&Shown, &asked()).examined > 20);
    }

    #[test]
    fn what_has_ended_or_belongs_to_another_request_is_caught() {
        for look in [1, 4, 6] {
            let mut history = asked();
            let ended = history.orders[0].clone();
            body(&mut history, look)["sagas"][0]["id"] = json!(ended);
            caught(&Shown, &history, LISTED_WRONGLY);
        }
        let mut history = asked();
        let foreign = body(&mut history, 0)["sagas"][0].clone();
        body(&mut history, 4)["sagas"] = json!([foreign]);
        caught(&Shown, &history, LISTED_WRONGLY);
    }

    #[test]
    fn wrong_counts_and_another_order_are_caught() {
        for (look, field, wrong) in
            [(0, "total", 3), (1, "totalPages", 2), (2, "limit", 20), (4, "total", 2)]
        {
            let mut history = asked();
            body(&mut history, look)[field] = json!(wrong);
            caught(&Shown, &history, "a list is counted wrongly");
        }
        let mut history = asked();
        body(&mut history, 4)["sagas"] = json!([]);
        caught(&Shown, &history, "a page has not as many entries as it was to have");
        let mut history = asked();
        if let Some(sagas) = body(&mut history, 0)["sagas"].as_array_mut() {
            sagas.reverse();
        }
        caught(&Shown, &history, "a list is not shown newest first");
        let mut history = asked();
        history.evidence.looks[2].answer.as_mut().expect("an answer").status = 404;
        caught(&Shown, &history, "a list was not shown at rest");
    }
}
