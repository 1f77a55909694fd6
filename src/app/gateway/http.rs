//! A gateway somewhere else, spoken to over HTTP.
//!
//! | call | request |
//! |---|---|
//! | authorise, capture, void, refund | `POST {base}/authorize`, `/capture`, `/void`, `/refund` with `{"orderId", "amount", "currency", "token"?}`; 2xx answers `{"reference"}` |
//! | probe | `GET {base}/payments/{key}`, the key percent-encoded; 2xx answers `{"reference"}` when the operation under the key took effect, 404 when it did not |
//!
//! Every request carries `Idempotency-Key`, `Sagaline-Epoch`, `X-Correlation-Id` and `traceparent`. What a
//! status means is the one table of [`crate::engine::outcome`]; a `no` is read from the answer's `error`
//! (or `code`) and `detail`. The other side keeps the five promises of [`super`].

use std::fmt::Write as _;

use ::http::{Method, Request, Uri, header};
use bytes::Bytes;
use http_body_util::Full;
use serde::Serialize;

use crate::domain::{Decimal, OrderId};
use crate::engine::http_client::{
    CORRELATION_ID, HttpClient, IDEMPOTENCY_KEY, SAGA_EPOCH, TRACEPARENT, outcome, probed,
};
use crate::engine::{Failure, Outcome, Probe};

use super::{Gateway, Operation, PaymentCall, Receipt};

/// A remote gateway.
#[derive(Debug, Clone)]
pub struct HttpGateway {
    client: HttpClient,
    base: String,
}

/// An address that no gateway can have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("gateway address {address:?}: wants http://host[:port][/path], {problem}")]
pub struct BadGatewayUrl {
    /// The address.
    pub address: String,
    /// What is wrong with it.
    pub problem: String,
}

/// What is sent.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    order_id: OrderId,
    amount: Decimal,
    currency: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<&'a str>,
}

impl HttpGateway {
    /// The gateway at `base`, an `http` address without query.
    pub fn new(client: HttpClient, base: &str) -> Result<Self, BadGatewayUrl> {
        let refuse =
            |problem: &str| BadGatewayUrl { address: base.to_owned(), problem: problem.to_owned() };
        let uri: Uri = base.parse().map_err(|error| refuse(&format!("{error}")))?;
        if uri.scheme_str() != Some("http") || uri.authority().is_none() {
            return Err(refuse("has no http:// and host"));
        }
        if uri.query().is_some() {
            return Err(refuse("has a query"));
        }
        Ok(Self { client, base: base.trim_end_matches('/').to_owned() })
    }

    fn request_for(
        &self,
        method: Method,
        path: &str,
        call: &PaymentCall<'_>,
        body: Bytes,
    ) -> Result<Request<Full<Bytes>>, ::http::Error> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}/{path}", self.base))
            .header(header::CONTENT_TYPE, "application/json")
            .header(IDEMPOTENCY_KEY, call.key)
            .header(SAGA_EPOCH, call.epoch)
            .header(CORRELATION_ID, call.correlation_id);
        if let Some(traceparent) = call.traceparent {
            request = request.header(TRACEPARENT, traceparent);
        }
        request.body(Full::new(body))
    }
}

impl Gateway for HttpGateway {
    async fn request(&self, operation: Operation, call: &PaymentCall<'_>) -> Outcome<Receipt> {
        let body = Body {
            order_id: call.order_id,
            amount: Decimal(call.amount),
            currency: call.currency.code(),
            token: call.token,
        };
        let unsent = |error: &dyn std::fmt::Display| {
            Failure::unknown(format!("the {operation} request cannot be written: {error}"))
        };
        let body = serde_json::to_vec(&body).map_err(|error| unsent(&error))?;
        let request = self.request_for(Method::POST, operation.as_str(), call, body.into());
        let request = request.map_err(|error| unsent(&error))?;
        outcome(&self.client.send(request).await.map_err(Failure::unknown)?)
    }

    async fn probe(&self, call: &PaymentCall<'_>) -> Probe<Receipt> {
        let path = format!("payments/{}", path_segment(call.key));
        let Ok(request) = self.request_for(Method::GET, &path, call, Bytes::new()) else {
            return Probe::CannotTell;
        };
        self.client.send(request).await.map_or(Probe::CannotTell, |answer| probed(&answer))
    }
}

/// One segment of a path: everything but RFC 3986's unreserved characters is percent-encoded.
fn path_segment(text: &str) -> String {
    let mut segment = String::with_capacity(text.len() + 8);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            segment.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(segment, "%{byte:02X}");
        }
    }
    segment
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::engine::http_client::TcpConnect;

    fn gateway(base: &str) -> Result<HttpGateway, BadGatewayUrl> {
        HttpGateway::new(HttpClient::new(Arc::new(TcpConnect)), base)
    }

    #[test]
    fn an_address_is_checked_when_the_gateway_is_made() {
        assert!(gateway("http://payments:8080/v1/").is_ok());
        for bad in [
            "",
            "payments",
            "https://payments",
            "http://",
            "http://p/?a=b",
            "ftp://p",
            "http://a b",
        ] {
            let error = gateway(bad).unwrap_err().to_string();
            assert!(error.contains("wants http://"), "{error}");
        }
    }

    #[test]
    fn a_key_is_one_segment_of_the_path() {
        assert_eq!(path_segment("a-1/step/action"), "a-1%2Fstep%2Faction");
        assert_eq!(path_segment("é?#"), "%C3%A9%3F%23");
    }
}
