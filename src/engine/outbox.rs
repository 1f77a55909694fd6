//! The outbox: the log relayed to the message bus, at least once, in order per correlation id. The log
//! itself is the outbox; there is no second table.

use std::sync::Arc;

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

/// An event as a message: the payload as it is, the rest as CloudEvents 1.0 attributes.
fn message(event: &RecordedEvent) -> Message {
    let header = |name: &str, value: String| (format!("ce_{name}"), value);
    let mut headers = vec![
        header("specversion", "1.0".to_owned()),
        header("id", event.id.0.to_string()),
        header("source", format!("/sagaline/{}", event.node_id)),
        header("type", event.event_type.to_string()),
        header("subject", event.stream.to_string()),
        header("time", crate::codec::rfc3339(event.recorded_at)),
        header("sequence", event.position.0.to_string()),
        header("schemaversion", event.schema_version.to_string()),
        header("correlationid", event.correlation_id.to_string()),
    ];
    if let Some(cause) = event.causation_id {
        headers.push(header("causationid", cause.0.to_string()));
    }
    Message {
        id: event.id.0.to_string(),
        key: event.correlation_id.to_string(),
        headers,
        payload: event.payload.clone(),
    }
}
