//! Nobody is shown, and nobody does, what is not theirs: each request that was made when all had come to rest
//! is held against who may make it. Without a token nothing is answered; a role that is missing is told as
//! such; what belongs to somebody else is as missing as what does not exist, and stands in no answer. A request
//! that is not known here would have its answer judged by nobody: that is told as well. Of lists that were gone
//! through before only what was shown is looked at.

mod walked;

use serde_json::Value;

use crate::evidence::{Look, Role};

use super::case::Case;
use super::naive::json::text;
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
        walked::examine(case, &mut finding);
        examine_guesses(case, &mut finding);
        for look in &case.evidence.looks {
            if look.request == GUESS {
                continue;
            }
            let Some(need) = Need::of(look) else {
                finding.expect(false, "an answer that nobody judges", || look.request.clone());
                continue;
            };
            let Some(answer) = &look.answer else { continue };
            let (status, wanted) = (answer.status, need.refusal(case, look));
            match wanted {
                Some(wanted) => {
                    let what = "somebody was let to what is not theirs";
                    finding.expect(status == wanted, what, || shown(look, status));
                }
                None => {
                    let what = "somebody was kept from what is theirs";
                    let let_in = !matches!(status, 401 | 403);
                    let found = status != 404 || !need.is_of_a_request();
                    finding.expect(let_in && found, what, || shown(look, status));
                }
            }
            if status == 200 && !need.sees_all(look.who.role) {
                let foreign = foreign(case, &look.who.user, &answer.body);
                finding.expect(foreign.is_none(), "somebody was shown what is not theirs", || {
                    format!("{}: {}", shown(look, status), foreign.unwrap_or_default())
                });
            }
        }
        finding
    }
}

/// Somebody tries a password.
const GUESS: &str = "POST /auth/login";

/// Passwords of one account can be tried so often at one node, in the minute that all these tries take.
const GUESSES_MAX: usize = 20;

/// Whoever tries passwords is stopped.
fn examine_guesses(case: &Case<'_>, finding: &mut Finding) {
    let looks = case.evidence.looks.iter().filter(|look| look.request == GUESS);
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

/// Whose a flow is, by its order or its saga.
fn owner_of<'a>(case: &Case<'a>, id: &str) -> Option<&'a str> {
    let of_saga = || case.sagas.get(id).and_then(|saga| text(saga.input, "userId"));
    case.orders.get(id).map(|order| order.user).or_else(of_saga)
}

/// What an answer shows of somebody else: the id of an order or a saga, or of who ordered.
fn foreign<'a>(case: &Case<'_>, user: &str, shown: &'a Value) -> Option<&'a str> {
    match shown {
        Value::String(said) => {
            let id = flow(said).map_or(said.as_str(), |(_, id)| id);
            owner_of(case, id).is_some_and(|owner| owner != user).then_some(said.as_str())
        }
        Value::Array(all) => all.iter().find_map(|one| foreign(case, user, one)),
        Value::Object(fields) => {
            let whose = text(shown, "userId").filter(|whose| *whose != user);
            whose.or_else(|| fields.values().find_map(|field| foreign(case, user, field)))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

/// The category and the key of a stream that belongs to an order or a saga.
fn flow(stream: &str) -> Option<(&str, &str)> {
    let parts = stream.split_once('-');
    parts.filter(|(category, _)| matches!(*category, "order" | "payment" | "saga"))
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
    /// Whoever has a saga that was started by the request of this correlation id, and administrators.
    OwnSaga(&'a str),
    /// Whoever has an order or a saga to which something happened by that request, and administrators.
    OwnFlow(&'a str),
    Merchant,
    Admin,
}

impl<'a> Need<'a> {
    /// None: it is not known who may make such a request.
    fn of(look: &'a Look) -> Option<Self> {
        let (method, target) = look.request.split_once(' ')?;
        let path = target.split('?').next().unwrap_or("");
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        Some(match (method, parts.as_slice()) {
            (
                "GET",
                ["orders" | "sagas"]
                | ["sagas", "status", _]
                | ["sagas", "orders", "processing"]
                | ["saga", "active"],
            ) => Self::Account,
            ("GET", ["sagas", "correlation", id] | ["saga", "status", id]) => Self::OwnSaga(id),
            ("GET", ["trace", "correlation", id]) => Self::OwnFlow(id),
            ("GET" | "DELETE", ["orders", order])
            | ("GET", ["sagas", order] | ["trace", "order", order]) => Self::Owner(order),
            ("GET", ["payments", order]) => Self::OwnerOrMerchant(order),
            ("PUT", ["orders", _, "confirm" | "ship" | "deliver"])
            | ("POST", ["orders", _, "refund"])
            | ("GET", ["payments"]) => Self::Merchant,
            (
                "POST",
                ["sagas"] | ["saga", _, _] | ["consumers" | "projections" | "users", _, _],
            )
            | ("GET", ["saga", "maintenance", _] | ["consumers", _, _] | ["users", _])
            | ("GET", ["gateway", "ledger"] | ["redis-test", "lock-status", _])
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
            Self::OwnSaga(id) => {
                let started = case.sagas.iter().filter(|(key, _)| is_started_by(case, key, id));
                let mut users = started.map(|(_, saga)| text(saga.input, "userId"));
                let seen = users.any(|user| role == Role::Admin || user == Some(&*look.who.user));
                (!seen).then_some(404)
            }
            Self::OwnFlow(id) => {
                let log = &case.evidence.log;
                let mut events = log.iter().filter(|entry| entry.correlation_id == id);
                let is_own = |stream: &str| {
                    let owner = flow(stream).and_then(|(_, key)| owner_of(case, key));
                    owner == Some(&*look.who.user)
                };
                let seen = events.any(|event| role == Role::Admin || is_own(&event.stream));
                (!seen).then_some(404)
            }
            Self::Merchant => (role == Role::Customer).then_some(403),
            Self::Admin => (role != Role::Admin).then_some(403),
        }
    }

    /// Whether it is about what one request has set in motion: who may see of it finds it.
    fn is_of_a_request(self) -> bool {
        matches!(self, Self::OwnSaga(_) | Self::OwnFlow(_))
    }

    /// Whether a role is shown by it what is everybody's.
    fn sees_all(self, role: Role) -> bool {
        match role {
            Role::Admin => true,
            Role::Merchant => matches!(self, Self::OwnerOrMerchant(_) | Self::Merchant),
            Role::Nobody | Role::Customer => false,
        }
    }
}

/// Whether a saga was started by the request of this correlation id.
fn is_started_by(case: &Case<'_>, saga: &str, correlation: &str) -> bool {
    let first = case.streams.get(format!("saga-{saga}").as_str()).and_then(|stream| stream.first());
    first.is_some_and(|first| first.correlation_id == correlation)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

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
            (Role::Customer, 1, "GET /sagas/correlation/c-{order}", 200),
            (Role::Customer, 2, "GET /sagas/correlation/c-{order}", 404),
            (Role::Customer, 1, "GET /saga/status/c-{order}", 200),
            (Role::Merchant, 0, "GET /saga/status/c-{order}", 404),
            (Role::Customer, 1, "GET /trace/correlation/c-{order}", 200),
            (Role::Customer, 2, "GET /trace/correlation/c-{order}", 404),
            (Role::Admin, 0, "GET /trace/correlation/c-{order}", 200),
            (Role::Admin, 0, "GET /sagas/correlation/c-{order}", 200),
            (Role::Nobody, 0, "GET /saga/status/c-{order}", 401),
            (Role::Merchant, 0, "GET /saga/active?limit=100", 200),
            (Role::Nobody, 0, "GET /saga/active", 401),
            (Role::Merchant, 0, "GET /users/user-1", 403),
            (Role::Admin, 0, "GET /gateway/ledger?limit=1", 404),
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
            (Role::Customer, 2, "GET /sagas/correlation/c-{order}", 200),
            (Role::Customer, 2, "GET /saga/status/c-{order}", 403),
            (Role::Merchant, 0, "GET /trace/correlation/c-{order}", 200),
            (Role::Nobody, 0, "GET /trace/correlation/c-{order}", 404),
            (Role::Customer, 1, "GET /users/user-1", 200),
            (Role::Customer, 1, "POST /users/user-1/disable", 409),
            (Role::Merchant, 0, "GET /gateway/ledger", 404),
            (Role::Nobody, 0, "GET /saga/active", 200),
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
        for path in ["/sagas/correlation", "/saga/status", "/trace/correlation"] {
            let history = asked(Role::Customer, 1, &format!("GET {path}/c-{{order}}"), 404);
            caught(&Rights, &history, "somebody was kept from what is theirs");
        }
    }

    #[test]
    fn an_answer_that_shows_what_is_somebody_elses_is_caught() {
        let answered = |role, body: &dyn Fn(&str, &str) -> Value| {
            let mut history = History::good();
            let body = body(&history.orders[0], &history.orders[1]);
            history.look_at(role, 1, None, "GET /saga/active", (200, body));
            history
        };
        let own =
            |own: &str, _: &str| json!({"sagas": [{"id": own, "data": {"userId": "user-1"}}]});
        let another = |own: &str, another: &str| json!({"sagas": [{"id": own}, {"id": another}]});
        let stream = |_: &str, another: &str| json!([{"stream": format!("payment-{another}")}]);
        let user = |own: &str, _: &str| json!({"orders": [{"id": own, "userId": "user-2"}]});
        clean(&Rights, &answered(Role::Customer, &own));
        clean(&Rights, &answered(Role::Admin, &another));
        for body in [&another as &dyn Fn(&str, &str) -> Value, &stream, &user] {
            let what = "somebody was shown what is not theirs";
            caught(&Rights, &answered(Role::Customer, body), what);
            caught(&Rights, &answered(Role::Merchant, body), what);
        }
    }

    #[test]
    fn an_answer_that_nobody_judges_is_caught() {
        let mut history = History::good();
        history.look_at(Role::Admin, 0, None, "GET /nothing", (404, Value::Null));
        caught(&Rights, &history, "an answer that nobody judges");
    }
}
