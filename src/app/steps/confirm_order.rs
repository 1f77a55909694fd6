//! `confirm_order`: the order is paid. Part of the append that ends the saga.

use crate::domain::{Order, OrderCommand, OrderId, PaymentId, PlaceOrder};
use crate::engine::{Call, Outcome, Step};

/// See the module.
#[derive(Debug, Clone, Copy)]
pub struct ConfirmOrder;

impl Step for ConfirmOrder {
    const NAME: &'static str = "confirm_order";
    const LOCAL: bool = true;
    const PARTICIPANT: &'static str = "orders";

    type Saga = PlaceOrder;
    type Output = ();

    async fn action(&self, call: &Call<PlaceOrder>) -> Outcome<()> {
        let order = OrderId::new(call.saga_id());
        let confirm = OrderCommand::Confirm { payment_id: PaymentId::of_order(order) };
        call.execute::<Order>(&order.to_string(), confirm).await.map(drop)
    }
}
