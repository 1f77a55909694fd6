//! `sagaline log cat` and `sagaline log tail`: the events in a data folder, one a line.

use std::io::Write;

use sagaline_storage::{EventStore, GlobalPosition, RecordedEvent};

use super::super::event_line::EventLine;
use super::super::failure::{Exit, Failure};
use super::super::remote::{Reach, TOKEN};
use super::super::said;
use super::select::Select;
use crate::codec::rfc3339;

/// `sagaline log cat`
#[derive(Debug, Clone, clap::Args)]
pub struct Cat {
    /// Which events.
    #[command(flatten)]
    pub select: Select,
    /// From this position on.
    #[arg(long, default_value_t = 1)]
    pub from: u64,
    /// Up to this position; without it, to the end.
    #[arg(long)]
    pub to: Option<u64>,
    /// At most so many events.
    #[arg(long)]
    pub limit: Option<u64>,
    /// Print each event as a JSON object.
    #[arg(long)]
    pub json: bool,
    /// Which running node, and as whom.
    #[command(flatten)]
    pub reach: Reach,
}

/// `sagaline log tail`
#[derive(Debug, Clone, clap::Args)]
pub struct Tail {
    /// Which events.
    #[command(flatten)]
    pub select: Select,
    /// So many events.
    #[arg(short = 'n', long, default_value_t = 20)]
    pub lines: usize,
    /// Then go on with what a running node appends, until this is stopped.
    #[arg(short = 'f', long)]
    pub follow: bool,
    /// Print each event as a JSON object.
    #[arg(long)]
    pub json: bool,
    /// Which running node, and as whom.
    #[command(flatten)]
    pub reach: Reach,
}

impl Tail {
    /// Refuses what only a running node can do: this is to be of a data folder.
    pub fn check_folder(&self) -> Result<(), Failure> {
        if self.follow {
            let line = format!("--follow asks a running node: give --url, --email or {TOKEN}");
            return Err(Failure::new(Exit::Usage, line));
        }
        Ok(())
    }
}

/// Prints the wanted events, oldest first.
pub async fn cat<E: EventStore>(log: &E, cat: &Cat, out: &mut impl Write) -> Result<(), Failure> {
    let selected = cat.select.check()?;
    let mut left = cat.limit.unwrap_or(u64::MAX);
    let to = match cat.to {
        Some(to) => GlobalPosition(to),
        None => log.head().await?,
    };
    if left == 0 {
        return Ok(());
    }
    let print = |event: &RecordedEvent| {
        print(event, cat.json, out)?;
        left -= 1;
        Ok(left > 0)
    };
    let after = GlobalPosition(cat.from.saturating_sub(1));
    selected.forward(log, after, to, print, |_| {}).await?;
    said(out.flush())
}

/// Prints the newest of the wanted events, oldest first.
pub async fn tail<E: EventStore>(
    log: &E,
    tail: &Tail,
    out: &mut impl Write,
) -> Result<(), Failure> {
    for event in tail.select.check()?.newest(log, tail.lines).await? {
        print(&event, tail.json, out)?;
    }
    said(out.flush())
}

fn print(event: &RecordedEvent, json: bool, out: &mut impl Write) -> Result<(), Failure> {
    if json {
        let line = EventLine::of(event).map_err(|error| Failure::new(Exit::Failed, error))?;
        let line = serde_json::to_string(&line);
        let line = line.map_err(|error| Failure::new(Exit::Failed, error))?;
        return said(writeln!(out, "{line}"));
    }
    let payload = String::from_utf8_lossy(&event.payload);
    let (position, at) = (event.position, rfc3339(event.recorded_at));
    let (stream, version) = (&event.stream, event.version.0);
    let (kind, correlation) = (&event.event_type, &event.correlation_id);
    said(writeln!(out, "{position}  {at}  {stream}@{version}  {kind}  {correlation}  {payload}"))
}
