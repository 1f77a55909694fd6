//! A session by what its holder was told: which tokens it gave, which were presented, whether it has ended.

use crate::evidence::Call;
use crate::oracle::Finding;
use crate::oracle::naive::http::{answered, code};

use super::{Heard, Known, is_done, is_unanswered, shown};

/// A session that somebody was given a token of.
#[derive(Debug, Default)]
pub(super) struct Session<'a> {
    /// The tokens that it gave, and whether they were presented.
    tokens: Vec<(&'a str, Known)>,
    ended: Known,
    /// Whether a request may yet arrive, and find its token used.
    is_late: bool,
}

impl<'a> Session<'a> {
    pub(super) fn begun(token: &'a str) -> Self {
        Self { tokens: vec![(token, Known::No)], ..Self::default() }
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
        let Some(at) = self.tokens.iter().position(|(token, _)| *token == presented) else {
            return;
        };
        let (used, ended) = (self.tokens[at].1, self.ended);
        if heard.may_come_late {
            self.tokens[at].1 = used.max(Known::Maybe);
            self.is_late = true;
        }
        if let Some(answer) = answered(call, 200) {
            let fresh = used != Known::Yes;
            finding.expect(fresh, "a refresh token was good twice", || shown(call));
            let lives = ended != Known::Yes;
            finding.expect(lives, "a session went on behind its end", || shown(call));
            let allowed = may_go_on != Known::No;
            finding.expect(allowed, "a session went on whose user is shut out", || shown(call));
            self.tokens[at].1 = Known::Yes;
            let next = answer.body["refreshToken"].as_str().unwrap_or_default();
            let is_new = !next.is_empty() && self.tokens.iter().all(|(token, _)| *token != next);
            finding.expect(is_new, "a refresh token was given twice", || shown(call));
            self.tokens.push((next, Known::No));
        } else if let Some(answer) = answered(call, 401) {
            self.hear_no(at, code(answer).unwrap_or_default(), may_go_on, call, finding);
        }
    }

    fn hear_no(
        &mut self,
        at: usize,
        why: &str,
        may_go_on: Known,
        call: &Call,
        finding: &mut Finding,
    ) {
        let used = self.tokens[at].1;
        match why {
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
        if self.tokens.iter().all(|(token, _)| *token != presented) {
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
