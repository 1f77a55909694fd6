//! The test tokens of the fake gateway: what each lets go wrong, and when.

use std::collections::HashMap;

use parking_lot::Mutex;

use super::Operation;
use super::entry::RefusalCode;

/// A test token. Any other token is declined as `INVALID_TOKEN`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TestToken {
    /// `tok_ok`, and no token: everything works.
    Ok,
    /// `tok_decline`: the authorisation is declined.
    Decline,
    /// `tok_timeout_charged`: the first capture takes effect, and its reply never comes.
    TimeoutCharged,
    /// `tok_timeout_lost`: the first capture is lost on its way: neither effect nor reply. The next one
    /// arrives.
    TimeoutLost,
    /// `tok_slow`: authorisation and capture take two seconds.
    Slow,
    /// `tok_flaky`: authorisation and capture answer 503 twice before they are acted upon.
    Flaky,
    /// `tok_void_fails`: the capture is declined, so that the saga goes back, and letting the money go
    /// answers 503 for ever.
    VoidFails,
    /// `tok_capture_decline`: the capture is declined.
    CaptureDecline,
}

/// What goes wrong with a call before it is acted upon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mishap {
    /// 503: not acted upon.
    Busy,
    /// Lost on its way: not acted upon, no reply.
    Lost,
}

impl TestToken {
    pub(super) fn parse(token: Option<&str>) -> Option<Self> {
        Some(match token {
            None | Some("tok_ok") => Self::Ok,
            Some("tok_decline") => Self::Decline,
            Some("tok_timeout_charged") => Self::TimeoutCharged,
            Some("tok_timeout_lost") => Self::TimeoutLost,
            Some("tok_slow") => Self::Slow,
            Some("tok_flaky") => Self::Flaky,
            Some("tok_void_fails") => Self::VoidFails,
            Some("tok_capture_decline") => Self::CaptureDecline,
            Some(_) => return None,
        })
    }

    /// What the card's bank says.
    pub(super) fn verdict(token: Option<Self>, operation: Operation) -> Result<(), RefusalCode> {
        match (token, operation) {
            (None, Operation::Authorize) => Err(RefusalCode::InvalidToken),
            (Some(Self::Decline), Operation::Authorize) => Err(RefusalCode::CardDeclined),
            (Some(Self::CaptureDecline | Self::VoidFails), Operation::Capture) => {
                Err(RefusalCode::CaptureDeclined)
            }
            (
                _,
                Operation::Authorize | Operation::Capture | Operation::Void | Operation::Refund,
            ) => Ok(()),
        }
    }
}

/// How often each key was called that something goes wrong with. Kept in memory only: after a restart
/// the mishaps begin anew, and end again.
#[derive(Debug, Default)]
pub(super) struct Mishaps(Mutex<HashMap<Box<str>, u32>>);

impl Mishaps {
    /// How often `tok_flaky` answers 503.
    const BUSY_ATTEMPTS: u32 = 2;

    /// What goes wrong with this call.
    pub(super) fn next(
        &self,
        token: Option<TestToken>,
        operation: Operation,
        key: &str,
    ) -> Option<Mishap> {
        match (token?, operation) {
            (TestToken::Flaky, Operation::Authorize | Operation::Capture) => {
                self.first(Self::BUSY_ATTEMPTS, key).then_some(Mishap::Busy)
            }
            (TestToken::TimeoutLost, Operation::Capture) => {
                self.first(1, key).then_some(Mishap::Lost)
            }
            (TestToken::VoidFails, Operation::Void) => Some(Mishap::Busy),
            (
                TestToken::Ok
                | TestToken::Decline
                | TestToken::TimeoutCharged
                | TestToken::TimeoutLost
                | TestToken::Slow
                | TestToken::Flaky
                | TestToken::VoidFails
                | TestToken::CaptureDecline,
                Operation::Authorize | Operation::Capture | Operation::Void | Operation::Refund,
            ) => None,
        }
    }

    /// Whether this is one of the first `times` calls under `key`; forgets the key after them.
    fn first(&self, times: u32, key: &str) -> bool {
        let mut calls = self.0.lock();
        let so_far = calls.get(key).copied().unwrap_or(0);
        if so_far < times {
            calls.insert(key.into(), so_far + 1);
            return true;
        }
        calls.remove(key);
        false
    }
}
