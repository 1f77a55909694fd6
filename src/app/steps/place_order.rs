//! `place_order`: the order comes into being in the append that accepts it; its undo cancels it.

use crate::domain::{LockPolicy, Order, OrderCommand, OrderId, PlaceOrder};
use crate::engine::{Call, Compensable, Outcome, Step};
use crate::saga::AbortReason;

/// See the module.
#[derive(Debug, Clone, Copy)]
pub struct PlaceOrderStep {
    /// How the order locks its products.
    pub locks: LockPolicy,
}

impl Step for PlaceOrderStep {
    const NAME: &'static str = "place_order";
    const LOCAL: bool = true;
    const PARTICIPANT: &'static str = "orders";

    type Saga = PlaceOrder;
    type Output = ();

    async fn action(&self, call: &Call<PlaceOrder>) -> Outcome<()> {
        let place = OrderCommand::Place {
            order: Box::new(call.input().clone()),
            locks: self.locks,
            now_us: call.at_us(),
        };
        call.execute::<Order>(&OrderId::new(call.saga_id()).to_string(), place).await.map(drop)
    }
}

impl Compensable for PlaceOrderStep {
    async fn compensate(&self, call: &Call<PlaceOrder>, _: Option<&()>) -> Outcome<()> {
        let cancel = OrderCommand::Cancel { reason: words(call.abort_reason()) };
        call.execute::<Order>(&OrderId::new(call.saga_id()).to_string(), cancel).await.map(drop)
    }
}

/// Why an order was cancelled, for the person who placed it.
fn words(reason: Option<&AbortReason>) -> String {
    match reason {
        Some(AbortReason::Deadline { .. }) => "the order was not paid in time".to_owned(),
        Some(other) => other.to_string(),
        None => "the order could not be paid".to_owned(),
    }
}
