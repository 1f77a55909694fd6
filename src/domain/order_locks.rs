//! The product lock: while an order holds a product no other order takes it.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::ids::UserId;
use super::order_items::OrderItem;

/// Between whom a product is locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum LockScope {
    /// One order for a product at a time, whoever orders.
    #[default]
    Product,
    /// One order for a product and a customer at a time.
    Customer,
}

/// How an order locks its products.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LockPolicy {
    /// Between whom.
    pub scope: LockScope,
    /// For how long after the order was placed at least, in microseconds; longer while it is in flight.
    pub window_us: u64,
}

impl Default for LockPolicy {
    /// Between everybody, for five seconds: long enough for a double click or a client's retry.
    fn default() -> Self {
        Self { scope: LockScope::Product, window_us: 5_000_000 }
    }
}

/// The key of a product lock: `productId`, or `userId/productId` (a user id has no `/`).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ProductLock(Arc<str>);

impl ProductLock {
    /// The kind of the claims that hold the locks.
    pub const CLAIM_KIND: &'static str = "product";

    /// The locks that an order needs: one a product, sorted, whatever the number of lines.
    pub fn of_order(scope: LockScope, user: UserId, items: &[OrderItem]) -> Vec<Self> {
        let mut locks: Vec<_> = items.iter().map(|item| Self::of_item(scope, user, item)).collect();
        locks.sort_unstable();
        locks.dedup();
        locks
    }

    fn of_item(scope: LockScope, user: UserId, item: &OrderItem) -> Self {
        match scope {
            LockScope::Product => Self(item.product_id.as_str().into()),
            LockScope::Customer => Self(format!("{user}/{}", item.product_id).into()),
        }
    }

    /// The claim's key.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ProductLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::super::ids::ProductId;
    use super::super::money::Money;
    use super::super::order_items::{ProductName, Quantity};
    use super::*;

    fn item(product: &str) -> OrderItem {
        OrderItem {
            product_id: ProductId::parse(product).unwrap(),
            product_name: ProductName::parse("Thing").unwrap(),
            quantity: Quantity::try_from(1).unwrap(),
            price: Money::ZERO,
        }
    }

    #[test]
    fn a_product_on_two_lines_is_locked_once() {
        let user = UserId::new(uuid::Uuid::nil());
        let locks =
            ProductLock::of_order(LockScope::Product, user, &[item("b"), item("a"), item("b")]);
        assert_eq!(locks.iter().map(ProductLock::as_str).collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn customers_do_not_lock_each_other_out_in_customer_scope() {
        let users = [uuid::Uuid::nil(), uuid::Uuid::max()].map(UserId::new);
        let [one, other] =
            users.map(|u| ProductLock::of_order(LockScope::Customer, u, &[item("a")]));
        assert_ne!(one, other);
    }

    #[test]
    fn the_longest_key_fits_a_claim() {
        let user = UserId::new(uuid::Uuid::max());
        let longest = item(&"\u{10FFFD}".repeat(ProductId::CHARS_MAX));
        let lock = &ProductLock::of_order(LockScope::Customer, user, &[longest])[0];
        assert!(lock.as_str().len() <= 512, "{}", lock.as_str().len());
    }
}
