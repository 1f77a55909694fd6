//! Lists that were gone through while faults were on. A node may turn anybody away then, and one whose clock is
//! wrong takes a token for over; whatever it shows is theirs all the same.

use crate::oracle::Finding;
use crate::oracle::case::Case;

use super::{Need, foreign, shown};

pub(super) fn examine(case: &Case<'_>, finding: &mut Finding) {
    for look in &case.evidence.walks {
        let Some(need) = Need::of(look) else {
            finding.expect(false, "an answer that nobody judges", || look.request.clone());
            continue;
        };
        let Some(answer) = look.answer.as_ref().filter(|answer| answer.status == 200) else {
            continue;
        };
        let may = need.refusal(case, look).is_none();
        let what = "somebody was let to what is not theirs";
        finding.expect(may, what, || shown(look, answer.status));
        if !need.sees_all(look.who.role) {
            let foreign = foreign(case, &look.who.user, &answer.body);
            finding.expect(foreign.is_none(), "somebody was shown what is not theirs", || {
                format!("{}: {}", shown(look, answer.status), foreign.unwrap_or_default())
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::Rights;
    use crate::evidence::Role;
    use crate::oracle::testing::{History, caught, clean};

    /// A page with the order of the first customer, and perhaps that of the second.
    fn walked(role: Role, request: &str, both: bool) -> History {
        let mut history = History::good();
        let order = |place: usize| json!({"id": history.orders[place], "status": "paid"});
        let orders: Vec<Value> = (0..=usize::from(both)).map(order).collect();
        history.walk(role, 1, 7, request, (200, json!({ "orders": orders })));
        history
    }

    #[test]
    fn a_page_of_ones_own_and_everybodys_for_who_sees_them_is_right() {
        clean(&Rights, &walked(Role::Customer, "GET /orders?limit=2", false));
        clean(&Rights, &walked(Role::Admin, "GET /orders?limit=2", true));
        clean(&Rights, &walked(Role::Merchant, "GET /payments?limit=2", true));
    }

    #[test]
    fn a_page_with_what_is_somebody_elses_is_caught() {
        let history = walked(Role::Customer, "GET /orders?limit=2", true);
        caught(&Rights, &history, "somebody was shown what is not theirs");
        let history = walked(Role::Customer, "GET /payments?limit=2", false);
        caught(&Rights, &history, "somebody was let to what is not theirs");
    }

    #[test]
    fn who_is_turned_away_in_trouble_is_not_told_of_and_what_nobody_judges_is() {
        let mut history = walked(Role::Customer, "GET /orders?limit=2", false);
        for status in [401, 429, 503] {
            history.walk(Role::Customer, 1, 7, "GET /orders?limit=2", (status, json!({})));
        }
        clean(&Rights, &history);
        history.walk(Role::Customer, 1, 7, "GET /nothing", (200, json!({})));
        caught(&Rights, &history, "an answer that nobody judges");
    }
}
