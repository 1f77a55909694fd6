//! What people do with orders: place, cancel, confirm. The HTTP handlers call this and nothing below it.

mod change;
mod document;
mod place;

use sagaline_storage::Backend;

use crate::domain::{LockPolicy, Order, OrderDetails, OrderId, PlaceOrder, ProductLock, UserId};
use crate::engine::{Definition, Node};

use super::order_refund::RefundOrder;

pub use change::{Cancelled, ChangeError};
pub use place::{Accepted, PlaceError};

/// The orders of a node. Cheap to clone.
pub struct Orders<B: Backend> {
    node: Node<B>,
    processing: Definition<PlaceOrder>,
    refund: Definition<RefundOrder>,
    locks: LockPolicy,
}

impl<B: Backend> Clone for Orders<B> {
    fn clone(&self) -> Self {
        Self {
            node: self.node.clone(),
            processing: self.processing.clone(),
            refund: self.refund.clone(),
            locks: self.locks,
        }
    }
}

impl<B: Backend> Orders<B> {
    /// The orders of `node`, which was started with both definitions.
    pub fn new(
        node: Node<B>,
        processing: Definition<PlaceOrder>,
        refund: Definition<RefundOrder>,
        locks: LockPolicy,
    ) -> Self {
        Self { node, processing, refund, locks }
    }

    /// The locks that an order of `user` for `details` needs: for a fast look before the store is asked.
    pub fn locks_of(&self, user: UserId, details: &OrderDetails) -> Vec<ProductLock> {
        ProductLock::of_order(self.locks.scope, user, &details.items)
    }

    /// The order as the log tells it; none when there is none.
    pub async fn load(&self, id: OrderId) -> Result<Option<Order>, ChangeError> {
        let loaded = self.node.aggregates().load::<Order>(&id.to_string()).await;
        let order = loaded.map_err(|error| ChangeError::Unavailable(error.to_string()))?.state;
        Ok(order.placed().is_some().then_some(order))
    }
}
