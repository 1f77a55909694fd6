//! Refresh tokens: `session.secret`, the session's id and 256 random bits. The log keeps only a hash.
//! Issued with every access token; a session and its rule of one token at a time is the domain's.

use sagaline_storage::{Clock, Entropy};
use uuid::Uuid;

use crate::domain::{TokenHash, UserId};
use crate::http::hex;

/// A token as it leaves, once.
pub(in crate::http) struct RefreshToken {
    /// The session it belongs to: the id of its stream.
    pub(in crate::http) session: Uuid,
    /// The whole text.
    pub(in crate::http) text: String,
}

impl RefreshToken {
    /// The first token of a new session.
    pub(in crate::http) fn draw(clock: &impl Clock, entropy: &impl Entropy) -> Self {
        Self::of(entropy.uuid_v7(clock.now()), entropy)
    }

    /// The next token of its session.
    pub(in crate::http) fn next(&self, entropy: &impl Entropy) -> Self {
        Self::of(self.session, entropy)
    }

    fn of(session: Uuid, entropy: &impl Entropy) -> Self {
        let mut secret = [0; 32];
        entropy.fill(&mut secret);
        Self { session, text: format!("{session}.{}", hex::encode(&secret)) }
    }

    /// Reads what a client presents; none when it cannot be a token.
    pub(in crate::http) fn read(text: String) -> Option<Self> {
        let (session, secret) = text.split_once('.')?;
        let session = UserId::parse(session).ok()?.uuid();
        (hex::decode(secret)?.len() == 32).then_some(Self { session, text })
    }

    /// What is kept of it.
    pub(in crate::http) fn hash(&self) -> TokenHash {
        TokenHash::of(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use sagaline_storage::clock::{SystemClock, SystemEntropy};

    use super::*;

    #[test]
    fn token_names_its_session_and_hides_in_its_hash() {
        let token = RefreshToken::draw(&SystemClock::default(), &SystemEntropy);
        let (session, secret) = token.text.split_once('.').unwrap();
        assert_eq!(session, token.session.to_string());
        assert_eq!(secret.len(), 64);
        let stored = serde_json::to_string(&token.hash()).unwrap();
        assert!(!stored.contains(secret) && !stored.contains(session));
    }

    #[test]
    fn token_is_read_as_it_was_drawn_and_nothing_else_is() {
        let token = RefreshToken::draw(&SystemClock::default(), &SystemEntropy);
        let read = RefreshToken::read(token.text.clone()).unwrap();
        assert_eq!((read.session, read.hash()), (token.session, token.hash()));
        let next = read.next(&SystemEntropy);
        assert!(next.session == token.session && next.hash() != token.hash());
        let short = &token.text[..token.text.len() - 2];
        for wrong in ["", ".", "x.y", short, &token.text.replace('.', ""), "é.ff"] {
            assert!(RefreshToken::read(wrong.to_owned()).is_none(), "{wrong}");
        }
    }
}
