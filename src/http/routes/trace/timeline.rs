//! Events of the log as a trace shows them: who, when and why, never their payload, which may hold what
//! a reader of traces must not see.

use sagaline_storage::{
    CorrelationId, EventId, EventType, NodeId, RecordedEvent, StreamId, Timestamp,
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::WallTime;

/// An event.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct TimelineEvent {
    position: u64,
    #[schema(value_type = uuid::Uuid)]
    event_id: EventId,
    #[schema(value_type = String, example = "OrderPlaced")]
    event_type: EventType,
    #[schema(value_type = String)]
    stream: StreamId,
    version: u64,
    #[schema(value_type = String)]
    correlation_id: CorrelationId,
    #[schema(value_type = Option<uuid::Uuid>)]
    causation_id: Option<EventId>,
    #[schema(value_type = String)]
    node_id: NodeId,
    recorded_at: WallTime,
    /// Since the event before in this timeline.
    since_previous_us: u64,
}

/// The flow as a whole.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Summary {
    events: usize,
    #[schema(value_type = Vec<String>)]
    nodes: Vec<NodeId>,
    started_at: Option<WallTime>,
    ended_at: Option<WallTime>,
    duration_us: u64,
    /// There are more events than are shown.
    truncated: bool,
}

/// The events as given, which is the order of the log.
pub(super) fn of(events: &[RecordedEvent]) -> Vec<TimelineEvent> {
    let times = events.iter().map(|event| event.recorded_at);
    let before = events.first().map(|event| event.recorded_at).into_iter().chain(times);
    events.iter().zip(before).map(|(event, before)| TimelineEvent::of(event, before)).collect()
}

impl TimelineEvent {
    /// An event as it is shown behind one of time `before`.
    pub(super) fn of(event: &RecordedEvent, before: Timestamp) -> Self {
        let since = event.recorded_at.since(before).as_micros();
        Self {
            position: event.position.0,
            event_id: event.id,
            event_type: event.event_type.clone(),
            stream: event.stream.clone(),
            version: event.version.0,
            correlation_id: event.correlation_id.clone(),
            causation_id: event.causation_id,
            node_id: event.node_id.clone(),
            recorded_at: WallTime(event.recorded_at.0),
            since_previous_us: u64::try_from(since).unwrap_or(u64::MAX),
        }
    }
}

impl Summary {
    /// Of events in the order of the log.
    pub(super) fn of(events: &[RecordedEvent], truncated: bool) -> Self {
        let mut nodes: Vec<NodeId> = events.iter().map(|event| event.node_id.clone()).collect();
        nodes.sort_unstable();
        nodes.dedup();
        let started_at = events.first().map(|event| WallTime(event.recorded_at.0));
        let ended_at = events.last().map(|event| WallTime(event.recorded_at.0));
        let duration = ended_at.zip(started_at).map(|(end, start)| end.since_us(start));
        let duration_us = duration.unwrap_or(0);
        Self { events: events.len(), nodes, started_at, ended_at, duration_us, truncated }
    }
}
