//! What the clients send, and which answers are the expected ones.

use std::io::Write;
use std::net::SocketAddr;

use clap::ValueEnum;

use crate::wire::Reply;

const SHIPPING_ADDRESS: &str =
    r#"{"street":"1 Bench Road","city":"Load","zipCode":"12345","country":"US"}"#;

/// What one request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// `POST /sagas`, waits for the end, which must be `completed`.
    Saga,
    /// The same with a third call that is declined; the end must be `compensated`.
    DeclinedSaga,
    /// `POST /sagas` without waiting: 201 is the end.
    StartedSaga,
    /// `POST /orders` without waiting: 201 is the end.
    Order,
    /// `POST /authorize` of a participant: a bare HTTP round trip.
    Bare,
}

/// Makes and judges requests of one kind for one server.
#[derive(Debug)]
pub(crate) struct Requests {
    kind: Kind,
    address: SocketAddr,
    head: String,
    run_id: u64,
}

/// What was made of an answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The end that this kind of request has.
    Expected,
    /// Any other: status and the start of the body.
    Unexpected(String),
}

impl Requests {
    /// Requests whose keys start with `run_id`, so that no two runs share one.
    pub(crate) fn new(kind: Kind, address: SocketAddr, token: Option<&str>, run_id: u64) -> Self {
        let path = match kind {
            Kind::Saga | Kind::DeclinedSaga | Kind::StartedSaga => "/sagas",
            Kind::Order => "/orders",
            Kind::Bare => "/authorize",
        };
        let mut head = format!("POST {path} HTTP/1.1\r\nhost: {address}\r\n");
        head.push_str("content-type: application/json\r\n");
        if matches!(kind, Kind::Saga | Kind::DeclinedSaga) {
            head.push_str("prefer: wait=60\r\n");
        }
        if let Some(token) = token {
            head.push_str(&format!("authorization: Bearer {token}\r\n"));
        }
        Self { kind, address, head, run_id }
    }

    /// The server.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Replaces `buffer` by the next request of a client.
    pub(crate) fn write(&self, buffer: &mut Vec<u8>, client: usize, sequence: u64) {
        let key = format!("{:016x}-{client}-{sequence}", self.run_id);
        let body = self.body(&key);
        buffer.clear();
        let (head, bytes) = (&self.head, body.len());
        write!(buffer, "{head}idempotency-key: {key}\r\ncontent-length: {bytes}\r\n\r\n{body}")
            .expect("writing to a Vec cannot fail");
    }

    /// Whether an answer is the end that this kind of request has.
    pub(crate) fn judge(&self, reply: &Reply<'_>) -> Verdict {
        let (status, end) = match self.kind {
            Kind::Saga => (201, r#""status":"completed""#),
            Kind::DeclinedSaga => (201, r#""status":"compensated""#),
            Kind::StartedSaga | Kind::Order => (201, ""),
            Kind::Bare => (200, ""),
        };
        if reply.status == status && contains(reply.body, end.as_bytes()) {
            return Verdict::Expected;
        }
        let body = String::from_utf8_lossy(&reply.body[..reply.body.len().min(300)]);
        Verdict::Unexpected(format!("{} {body}", reply.status))
    }

    fn body(&self, key: &str) -> String {
        let order = format!(r#""orderId":"{key}","customerId":"load","amount":1250"#);
        match self.kind {
            Kind::Saga | Kind::StartedSaga => {
                format!(r#"{{"sagaType":"bench-standard","data":{{{order}}}}}"#)
            }
            Kind::DeclinedSaga => {
                format!(r#"{{"sagaType":"bench-standard","data":{{{order},"decline":"confirm"}}}}"#)
            }
            Kind::Order => format!(
                r#"{{"items":[{{"productId":"{key}","productName":"Load","quantity":1,"price":12.5}}],"shippingAddress":{SHIPPING_ADDRESS}}}"#
            ),
            Kind::Bare => format!("{{{order}}}"),
        }
    }
}

fn contains(text: &[u8], wanted: &[u8]) -> bool {
    wanted.is_empty() || text.windows(wanted.len()).any(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn requests(kind: Kind) -> Requests {
        Requests::new(kind, ([127, 0, 0, 1], 1).into(), Some("t"), 7)
    }

    #[test]
    fn every_request_has_a_key_of_its_own_and_a_json_body_of_the_told_length() {
        for kind in Kind::value_variants() {
            let (mut one, mut two) = (Vec::new(), Vec::new());
            requests(*kind).write(&mut one, 1, 1);
            requests(*kind).write(&mut two, 1, 2);
            assert_ne!(one, two);
            let text = String::from_utf8(one).expect("text");
            let (head, body) = text.split_once("\r\n\r\n").expect("head and body");
            serde_json::from_str::<serde_json::Value>(body).expect("JSON");
            assert!(head.ends_with(&format!("content-length: {}", body.len())), "{head}");
            assert!(head.contains("idempotency-key: 0000000000000007-1-1\r\n"), "{head}");
            assert!(head.contains("authorization: Bearer t\r\n"), "{head}");
        }
    }

    #[test]
    fn a_saga_that_has_not_ended_is_no_success() {
        let judge = |status, body: &[u8]| requests(Kind::Saga).judge(&Reply { status, body });
        assert_eq!(judge(201, br#"{"id":"1","status":"completed"}"#), Verdict::Expected);
        assert!(matches!(judge(201, br#"{"id":"1","status":"started"}"#), Verdict::Unexpected(_)));
        assert!(matches!(judge(503, b""), Verdict::Unexpected(_)));
    }
}
