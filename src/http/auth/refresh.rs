//! Refresh tokens: `session.secret`, the session's id and 256 random bits. The log keeps only a hash.
//! Issued with every access token; a session and its rule of one token at a time is the domain's.

use sagaline_storage::{Clock, Entropy};
use uuid::Uuid;

use crate::domain::TokenHash;
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
        let session = entropy.uuid_v7(clock.now());
        let mut secret = [0; 32];
        entropy.fill(&mut secret);
        Self { session, text: format!("{session}.{}", hex::encode(&secret)) }
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
}
