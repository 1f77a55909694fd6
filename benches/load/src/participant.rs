//! The participant of the standard saga: a server of its own that answers every call at once.
//!
//! `POST /<step>` is answered with a reference and counted; `?decline=<step>` makes that step say no
//! (409 with a problem document). `GET /stats` tells the counts. `POST /hold` makes later `/confirm`
//! calls wait until `POST /release`, so that the restart measure can have sagas in flight. The calls'
//! idempotency keys are remembered, a bounded number of them, to count repeated calls.

use std::collections::{HashSet, VecDeque};
use std::convert::Infallible;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use clap::Args;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::failure::{Context, Failure};
use crate::serve;

/// The calls a participant knows: actions first, then their undos.
pub(crate) const CALLS: [&str; 6] = ["authorize", "capture", "confirm", "void", "refund", "cancel"];
/// Keys remembered to recognise a repeated call: some seconds of the fastest load.
const KEYS_MAX: usize = 200_000;

/// How to run it.
#[derive(Debug, Args)]
pub(crate) struct ParticipantArgs {
    /// Worker threads: one, unless it stands for a bare server under the load of a node.
    #[arg(long, default_value_t = 1)]
    pub(crate) threads: usize,
    /// End when standard input ends.
    #[arg(long)]
    with_parent: bool,
}

/// What it has seen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stats {
    /// Calls by name, in the order of [`CALLS`].
    pub(crate) calls: [u64; CALLS.len()],
    /// Calls that were declined.
    pub(crate) declined: u64,
    /// Calls whose key was seen before.
    pub(crate) repeated: u64,
}

struct Participant {
    seen: Mutex<Seen>,
    hasher: RandomState,
    hold: watch::Sender<bool>,
}

#[derive(Default)]
struct Seen {
    stats: Stats,
    keys: HashSet<u64>,
    oldest_first: VecDeque<u64>,
}

/// Serves until the process ends.
pub(crate) async fn run(args: ParticipantArgs) -> Result<(), Failure> {
    if args.with_parent {
        serve::exit_with_parent();
    }
    let listener = serve::bind().await?;
    serve::announce(listener.local_addr().context("own address")?)?;
    let participant = Arc::new(Participant {
        seen: Mutex::default(),
        hasher: RandomState::new(),
        hold: watch::Sender::new(false),
    });
    let service = service_fn(move |request| {
        let participant = participant.clone();
        async move { Ok::<_, Infallible>(participant.answer(request).await) }
    });
    serve::serve(listener, service).await
}

impl Participant {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (parts, body) = request.into_parts();
        if body.collect().await.is_err() {
            return problem(StatusCode::BAD_REQUEST, "the body broke off");
        }
        match (&parts.method, parts.uri.path()) {
            (&Method::GET, "/stats") => self.stats(),
            (&Method::POST, "/hold") => self.set_hold(true),
            (&Method::POST, "/release") => self.set_hold(false),
            (&Method::POST, path) => self.call(&parts, path.trim_start_matches('/')).await,
            (_, _) => problem(StatusCode::NOT_FOUND, "unknown route"),
        }
    }

    async fn call(&self, parts: &http::request::Parts, name: &str) -> Response<Full<Bytes>> {
        let Some(index) = CALLS.iter().position(|call| *call == name) else {
            return problem(StatusCode::NOT_FOUND, "unknown call");
        };
        let key =
            parts.headers.get("idempotency-key").map(|key| self.hasher.hash_one(key.as_bytes()));
        let declines = parts.uri.query().and_then(|query| query.strip_prefix("decline="));
        let declined = declines == Some(name);
        let number = self.seen.lock().count(index, declined, key);
        if name == "confirm" && *self.hold.borrow() {
            self.wait_for_release().await;
        }
        if declined {
            return problem(StatusCode::CONFLICT, "declined");
        }
        json(StatusCode::OK, format!(r#"{{"reference":"{name}-{number}"}}"#))
    }

    async fn wait_for_release(&self) {
        // The sender lives as long as the participant, so waiting cannot fail.
        let released = self.hold.subscribe().wait_for(|hold| !hold).await.is_ok();
        debug_assert!(released, "the sender lives in self");
    }

    fn set_hold(&self, hold: bool) -> Response<Full<Bytes>> {
        self.hold.send_replace(hold);
        json(StatusCode::OK, format!(r#"{{"hold":{hold}}}"#))
    }

    fn stats(&self) -> Response<Full<Bytes>> {
        match serde_json::to_string(&self.seen.lock().stats) {
            Ok(text) => json(StatusCode::OK, text),
            Err(_) => problem(StatusCode::INTERNAL_SERVER_ERROR, "the counts do not print"),
        }
    }
}

impl Seen {
    fn count(&mut self, index: usize, declined: bool, key: Option<u64>) -> u64 {
        self.stats.calls[index] += 1;
        self.stats.declined += u64::from(declined);
        if let Some(key) = key {
            self.remember(key);
        }
        self.stats.calls[index]
    }

    fn remember(&mut self, key: u64) {
        if !self.keys.insert(key) {
            self.stats.repeated += 1;
            return;
        }
        self.oldest_first.push_back(key);
        if self.oldest_first.len() > KEYS_MAX
            && let Some(oldest) = self.oldest_first.pop_front()
        {
            self.keys.remove(&oldest);
        }
    }
}

fn json(status: StatusCode, text: String) -> Response<Full<Bytes>> {
    reply(status, "application/json", text)
}

fn problem(status: StatusCode, title: &str) -> Response<Full<Bytes>> {
    let code = status.as_u16();
    reply(status, "application/problem+json", format!(r#"{{"title":"{title}","status":{code}}}"#))
}

fn reply(status: StatusCode, content_type: &'static str, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static(content_type));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_key_is_counted_and_the_memory_of_keys_is_bounded() {
        let mut seen = Seen::default();
        seen.count(0, false, Some(7));
        seen.count(0, true, Some(7));
        assert_eq!((seen.stats.calls[0], seen.stats.repeated, seen.stats.declined), (2, 1, 1));
        for key in 0..2 * KEYS_MAX as u64 {
            seen.count(1, false, Some(key));
        }
        assert_eq!(seen.keys.len(), KEYS_MAX);
        assert_eq!(seen.oldest_first.len(), KEYS_MAX);
    }
}
