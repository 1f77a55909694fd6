//! Lists, page after page: together they hold what the log has, each once, newest first.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::evidence::{Look, Role};
use crate::oracle::Finding;
use crate::oracle::case::Case;
use crate::oracle::naive::json::{list, number, text};
use crate::oracle::projections;

use super::{status_of, told, users, yes};

pub(super) fn examine(case: &Case<'_>, finding: &mut Finding) {
    let mut lists: BTreeMap<u32, Vec<&Look>> = BTreeMap::new();
    for look in &case.evidence.looks {
        if let Some(list) = look.list {
            lists.entry(list).or_default().push(look);
        }
    }
    for pages in lists.values() {
        users::examine(case, pages, finding);
        if let Some(wanted) = Wanted::of(pages[0]) {
            wanted.examine(case, pages, finding);
        }
    }
}

/// What a list is to hold.
struct Wanted<'a> {
    /// `orders`, `payments`, `sagas`.
    kind: &'a str,
    /// Whose; none: everybody's.
    user: Option<&'a str>,
    status: Option<&'a str>,
    saga_type: Option<&'a str>,
    limit: u64,
}

impl<'a> Wanted<'a> {
    fn of(look: &'a Look) -> Option<Self> {
        let target = look.request.strip_prefix("GET /")?;
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let said = |name: &str| {
            let mut parts = query.split('&').filter_map(|part| part.split_once('='));
            parts.find(|(known, _)| *known == name).map(|(_, value)| value)
        };
        let (kind, of_path) = match path.split('/').collect::<Vec<_>>().as_slice() {
            [kind @ ("orders" | "payments" | "sagas")] => (*kind, None),
            [kind, "status", status] => (*kind, Some(*status)),
            _ => return None,
        };
        let sees_all = look.who.role == Role::Admin || kind == "payments";
        Some(Self {
            kind,
            user: (!sees_all).then_some(look.who.user.as_str()),
            status: of_path.or_else(|| said("status")),
            saga_type: said("type"),
            limit: said("limit")?.parse().ok()?,
        })
    }

    /// Ids with their status.
    fn in_log(&self, case: &'a Case<'_>) -> BTreeMap<&'a str, &'a str> {
        let all: Vec<(&str, Option<&str>, &str, &str)> = match self.kind {
            "orders" => {
                let shown = |order: &'a crate::oracle::naive::order::Order<'_>| {
                    let status = projections::status_of(order, case.payments.get(order.id));
                    (order.id, Some(order.user), status, "")
                };
                case.orders.values().map(shown).collect()
            }
            "payments" => {
                let payments = case.payments.iter();
                payments.map(|(id, payment)| (*id, None, payment.status, "")).collect()
            }
            _ => {
                let shown = |saga: &'a crate::oracle::naive::saga::Saga<'_>| {
                    (saga.id, text(saga.input, "userId"), status_of(saga), saga.saga_type)
                };
                case.sagas.values().map(shown).collect()
            }
        };
        let belongs = |(_, user, status, of_type): &(&str, Option<&str>, &str, &str)| {
            self.user.is_none_or(|wanted| *user == Some(wanted))
                && self.status.is_none_or(|wanted| *status == wanted)
                && self.saga_type.is_none_or(|wanted| *of_type == wanted)
        };
        all.into_iter().filter(belongs).map(|(id, _, status, _)| (id, status)).collect()
    }

    fn examine(&self, case: &Case<'_>, pages: &[&Look], finding: &mut Finding) {
        let logged = self.in_log(case);
        let mut shown: Vec<&Value> = Vec::new();
        for (place, look) in pages.iter().enumerate() {
            let Some(answer) = yes(look) else {
                finding.break_promise("a list was not shown at rest", told(look));
                return;
            };
            let entries = list(&answer.body, self.kind);
            self.examine_counts(logged.len() as u64, look, &answer.body, finding);
            let is_last = shown.len() + entries.len() >= logged.len();
            let is_full = entries.len() as u64 == self.limit;
            let fits = is_full || (is_last && entries.len() as u64 <= self.limit);
            finding.expect(fits, "a page has not as many entries as it was to have", || {
                format!("page {} with {}: {}", place + 1, entries.len(), look.request)
            });
            shown.extend(entries);
        }
        let first = pages[0];
        let detail = |what: &str| format!("{what}; {} of {}", first.request, first.who.user);
        let mut left = logged;
        for entry in &shown {
            let id = text(entry, "id").or_else(|| text(entry, "orderId")).unwrap_or("");
            match left.remove(id) {
                Some(status) => {
                    let order = case.orders.get(id).filter(|_| self.kind == "orders");
                    let same = text(entry, "status") == Some(status)
                        && order.is_none_or(|order| order.is_shown_in(entry));
                    let what = "a list shows something as it is not";
                    finding.expect(same, what, || detail(&format!("{entry} is {status}")));
                }
                None => {
                    let what = "a list shows what does not belong there, or something twice";
                    finding.break_promise(what, detail(id));
                }
            }
        }
        let all = left.is_empty();
        finding.expect(all, "a list leaves out what belongs there", || {
            detail(&format!("{:?}", left.keys().collect::<Vec<_>>()))
        });
        let ages: Vec<_> = shown.iter().map(|entry| text(entry, "createdAt")).collect();
        let newest_first = ages.windows(2).all(|pair| pair[0] >= pair[1]);
        finding.expect(newest_first, "a list is not shown newest first", || detail(""));
    }

    fn examine_counts(&self, all: u64, look: &Look, page: &Value, finding: &mut Finding) {
        let right = number(page, "total") == Some(all)
            && number(page, "totalPages") == Some(all.div_ceil(self.limit))
            && number(page, "limit") == Some(self.limit);
        finding.expect(right, "a list is counted wrongly", || {
            let of = |name| number(page, name);
            let (total, pages) = (of("total"), of("totalPages"));
            format!("{all} in the log, {total:?} in {pages:?} pages: {}", look.request)
        });
    }
}
