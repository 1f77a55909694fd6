//! Nobody is shown, and nobody does, what is not theirs: each request that was made when all had come to rest
//! is held against who may make it. Without a token nothing is answered; a role that is missing is told as
//! such; what belongs to somebody else is as missing as what does not exist.

use crate::evidence::{Look, Role};

use super::case::Case;
use super::{Finding, Oracle};

/// See the module.
#[derive(Debug)]
pub struct Rights;

impl Oracle for Rights {
    fn name(&self) -> &'static str {
        "rights"
    }

    fn is_due(&self, case: &Case<'_>) -> bool {
        !case.evidence.looks.is_empty()
    }

    fn examine(&self, case: &Case<'_>) -> Finding {
        let mut finding = Finding::default();
        examine_guesses(case, &mut finding);
        for look in &case.evidence.looks {
            let Some(answer) = &look.answer else { continue };
            let Some(need) = Need::of(look) else { continue };
            let (status, wanted) = (answer.status, need.refusal(case, look));
            match wanted {
                Some(wanted) => {
                    let what = "somebody was let to what is not theirs";
                    finding.expect(status == wanted, what, || shown(look, status));
                }
                None => {
                    let what = "somebody was kept from what is theirs";
                    let let_in = !matches!(status, 401 | 403);
                    finding.expect(let_in, what, || shown(look, status));
                }
            }
        }
        finding
    }
}

/// Passwords of one account can be tried so often at one node, in the minute that all these tries take.
const GUESSES_MAX: usize = 20;

/// Whoever tries passwords is stopped.
fn examine_guesses(case: &Case<'_>, finding: &mut Finding) {
    let looks = case.evidence.looks.iter().filter(|look| look.request == "POST /auth/login");
    let answers = looks.filter_map(|look| look.answer.as_ref()).map(|answer| answer.status);
    for (place, status) in answers.enumerate() {
        let wanted = if place < GUESSES_MAX { 401 } else { 429 };
        finding.expect(status == wanted, "passwords can be tried for ever", || {
            format!("try {}: {status}", place + 1)
        });
    }
}

fn shown(look: &Look, status: u16) -> String {
    format!("{:?} {}: {} -> {status}", look.who.role, look.who.user, look.request)
}

/// Who may make a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need<'a> {
    /// Everybody with an account, about what is their own.
    Account,
    /// Whoever has placed this order, and administrators.
    Owner(&'a str),
    /// These and merchants.
    OwnerOrMerchant(&'a str),
    Merchant,
    Admin,
}

impl<'a> Need<'a> {
    /// None: nothing is known of such a request.
    fn of(look: &'a Look) -> Option<Self> {
        let (method, target) = look.request.split_once(' ')?;
        let path = target.split('?').next().unwrap_or("");
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        Some(match (method, parts.as_slice()) {
            ("GET", ["orders" | "sagas"] | ["sagas", "status", _]) => Self::Account,
            ("GET" | "DELETE", ["orders", order])
            | ("GET", ["sagas", order] | ["trace", "order", order]) => Self::Owner(order),
            ("GET", ["payments", order]) => Self::OwnerOrMerchant(order),
            ("PUT", ["orders", _, "confirm" | "ship" | "deliver"])
            | ("POST", ["orders", _, "refund"])
            | ("GET", ["payments"]) => Self::Merchant,
            ("POST", ["sagas"] | ["saga", _, _] | ["consumers" | "projections", _, _])
            | ("GET", ["saga", "maintenance", _] | ["consumers", _, _])
            | (
                "GET",
                ["projections" | "consumers" | "users" | "db-pool"]
                | ["trace", "events" | "active-flows" | "distribution"]
                | ["health", "detailed"],
            ) => Self::Admin,
            _ => return None,
        })
    }

    /// The status by which who asks is refused; none: they may.
    fn refusal(self, case: &Case<'_>, look: &Look) -> Option<u16> {
        let role = look.who.role;
        if role == Role::Nobody {
            return Some(401);
        }
        let is_owner = |order: &str| {
            let user = case.orders.get(order).map(|order| order.user);
            user.is_some_and(|user| user == look.who.user)
        };
        match self {
            Self::Account => None,
            Self::Owner(order) => (role != Role::Admin && !is_owner(order)).then_some(404),
            Self::OwnerOrMerchant(order) => {
                (role == Role::Customer && !is_owner(order)).then_some(404)
            }
            Self::Merchant => (role == Role::Customer).then_some(403),
            Self::Admin => (role != Role::Admin).then_some(403),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::oracle::testing::{History, caught, clean};

    const LET_IN: &str = "somebody was let to what is not theirs";

    fn asked(role: Role, customer: u32, request: &str, status: u16) -> History {
        let mut history = History::good();
        let order = history.orders[0].clone();
        let request = request.replace("{order}", &order);
        history.look_at(role, customer, None, &request, (status, json!({})));
        history
    }

    #[test]
    fn who_may_is_let_in_and_who_may_not_is_told_so() {
        for (role, customer, request, status) in [
            (Role::Customer, 1, "GET /orders/{order}", 200),
            (Role::Customer, 2, "GET /orders/{order}", 404),
            (Role::Merchant, 0, "GET /orders/{order}", 404),
            (Role::Merchant, 0, "GET /payments/{order}", 200),
            (Role::Admin, 0, "GET /trace/order/{order}", 200),
            (Role::Nobody, 0, "GET /sagas/{order}", 401),
            (Role::Customer, 2, "DELETE /orders/{order}", 404),
            (Role::Customer, 1, "PUT /orders/{order}/ship", 403),
            (Role::Customer, 1, "POST /saga/pause/{order}", 403),
            (Role::Merchant, 0, "POST /saga/maintenance/cleanup-pending", 403),
            (Role::Admin, 0, "POST /saga/maintenance/cleanup-pending", 200),
            (Role::Nobody, 0, "GET /orders", 401),
        ] {
            clean(&Rights, &asked(role, customer, request, status));
        }
    }

    #[test]
    fn a_check_that_is_missing_is_caught() {
        for (role, customer, request, status) in [
            (Role::Customer, 2, "GET /orders/{order}", 200),
            (Role::Customer, 2, "GET /sagas/{order}", 200),
            (Role::Customer, 2, "GET /payments/{order}", 200),
            (Role::Customer, 2, "DELETE /orders/{order}", 409),
            (Role::Customer, 1, "PUT /orders/{order}/confirm", 409),
            (Role::Customer, 1, "POST /orders/{order}/refund", 202),
            (Role::Merchant, 0, "POST /saga/pause/{order}", 409),
            (Role::Merchant, 0, "GET /trace/events?limit=1", 200),
            (Role::Customer, 1, "POST /sagas", 201),
            (Role::Nobody, 0, "GET /orders", 200),
            (Role::Nobody, 0, "GET /users", 403),
        ] {
            caught(&Rights, &asked(role, customer, request, status), LET_IN);
        }
    }

    #[test]
    fn who_tries_passwords_is_stopped() {
        let tried = |stopped_behind: usize| {
            let mut history = History::good();
            for place in 0..23 {
                let status = if place < stopped_behind { 401 } else { 429 };
                history.look_at(Role::Nobody, 0, None, "POST /auth/login", (status, json!({})));
            }
            history
        };
        clean(&Rights, &tried(20));
        caught(&Rights, &tried(23), "passwords can be tried for ever");
        caught(&Rights, &tried(3), "passwords can be tried for ever");
    }

    #[test]
    fn who_is_kept_from_what_is_theirs_is_seen() {
        let history = asked(Role::Admin, 0, "POST /saga/maintenance/cleanup-pending", 403);
        caught(&Rights, &history, "somebody was kept from what is theirs");
    }

    #[test]
    fn a_request_that_is_known_has_one_who_may_make_it() {
        let mut history = History::good();
        history.look_at(Role::Admin, 0, None, "GET /nothing", (404, Value::Null));
        assert_eq!(Rights.examine(&Case::new(&history.evidence)).examined, 0);
    }
}
