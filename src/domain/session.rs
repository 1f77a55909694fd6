//! A user's session: the family of refresh tokens that one login began.
//!
//! A session has one token at a time. Using it gives the next one; using an earlier one again means
//! that somebody has a copy, and ends the session for both. Only hashes of tokens are kept.

use std::collections::VecDeque;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::canary::planted;

use super::Aggregate;
use super::ids::UserId;

/// Earlier tokens that are recognised; an even older one is as unknown as a guessed one.
const USED_MAX: usize = 64;

/// The BLAKE3 hash of a refresh token, hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TokenHash(Arc<str>);

impl TokenHash {
    /// The hash of a token.
    pub fn of(token: &str) -> Self {
        Self(blake3::hash(token.as_bytes()).to_hex().as_str().into())
    }
}

/// What can be asked of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionCommand {
    /// It begins, with its first token.
    Open {
        /// Whose it is.
        user_id: UserId,
        /// Its token's hash.
        token: TokenHash,
        /// When the token ceases to be valid, in microseconds of wall time.
        expires_at_us: u64,
    },
    /// A token was presented and is to be replaced.
    Rotate {
        /// The presented token's hash.
        presented: TokenHash,
        /// The next token's hash.
        next: TokenHash,
        /// Now, in microseconds of wall time.
        now_us: u64,
        /// When the next token ceases to be valid.
        expires_at_us: u64,
    },
    /// Its bearer ends it: whoever has one of its tokens, also an earlier one.
    LogOut {
        /// The presented token's hash.
        presented: TokenHash,
    },
    /// It ends.
    Revoke {
        /// Why.
        reason: String,
    },
}

/// What can happen to a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all_fields = "camelCase")]
pub enum SessionEvent {
    /// It began.
    SessionOpened {
        /// Whose it is.
        user_id: UserId,
        /// Its token's hash.
        token: TokenHash,
        /// When the token ceases to be valid, in microseconds of wall time.
        expires_at_us: u64,
    },
    /// Its token was used and replaced.
    SessionTokenRotated {
        /// The new token's hash.
        token: TokenHash,
        /// When it ceases to be valid, in microseconds of wall time.
        expires_at_us: u64,
    },
    /// It ended: none of its tokens is valid any more.
    SessionRevoked {
        /// Why.
        reason: String,
    },
}

/// Why a session says no.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SessionRefusal {
    /// There is one under this id.
    #[error("the session was opened before")]
    AlreadyOpen,
    /// There is none under this id.
    #[error("there is no such session")]
    NotOpen,
    /// It was revoked.
    #[error("the session was revoked")]
    Revoked,
    /// Not a token of this session.
    #[error("the refresh token is not one of this session")]
    UnknownToken,
    /// The token's time is over.
    #[error("the refresh token has expired")]
    Expired,
}

/// A session's state.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Session {
    user_id: Option<UserId>,
    token: Option<TokenHash>,
    expires_at_us: u64,
    used: VecDeque<TokenHash>,
    revoked: bool,
}

impl Session {
    /// Whose it is; none before it begins.
    pub fn user_id(&self) -> Option<UserId> {
        self.user_id
    }

    /// Whether none of its tokens is valid any more.
    pub fn is_revoked(&self) -> bool {
        self.revoked
    }

    fn rotate(
        &self,
        presented: &TokenHash,
        next: TokenHash,
        now_us: u64,
        expires_at_us: u64,
    ) -> Result<SessionEvent, SessionRefusal> {
        if self.revoked {
            return Err(SessionRefusal::Revoked);
        }
        let again = match planted("only-the-last-token-is-known") {
            true => self.used.back() == Some(presented),
            false => self.used.contains(presented),
        };
        if again && !planted("refresh-token-good-twice") {
            let reason = "an earlier refresh token was used again".to_owned();
            return Ok(SessionEvent::SessionRevoked { reason });
        }
        if !again && self.token.as_ref() != Some(presented) {
            return Err(SessionRefusal::UnknownToken);
        }
        if self.expires_at_us <= now_us {
            return Err(SessionRefusal::Expired);
        }
        let expires_at_us = match planted("next-token-ends-with-the-first") {
            true => self.expires_at_us,
            false => expires_at_us,
        };
        Ok(SessionEvent::SessionTokenRotated { token: next, expires_at_us })
    }

    fn log_out(&self, presented: &TokenHash) -> Result<Vec<SessionEvent>, SessionRefusal> {
        if self.token.as_ref() != Some(presented) && !self.used.contains(presented) {
            return Err(SessionRefusal::UnknownToken);
        }
        let ended = SessionEvent::SessionRevoked { reason: "logged out".to_owned() };
        Ok(if self.revoked { vec![] } else { vec![ended] })
    }

    fn renew(&mut self, token: &TokenHash, expires_at_us: u64) {
        if let Some(used) = self.token.replace(token.clone()) {
            self.used.push_back(used);
        }
        if self.used.len() > USED_MAX {
            self.used.pop_front();
        }
        self.expires_at_us = expires_at_us;
    }
}

impl Aggregate for Session {
    const CATEGORY: &'static str = "session";

    type Command = SessionCommand;
    type Event = SessionEvent;
    type Refusal = SessionRefusal;

    fn decide(&self, command: SessionCommand) -> Result<Vec<SessionEvent>, SessionRefusal> {
        match (self.user_id, command) {
            (None, SessionCommand::Open { user_id, token, expires_at_us }) => {
                Ok(vec![SessionEvent::SessionOpened { user_id, token, expires_at_us }])
            }
            (None, _) => Err(SessionRefusal::NotOpen),
            (Some(_), SessionCommand::Open { .. }) => Err(SessionRefusal::AlreadyOpen),
            (Some(_), SessionCommand::Rotate { presented, next, now_us, expires_at_us }) => {
                Ok(vec![self.rotate(&presented, next, now_us, expires_at_us)?])
            }
            (Some(_), SessionCommand::LogOut { presented }) => self.log_out(&presented),
            (Some(_), SessionCommand::Revoke { .. }) if self.revoked => Ok(vec![]),
            (Some(_), SessionCommand::Revoke { reason }) => {
                Ok(vec![SessionEvent::SessionRevoked { reason }])
            }
        }
    }

    fn evolve(&mut self, event: &SessionEvent) {
        match event {
            SessionEvent::SessionOpened { user_id, token, expires_at_us } => {
                self.user_id = Some(*user_id);
                self.renew(token, *expires_at_us);
            }
            SessionEvent::SessionTokenRotated { token, expires_at_us } => {
                self.renew(token, *expires_at_us);
            }
            SessionEvent::SessionRevoked { .. } => self.revoked = true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(token: &str) -> TokenHash {
        TokenHash::of(token)
    }

    fn session(commands: impl IntoIterator<Item = SessionCommand>) -> Session {
        let mut session = Session::default();
        for command in commands {
            for event in session.decide(command).unwrap() {
                session.evolve(&event);
            }
        }
        session
    }

    fn open() -> SessionCommand {
        let user_id = UserId::new(uuid::Uuid::from_u128(7));
        SessionCommand::Open { user_id, token: hash("t1"), expires_at_us: 100 }
    }

    fn rotate(presented: &str, next: &str, now_us: u64) -> SessionCommand {
        let (presented, next) = (hash(presented), hash(next));
        SessionCommand::Rotate { presented, next, now_us, expires_at_us: now_us + 100 }
    }

    #[test]
    fn token_is_replaced_when_it_is_used() {
        let session = session([open(), rotate("t1", "t2", 50), rotate("t2", "t3", 149)]);
        assert!(!session.is_revoked());
        assert_eq!(session.token, Some(hash("t3")));
    }

    #[test]
    fn earlier_token_used_again_ends_the_session_for_everybody() {
        let session = session([open(), rotate("t1", "t2", 50), rotate("t1", "t3", 60)]);
        assert!(session.is_revoked());
        assert_eq!(session.decide(rotate("t2", "t4", 70)), Err(SessionRefusal::Revoked));
    }

    #[test]
    fn guessed_and_expired_tokens_change_nothing() {
        let session = session([open()]);
        assert_eq!(session.decide(rotate("guess", "t2", 50)), Err(SessionRefusal::UnknownToken));
        assert_eq!(session.decide(rotate("t1", "t2", 100)), Err(SessionRefusal::Expired));
    }

    #[test]
    fn any_token_of_the_session_ends_it_and_no_other() {
        let log_out = |token| SessionCommand::LogOut { presented: hash(token) };
        let guessed = session([open()]).decide(log_out("guess"));
        assert_eq!(guessed, Err(SessionRefusal::UnknownToken));
        for token in ["t1", "t2"] {
            let session = session([open(), rotate("t1", "t2", 50), log_out(token)]);
            assert!(session.is_revoked());
            assert_eq!(session.decide(log_out("t2")), Ok(vec![]));
        }
    }

    #[test]
    fn revoking_twice_is_revoking_once() {
        let revoke = || SessionCommand::Revoke { reason: "logout".to_owned() };
        let session = session([open(), revoke()]);
        assert_eq!(session.decide(revoke()), Ok(vec![]));
        assert_eq!(session.decide(open()), Err(SessionRefusal::AlreadyOpen));
        assert_eq!(Session::default().decide(revoke()), Err(SessionRefusal::NotOpen));
    }
}
