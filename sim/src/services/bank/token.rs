//! The test tokens: what each lets go wrong with a payment. Counted in memory: a restart of the bank
//! begins anew, and ends again.

use std::collections::BTreeMap;

use super::line::{Asked, Operation};

/// How often `tok_flaky` is too busy.
const BUSY_TIMES: u32 = 2;

/// What goes wrong with a request before it is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mishap {
    /// 503.
    Busy,
    /// No answer, and it is not acted upon.
    Lost,
    /// No answer, but it is acted upon.
    ReplyLost,
    /// It takes two seconds.
    Slow,
}

/// How often each key came.
#[derive(Debug, Default)]
pub(super) struct Tries(BTreeMap<String, u32>);

impl Tries {
    /// What goes wrong with this one.
    pub(super) fn mishap(&mut self, asked: &Asked) -> Option<Mishap> {
        let is_charge = matches!(asked.operation, Operation::Authorize | Operation::Capture);
        let is_capture = asked.operation == Operation::Capture;
        match asked.token.as_str() {
            "tok_flaky" if is_charge => {
                (self.count(&asked.key) <= BUSY_TIMES).then_some(Mishap::Busy)
            }
            "tok_timeout_lost" if is_capture => {
                (self.count(&asked.key) <= 1).then_some(Mishap::Lost)
            }
            "tok_timeout_charged" if is_capture => {
                (self.count(&asked.key) <= 1).then_some(Mishap::ReplyLost)
            }
            "tok_slow" if is_charge => Some(Mishap::Slow),
            "tok_void_fails" if asked.operation == Operation::Void => Some(Mishap::Busy),
            _ => None,
        }
    }

    fn count(&mut self, key: &str) -> u32 {
        let count = self.0.entry(key.to_owned()).or_insert(0);
        *count += 1;
        *count
    }
}

/// What the card's bank says: a yes, or a code and a reason.
pub(super) fn verdict(asked: &Asked) -> Result<String, (String, String)> {
    let no = |code: &str, reason: &str| Err((code.to_owned(), reason.to_owned()));
    match (asked.token.as_str(), asked.operation) {
        ("tok_decline", Operation::Authorize) => no("CARD_DECLINED", "the card was declined"),
        ("tok_capture_decline" | "tok_void_fails", Operation::Capture) => {
            no("CAPTURE_DECLINED", "the money may not be moved")
        }
        (
            "tok_ok"
            | "tok_decline"
            | "tok_capture_decline"
            | "tok_void_fails"
            | "tok_slow"
            | "tok_flaky"
            | "tok_timeout_lost"
            | "tok_timeout_charged",
            _,
        ) => Ok(String::new()),
        (_, Operation::Authorize) => no("INVALID_TOKEN", "the token is not known"),
        (_, _) => Ok(String::new()),
    }
}
