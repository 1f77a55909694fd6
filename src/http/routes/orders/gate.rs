//! The fast gate in front of the product lock: a look at the lock service before the store is asked.
//! Best effort in both directions: what it lets through is decided by the claims in the append, and it
//! refuses only what these claims refuse.

use sagaline_storage::lock::LockService;
use sagaline_storage::{Backend, Claim, CorrelationId, EventStore};

use crate::domain::{OrderDetails, ProductLock, UserId};
use crate::http::app::App;
use crate::http::error::Error;

/// Takes the locks of the order's products for the lock window; refuses when one is taken by an order.
pub(super) async fn pass<B: Backend>(
    app: &App<B>,
    user: UserId,
    details: &OrderDetails,
    request: &CorrelationId,
) -> Result<(), Error> {
    let window = app.settings().orders.product_lock_window;
    if window.is_zero() {
        return Ok(());
    }
    for lock in app.orders().locks_of(user, details) {
        let resource = format!("order:lock:{lock}");
        match app.backend().locks().acquire(&resource, request.as_str(), window).await {
            Ok(Some(_)) => {}
            Ok(None) => refuse_if_claimed(app, &lock).await?,
            Err(error) => {
                tracing::warn!(%error, "the lock service does not answer; the claims decide alone");
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Somebody was here before; whether with an order, the claim knows.
async fn refuse_if_claimed<B: Backend>(app: &App<B>, lock: &ProductLock) -> Result<(), Error> {
    let claim = Claim::new(ProductLock::CLAIM_KIND, lock.as_str());
    // An error is the append's to meet.
    let Ok(Some(holder)) = app.backend().events().claim_holder(&claim).await else {
        return Ok(());
    };
    app.node().metrics().starts_refused_by_claim.add(1);
    Err(duplicate(holder.owner.key(), lock.as_str()))
}

/// 409, naming the order that holds the lock and the product it is for.
pub(super) fn duplicate(order: &str, lock: &str) -> Error {
    let product_id = lock.split_once('/').filter(|(user, _)| UserId::parse(user).is_ok());
    Error::DuplicateOrder {
        existing_order_id: order.to_owned(),
        product_id: product_id.map_or(lock, |(_, product)| product).to_owned(),
    }
}
