//! `sagaline log stats`: what is in the log, counted by reading it.

use std::collections::BTreeMap;
use std::fmt::Write;

use sagaline_storage::{EventStore, GlobalPosition, RecordedEvent, StreamVersion, Timestamp};
use serde::Serialize;

use super::super::failure::{Exit, Failure};
use super::select::Select;
use crate::domain::WallTime;

/// `sagaline log stats`
#[derive(Debug, Clone, clap::Args)]
pub struct Stats {
    /// Which events.
    #[command(flatten)]
    pub select: Select,
    /// Print a JSON object.
    #[arg(long)]
    pub json: bool,
}

/// What was counted.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Counted {
    /// Events.
    pub events: u64,
    /// Streams that begin with one of them.
    pub streams: u64,
    /// Bytes of their payloads.
    pub payload_bytes: u64,
    /// The last position of the log.
    pub head: u64,
    /// When the first was recorded.
    pub first_recorded_at: Option<WallTime>,
    /// When the last was recorded.
    pub last_recorded_at: Option<WallTime>,
    /// Events by category and type.
    pub by_type: BTreeMap<String, BTreeMap<String, u64>>,
    /// Events by the node that appended them.
    pub by_node: BTreeMap<String, u64>,
}

/// Counts the wanted events and returns what is to be printed; `progress` is told how far it is and where
/// the end is.
pub async fn stats<E: EventStore>(
    log: &E,
    stats: &Stats,
    progress: impl FnMut(u64, u64),
) -> Result<String, Failure> {
    let counted = count(log, &stats.select, progress).await?;
    if stats.json {
        return serde_json::to_string_pretty(&counted)
            .map_err(|error| Failure::new(Exit::Failed, error));
    }
    Ok(text(&counted))
}

async fn count<E: EventStore>(
    log: &E,
    select: &Select,
    mut progress: impl FnMut(u64, u64),
) -> Result<Counted, Failure> {
    let selected = select.check()?;
    let head = log.head().await?;
    let mut counted = Counted { head: head.0, ..Counted::default() };
    let add = |event: &RecordedEvent| {
        counted.add(event);
        Ok(true)
    };
    let read = |at: GlobalPosition| progress(at.0.min(head.0), head.0);
    selected.forward(log, GlobalPosition::START, head, add, read).await?;
    progress(head.0, head.0);
    Ok(counted)
}

impl Counted {
    fn add(&mut self, event: &RecordedEvent) {
        let Timestamp(at_us) = event.recorded_at;
        self.events += 1;
        self.streams += u64::from(event.version == StreamVersion(1));
        self.payload_bytes += event.payload.len() as u64;
        self.first_recorded_at.get_or_insert(WallTime(at_us));
        self.last_recorded_at = Some(WallTime(at_us));
        let types = self.by_type.entry(event.stream.category().to_owned()).or_default();
        *types.entry(event.event_type.to_string()).or_default() += 1;
        *self.by_node.entry(event.node_id.to_string()).or_default() += 1;
    }
}

fn text(counted: &Counted) -> String {
    let mut out = String::new();
    let mut line = |what: &str, value: &dyn std::fmt::Display| {
        writeln!(out, "{what:<16} {value}").expect("writing to a String cannot fail");
    };
    line("events", &counted.events);
    line("streams", &counted.streams);
    line("payload bytes", &counted.payload_bytes);
    line("head", &counted.head);
    for (what, at) in [("first", counted.first_recorded_at), ("last", counted.last_recorded_at)] {
        if let Some(at) = at {
            line(what, &at);
        }
    }
    for (node, events) in &counted.by_node {
        line("by node", &format_args!("{events:>10}  {node}"));
    }
    for (category, types) in &counted.by_type {
        for (event_type, events) in types {
            line("by type", &format_args!("{events:>10}  {category}: {event_type}"));
        }
    }
    out
}
