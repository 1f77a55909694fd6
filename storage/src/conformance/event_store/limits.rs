//! Requests that break a limit or contradict themselves are refused and leave nothing behind.

use std::sync::Arc;

use bytes::Bytes;

use crate::error::ErrorKind;
use crate::event_store::{
    AllQuery, AppendError, AppendRequest, Claim, ClaimChange, Direction, EventStore,
    ExpectedVersion,
};
use crate::log::settings::{
    CLAIMS_PER_APPEND_MAX, EVENTS_PER_APPEND_MAX, PAYLOAD_BYTES_MAX, READ_LIMIT_MAX,
    STREAMS_PER_APPEND_MAX,
};
use crate::stream::{GlobalPosition, StreamVersion};

use super::request::{append, exact};
use super::{Factory, fresh, promises, stream, whole_log};

promises! {
    requests_that_contradict_themselves_are_refused,
    requests_beyond_the_limits_are_refused,
    requests_at_the_limits_are_taken,
    reads_beyond_the_limits_are_refused,
}

const ANY: ExpectedVersion = ExpectedVersion::Any;

async fn refuses<S: EventStore>(store: &S, request: AppendRequest, why: &str) {
    match store.append(request).await {
        Err(AppendError::Invalid(message)) => {
            assert!(message.contains(why), "{message:?} does not say {why:?}");
        }
        other => panic!("wanted a refusal because of {why:?}, got {other:?}"),
    }
}

/// The message names the part.
pub async fn requests_that_contradict_themselves_are_refused<F: Factory>(factory: &F) {
    let (_place, store) = fresh(factory).await;
    refuses(&store, append(1).done(), "empty").await;
    refuses(&store, append(1).to("s-1", ANY, 1).to("s-1", ANY, 1).done(), "s-1").await;
    refuses(&store, append(1).to("s-1", ANY, 1).to("s-1", exact(1), 0).done(), "twice").await;
    let mut same_event = append(1).to("s-1", ANY, 2).done();
    same_event.writes[0].events[1].id = same_event.writes[0].events[0].id;
    refuses(&store, same_event, "event id").await;
    assert_eq!(whole_log(&store).await, []);
}

/// The message names the limit.
pub async fn requests_beyond_the_limits_are_refused<F: Factory>(factory: &F) {
    let (_place, store) = fresh(factory).await;
    let events = append(1).to("s-1", ANY, EVENTS_PER_APPEND_MAX + 1).done();
    refuses(&store, events, "1000").await;
    let names = (0..=STREAMS_PER_APPEND_MAX).map(|number| format!("s-{number}"));
    let streams = names.fold(append(1), |request, name| request.to(&name, ANY, 0));
    refuses(&store, streams.done(), "256").await;
    let keys = (0..=CLAIMS_PER_APPEND_MAX).map(|number| number.to_string());
    let claims = keys.fold(append(1), |request, key| request.take(&key, "o-1"));
    refuses(&store, claims.done(), "256").await;
    let mut payload = append(1).to("s-1", ANY, 1).done();
    payload.writes[0].events[0].payload = Bytes::from(vec![b' '; PAYLOAD_BYTES_MAX + 1]);
    refuses(&store, payload, "1048576").await;
    let mut whole = append(1).to("s-1", ANY, 9).done();
    for event in &mut whole.writes[0].events {
        event.payload = Bytes::from(vec![b' '; PAYLOAD_BYTES_MAX]);
    }
    refuses(&store, whole, "8388608").await;
    for (kind, key) in [("", "k"), ("a kind", "k"), ("sku", ""), ("sku", &"k".repeat(513))] {
        let claim = Claim { kind: Arc::from(kind), key: Arc::from(key) };
        let mut request = append(1).to("s-1", ANY, 1).done();
        request.claims.push(ClaimChange::Take { claim, owner: stream("s-1") });
        refuses(&store, request, "claim").await;
    }
    assert_eq!(whole_log(&store).await, []);
}

/// A limit is the last thing that is allowed.
pub async fn requests_at_the_limits_are_taken<F: Factory>(factory: &F) {
    let (_place, store) = fresh(factory).await;
    let events = append(1).to("s-1", ANY, EVENTS_PER_APPEND_MAX).done();
    store.append(events).await.unwrap();
    let mut payload = append(2).to("s-1", ANY, 1).done();
    payload.writes[0].events[0].payload = Bytes::from(vec![b' '; PAYLOAD_BYTES_MAX]);
    store.append(payload).await.unwrap();
    let names = (0..STREAMS_PER_APPEND_MAX).map(|number| format!("{number:0>255}"));
    let streams = names.fold(append(3), |request, name| request.to(&name, ANY, 1));
    store.append(streams.done()).await.unwrap();
    let keys = (0..CLAIMS_PER_APPEND_MAX).map(|number| format!("{number:ä>512.512}"));
    let keys = keys.map(|key| key.chars().rev().take(256).collect::<String>());
    let claims = keys.fold(append(4), |request, key| request.take(&key, "o-1"));
    store.append(claims.done()).await.unwrap();
    let wanted = EVENTS_PER_APPEND_MAX + 1 + STREAMS_PER_APPEND_MAX;
    assert_eq!(whole_log(&store).await.len(), wanted);
    assert_eq!(store.claims("sku", None, 1_000).await.unwrap().len(), CLAIMS_PER_APPEND_MAX);
}

/// No page of nothing, no page without bound.
pub async fn reads_beyond_the_limits_are_refused<F: Factory>(factory: &F) {
    let (_place, store) = fresh(factory).await;
    for limit in [0, READ_LIMIT_MAX + 1] {
        let all = store.read_all(AllQuery::after(GlobalPosition::START, limit)).await;
        assert_eq!(all.unwrap_err().kind, ErrorKind::Invalid);
        let name = stream("s-1");
        let one = store.read_stream(&name, StreamVersion(0), Direction::Forward, limit).await;
        assert_eq!(one.unwrap_err().kind, ErrorKind::Invalid);
        let claims = store.claims("sku", None, limit).await;
        assert_eq!(claims.unwrap_err().kind, ErrorKind::Invalid);
    }
}
