//! Which events a command wants: the flags that `log cat`, `log tail` and `log stats` have in common.

use sagaline_storage::{
    AllQuery, CorrelationId, Direction, EventStore, EventType, Filter, GlobalPosition,
    RecordedEvent, StreamId, Timestamp,
};

use super::super::failure::{Exit, Failure};
use super::super::remote::escaped;
use crate::domain::WallTime;
use crate::http::category;

/// Events read at a time.
const PAGE: usize = 1_000;

/// Given flags must all match.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Select {
    /// Only events of this stream.
    #[arg(long)]
    pub stream: Option<String>,
    /// Only streams of this category (what stands before the first `-`); may be given several times.
    #[arg(long)]
    pub category: Vec<String>,
    /// Only events of this type; may be given several times.
    #[arg(long = "type")]
    pub event_type: Vec<String>,
    /// Only events with this correlation id.
    #[arg(long)]
    pub correlation_id: Option<String>,
    /// Only events recorded at or after this time (RFC 3339).
    #[arg(long)]
    pub since: Option<String>,
    /// Only events recorded before this time (RFC 3339).
    #[arg(long)]
    pub until: Option<String>,
}

/// What the flags mean.
#[derive(Debug, Clone)]
pub(crate) struct Selected {
    stream: Option<StreamId>,
    filter: Filter,
}

impl Select {
    /// Checks the flags; a failure names the flag.
    pub(crate) fn check(&self) -> Result<Selected, Failure> {
        let types = self.event_type.iter().map(|name| EventType::new(name.as_str()));
        let categories = self.category.iter().map(|name| category(name));
        let stream = self.stream.as_deref().map(StreamId::new).transpose();
        let correlation_id = self.correlation_id.as_deref().map(CorrelationId::new).transpose();
        Ok(Selected {
            stream: stream.map_err(|error| wrong("--stream", &error))?,
            filter: Filter {
                event_types: types.collect::<Result<_, _>>().map_err(|e| wrong("--type", &e))?,
                categories: categories
                    .collect::<Result<_, _>>()
                    .map_err(|problem| wrong("--category", &problem))?,
                correlation_id: correlation_id
                    .map_err(|error| wrong("--correlation-id", &error))?,
                recorded_from: time("--since", self.since.as_deref())?,
                recorded_to: time("--until", self.until.as_deref())?,
            },
        })
    }
}

impl Select {
    /// The flags in the query of a running node, which knows no single stream: it is asked for its category.
    pub(super) fn query(&self) -> Result<String, Failure> {
        self.check()?;
        let mut categories = self.category.clone();
        if let (Some(stream), true) = (&self.stream, categories.is_empty()) {
            categories.extend(stream.split('-').next().map(str::to_owned));
        }
        let (categories, types) = (categories.join(","), self.event_type.join(","));
        let given = [
            ("category", Some(&categories)),
            ("eventType", Some(&types)),
            ("correlationId", self.correlation_id.as_ref()),
            ("since", self.since.as_ref()),
            ("until", self.until.as_ref()),
        ];
        let given = given.into_iter().filter_map(|(name, value)| Some((name, value?)));
        let given = given.filter(|(_, value)| !value.is_empty());
        Ok(given.map(|(name, value)| format!("&{name}={}", escaped(value))).collect())
    }

    /// Whether a stream is the wanted one.
    pub(super) fn takes(&self, stream: &str) -> bool {
        self.stream.as_deref().is_none_or(|wanted| wanted == stream)
    }
}

impl Selected {
    /// Hands the events behind `after` up to and with `to` on, oldest first, until `take` says false;
    /// `progress` is told after each page how far it is.
    pub(crate) async fn forward<E: EventStore>(
        &self,
        log: &E,
        after: GlobalPosition,
        to: GlobalPosition,
        mut take: impl FnMut(&RecordedEvent) -> Result<bool, Failure>,
        mut progress: impl FnMut(GlobalPosition),
    ) -> Result<(), Failure> {
        let mut from = after;
        while from < to {
            let query = AllQuery { filter: self.filter.clone(), ..AllQuery::after(from, PAGE) };
            let page = log.read_all(query).await?;
            for event in page.events.iter().filter(|event| event.position <= to) {
                if self.wants(event) && !take(event)? {
                    return Ok(());
                }
            }
            if page.end || page.next == from {
                return Ok(());
            }
            from = page.next;
            progress(from);
        }
        Ok(())
    }

    /// The newest `count` events, oldest first.
    pub(crate) async fn newest<E: EventStore>(
        &self,
        log: &E,
        count: usize,
    ) -> Result<Vec<RecordedEvent>, Failure> {
        let mut from = GlobalPosition(log.head().await?.0.saturating_add(1));
        let mut newest = Vec::new();
        while newest.len() < count {
            let filter = self.filter.clone();
            let query = AllQuery { from, direction: Direction::Backward, limit: PAGE, filter };
            let page = log.read_all(query).await?;
            let wanted = page.events.into_iter().filter(|event| self.wants(event));
            newest.extend(wanted.take(count - newest.len()));
            if page.end || page.next == from {
                break;
            }
            from = page.next;
        }
        newest.reverse();
        Ok(newest)
    }

    fn wants(&self, event: &RecordedEvent) -> bool {
        self.stream.as_ref().is_none_or(|stream| *stream == event.stream)
    }
}

fn wrong(flag: &str, error: &dyn std::fmt::Display) -> Failure {
    Failure::new(Exit::Usage, format!("{flag}: {error}"))
}

fn time(flag: &str, text: Option<&str>) -> Result<Option<Timestamp>, Failure> {
    let Some(text) = text else { return Ok(None) };
    let time = WallTime::parse(text)
        .ok_or_else(|| wrong(flag, &format!("`{text}` is no time like 2026-11-22T19:04:05Z")))?;
    Ok(Some(Timestamp(time.0)))
}
