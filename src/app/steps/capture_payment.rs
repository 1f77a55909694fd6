//! `capture_payment`: the money moves. The pivot: from here on the saga only goes forward.

use crate::app::gateway::{Gateway, Operation, Receipt};
use crate::domain::{PaymentCommand, PlaceOrder};
use crate::engine::{Call, Compensable, Outcome, Probe, Step};

use super::authorize_payment::{terms, token};
use super::payment;

/// See the module.
#[derive(Debug, Clone)]
pub struct CapturePayment<G> {
    /// Who is asked.
    pub gateway: G,
}

impl<G: Gateway> Step for CapturePayment<G> {
    const NAME: &'static str = "capture_payment";
    const PARTICIPANT: &'static str = payment::GATEWAY;

    type Saga = PlaceOrder;
    type Output = Receipt;

    async fn action(&self, call: &Call<PlaceOrder>) -> Outcome<Receipt> {
        let terms = terms(call);
        let answer =
            payment::request(&self.gateway, Operation::Capture, call, terms, token(call)).await;
        let yes = |reference| PaymentCommand::Capture { terms, reference };
        payment::recorded(call, terms, answer, yes).await
    }

    async fn probe(&self, call: &Call<PlaceOrder>) -> Probe<Receipt> {
        let terms = terms(call);
        let answer = payment::probe(&self.gateway, call, terms).await;
        let yes = |reference| PaymentCommand::Capture { terms, reference };
        payment::found(call, terms.order_id, answer, yes).await
    }
}

impl<G: Gateway> Compensable for CapturePayment<G> {
    /// Asked only when the saga is to go back and the capture did not happen as far as is known: a voided
    /// payment is never captured. Should it have been captured after all, the gateway refuses, and the
    /// saga is not told undone.
    async fn compensate(&self, call: &Call<PlaceOrder>, _: Option<&Receipt>) -> Outcome<()> {
        payment::void(&self.gateway, call, terms(call), token(call)).await
    }
}
