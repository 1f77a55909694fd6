//! Where a request came from, for the bound on failed logins. Behind a proxy that is the proxy: its own
//! bounds are then what counts.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use super::error::Error;
use super::serve::Peer;

/// The sender's address without its port; empty when the router is called without a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PeerAddress(pub(super) String);

impl<S: Sync> FromRequestParts<S> for PeerAddress {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        let peer = parts.extensions.get::<Peer>();
        Ok(Self(peer.map_or_else(String::new, |peer| peer.0.ip().to_string())))
    }
}
