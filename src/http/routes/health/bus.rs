//! `GET /kafka-test`: a message of the node's own to its message bus and back.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use bytes::Bytes;
use sagaline_storage::bus::{Consumer, ConsumerEvent, Delivery, Headers, Message, MessageBus};
use sagaline_storage::{Backend, Clock, Entropy};
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::app::App;
use crate::http::auth::Admin;
use crate::http::error::Error;
use crate::http::failure;
use crate::http::within::within;
use crate::limits::BUS_PROBE_MS_MAX;

/// Nobody else reads it.
const TOPIC: &str = "sagaline-probe";

/// A probe message's way.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RoundTrip {
    /// Which bus was tried: `in-process`, or the one that the nodes of a cluster share.
    #[schema(value_type = String)]
    bus: &'static str,
    #[schema(value_type = String)]
    backend: &'static str,
    #[schema(value_type = String)]
    topic: &'static str,
    partition: u32,
    offset: u64,
    /// Until this node had joined as a consumer.
    joined_us: u64,
    /// Until the bus had taken the message.
    published_us: u64,
    /// From giving the message to the bus until it was back.
    round_trip_us: u64,
}

/// Sends a probe message and waits until it is back.
///
/// One at a time: while one is under way the next is told to come again.
#[utoipa::path(
    get, path = "/kafka-test", operation_id = "probeBus", tag = "Node",
    security(("bearer" = ["admin"])),
    responses((status = 200, description = "The message came back", body = RoundTrip)),
)]
pub(super) async fn probe<B: Backend>(
    State(app): State<App<B>>,
    _: Admin,
) -> Result<Json<RoundTrip>, Error> {
    let _place = app.enter_bus_probe()?;
    let limit = Duration::from_millis(BUS_PROBE_MS_MAX);
    let tried = within(app.clock(), limit, round_trip(&app)).await;
    let late = || Error::Unavailable("a probe message did not come back in time".to_owned());
    tried.ok_or_else(late)?.map(Json)
}

async fn round_trip<B: Backend>(app: &App<B>) -> Result<RoundTrip, Error> {
    let bus = app.backend().bus();
    let now_us = || u64::try_from(app.clock().monotonic().as_micros()).unwrap_or(u64::MAX);
    let began_us = now_us();
    let group = format!("probe-{}", app.node().id());
    let mut consumer = bus.subscribe(TOPIC, &group).await.map_err(failure::storage)?;
    let joined_us = now_us();
    let id = app.entropy().uuid_v7(app.clock().now()).to_string();
    let mut headers = Headers::default();
    headers.push("ce_type", &[b"Probe"]);
    let (key, payload) = (id.clone(), Bytes::from_static(b"{}"));
    let message = Message { id: id.clone(), key, headers, payload };
    bus.publish(TOPIC, vec![message]).await.map_err(failure::storage)?;
    let published_us = now_us();
    let delivery = delivered(&mut consumer, &id).await?;
    Ok(RoundTrip {
        bus: if app.backend().shared() { "shared" } else { "in-process" },
        backend: app.backend().name(),
        topic: TOPIC,
        partition: delivery.partition,
        offset: delivery.offset,
        joined_us: joined_us.saturating_sub(began_us),
        published_us: published_us.saturating_sub(joined_us),
        round_trip_us: now_us().saturating_sub(joined_us),
    })
}

/// Waits for the message; earlier ones, whose askers went away, are done with.
async fn delivered<C: Consumer>(consumer: &mut C, id: &str) -> Result<Delivery, Error> {
    loop {
        match consumer.next().await.map_err(failure::storage)? {
            ConsumerEvent::Assigned(_) | ConsumerEvent::Revoked(_) => {}
            ConsumerEvent::Delivered(delivery) => {
                consumer.ack(&delivery).await.map_err(failure::storage)?;
                if delivery.message.id == id {
                    return Ok(delivery);
                }
            }
        }
    }
}
