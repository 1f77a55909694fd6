//! A session by what its holder was told: which tokens it gave, which were presented, whether it has ended.

use crate::evidence::Call;
use crate::oracle::Finding;
use crate::oracle::naive::http::{answered, code};

use super::lives::Moment;
use super::{Heard, Known, is_done, is_unanswered, shown};

/// A token that a session gave.
#[derive(Debug)]
struct Token<'a> {
    text: &'a str,
    /// Whether it was presented.
    used: Known,
    /// When it was given; none: nobody knows by which node.
    given: Option<Moment>,
}

impl<'a> Token<'a> {
    fn given(text: &'a str, given: Option<Moment>) -> Self {
        Self { text, used: Known::No, given }
    }

    /// Whether its time is not over.
    fn is_good(&self, heard: Heard<'_>) -> Known {
        let both = self.given.zip(heard.moment);
        both.map_or(Known::Maybe, |(given, then)| given.is_good(given.refresh, then))
    }
}

/// A session that somebody was given a token of.
#[derive(Debug, Default)]
pub(super) struct Session<'a> {
    tokens: Vec<Token<'a>>,
    ended: Known,
    /// Whether a request may yet arrive, and find its token used.
    is_late: bool,
}

impl<'a> Session<'a> {
    /// With its first token.
    pub(super) fn begun(token: &'a str, given: Option<Moment>) -> Self {
        Self { tokens: vec![Token::given(token, given)], ..Self::default() }
    }

    /// A token was presented for the next one. `may_go_on`: whether its user may still do so.
    pub(super) fn hear_refresh(
        &mut self,
        presented: &str,
        may_go_on: Known,
        heard: Heard<'a>,
        finding: &mut Finding,
    ) {
        let call = heard.call;
        let Some(at) = self.tokens.iter().position(|token| token.text == presented) else {
            return;
        };
        let (used, ended) = (self.tokens[at].used, self.ended);
        if heard.may_come_late {
            self.tokens[at].used = used.max(Known::Maybe);
            self.is_late = true;
        }
        if let Some(answer) = answered(call, 200) {
            let fresh = used != Known::Yes;
            finding.expect(fresh, "a refresh token was good twice", || shown(call));
            let in_time = self.tokens[at].is_good(heard) != Known::No;
            finding.expect(in_time, "a refresh token was good behind its time", || shown(call));
            let lives = ended != Known::Yes;
            finding.expect(lives, "a session went on behind its end", || shown(call));
            let allowed = may_go_on != Known::No;
            finding.expect(allowed, "a session went on whose user is shut out", || shown(call));
            self.tokens[at].used = Known::Yes;
            let next = answer.body["refreshToken"].as_str().unwrap_or_default();
            let is_new = !next.is_empty() && self.tokens.iter().all(|token| token.text != next);
            finding.expect(is_new, "a refresh token was given twice", || shown(call));
            self.tokens.push(Token::given(next, heard.moment));
        } else if let Some(answer) = answered(call, 401) {
            self.hear_no(at, code(answer).unwrap_or_default(), may_go_on, heard, finding);
        }
    }

    fn hear_no(
        &mut self,
        at: usize,
        why: &str,
        may_go_on: Known,
        heard: Heard<'_>,
        finding: &mut Finding,
    ) {
        let (used, call) = (self.tokens[at].used, heard.call);
        match why {
            "REFRESH_TOKEN_EXPIRED" => {
                let may_be_over = self.tokens[at].is_good(heard) != Known::Yes;
                let what = "a refresh token was over before its time";
                finding.expect(may_be_over, what, || shown(call));
                // That ends no session.
                return;
            }
            "REFRESH_TOKEN_REUSED" => {
                let was = used != Known::No;
                let what = "a refresh token is said to have been used that never was";
                finding.expect(was, what, || shown(call));
            }
            "SESSION_ENDED" => {
                let may = self.ended != Known::No || self.is_late || may_go_on != Known::Yes;
                finding.expect(may, "a session has ended that nobody ended", || shown(call));
            }
            _ => finding.expect(false, "a token that was given is not known", || shown(call)),
        }
        self.ended = Known::Yes;
    }

    /// Its end was asked for.
    pub(super) fn hear_log_out(&mut self, presented: &str, call: &Call, finding: &mut Finding) {
        if self.tokens.iter().all(|token| token.text != presented) {
            return;
        }
        if is_done(call) {
            self.ended = Known::Yes;
        } else if is_unanswered(call) {
            self.ended = self.ended.max(Known::Maybe);
        }
        let known = answered(call, 401).is_none();
        finding.expect(known, "a token that was given is not known", || shown(call));
    }
}
