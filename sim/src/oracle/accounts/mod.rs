//! Accounts and sessions by what their holders were told: an address is one account's, only the right
//! password lets in, a refresh token is good once and a session ends for good, a token is good for its time and
//! no longer, whoever is shut out stays out, and of somebody who was forgotten nothing personal is shown any
//! more, or left in the log and the views.
//!
//! Each holder does one thing after the other, so a holder's answers have an order. What was asked without an
//! answer may have been done, and may yet be.

mod lives;
mod person;
mod session;

use std::collections::BTreeMap;

use crate::evidence::Call;
use crate::plan::{Deed, Operation};

use super::case::Case;
use super::naive::http::answered;
use super::{Finding, Oracle};

use lives::Moment;
use person::Person;

/// How certain something is, by the answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
enum Known {
    #[default]
    No,
    Maybe,
    Yes,
}

/// See the module.
#[derive(Debug)]
pub struct Accounts;

impl Oracle for Accounts {
    fn name(&self) -> &'static str {
        "accounts"
    }

    fn is_due(&self, case: &Case<'_>) -> bool {
        case.plans(|operation| matches!(operation, Operation::Account { .. }))
    }

    fn examine(&self, case: &Case<'_>) -> Finding {
        let mut finding = Finding::default();
        let mut calls: BTreeMap<u32, Vec<&Call>> = BTreeMap::new();
        for call in &case.evidence.calls {
            calls.entry(call.operation).or_default().push(call);
        }
        let mut holders: BTreeMap<u32, Vec<Person<'_>>> = BTreeMap::new();
        for planned in &case.evidence.plan.operations {
            let Operation::Account { address, .. } = &planned.operation else { continue };
            let holders = holders.entry(*address).or_default();
            holders.push(Person::new(planned.id, is_wanted_twice(case, *address)));
            let Some(person) = holders.last_mut() else { continue };
            for call in calls.get(&planned.id).into_iter().flatten() {
                person.hear(Heard::of(call, case), &mut finding);
            }
        }
        for rivals in holders.values() {
            examine_address(rivals, &mut finding);
        }
        for person in holders.values().flatten().filter(|person| person.is_forgotten()) {
            examine_left(case, person, &mut finding);
        }
        finding
    }
}

/// Whether several holders want an address.
fn is_wanted_twice(case: &Case<'_>, wanted: u32) -> bool {
    let wants = |operation: &Operation| match operation {
        Operation::Account { address, .. } => *address == wanted,
        _ => false,
    };
    case.evidence.plan.operations.iter().filter(|planned| wants(&planned.operation)).count() > 1
}

/// One account at a time has an address: the next one gets it once the one before may be forgotten.
fn examine_address(rivals: &[Person<'_>], finding: &mut Finding) {
    let mut owners: Vec<_> = rivals.iter().flat_map(|person| &person.accounts).collect();
    owners.sort_by_key(|account| account.registered_at_us);
    for pair in owners.windows(2) {
        let free = pair[0].maybe_forgotten_at_us.is_some_and(|at| at <= pair[1].registered_at_us);
        finding.expect(free, "an address was given to two accounts", || {
            format!("{} and {}", pair[0].user, pair[1].user)
        });
    }
}

/// Nothing personal of somebody who was forgotten is left where the node keeps what it knows.
fn examine_left(case: &Case<'_>, person: &Person<'_>, finding: &mut Finding) {
    let of_the_person = |stream: &str| {
        let category = stream.split('-').next().unwrap_or(stream);
        matches!(category, "user" | "order" | "session" | "saga" | "payment")
    };
    let log = case.evidence.log.iter().filter(|entry| of_the_person(&entry.stream));
    let told = log.filter(|entry| entry.payload.to_string().contains(&person.mark));
    for entry in told {
        let detail = format!("{} in {} at {}", person.mark, entry.stream, entry.position);
        finding.break_promise("the log still says who somebody was", detail);
    }
    for (view, key, document) in &case.evidence.documents {
        let told = document.to_string().contains(&person.mark);
        finding.expect(!told, "a view still says who somebody was", || {
            format!("{} in {view} {key}", person.mark)
        });
    }
}

/// What a call of an account's holder asks for.
fn deed(call: &Call) -> Option<Deed> {
    let (method, path) = call.request.split_once(' ')?;
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    match (method, parts.as_slice()) {
        ("POST", ["auth", "register"]) => Some(Deed::Register),
        ("POST", ["auth", "login"]) => Some(Deed::LogIn),
        ("POST", ["auth", "refresh"]) => Some(Deed::Refresh),
        ("POST", ["auth", "logout"]) => Some(Deed::LogOut),
        ("GET", ["auth", "profile"]) => Some(Deed::Profile),
        ("DELETE", ["auth", "profile"]) => Some(Deed::Forget),
        ("POST", ["orders"]) => Some(Deed::Order),
        ("GET", ["orders", _]) => Some(Deed::LookAtOrder),
        ("GET", ["users", _]) => Some(Deed::ShowUser),
        ("POST", ["users", _, "disable"]) => Some(Deed::Disable),
        ("POST", ["users", _, "enable"]) => Some(Deed::Enable),
        ("POST", ["users", _, "forget"]) => Some(Deed::ForgetUser),
        _ => None,
    }
}

/// A call, and how much its answer says of what became of it.
#[derive(Debug, Clone, Copy)]
struct Heard<'a> {
    call: &'a Call,
    /// Whether it may be acted upon later: it has no answer, or not all of its copies have one.
    may_come_late: bool,
    /// When a node dealt with it, by its clock; none: nobody knows which one did.
    moment: Option<Moment>,
}

impl<'a> Heard<'a> {
    fn of(call: &'a Call, case: &Case<'_>) -> Self {
        let may_come_late = is_unanswered(call) || case.may_arrive_twice(call);
        Self { call, may_come_late, moment: Moment::of(call, case) }
    }
}

/// Whether nobody can say what became of a call.
fn is_unanswered(call: &Call) -> bool {
    call.answer.as_ref().is_none_or(|answer| answer.status >= 500)
}

/// Whether it was done, as was asked.
fn is_done(call: &Call) -> bool {
    [200, 201, 204].into_iter().any(|status| answered(call, status).is_some())
}

fn shown(call: &Call) -> String {
    let answer = call.answer.as_ref();
    let answer = answer.map_or_else(String::new, |it| format!("{} {}", it.status, it.body));
    format!("operation {} at {} us: {} -> {answer}", call.operation, call.sent_at_us, call.request)
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
