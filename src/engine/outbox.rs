//! The outbox: the log relayed to the message bus, at least once, in order per correlation id. The log
//! itself is the outbox; there is no second table.

use std::borrow::Cow;
use std::fmt::Write;
use std::sync::Arc;

use bytes::Bytes;
use sagaline_storage::bus::{Message, MessageBus};
use sagaline_storage::{Backend, EventStore, Filter, RecordedEvent, StorageError};
use tokio::sync::watch;
use uuid::Uuid;

use crate::canary::planted;

use super::core::Core;
use super::pages::Wanted;
use super::subscription::{Changes, Progress, Subscription};

/// The outbox's subscription.
const NAME: &str = "outbox";

/// Relays until it is told to stop.
pub(crate) async fn relay<B: Backend>(
    core: Arc<Core<B>>,
    stop: watch::Receiver<bool>,
    progress: Progress,
) {
    let filter = Arc::new(Filter::ALL);
    let subscription =
        Subscription { core: core.clone(), name: NAME.into(), filter, stop, progress };
    let publish = move |events: Wanted| {
        let core = core.clone();
        async move { publish(&core, &events).await }
    };
    subscription.run(publish).await;
}

async fn publish<B: Backend>(core: &Core<B>, events: &Wanted) -> Result<Changes, StorageError> {
    let mut by_category: Vec<(&str, Vec<Message>)> = Vec::new();
    for event in events.iter() {
        let category = event.stream.category();
        match by_category.iter_mut().find(|(known, _)| *known == category) {
            Some((_, messages)) => messages.push(message(event)),
            None => by_category.push((category, vec![message(event)])),
        }
    }
    if planted("harmless-topics-in-another-order") {
        by_category.reverse();
    }
    for (category, messages) in by_category {
        let count = messages.len() as u64;
        core.backend.bus().publish(&format!("{category}-events"), messages).await?;
        core.metrics.outbox_published.add(count);
        // A page has up to thousands of messages: others run in between.
        tokio::task::yield_now().await;
    }
    if let Some(last) = events.iter().last() {
        let head = match events.end() {
            Some(end) => end,
            None => core.backend.events().head().await?,
        };
        core.metrics.outbox_lag.set(head.0.saturating_sub(last.position.0));
    }
    Ok(Changes::new())
}

/// An event as a message: the payload as it is, the rest as CloudEvents 1.0 attributes. All attributes
/// of a message share one piece of memory: at tens of thousands of events a second that is what relaying
/// costs.
fn message(event: &RecordedEvent) -> Message {
    let mut buffer = Uuid::encode_buffer();
    let id = &*event.id.0.hyphenated().encode_lower(&mut buffer);
    let mut attributes = Attributes::with_room();
    attributes.text("ce_specversion", &["1.0"]);
    attributes.text("ce_id", &[id]);
    attributes.text("ce_source", &["/sagaline/", event.node_id.as_str()]);
    attributes.text("ce_type", &[event.event_type.as_str()]);
    attributes.text("ce_subject", &[event.stream.as_str()]);
    attributes.text("ce_time", &[&crate::codec::rfc3339(event.recorded_at)]);
    attributes.number("ce_sequence", event.position.0);
    attributes.number("ce_schemaversion", event.schema_version.into());
    attributes.text("ce_correlationid", &[event.correlation_id.as_str()]);
    if let Some(cause) = event.causation_id {
        let mut buffer = Uuid::encode_buffer();
        attributes.text("ce_causationid", &[cause.0.hyphenated().encode_lower(&mut buffer)]);
    }
    Message {
        id: id.to_owned(),
        key: event.correlation_id.as_str().to_owned(),
        headers: attributes.into_headers(),
        payload: event.payload.clone(),
    }
}

/// Names and values, the values side by side in one text.
struct Attributes {
    text: String,
    ends: Vec<(&'static str, usize)>,
}

impl Attributes {
    fn with_room() -> Self {
        Self { text: String::with_capacity(320), ends: Vec::with_capacity(10) }
    }

    /// An attribute whose value is these parts together.
    fn text(&mut self, name: &'static str, parts: &[&str]) {
        parts.iter().for_each(|part| self.text.push_str(part));
        self.ends.push((name, self.text.len()));
    }

    fn number(&mut self, name: &'static str, value: u64) {
        // Writing to a String does not fail.
        let written = write!(self.text, "{value}");
        debug_assert!(written.is_ok());
        self.ends.push((name, self.text.len()));
    }

    fn into_headers(self) -> Vec<(Cow<'static, str>, Bytes)> {
        let text = Bytes::from(self.text);
        let mut start = 0;
        let header = |(name, end)| {
            let value = text.slice(start..end);
            start = end;
            (Cow::Borrowed(name), value)
        };
        self.ends.into_iter().map(header).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sagaline_storage::{
        CorrelationId, EventId, EventType, GlobalPosition, NodeId, StreamId, StreamVersion,
        Timestamp,
    };

    #[test]
    fn an_event_is_a_cloud_event() {
        let event = RecordedEvent {
            position: GlobalPosition(7),
            stream: StreamId::new("order-1").unwrap(),
            version: StreamVersion(2),
            id: EventId(Uuid::from_u128(1)),
            event_type: EventType::new("OrderPlaced").unwrap(),
            schema_version: 3,
            correlation_id: CorrelationId::new("c-1").unwrap(),
            causation_id: Some(EventId(Uuid::from_u128(2))),
            node_id: NodeId::new("n1").unwrap(),
            recorded_at: Timestamp(0),
            payload: Bytes::from_static(b"{}"),
            chain: [0; 32],
        };
        let message = message(&event);
        let header = |name: &str| {
            let found = message.headers.iter().find(|(known, _)| known == name);
            String::from_utf8(found.unwrap().1.to_vec()).unwrap()
        };
        assert_eq!(message.key, "c-1");
        assert_eq!(header("ce_specversion"), "1.0");
        assert_eq!(header("ce_id"), Uuid::from_u128(1).to_string());
        assert_eq!(header("ce_type"), "OrderPlaced");
        assert_eq!(header("ce_source"), "/sagaline/n1");
        assert_eq!(header("ce_time"), "1970-01-01T00:00:00.000000Z");
        assert_eq!(header("ce_sequence"), "7");
        assert_eq!(header("ce_schemaversion"), "3");
        assert_eq!(header("ce_causationid"), Uuid::from_u128(2).to_string());
    }
}
