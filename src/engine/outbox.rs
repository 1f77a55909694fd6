//! The outbox: the log relayed to the message bus, at least once, in order per correlation id. The log
//! itself is the outbox; there is no second table.

use std::borrow::Cow;
use std::fmt::{self, Write};
use std::sync::Arc;

use bytes::Bytes;
use sagaline_storage::bus::{Message, MessageBus};
use sagaline_storage::{Backend, EventStore, Filter, GlobalPosition, RecordedEvent, StorageError};
use tokio::sync::watch;

use super::core::Core;
use super::subscription::{Changes, Subscription};

/// The outbox's subscription.
const NAME: &str = "outbox";

/// Relays until it is told to stop.
pub(crate) async fn relay<B: Backend>(
    core: Arc<Core<B>>,
    stop: watch::Receiver<bool>,
    progress: watch::Sender<GlobalPosition>,
) {
    let subscription =
        Subscription { core: core.clone(), name: NAME.into(), filter: Filter::ALL, stop, progress };
    let publish = move |events: Arc<[RecordedEvent]>| {
        let core = core.clone();
        async move { publish(&core, &events).await }
    };
    subscription.run(publish).await;
}

async fn publish<B: Backend>(
    core: &Core<B>,
    events: &[RecordedEvent],
) -> Result<Changes, StorageError> {
    let mut topics: Vec<(String, Vec<Message>)> = Vec::new();
    for event in events {
        let topic = format!("{}-events", event.stream.category());
        match topics.iter_mut().find(|(name, _)| *name == topic) {
            Some((_, messages)) => messages.push(message(event)),
            None => topics.push((topic, vec![message(event)])),
        }
    }
    for (topic, messages) in topics {
        let count = messages.len() as u64;
        core.backend.bus().publish(&topic, messages).await?;
        core.metrics.outbox_published.add(count);
    }
    if let Some(last) = events.last() {
        let head = core.backend.events().head().await?;
        core.metrics.outbox_lag.set(head.0.saturating_sub(last.position.0));
    }
    Ok(Changes::new())
}

/// An event as a message: the payload as it is, the rest as CloudEvents 1.0 attributes. All attributes
/// of a message share one piece of memory: at tens of thousands of events a second that is what relaying
/// costs.
fn message(event: &RecordedEvent) -> Message {
    let mut attributes = Attributes::default();
    attributes.put("ce_specversion", format_args!("1.0"));
    attributes.put("ce_id", format_args!("{}", event.id.0));
    attributes.put("ce_source", format_args!("/sagaline/{}", event.node_id));
    attributes.put("ce_type", format_args!("{}", event.event_type));
    attributes.put("ce_subject", format_args!("{}", event.stream));
    attributes.put("ce_time", format_args!("{}", crate::codec::rfc3339(event.recorded_at)));
    attributes.put("ce_sequence", format_args!("{}", event.position));
    attributes.put("ce_schemaversion", format_args!("{}", event.schema_version));
    attributes.put("ce_correlationid", format_args!("{}", event.correlation_id));
    if let Some(cause) = event.causation_id {
        attributes.put("ce_causationid", format_args!("{}", cause.0));
    }
    Message {
        id: event.id.0.to_string(),
        key: event.correlation_id.to_string(),
        headers: attributes.into_headers(),
        payload: event.payload.clone(),
    }
}

/// Names and values, the values side by side in one text.
#[derive(Default)]
struct Attributes {
    text: String,
    ends: Vec<(&'static str, usize)>,
}

impl Attributes {
    fn put(&mut self, name: &'static str, value: fmt::Arguments<'_>) {
        if self.ends.is_empty() {
            self.text.reserve(320);
            self.ends.reserve(10);
        }
        // Writing to a String does not fail.
        let written = self.text.write_fmt(value);
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
    use sagaline_storage::{
        CorrelationId, EventId, EventType, GlobalPosition, NodeId, StreamId, StreamVersion,
        Timestamp,
    };
    use uuid::Uuid;

    use super::*;

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
