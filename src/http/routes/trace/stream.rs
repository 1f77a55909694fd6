//! `GET /trace/events/stream`: the log as it grows, as server-sent events. The id of an event is its
//! position, so a client that comes back with `Last-Event-ID` goes on behind the last event it has seen:
//! it misses none and sees none twice.

use std::convert::Infallible;
use std::fmt::Write;
use std::pin::pin;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::future::{Either, select};
use futures_util::stream::unfold;
use sagaline_storage::{
    AllQuery, Backend, Clock, Direction, EventStore, Filter, GlobalPosition, RecordedEvent,
    Timestamp,
};
use tokio::sync::OwnedSemaphorePermit;

use super::events::filter;
use super::timeline::TimelineEvent;
use crate::canary::planted;
use crate::http::app::App;
use crate::http::auth::Admin;
use crate::http::error::Error;
use crate::http::failure;
use crate::http::params::Params;
use crate::limits::{EVENT_STREAM_LIFE_S, EVENT_STREAM_PAGE_EVENTS};

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// nginx is not to gather what should leave at once.
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// After so much silence a line is sent, so that a dead connection is found and a proxy keeps a live one.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// A client waits so long before it comes back.
const RETRY_MS: u64 = 1_000;

/// Sends the log's events as they are written, as server-sent events.
///
/// `id` is the event's position, `event` its type, `data` the event as `GET /trace/events` shows it. It
/// begins with what is written next; with `Last-Event-ID` (or `after`) behind that position, and nothing
/// is missed. It ends when the node stops and after an hour: come back with the last id.
#[utoipa::path(
    get, path = "/trace/events/stream", operation_id = "streamEvents", tag = "Traces",
    security(("bearer" = ["admin"])),
    params(
        ("Last-Event-ID" = Option<u64>, Header, description = "The last event that was seen"),
        ("after" = Option<u64>, Query, description = "The same, for clients that cannot set headers; the header goes first"),
        ("eventType" = Option<String>, Query, description = "Only events of these types", example = "OrderPlaced,OrderConfirmed"),
        ("category" = Option<String>, Query, description = "Only streams of these categories", example = "order"),
        ("correlationId" = Option<String>, Query, description = "Only events with this correlation id"),
        ("since" = Option<String>, Query, description = "Only events recorded at or after this time (RFC 3339)"),
        ("until" = Option<String>, Query, description = "Only events recorded before this time (RFC 3339)"),
    ),
    responses((
        status = 200, description = "Events without end", content_type = "text/event-stream",
        body = String, example = "id: 17\nevent: OrderPlaced\ndata: {\"position\":17}\n\n",
    )),
)]
pub(super) async fn live<B: Backend>(
    State(app): State<App<B>>,
    _: Admin,
    headers: HeaderMap,
    mut params: Params,
) -> Result<Response, Error> {
    let after = params.number("after", 0..=u64::MAX).map(GlobalPosition);
    let filter = filter(&mut params);
    params.finish()?;
    let head = app.backend().events().head().await.map_err(failure::storage)?;
    // A position that the log does not have is of another log: what comes next is all there is to tell.
    let behind = u64::from(planted("live-events-resume-one-later"));
    let seen = last_seen(&headers)?.map(|seen| GlobalPosition(seen.0 + behind));
    let seen = seen.or(after).unwrap_or(head).min(head);
    let place = app.enter_event_stream()?;
    let ends = app.clock().monotonic() + Duration::from_secs(EVENT_STREAM_LIFE_S);
    let last_at = None;
    let follower = Follower { app, seen, last_at, filter, ends, greeted: false, _place: place };
    let body = Body::from_stream(unfold(follower, Follower::next));
    let headers = [
        (CONTENT_TYPE, "text/event-stream; charset=utf-8"),
        (CACHE_CONTROL, "no-store"),
        (X_ACCEL_BUFFERING, "no"),
    ];
    Ok((headers, body).into_response())
}

fn last_seen(headers: &HeaderMap) -> Result<Option<GlobalPosition>, Error> {
    let Some(value) = headers.get(LAST_EVENT_ID) else { return Ok(None) };
    let number = value.to_str().ok().and_then(|text| text.parse().ok());
    let wrong = || Error::field("Last-Event-ID", "wants the id of an event of this stream");
    number.map(GlobalPosition).map(Some).ok_or_else(wrong)
}

/// One client's place in the log. Nothing is read before the client has taken what was read before.
struct Follower<B: Backend> {
    app: App<B>,
    seen: GlobalPosition,
    /// When the last event was recorded that it was sent.
    last_at: Option<Timestamp>,
    filter: Filter,
    /// Monotonic.
    ends: Duration,
    greeted: bool,
    _place: OwnedSemaphorePermit,
}

impl<B: Backend> Follower<B> {
    /// What is sent next; none: the stream is at its end.
    async fn next(mut self) -> Option<(Result<Bytes, Infallible>, Self)> {
        if !self.greeted {
            self.greeted = true;
            // The client has a place to come back to before the first event.
            let place = match planted("greeted-with-the-head") {
                true => self.app.backend().events().head().await.unwrap_or(self.seen),
                false => self.seen,
            };
            let greeting = format!("retry: {RETRY_MS}\nid: {}\n\n", place.0);
            return Some((Ok(greeting.into()), self));
        }
        let news = {
            let stopped = pin!(self.app.stopped());
            let news = pin!(self.news());
            match select(stopped, news).await {
                Either::Left(_) => return None,
                Either::Right((news, _)) => news,
            }
        };
        let News { text, seen, last_at } = news?;
        (self.seen, self.last_at) = (seen, last_at);
        Some((Ok(text.into()), self))
    }

    /// The events behind the last one once there are some, or a sign of life.
    async fn news(&self) -> Option<News> {
        let (app, last_at) = (&self.app, self.last_at);
        let quiet_until = app.clock().monotonic() + HEARTBEAT;
        let mut from = self.seen;
        while app.clock().monotonic() < self.ends {
            let (limit, filter) = (EVENT_STREAM_PAGE_EVENTS, self.filter.clone());
            let query = AllQuery { from, direction: Direction::Forward, limit, filter };
            let page = match app.backend().events().read_all(query).await {
                Ok(page) => page,
                Err(error) => {
                    tracing::warn!(%error, "a stream of events ends: the log cannot be read");
                    return None;
                }
            };
            from = page.next;
            if let Some(last) = page.events.last() {
                let (text, last_at) = (written(&page.events, last_at)?, Some(last.recorded_at));
                return Some(News { text, seen: from, last_at });
            }
            let now = app.clock().monotonic();
            if now >= quiet_until {
                // Also moves the place to come back to over what the filter left out.
                return Some(News { text: format!("id: {}\n\n", from.0), seen: from, last_at });
            }
            if page.end {
                let more = pin!(app.backend().events().await_after(from));
                let quiet = pin!(app.clock().sleep(quiet_until.min(self.ends).saturating_sub(now)));
                select(more, quiet).await;
            }
        }
        None
    }
}

/// What is sent, how far the log was read for it, and when the last event of it all was recorded.
struct News {
    text: String,
    seen: GlobalPosition,
    last_at: Option<Timestamp>,
}

/// The events as they are sent behind one that was recorded at `last_at`.
fn written(events: &[RecordedEvent], mut last_at: Option<Timestamp>) -> Option<String> {
    let mut text = String::with_capacity(events.len() * 512);
    for event in events {
        let before = last_at.replace(event.recorded_at).unwrap_or(event.recorded_at);
        let shown = TimelineEvent::of(event, before);
        match serde_json::to_string(&shown) {
            // Writing to a string cannot fail.
            Ok(data) => {
                let (id, kind) = (event.position.0, event.event_type.as_str());
                let _ = write!(text, "id: {id}\nevent: {kind}\ndata: {data}\n\n");
            }
            Err(error) => {
                tracing::error!(%error, "an event could not be written");
                return None;
            }
        }
    }
    Some(text)
}
