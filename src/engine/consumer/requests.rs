//! What operators ask of a group: events on the stream `consumer-NAME`, where the node that runs the group
//! finds them, whichever it is; and the log says for ever who asked for what, and why.

use sagaline_storage::RecordedEvent;
use serde::{Deserialize, Serialize};

use crate::codec::CodecError;
use crate::domain::Aggregate;
use crate::engine::stage;

use super::group::Request;

/// The stream of requests to one group; it has no state, for every request stands for itself.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Requests {}

/// Who asks, and why.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) request: Request,
    pub(super) reason: String,
    pub(super) actor: String,
}

/// A request as the log has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all_fields = "camelCase")]
pub(super) enum RequestEvent {
    /// What is parked is to be delivered again.
    ReplayRequested {
        /// Of this key; none: of all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key: Option<String>,
        reason: String,
        actor: String,
    },
    /// The parked event at this position is to be taken for done.
    SkipRequested { position: u64, reason: String, actor: String },
}

/// There is nothing to refuse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a request is never refused")]
pub(super) struct Never;

impl Aggregate for Requests {
    const CATEGORY: &'static str = "consumer";

    type Command = Asked;
    type Event = RequestEvent;
    type Refusal = Never;

    fn decide(&self, Asked { request, reason, actor }: Asked) -> Result<Vec<RequestEvent>, Never> {
        Ok(vec![match request {
            Request::Replay { key } => RequestEvent::ReplayRequested { key, reason, actor },
            Request::Skip { position } => RequestEvent::SkipRequested { position, reason, actor },
        }])
    }

    fn evolve(&mut self, _: &RequestEvent) {}
}

/// The request that an event of the stream is.
pub(super) fn request_of(event: &RecordedEvent) -> Result<Request, CodecError> {
    Ok(match stage::decode::<Requests>(event)? {
        RequestEvent::ReplayRequested { key, .. } => Request::Replay { key },
        RequestEvent::SkipRequested { position, .. } => Request::Skip { position },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec;

    /// The same promise as that of `tests/golden_events.rs`, whose files these are.
    #[test]
    fn requests_are_written_as_in_their_golden_files() {
        for (event_type, payload) in [
            (
                "ReplayRequested",
                include_str!("../../../tests/golden/consumer/ReplayRequested.v1.json"),
            ),
            (
                "ReplayRequested",
                include_str!("../../../tests/golden/consumer/ReplayRequested.v1.all.json"),
            ),
            ("SkipRequested", include_str!("../../../tests/golden/consumer/SkipRequested.v1.json")),
        ] {
            let payload = payload.trim_end();
            let event: RequestEvent = codec::decode(event_type, payload.as_bytes()).unwrap();
            let written = codec::encode(&event).unwrap();
            assert_eq!(
                (written.event_type.as_str(), &*written.payload),
                (event_type, payload.as_bytes())
            );
        }
    }
}
