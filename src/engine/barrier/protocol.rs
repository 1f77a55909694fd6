//! What a call and its answer are on the wire, for services in any language; the same for Rust.
//!
#![doc = include_str!("protocol.md")]

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use sagaline_storage::CorrelationId;
use serde::Serialize;
use serde_json::{Value, json};

use super::super::http_client::{CORRELATION_ID, IDEMPOTENCY_KEY, SAGA_EPOCH};
use super::guarded::{Answered, BarrierError, CallKey};
use super::record::BarrierRefusal;
use crate::saga::StepDirection;

/// PostgreSQL: makes the table.
pub const TABLE: &str = "\
CREATE TABLE IF NOT EXISTS saga_barrier (
    call   text PRIMARY KEY,
    epoch  bigint NOT NULL,
    answer jsonb,
    undone boolean NOT NULL DEFAULT false,
    seen   timestamptz NOT NULL DEFAULT now()
)";

/// PostgreSQL: enters a call `$1` under epoch `$2` and takes its lock; gives `epoch, answer, undone`.
pub const ENTER: &str = "\
INSERT INTO saga_barrier AS seen (call, epoch) VALUES ($1, $2)
ON CONFLICT (call) DO UPDATE SET epoch = greatest(seen.epoch, excluded.epoch), seen = now()
RETURNING epoch, answer, undone";

/// PostgreSQL: writes the first answer `$2` of the action of call `$1`.
pub const ANSWER: &str = "UPDATE saga_barrier SET answer = $2 WHERE call = $1";

/// PostgreSQL: leaves the tombstone of call `$1`.
pub const UNDO: &str = "UPDATE saga_barrier SET undone = true WHERE call = $1";

/// PostgreSQL: forgets calls that cannot come any more.
pub const FORGET: &str = "DELETE FROM saga_barrier WHERE seen < now() - interval '30 days'";

/// What a call of a saga says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallHeaders {
    /// Which step of which saga: an action and its undo share it. As text it is the call `$1` of the statements.
    pub key: CallKey,
    /// Doing or undoing.
    pub direction: StepDirection,
    /// The epoch of the saga's owner.
    pub epoch: u64,
    /// What ties together everything the saga's request set in motion.
    pub correlation_id: CorrelationId,
}

/// Why a request is no call of a saga. Answer it with 400.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("header {header}: {problem}")]
pub struct HeaderProblem {
    /// The header.
    pub header: &'static str,
    /// What it is, and what it must be.
    pub problem: String,
}

impl CallHeaders {
    /// Reads the headers of a call.
    pub fn read(headers: &HeaderMap) -> Result<Self, HeaderProblem> {
        let key = text(headers, "Idempotency-Key", IDEMPOTENCY_KEY.as_str())?;
        let wants = |header, value: &str, wants: &str| HeaderProblem {
            header,
            problem: format!("{value:?}: wants {wants}"),
        };
        let (call, direction) = match key.rsplit_once('/') {
            Some((_, "action")) => (CallKey::parse(key), StepDirection::Action),
            _ => (CallKey::parse(key), StepDirection::Compensation),
        };
        let form = "a saga's id, a step and `action` or `compensation`, with `/` between";
        let call = call.ok_or_else(|| wants("Idempotency-Key", key, form))?;
        let epoch = text(headers, "Sagaline-Epoch", SAGA_EPOCH.as_str())?;
        let number = epoch.parse().map_err(|_| wants("Sagaline-Epoch", epoch, "a whole number"))?;
        let id = text(headers, "X-Correlation-Id", CORRELATION_ID.as_str())?;
        let correlation_id = CorrelationId::new(id).map_err(|error| HeaderProblem {
            header: "X-Correlation-Id",
            problem: error.to_string(),
        })?;
        Ok(Self { key: call, direction, epoch: number, correlation_id })
    }
}

fn text<'a>(
    headers: &'a HeaderMap,
    header: &'static str,
    name: &str,
) -> Result<&'a str, HeaderProblem> {
    let problem = |problem: &str| HeaderProblem { header, problem: problem.to_owned() };
    let value =
        headers.get(name).ok_or_else(|| problem("is missing; every call of a saga has it"))?;
    value.to_str().map_err(|_| problem("is not visible ASCII"))
}

/// The answer to an action, in the protocol's terms.
pub fn answer_action<V: Serialize>(
    answered: &Result<Answered<V>, BarrierError>,
) -> Response<Full<Bytes>> {
    match answered {
        Ok(Answered::Done(value)) => match serde_json::to_value(value) {
            Ok(value) => answer(StatusCode::OK, &value),
            Err(error) => failure(&BarrierError::Unknown(error.to_string())),
        },
        Ok(Answered::Rejected(reason)) => {
            answer(StatusCode::CONFLICT, &json!({ "code": "REJECTED", "detail": reason }))
        }
        Err(error) => failure(error),
    }
}

/// The answer to an undo, in the protocol's terms.
pub fn answer_undo(undone: &Result<bool, BarrierError>) -> Response<Full<Bytes>> {
    match undone {
        Ok(_) => answer(StatusCode::OK, &Value::Null),
        Err(error) => failure(error),
    }
}

fn failure(error: &BarrierError) -> Response<Full<Bytes>> {
    let (status, code) = match error {
        BarrierError::Refused(BarrierRefusal::Undone) => (StatusCode::CONFLICT, "UNDONE"),
        BarrierError::Refused(BarrierRefusal::OlderEpoch { .. }) => {
            (StatusCode::MISDIRECTED_REQUEST, "OLDER_EPOCH")
        }
        BarrierError::Unknown(_) => (StatusCode::SERVICE_UNAVAILABLE, "UNKNOWN"),
    };
    answer(status, &json!({ "code": code, "detail": error.to_string() }))
}

fn answer(status: StatusCode, body: &Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

#[cfg(test)]
mod tests {
    use super::super::super::outcome::{StatusMeaning, status_meaning};
    use super::*;

    const SAGA: &str = "00000000-0000-0000-0000-000000000007";

    fn headers(key: &str, epoch: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(IDEMPOTENCY_KEY, HeaderValue::from_str(key).unwrap());
        headers.insert(SAGA_EPOCH, HeaderValue::from_str(epoch).unwrap());
        headers.insert(CORRELATION_ID, HeaderValue::from_static("request-7"));
        headers
    }

    #[test]
    fn a_calls_headers_are_read() {
        let read = CallHeaders::read(&headers(&format!("{SAGA}/hotel/action"), "3")).unwrap();
        assert_eq!((read.direction, read.epoch), (StepDirection::Action, 3));
        assert_eq!(read.correlation_id.as_str(), "request-7");
        assert_eq!(read.key.to_string(), format!("{SAGA}/hotel"));
        let undo = CallHeaders::read(&headers(&format!("{SAGA}/hotel/compensation"), "3")).unwrap();
        assert_eq!((undo.direction, undo.key), (StepDirection::Compensation, read.key));
    }

    #[test]
    fn what_is_no_call_is_refused_by_name() {
        let refused = |headers: &HeaderMap| CallHeaders::read(headers).unwrap_err().to_string();
        assert_eq!(
            refused(&HeaderMap::new()),
            "header Idempotency-Key: is missing; every call of a saga has it"
        );
        assert_eq!(
            refused(&headers("order-7", "3")),
            "header Idempotency-Key: \"order-7\": wants a saga's id, a step and `action` or \
             `compensation`, with `/` between"
        );
        assert_eq!(
            refused(&headers(&format!("{SAGA}/hotel/action"), "-1")),
            "header Sagaline-Epoch: \"-1\": wants a whole number"
        );
    }

    #[test]
    fn every_answer_means_to_the_saga_what_the_protocol_says() {
        let meaning = |response: Response<Full<Bytes>>| status_meaning(response.status().as_u16());
        let refused = |refusal| Err(BarrierError::Refused(refusal));
        let done = || answer_action(&Ok(Answered::Done(7)));
        assert_eq!(meaning(done()), StatusMeaning::Succeeded);
        let no = answer_action::<u32>(&Ok(Answered::Rejected("no".to_owned())));
        assert_eq!(meaning(no), StatusMeaning::Rejected);
        let undone = answer_action::<u32>(&refused(BarrierRefusal::Undone));
        assert_eq!(meaning(undone), StatusMeaning::Rejected);
        let older = || refused(BarrierRefusal::OlderEpoch { presented: 1, current: 2 });
        assert_eq!(meaning(answer_action::<u32>(&older())), StatusMeaning::Unknown);
        let older =
            Err(BarrierError::Refused(BarrierRefusal::OlderEpoch { presented: 1, current: 2 }));
        assert_eq!(meaning(answer_undo(&older)), StatusMeaning::Unknown);
        assert_eq!(meaning(answer_undo(&Ok(false))), StatusMeaning::Succeeded);
    }

    #[test]
    fn the_protocols_text_has_the_statements() {
        let text = include_str!("protocol.md");
        for statement in [TABLE, ENTER, ANSWER, UNDO, FORGET] {
            assert!(text.contains(&format!("```sql\n{statement}\n```")), "{statement}");
        }
    }
}
