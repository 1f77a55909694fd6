//! The idempotency key of a request: in the header or in the body, one and the same. Called by the
//! handlers that create something.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue};

use super::error::Error;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// On an answer that is the first one again.
pub(super) const IDEMPOTENT_REPLAYED: (HeaderName, HeaderValue) =
    (HeaderName::from_static("idempotent-replayed"), HeaderValue::from_static("true"));
/// Longest key, in bytes.
const KEY_BYTES_MAX: usize = 255;

/// The header's key, when there is one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HeaderKey(Option<String>);

impl HeaderKey {
    /// The key of the request: the header's or the body's; both only when they are equal.
    pub fn or_body(self, body: Option<String>) -> Result<Option<String>, Error> {
        if let Some(key) = &body {
            check("idempotencyKey", key)?;
        }
        match (self.0, body) {
            (Some(header), Some(body)) if header != body => Err(Error::field(
                "idempotencyKey",
                format!("{body:?} differs from the header Idempotency-Key {header:?}"),
            )),
            (header, body) => Ok(header.or(body)),
        }
    }
}

/// 1 to 255 visible ASCII characters.
fn check(field: &str, key: &str) -> Result<(), Error> {
    let fits = (1..=KEY_BYTES_MAX).contains(&key.len());
    if fits && key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(());
    }
    let shown: String = key.chars().take(64).collect();
    let wants = format!("{shown:?}: wants 1 to {KEY_BYTES_MAX} visible ASCII characters");
    Err(Error::field(field, wants))
}

impl<S: Sync> FromRequestParts<S> for HeaderKey {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        let mut values = parts.headers.get_all(IDEMPOTENCY_KEY).iter();
        let Some(value) = values.next() else { return Ok(Self(None)) };
        if values.next().is_some() {
            return Err(Error::field("Idempotency-Key", "stands in the headers twice"));
        }
        let key = value.to_str().unwrap_or("").to_owned();
        check("Idempotency-Key", &key)?;
        Ok(Self(Some(key)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_and_body_must_agree() {
        let header = || HeaderKey(Some("k-1".into()));
        assert_eq!(header().or_body(None), Ok(Some("k-1".into())));
        assert_eq!(header().or_body(Some("k-1".into())), Ok(Some("k-1".into())));
        assert_eq!(HeaderKey(None).or_body(Some("k-2".into())), Ok(Some("k-2".into())));
        assert_eq!(HeaderKey(None).or_body(None), Ok(None));
        assert!(matches!(header().or_body(Some("k-2".into())), Err(Error::Invalid(_))));
    }

    #[test]
    fn unusable_keys_are_refused() {
        for key in ["", " ", "a b", "ключ", "line\nbreak"] {
            assert!(HeaderKey(None).or_body(Some(key.into())).is_err(), "{key:?}");
        }
        assert!(HeaderKey(None).or_body(Some("k".repeat(256))).is_err());
        assert!(HeaderKey(None).or_body(Some("k".repeat(255))).is_ok());
    }
}
