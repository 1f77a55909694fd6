//! `cancel_refunded`: the order ends as cancelled, now that its money was given back.

use crate::app::order_refund::RefundOrder;
use crate::domain::{Order, OrderCommand};
use crate::engine::{Call, Outcome, Step};

/// See the module.
#[derive(Debug, Clone, Copy)]
pub struct CancelRefunded;

impl Step for CancelRefunded {
    const NAME: &'static str = "cancel_refunded";
    const LOCAL: bool = true;
    const PARTICIPANT: &'static str = "orders";

    type Saga = RefundOrder;
    type Output = ();

    async fn action(&self, call: &Call<RefundOrder>) -> Outcome<()> {
        let cancel = OrderCommand::CancelRefunded { reason: call.input().reason.clone() };
        call.execute::<Order>(&call.input().terms.order_id.to_string(), cancel).await.map(drop)
    }
}
