//! The outbox: the log relayed to the message bus, at least once, in order per correlation id. The log
//! itself is the outbox; there is no second table.

use std::sync::Arc;

use sagaline_storage::bus::{Headers, Message, MessageBus};
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
    let (name, filter) = (NAME.into(), Arc::new(Filter::ALL));
    // What is not published is not passed over.
    let passes_over = false;
    let subscription =
        Subscription { core: core.clone(), name, filter, passes_over, stop, progress };
    let publish = move |events: Wanted| {
        let core = core.clone();
        async move { publish(&core, &events).await }
    };
    subscription.run(publish).await;
}

async fn publish<B: Backend>(core: &Core<B>, events: &Wanted) -> Result<Changes, StorageError> {
    // Before anything is published: while the bus is away the lag is what grows.
    let Some(first) = events.iter().next() else { return Ok(Changes::default()) };
    let head = match events.end() {
        Some(end) => end,
        None => core.backend.events().head().await?,
    };
    core.metrics.outbox_lag.set((head.0 + 1).saturating_sub(first.position.0));
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
        let published = core.backend.bus().publish(&format!("{category}-events"), messages).await;
        if !planted("publish-error-swallowed") {
            published?;
        }
        core.metrics.outbox_published.add(count);
        // A page has up to thousands of messages: others run in between.
        tokio::task::yield_now().await;
    }
    let last = events.iter().last().unwrap_or(first);
    core.metrics.outbox_lag.set(head.0.saturating_sub(last.position.0));
    Ok(Changes::default())
}

/// An event as a message: the payload as it is, the rest as CloudEvents 1.0 attributes.
fn message(event: &RecordedEvent) -> Message {
    let (mut id, mut cause) = (Uuid::encode_buffer(), Uuid::encode_buffer());
    let id = &*event.id.0.hyphenated().encode_lower(&mut id);
    let time = crate::codec::rfc3339(event.recorded_at);
    let sequence = match planted("relayed-under-its-version") {
        true => event.version.0,
        false => event.position.0,
    };
    let source = match planted("relayed-without-its-node") {
        true => "",
        false => event.node_id.as_str(),
    };
    let mut headers = Headers::with_room(10, 320);
    let mut text = |name: &'static str, value: &str| headers.push(name, &[value.as_bytes()]);
    text("ce_specversion", "1.0");
    text("ce_id", id);
    text("ce_type", event.event_type.as_str());
    text("ce_subject", event.stream.as_str());
    text("ce_time", &time);
    text("ce_sequence", &sequence.to_string());
    text("ce_schemaversion", &event.schema_version.to_string());
    text("ce_correlationid", event.correlation_id.as_str());
    if let Some(causation_id) = event.causation_id {
        text("ce_causationid", causation_id.0.hyphenated().encode_lower(&mut cause));
    }
    headers.push("ce_source", &[b"/sagaline/", source.as_bytes()]);
    let key = event.correlation_id.as_str().to_owned();
    Message { id: id.to_owned(), key, headers, payload: event.payload.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
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
        let header =
            |name: &str| String::from_utf8(message.headers.get(name).unwrap().to_vec()).unwrap();
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
