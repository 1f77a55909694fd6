//! Histories of one account, made by hand: what is right, and each promise broken once.

use serde_json::{Value, json};

use super::*;
use crate::fault::{Episode, Fault, Link};
use crate::machine::Machine;
use crate::oracle::testing::{History, caught, clean};
use crate::plan::Planned;
use crate::workload::accounts::{WRONG_PASSWORD, mark};

const PERSON: u32 = 7;
const RIVAL: u32 = 8;

/// What somebody does, and is answered.
struct Told(History);

impl Told {
    fn new() -> Self {
        let mut history = History::empty();
        for id in [PERSON, RIVAL] {
            let operation =
                Operation::Account { address: if id == PERSON { 1 } else { 2 }, steps: Vec::new() };
            let (at_ms, to, customer) = (0, Machine::Node1, 100 + id);
            let gives_up_after_ms = None;
            let planned = Planned { id, at_ms, customer, to, gives_up_after_ms, operation };
            history.evidence.plan.operations.push(planned);
        }
        Self(history)
    }

    fn by(mut self, who: u32, request: &str, body: Value, answer: Option<(u16, Value)>) -> Self {
        self.0.call(100 + who, request, None, body, answer).operation = who;
        self
    }

    fn told(self, request: &str, body: Value, answer: Option<(u16, Value)>) -> Self {
        self.by(PERSON, request, body, answer)
    }

    fn registered(self) -> Self {
        self.told("POST /auth/register", Value::Null, Some((201, tokens("s1.a"))))
    }

    fn logged_in(self, password: &str, answer: (u16, Value)) -> Self {
        self.told("POST /auth/login", json!({ "password": password }), Some(answer))
    }

    fn refreshed(self, token: &str, answer: Option<(u16, Value)>) -> Self {
        self.told("POST /auth/refresh", json!({ "refreshToken": token }), answer)
    }

    fn logged_out(self, token: &str, answer: Option<(u16, Value)>) -> Self {
        self.told("POST /auth/logout", json!({ "refreshToken": token }), answer)
    }

    /// Looks at the own account.
    fn looked(self, answer: Option<(u16, Value)>) -> Self {
        self.told("GET /auth/profile", Value::Null, answer)
    }

    /// The last answer came from the node whose tokens are short-lived.
    fn by_the_short_lived(mut self) -> Self {
        if let Some(answer) = &mut self.0.evidence.calls.last_mut().unwrap().answer {
            answer.node = Some("node-3".to_owned());
        }
        self
    }

    fn later(mut self, passed_us: u64) -> Self {
        self.0.now_us += passed_us;
        self
    }

    fn verb(self, verb: &str) -> Self {
        self.told(&format!("POST /users/u1/{verb}"), Value::Null, Some((200, json!({}))))
    }

    fn shown(self, says: &str) -> Self {
        self.told("GET /users/u1", Value::Null, Some((200, json!({ "firstName": says }))))
    }

    #[track_caller]
    fn clean(self) -> Self {
        clean(&Accounts, &self.0);
        self
    }

    #[track_caller]
    fn caught(self, what: &str) {
        caught(&Accounts, &self.0, what);
    }
}

fn tokens(refresh: &str) -> Value {
    json!({ "refreshToken": refresh, "user": { "id": "u1" } })
}

fn no(code: &str) -> Option<(u16, Value)> {
    Some((401, json!({ "error": code })))
}

fn seen() -> Option<(u16, Value)> {
    Some((200, json!({ "firstName": mark(PERSON) })))
}

/// Node 3 gives tokens that are good for three and for six seconds, and has let somebody in; so much later,
/// in a world with these faults.
fn let_in_for_short(passed_us: u64, faults: &[Fault]) -> Told {
    let mut told = Told::new();
    told.0.evidence.plan.knobs.short_tokens_s = 3;
    let episodes = faults.iter().map(|fault| Episode {
        id: 1,
        at_ms: 0,
        for_ms: 20_000,
        fault: fault.clone(),
    });
    told.0.evidence.plan.episodes.extend(episodes);
    told.registered().by_the_short_lived().later(passed_us)
}

#[test]
fn a_life_of_an_account_is_right() {
    let told = Told::new().registered().refreshed("s1.a", Some((200, tokens("s1.b"))));
    let told = told.shown(&mark(PERSON)).refreshed("s1.a", no("REFRESH_TOKEN_REUSED"));
    let told = told.refreshed("s1.b", no("SESSION_ENDED"));
    let told = told.logged_in(WRONG_PASSWORD, (401, json!({})));
    let told = told.logged_in("right", (200, tokens("s2.a"))).verb("disable");
    let told = told.logged_in("right", (401, json!({}))).refreshed("s2.a", no("SESSION_ENDED"));
    let told = told.verb("enable").logged_in("right", (200, tokens("s3.a")));
    let told = told.logged_out("s3.a", Some((204, Value::Null)));
    let told = told.refreshed("s3.a", no("SESSION_ENDED")).verb("forget").shown("forgotten");
    told.logged_in("right", (401, json!({}))).clean();
}

#[test]
fn nobody_says_what_became_of_a_request_without_an_answer() {
    let told = Told::new().registered().refreshed("s1.a", None).clean();
    told.refreshed("s1.a", no("REFRESH_TOKEN_REUSED")).clean();
    let told = Told::new().registered().refreshed("s1.a", None);
    let told = told.refreshed("s1.a", Some((200, tokens("s1.b")))).clean();
    // The first one came late, and found the token used.
    told.refreshed("s1.b", no("SESSION_ENDED")).clean();
    let told = Told::new().told("POST /auth/register", Value::Null, None);
    told.told("POST /auth/register", Value::Null, Some((409, json!({})))).clean();
    // It came late, and the next account at this address is nobody's who was shut out.
    let told = Told::new().registered().verb("disable").verb("forget");
    let told = told.told("POST /auth/register", Value::Null, None);
    let told = told.logged_in("right", (200, tokens("s2.a")));
    told.refreshed("s2.a", Some((200, tokens("s2.b")))).clean();
}

#[test]
fn what_the_network_doubles_is_acted_upon_twice() {
    let doubled = |from, now_us| {
        let mut told = Told::new();
        let fault = Fault::Duplicate { link: Link { from, to: Machine::Node1 }, percent: 30 };
        let episode = Episode { id: 1, at_ms: 0, for_ms: 60_000, fault };
        told.0.evidence.plan.episodes.push(episode);
        told.0.now_us += now_us;
        told
    };
    let used = |told: Told| told.registered().refreshed("s1.a", no("REFRESH_TOKEN_REUSED"));
    used(doubled(Machine::Clients, 0)).clean();
    // Not between the node and what it uses, nor when it is over.
    let never_used = "a refresh token is said to have been used that never was";
    used(doubled(Machine::Bank, 0)).caught(never_used);
    used(doubled(Machine::Clients, 90_000_000)).caught(never_used);
    // The other copy ended the session behind this answer.
    let on = doubled(Machine::Balancer, 0).registered();
    let on = on.refreshed("s1.a", Some((200, tokens("s1.b"))));
    on.refreshed("s1.b", no("SESSION_ENDED")).clean();
    let twice = doubled(Machine::Balancer, 0);
    let twice = twice.told("POST /auth/register", Value::Null, Some((409, json!({}))));
    let twice = twice.logged_in("right", (200, tokens("s1.a"))).verb("forget");
    twice.shown(&mark(PERSON)).clean();
}

#[test]
fn a_token_that_is_good_twice_is_caught() {
    let told = Told::new().registered().refreshed("s1.a", Some((200, tokens("s1.b"))));
    told.refreshed("s1.a", Some((200, tokens("s1.c")))).caught("a refresh token was good twice");
    let told = Told::new().registered().refreshed("s1.a", Some((200, tokens("s1.a"))));
    told.caught("a refresh token was given twice");
}

#[test]
fn a_token_from_long_ago_ends_its_session_all_the_same() {
    let told = || {
        let told = Told::new().registered().refreshed("s1.a", Some((200, tokens("s1.b"))));
        let told = told.refreshed("s1.b", Some((200, tokens("s1.c"))));
        told.refreshed("s1.c", Some((200, tokens("s1.d"))))
    };
    let ended = || told().refreshed("s1.a", no("REFRESH_TOKEN_REUSED"));
    ended().refreshed("s1.d", no("SESSION_ENDED")).clean();
    let goes_on = ended().refreshed("s1.d", Some((200, tokens("s1.e"))));
    goes_on.caught("a session went on behind its end");
    let unknown = told().refreshed("s1.a", no("REFRESH_TOKEN_INVALID"));
    unknown.caught("a token that was given is not known");
}

#[test]
fn a_session_that_outlives_its_end_is_caught() {
    let told = Told::new().registered().logged_out("s1.a", Some((204, Value::Null)));
    let told = told.refreshed("s1.a", Some((200, tokens("s1.b"))));
    told.caught("a session went on behind its end");
    let told = Told::new().registered().verb("disable");
    let told = told.refreshed("s1.a", Some((200, tokens("s1.b"))));
    told.caught("a session went on whose user is shut out");
}

#[test]
fn a_session_that_is_lost_is_caught() {
    let told = || Told::new().registered();
    let ended = told().refreshed("s1.a", no("SESSION_ENDED"));
    ended.caught("a session has ended that nobody ended");
    let used = told().refreshed("s1.a", no("REFRESH_TOKEN_REUSED"));
    used.caught("a refresh token is said to have been used that never was");
    let unknown = told().refreshed("s1.a", no("REFRESH_TOKEN_INVALID"));
    unknown.caught("a token that was given is not known");
    let unknown = told().logged_out("s1.a", no("REFRESH_TOKEN_INVALID"));
    unknown.caught("a token that was given is not known");
}

#[test]
fn whoever_is_let_in_or_kept_out_wrongly_is_caught() {
    let told = || Told::new().registered();
    let wrong = told().logged_in(WRONG_PASSWORD, (200, tokens("s2.a")));
    wrong.caught("a wrong password let somebody in");
    let out = told().logged_in("right", (401, json!({})));
    out.caught("somebody with an account was not let in");
    for verb in ["disable", "forget"] {
        let closed = told().verb(verb).logged_in("right", (200, tokens("s2.a")));
        closed.caught("somebody was let in who is shut out");
    }
    let nobody = Told::new().logged_in("right", (200, tokens("s2.a")));
    nobody.caught("somebody was let in who has no account");
}

#[test]
fn an_address_that_two_accounts_have_is_caught() {
    let mut told = Told::new().registered();
    if let Operation::Account { address, .. } = &mut told.0.evidence.plan.operations[1].operation {
        *address = 1;
    }
    let taken = |told: Told| {
        told.by(RIVAL, "POST /auth/register", Value::Null, Some((201, tokens("s9.a"))))
    };
    taken(told.verb("forget")).clean();
    let mut told = Told::new().registered();
    if let Operation::Account { address, .. } = &mut told.0.evidence.plan.operations[1].operation {
        *address = 1;
    }
    taken(told).caught("an address was given to two accounts");
    let refused = (409, json!({ "error": "EMAIL_EXISTS" }));
    let free = Told::new().told("POST /auth/register", Value::Null, Some(refused));
    free.caught("a free address was refused");
}

#[test]
fn a_forgotten_person_who_is_still_named_is_caught() {
    let told = || Told::new().registered().verb("forget");
    told().shown(&mark(PERSON)).caught("an answer says who a forgotten person was");
    let mut other = told().shown(&mark(PERSON));
    if let Some(answer) = &mut other.0.evidence.calls.last_mut().unwrap().answer {
        // It may remember for a moment.
        answer.node = Some("node-2".to_owned());
    }
    other.0.now_us += 2_000_000;
    other.clean().shown(&mark(PERSON)).caught("an answer says who a forgotten person was");
    let hidden = Told::new().registered().shown("forgotten");
    hidden.caught("an answer hides what is personal of somebody");
    let mut view = told();
    let document = json!({ "shippingAddress": { "street": mark(PERSON) } });
    view.0.evidence.documents.push(("orders.v2".to_owned(), "o1".to_owned(), document));
    view.caught("a view still says who somebody was");
    let mut log = told();
    let says = json!({ "firstName": mark(PERSON) });
    log.0.say("user-u1", "UserRegistered", says);
    log.caught("the log still says who somebody was");
}

#[test]
fn an_account_that_was_told_of_and_is_not_found_is_caught() {
    let told = Told::new().registered();
    let told = told.told("GET /users/u1", Value::Null, Some((404, json!({}))));
    told.caught("what somebody was told of is not found");
}

#[test]
fn a_token_is_good_for_its_time() {
    let in_time = let_in_for_short(1_000_000, &[]).looked(seen());
    let in_time = in_time.refreshed("s1.a", Some((200, tokens("s1.b")))).clean();
    // The next tokens are those of another node.
    let later = in_time.later(60_000_000).looked(seen());
    later.refreshed("s1.b", Some((200, tokens("s1.c")))).clean();
    let over = let_in_for_short(7_000_000, &[]).looked(no("TOKEN_EXPIRED"));
    let over = over.refreshed("s1.a", no("REFRESH_TOKEN_EXPIRED")).clean();
    over.logged_in("right", (200, tokens("s2.a"))).looked(seen()).clean();
    // Its time is in whole seconds.
    let_in_for_short(2_500_000, &[]).looked(no("TOKEN_EXPIRED")).clean();
}

#[test]
fn a_token_that_outlives_its_time_is_caught() {
    let looked = let_in_for_short(4_000_000, &[]).looked(seen());
    looked.caught("an access token was good behind its time");
    let refreshed = let_in_for_short(7_000_000, &[]);
    let refreshed = refreshed.refreshed("s1.a", Some((200, tokens("s1.b"))));
    refreshed.caught("a refresh token was good behind its time");
}

#[test]
fn a_token_that_is_over_too_soon_or_unknown_is_caught() {
    let soon = || let_in_for_short(1_000_000, &[]);
    soon().looked(no("TOKEN_EXPIRED")).caught("an access token was over before its time");
    let refreshed = soon().refreshed("s1.a", no("REFRESH_TOKEN_EXPIRED"));
    refreshed.caught("a refresh token was over before its time");
    let unknown = soon().looked(no("TOKEN_INVALID"));
    unknown.caught("an access token that was given is not known");
}

#[test]
fn a_token_that_ends_with_the_one_that_it_replaced_is_caught() {
    // The first is over after six seconds, the one that replaces it after four of these is good for six more.
    let stayed = |passed_us| {
        let told = let_in_for_short(4_000_000, &[]);
        let told = told.refreshed("s1.a", Some((200, tokens("s1.b")))).by_the_short_lived();
        told.later(passed_us)
    };
    stayed(3_000_000).refreshed("s1.b", Some((200, tokens("s1.c")))).clean();
    let over = stayed(3_000_000).refreshed("s1.b", no("REFRESH_TOKEN_EXPIRED"));
    over.caught("a refresh token was over before its time");
    stayed(7_000_000).refreshed("s1.b", no("REFRESH_TOKEN_EXPIRED")).clean();
    let late = stayed(7_000_000).refreshed("s1.b", Some((200, tokens("s1.c"))));
    late.caught("a refresh token was good behind its time");
}

#[test]
fn clocks_that_are_wrong_leave_open_whether_a_token_is_good() {
    let behind = |machine| Fault::ClockStep { machine, step_ms: -5_000 };
    let fast = |machine| Fault::ClockDrift { machine, ppm: 100_000 };
    for wrong in [behind(Machine::Node3), behind(Machine::Node1), fast(Machine::Node1)] {
        let_in_for_short(4_000_000, std::slice::from_ref(&wrong)).looked(seen()).clean();
        let_in_for_short(1_000_000, &[wrong]).looked(no("TOKEN_EXPIRED")).clean();
    }
    let good = "an access token was good behind its time";
    let_in_for_short(4_000_000, &[behind(Machine::Node2)]).looked(seen()).caught(good);
    let_in_for_short(9_000_000, &[behind(Machine::Node3)]).looked(seen()).caught(good);
}
