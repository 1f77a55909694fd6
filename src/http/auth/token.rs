//! Access tokens: JWTs signed with HS256 and checked by the backend's clock. Issued at registration and
//! login, checked by [`super::caller`] for every request that needs a caller. No other algorithm is read.

use std::num::NonZeroUsize;
use std::time::Duration;

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use lru::LruCache;
use parking_lot::Mutex;
use sagaline_storage::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::{Role, UserId};
use crate::http::error::TokenProblem;
use crate::settings::Secret;

/// Who issues, and the only issuer that is accepted.
const ISSUER: &str = "sagaline";

/// Tokens remembered as ours, by their hash: a caller sends the same one with every request, and its
/// signature is looked at once. They take about 1 MiB.
const REMEMBERED_MAX: NonZeroUsize = NonZeroUsize::new(8_192).expect("it is not zero");

/// What a token says of its bearer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Claims {
    sub: UserId,
    role: Role,
    iss: String,
    iat: u64,
    exp: u64,
}

/// What a request needs to know of its bearer's token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bearer {
    /// The user.
    pub(super) user: UserId,
    /// The user's role when the token was issued.
    pub(super) role: Role,
    /// Seconds since 1970; from then on the token is worth nothing.
    expires_s: u64,
}

/// Issues and checks tokens.
pub struct Tokens {
    signing: EncodingKey,
    checking: DecodingKey,
    validation: Validation,
    ttl: Duration,
    known: Mutex<LruCache<blake3::Hash, Bearer>>,
}

impl Tokens {
    /// Tokens signed by `secret` that are valid for `ttl`.
    pub fn new(secret: &Secret, ttl: Duration) -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_issuer(&[ISSUER]);
        validation.set_required_spec_claims(&["exp", "iss", "sub"]);
        // Times are checked here, by the backend's clock.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        Self {
            signing: EncodingKey::from_secret(secret.expose().as_bytes()),
            checking: DecodingKey::from_secret(secret.expose().as_bytes()),
            validation,
            ttl,
            known: Mutex::new(LruCache::new(REMEMBERED_MAX)),
        }
    }

    /// A token for a user, valid from now on.
    pub(in crate::http) fn issue(
        &self,
        user: UserId,
        role: Role,
        now: Timestamp,
    ) -> Result<String, jsonwebtoken::errors::Error> {
        let iat = now.millis() / 1_000;
        let exp = iat.saturating_add(self.ttl.as_secs());
        let claims = Claims { sub: user, role, iss: ISSUER.to_owned(), iat, exp };
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.signing)
    }

    /// What a token says, if it is one of ours and its time is not over.
    pub(super) fn check(&self, token: &str, now: Timestamp) -> Result<Bearer, TokenProblem> {
        let hash = blake3::hash(token.as_bytes());
        let known = self.known.lock().get(&hash).copied();
        let bearer = match known {
            Some(bearer) => bearer,
            None => {
                let bearer = self.verify(token)?;
                self.known.lock().put(hash, bearer);
                bearer
            }
        };
        if bearer.expires_s <= now.millis() / 1_000 {
            return Err(TokenProblem::Expired);
        }
        Ok(bearer)
    }

    fn verify(&self, token: &str) -> Result<Bearer, TokenProblem> {
        let read = jsonwebtoken::decode::<Claims>(token, &self.checking, &self.validation);
        let Claims { sub, role, exp, .. } = read.map_err(|_| TokenProblem::Invalid)?.claims;
        Ok(Bearer { user: sub, role, expires_s: exp })
    }
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens").field("ttl", &self.ttl).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_800_000_000_000_000);
    const DAY: Duration = Duration::from_secs(86_400);

    fn tokens(secret: &str) -> Tokens {
        Tokens::new(&Secret::new(secret), DAY)
    }

    fn user() -> UserId {
        UserId::parse("0192f3a4-5b6c-7d8e-9f01-23456789abcd").unwrap()
    }

    #[test]
    fn token_is_accepted_until_its_time_is_over() {
        let tokens = tokens(&"s".repeat(32));
        let token = tokens.issue(user(), Role::Merchant, NOW).unwrap();
        for _ in 0..2 {
            // The second time it is known.
            let bearer = tokens.check(&token, NOW.after(DAY - Duration::from_secs(1))).unwrap();
            assert_eq!((bearer.user, bearer.role), (user(), Role::Merchant));
        }
        assert_eq!(tokens.check(&token, NOW.after(DAY)), Err(TokenProblem::Expired));
    }

    #[test]
    fn forged_tokens_are_refused() {
        let tokens = tokens(&"s".repeat(32));
        let token = tokens.issue(user(), Role::Customer, NOW).unwrap();
        let parts: Vec<&str> = token.split('.').collect();
        let elsewhere = super::tests::tokens(&"t".repeat(32));
        let foreign = elsewhere.issue(user(), Role::Admin, NOW).unwrap();
        let payload = foreign.split('.').nth(1).unwrap();
        let raised = format!("{}.{payload}.{}", parts[0], parts[2]);
        tokens.check(&token, NOW).unwrap();
        for forged in ["", "x", "a.b.c", &foreign, &raised, &token[..token.len() - 2]] {
            for _ in 0..2 {
                assert_eq!(tokens.check(forged, NOW), Err(TokenProblem::Invalid), "{forged}");
            }
        }
    }

    #[test]
    fn other_algorithms_are_refused() {
        let key = "s".repeat(32);
        let claims = Claims {
            sub: user(),
            role: Role::Admin,
            iss: ISSUER.to_owned(),
            iat: 0,
            exp: u64::MAX,
        };
        let signing = EncodingKey::from_secret(key.as_bytes());
        let hs512 =
            jsonwebtoken::encode(&Header::new(Algorithm::HS512), &claims, &signing).unwrap();
        // {"alg":"none","typ":"JWT"}, with and without a signature behind it.
        let payload = hs512.split('.').nth(1).unwrap();
        let none = format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{payload}.");
        let signed = format!("{none}{}", hs512.split('.').nth(2).unwrap());
        for token in [hs512.clone(), none, signed] {
            assert_eq!(tokens(&key).check(&token, NOW), Err(TokenProblem::Invalid), "{token}");
        }
    }
}
