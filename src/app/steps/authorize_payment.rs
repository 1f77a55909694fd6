//! `authorize_payment`: the money is set aside; the undo lets it go.

use crate::app::gateway::{Gateway, Operation, Receipt};
use crate::domain::{OrderId, PaymentCommand, PaymentTerms, PaymentToken, PlaceOrder};
use crate::engine::{Call, Compensable, Outcome, Probe, Step};

use super::payment;

/// See the module.
#[derive(Debug, Clone)]
pub struct AuthorizePayment<G> {
    /// Who is asked.
    pub gateway: G,
}

impl<G: Gateway> Step for AuthorizePayment<G> {
    const NAME: &'static str = "authorize_payment";
    const PARTICIPANT: &'static str = payment::GATEWAY;

    type Saga = PlaceOrder;
    type Output = Receipt;

    async fn action(&self, call: &Call<PlaceOrder>) -> Outcome<Receipt> {
        let terms = terms(call);
        let answer =
            payment::request(&self.gateway, Operation::Authorize, call, terms, token(call)).await;
        let yes = |reference| PaymentCommand::Authorize { terms, reference };
        payment::recorded(call, terms, answer, yes).await
    }

    async fn probe(&self, call: &Call<PlaceOrder>) -> Probe<Receipt> {
        let terms = terms(call);
        let answer = payment::probe(&self.gateway, call, terms).await;
        let yes = |reference| PaymentCommand::Authorize { terms, reference };
        payment::found(call, terms.order_id, answer, yes).await
    }
}

impl<G: Gateway> Compensable for AuthorizePayment<G> {
    /// Also when it is not known whether the money was set aside: the gateway then keeps a tombstone.
    async fn compensate(&self, call: &Call<PlaceOrder>, _: Option<&Receipt>) -> Outcome<()> {
        payment::void(&self.gateway, call, terms(call), token(call)).await
    }
}

/// What an order's saga pays.
pub(super) fn terms(call: &Call<PlaceOrder>) -> PaymentTerms {
    let details = &call.input().details;
    PaymentTerms {
        order_id: OrderId::new(call.saga_id()),
        amount: details.total,
        currency: details.currency,
    }
}

pub(super) fn token(call: &Call<PlaceOrder>) -> Option<&str> {
    call.input().details.payment_method.token().map(PaymentToken::as_str)
}
