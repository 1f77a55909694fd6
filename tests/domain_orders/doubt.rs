//! A cancel while nobody knows whether the money has moved.

use std::time::Duration;

use sagaline::app::ChangeError;
use sagaline::app::gateway::{Gateway, Operation, PaymentCall, Receipt};
use sagaline::domain::OrderStatus;
use sagaline::engine::{Failure, Outcome, Probe};

use crate::shop::{Fake, Shop};

/// Sets money aside, and of nothing that it is asked after that anything is heard.
#[derive(Clone)]
struct Mute(Fake);

impl Gateway for Mute {
    async fn request(&self, operation: Operation, call: &PaymentCall<'_>) -> Outcome<Receipt> {
        match operation {
            Operation::Authorize | Operation::Refund => self.0.request(operation, call).await,
            Operation::Capture => std::future::pending().await,
            Operation::Void => Err(Failure::unknown("the line is dead")),
        }
    }

    async fn probe(&self, _: &PaymentCall<'_>) -> Probe<Receipt> {
        Probe::CannotTell
    }
}

#[tokio::test]
async fn a_cancel_in_doubt_is_waited_for_so_long_and_said_to_be_in_doubt() {
    let shop = Shop::through(Mute).await;
    let id = shop.accepted("tok_ok").await;
    shop.clock.run_for(Duration::from_millis(500)).await;
    for _ in 0..2 {
        let wanted = shop.cancel_within(id, Duration::ZERO).await.unwrap_err();
        assert!(matches!(wanted, ChangeError::InDoubt(_)), "{wanted:?}");
        assert!(wanted.to_string().ends_with("has moved; ask again"), "{wanted}");
    }
    // Its time passes; nothing is heard.
    let orders = shop.orders.clone();
    let waiting = tokio::spawn(async move {
        let metadata = crate::shop::metadata();
        orders.cancel(id, "changed my mind", "ada", Duration::from_millis(700), &metadata).await
    });
    for _ in 0..10 {
        shop.clock.run_for(Duration::from_millis(100)).await;
    }
    let wanted = waiting.await.unwrap().unwrap_err();
    assert!(wanted.to_string().ends_with("has moved; ask again"), "{wanted}");

    assert_eq!(shop.end_of(id.uuid()).await.status(), "parked");
    for _ in 0..2 {
        let wanted = shop.cancel_within(id, Duration::ZERO).await.unwrap_err();
        assert!(matches!(wanted, ChangeError::InDoubt(_)), "{wanted:?}");
        assert!(wanted.to_string().ends_with("its saga waits for an operator"), "{wanted}");
    }
    assert_eq!(shop.order(id).await.status(), OrderStatus::Pending);
}
