//! Somebody with an account by what was answered: whether there is one, is open, was forgotten.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::evidence::Call;
use crate::oracle::Finding;
use crate::oracle::naive::http::{answered, code};
use crate::oracle::naive::json::text;
use crate::plan::Deed;
use crate::workload::accounts::{WRONG_PASSWORD, mark};

use super::lives::Moment;
use super::session::Session;
use super::{Heard, Known, deed, is_done, is_unanswered, shown};

/// A node may remember a key for a second after another node has deleted it, by a clock that may drift; and
/// what it had begun to answer then is read a little later.
const REMEMBERED_US: u64 = 1_500_000;

/// An account that somebody was given.
#[derive(Debug)]
pub(super) struct Account<'a> {
    /// The user's id.
    pub(super) user: &'a str,
    /// When the registration was answered.
    pub(super) registered_at_us: u64,
    /// When it was first asked to be forgotten, if that may have been done.
    pub(super) maybe_forgotten_at_us: Option<u64>,
}

/// Who does the steps of one operation.
#[derive(Debug)]
pub(super) struct Person<'a> {
    /// What stands in everything personal, and nowhere else.
    pub(super) mark: String,
    /// The accounts that were given, one after the other.
    pub(super) accounts: Vec<Account<'a>>,
    has_rivals: bool,
    registered: Known,
    closed: Known,
    forgotten: Known,
    /// When the end was acknowledged, and by which node.
    forgotten_by: Option<(u64, Option<&'a str>)>,
    /// Requests that may yet be acted upon.
    late_registration: bool,
    late_verb: bool,
    /// When the newest access token was given; none: there is none, or nobody knows by which node.
    access_given: Option<Moment>,
    sessions: BTreeMap<&'a str, Session<'a>>,
}

impl<'a> Person<'a> {
    pub(super) fn new(operation: u32, has_rivals: bool) -> Self {
        Self {
            mark: mark(operation),
            accounts: Vec::new(),
            has_rivals,
            registered: Known::No,
            closed: Known::No,
            forgotten: Known::No,
            forgotten_by: None,
            late_registration: false,
            late_verb: false,
            access_given: None,
            sessions: BTreeMap::new(),
        }
    }

    /// Whether somebody was told that it is forgotten, and cannot have come back.
    pub(super) fn is_forgotten(&self) -> bool {
        self.forgotten == Known::Yes && self.accounts.len() == 1 && !self.late_registration
    }

    /// What was asked next, and the answer.
    pub(super) fn hear(&mut self, heard: Heard<'a>, finding: &mut Finding) {
        let call = heard.call;
        let deed = deed(call);
        if let Some(Deed::Profile | Deed::Order | Deed::Forget) = deed {
            self.hear_access(heard, finding);
        }
        match deed {
            Some(Deed::Register) => self.hear_register(heard, finding),
            Some(Deed::LogIn) => self.hear_log_in(heard, finding),
            Some(Deed::Refresh) => {
                let may_go_on = self.may_go_on();
                if let Some((session, token)) = self.session_of(call) {
                    session.hear_refresh(token, may_go_on, heard, finding);
                }
                if answered(call, 200).is_some() {
                    self.access_given = heard.moment;
                }
            }
            Some(Deed::LogOut) => {
                if let Some((session, token)) = self.session_of(call) {
                    session.hear_log_out(token, call, finding);
                }
            }
            Some(Deed::Profile | Deed::LookAtOrder | Deed::ShowUser | Deed::Order) => {
                self.hear_shown(call, finding);
            }
            Some(verb @ (Deed::Disable | Deed::Enable)) => self.hear_verb(verb, heard),
            Some(Deed::Forget | Deed::ForgetUser) => self.hear_forget(call),
            Some(_) | None => {}
        }
    }

    /// Whether the user may log in and stay logged in.
    fn may_go_on(&self) -> Known {
        match (self.closed, self.forgotten) {
            (Known::Yes, _) | (_, Known::Yes) => Known::No,
            (Known::No, Known::No) => Known::Yes,
            _ => Known::Maybe,
        }
    }

    /// The newest access token was presented: it is good for its time, and no longer.
    fn hear_access(&self, heard: Heard<'_>, finding: &mut Finding) {
        let (Some(given), Some(then)) = (self.access_given, heard.moment) else { return };
        let (call, is_good) = (heard.call, given.is_good(given.access, then));
        if is_done(call) {
            let in_time = is_good != Known::No;
            finding.expect(in_time, "an access token was good behind its time", || shown(call));
        } else if let Some(answer) = answered(call, 401) {
            let is_known = code(answer) == Some("TOKEN_EXPIRED");
            let what = "an access token that was given is not known";
            finding.expect(is_known, what, || shown(call));
            let may_be_over = is_good != Known::Yes;
            let what = "an access token was over before its time";
            finding.expect(may_be_over, what, || shown(call));
        }
    }

    fn hear_register(&mut self, heard: Heard<'a>, finding: &mut Finding) {
        let call = heard.call;
        if heard.may_come_late {
            self.late_registration = true;
            self.registered = self.registered.max(Known::Maybe);
        }
        if let Some(answer) = answered(call, 201) {
            let user = text(&answer.body["user"], "id").unwrap_or_default();
            let (registered_at_us, maybe_forgotten_at_us) = (call.ended_at_us, None);
            self.accounts.push(Account { user, registered_at_us, maybe_forgotten_at_us });
            (self.registered, self.closed) = (Known::Yes, Known::No);
            (self.forgotten, self.forgotten_by) = (Known::No, None);
            self.sessions.clear();
            self.begin(&answer.body, heard, finding);
        } else if answered(call, 409).is_some() {
            let may_be_there = self.has_rivals
                || self.late_registration
                || (self.registered != Known::No && self.forgotten != Known::Yes);
            finding.expect(may_be_there, "a free address was refused", || shown(call));
        }
    }

    fn hear_log_in(&mut self, heard: Heard<'a>, finding: &mut Finding) {
        let call = heard.call;
        let right = text(&call.body, "password") != Some(WRONG_PASSWORD);
        if let Some(answer) = answered(call, 200) {
            finding.expect(right, "a wrong password let somebody in", || shown(call));
            let there = self.registered != Known::No;
            finding.expect(there, "somebody was let in who has no account", || shown(call));
            let may = self.may_go_on() != Known::No || self.late_registration;
            finding.expect(may, "somebody was let in who is shut out", || shown(call));
            self.registered = Known::Yes;
            if self.late_registration && self.forgotten != Known::No {
                // It may have come back under the same address, and nobody has shut that one out.
                self.forgotten = Known::Maybe;
                self.closed = self.closed.min(Known::Maybe);
            }
            self.begin(&answer.body, heard, finding);
        } else if answered(call, 401).is_some() && right {
            let may_be_out = self.registered != Known::Yes || self.may_go_on() != Known::Yes;
            finding.expect(may_be_out, "somebody with an account was not let in", || shown(call));
        }
    }

    /// A session begins.
    fn begin(&mut self, body: &'a Value, heard: Heard<'_>, finding: &mut Finding) {
        let token = text(body, "refreshToken").unwrap_or_default();
        let begun = Session::begun(token, heard.moment);
        let before = self.sessions.insert(session_in(token), begun);
        let is_new = !token.is_empty() && before.is_none();
        finding.expect(is_new, "a session was begun twice", || shown(heard.call));
        self.access_given = heard.moment;
    }

    fn session_of(&mut self, call: &'a Call) -> Option<(&mut Session<'a>, &'a str)> {
        let token = text(&call.body, "refreshToken")?;
        Some((self.sessions.get_mut(session_in(token))?, token))
    }

    fn hear_verb(&mut self, verb: Deed, heard: Heard<'_>) {
        self.late_verb |= heard.may_come_late;
        self.closed = match () {
            () if self.late_verb => Known::Maybe,
            () if !is_done(heard.call) => self.closed,
            () if verb == Deed::Disable => Known::Yes,
            () => Known::No,
        };
    }

    fn hear_forget(&mut self, call: &'a Call) {
        let (done, unanswered) = (is_done(call), is_unanswered(call));
        if let Some(account) = self.accounts.last_mut().filter(|_| done || unanswered) {
            account.maybe_forgotten_at_us.get_or_insert(call.sent_at_us);
        }
        if done {
            self.forgotten = Known::Yes;
            let node = call.answer.as_ref().and_then(|answer| answer.node.as_deref());
            self.forgotten_by.get_or_insert((call.ended_at_us, node));
        } else if unanswered {
            self.forgotten = self.forgotten.max(Known::Maybe);
        }
    }

    /// An answer shows what is personal as long as nobody was forgotten, and nothing of it from then on. What
    /// somebody sends after that is their own affair.
    fn hear_shown(&self, call: &Call, finding: &mut Finding) {
        let there = answered(call, 404).is_none();
        finding.expect(there, "what somebody was told of is not found", || shown(call));
        let Some(answer) = call.answer.as_ref().filter(|_| is_done(call)) else { return };
        if answer.body.to_string().contains(&self.mark) {
            if deed(call) == Some(Deed::Order) {
                return;
            }
            let out =
                self.forgotten_by.filter(|_| self.is_forgotten()).is_some_and(|(at_us, by)| {
                    let same = answer.node.as_deref() == by;
                    call.sent_at_us >= at_us + if same { 0 } else { REMEMBERED_US }
                });
            finding.expect(!out, "an answer says who a forgotten person was", || shown(call));
        } else {
            let may = self.forgotten != Known::No;
            finding.expect(may, "an answer hides what is personal of somebody", || shown(call));
        }
    }
}

/// A token names its session.
fn session_in(token: &str) -> &str {
    token.split('.').next().unwrap_or(token)
}
