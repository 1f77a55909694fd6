//! Documents straight from the log, by the read models' own functions: an answer about something that
//! was just written must not wait for a view.

use sagaline_storage::{Backend, Direction, EventStore, RecordedEvent, StreamId, StreamVersion};

use super::app::App;
use super::error::Error;
use super::failure;

/// Events of a page, and the longest stream that is read here. A saga's history is bounded below it.
const PAGE: usize = 512;
const EVENTS_MAX: usize = 20_000;

/// A stream's events, oldest first.
pub(super) async fn stream<B: Backend>(
    app: &App<B>,
    category: &str,
    key: &str,
) -> Result<Vec<RecordedEvent>, Error> {
    let stream = StreamId::new(format!("{category}-{key}")).map_err(failure::storage)?;
    let mut events: Vec<RecordedEvent> = Vec::new();
    loop {
        let from = StreamVersion(events.last().map_or(1, |last| last.version.0 + 1));
        let read = app.backend().events().read_stream(&stream, from, Direction::Forward, PAGE);
        let page = read.await.map_err(failure::storage)?;
        let last = page.len() < PAGE;
        events.extend(page);
        if last {
            app.node().open(&mut events).await.map_err(failure::load)?;
            return Ok(events);
        }
        if events.len() > EVENTS_MAX {
            return Err(Error::internal(format!("{stream} has more than {EVENTS_MAX} events")));
        }
    }
}

/// The events of several streams of one key, in the order of the log.
pub(super) async fn streams<B: Backend>(
    app: &App<B>,
    categories: &[&str],
    key: &str,
) -> Result<Vec<RecordedEvent>, Error> {
    let mut events = Vec::new();
    for category in categories {
        events.extend(stream(app, category, key).await?);
    }
    events.sort_unstable_by_key(|event| event.position);
    Ok(events)
}
