//! The standard saga, written as a user writes one: authorize, capture, confirm, each a remote call.

use std::net::SocketAddr;

use sagaline::prelude::*;

use crate::failure::Context;
use crate::failure::Failure as Stop;

/// The saga's input: what the load sends as `data`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Order {
    order_id: String,
    customer_id: String,
    amount: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    decline: Option<String>,
}

/// What the participant answers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Receipt {
    reference: String,
}

/// Where the participant is: `http://127.0.0.1:4711`.
#[derive(Debug, Clone)]
struct Participant(String);

struct Authorize(Participant);
struct Capture(Participant);
struct Confirm(Participant);

/// `bench-standard`: two steps that can be undone, then the pivot, one after the other.
pub(super) fn standard(participant: SocketAddr) -> Result<Definition<Order>, Stop> {
    let participant = Participant(format!("http://{participant}"));
    Definition::new("bench-standard")
        .compensable(Authorize(participant.clone()))
        .compensable(Capture(participant.clone()))
        .after_step(Authorize::NAME)
        .pivot(Confirm(participant))
        .after_step(Capture::NAME)
        .build()
        .context("the standard saga")
}

impl Participant {
    /// Calls it; it declines the call that the order names.
    async fn call<T>(&self, call: &Call<Order>, name: &str) -> Outcome<T>
    where
        T: serde::de::DeserializeOwned,
    {
        let declines = call.input().decline.as_deref() == Some(name);
        let query = if declines { format!("?decline={name}") } else { String::new() };
        call.http().post(&format!("{}/{name}{query}", self.0), call.input()).await
    }
}

impl Step for Authorize {
    const NAME: &'static str = "authorize";
    const PARTICIPANT: &'static str = "payments";
    type Saga = Order;
    type Output = Receipt;

    async fn action(&self, call: &Call<Order>) -> Outcome<Receipt> {
        self.0.call(call, "authorize").await
    }
}

impl Compensable for Authorize {
    async fn compensate(&self, call: &Call<Order>, _: Option<&Receipt>) -> Outcome<()> {
        self.0.call::<Receipt>(call, "void").await.map(drop)
    }
}

impl Step for Capture {
    const NAME: &'static str = "capture";
    const PARTICIPANT: &'static str = "payments";
    type Saga = Order;
    type Output = Receipt;

    async fn action(&self, call: &Call<Order>) -> Outcome<Receipt> {
        self.0.call(call, "capture").await
    }
}

impl Compensable for Capture {
    async fn compensate(&self, call: &Call<Order>, _: Option<&Receipt>) -> Outcome<()> {
        self.0.call::<Receipt>(call, "refund").await.map(drop)
    }
}

impl Step for Confirm {
    const NAME: &'static str = "confirm";
    const PARTICIPANT: &'static str = "payments";
    type Saga = Order;
    type Output = Receipt;

    async fn action(&self, call: &Call<Order>) -> Outcome<Receipt> {
        self.0.call(call, "confirm").await
    }
}
