//! `refund_payment`: the money of a paid order is given back. The pivot of a refund.

use crate::app::gateway::{Gateway, Operation, Receipt};
use crate::app::order_refund::RefundOrder;
use crate::domain::{PaymentCommand, PaymentTerms};
use crate::engine::{Call, Failure, Outcome, Probe, Step};

use super::payment;

/// See the module.
#[derive(Debug, Clone)]
pub struct RefundPayment<G> {
    /// Who is asked.
    pub gateway: G,
}

impl<G: Gateway> Step for RefundPayment<G> {
    const NAME: &'static str = "refund_payment";
    const PARTICIPANT: &'static str = payment::GATEWAY;

    type Saga = RefundOrder;
    type Output = Receipt;

    async fn action(&self, call: &Call<RefundOrder>) -> Outcome<Receipt> {
        let terms: PaymentTerms = call.input().terms;
        match payment::request(&self.gateway, Operation::Refund, call, terms, None).await {
            Ok(receipt) => {
                let reference = receipt.reference.clone();
                payment::record(call, terms.order_id, PaymentCommand::Refund { reference }).await?;
                Ok(receipt)
            }
            Err(failure @ (Failure::Rejected { .. } | Failure::Unknown { .. })) => Err(failure),
        }
    }

    async fn probe(&self, call: &Call<RefundOrder>) -> Probe<Receipt> {
        let terms = call.input().terms;
        let answer = payment::probe(&self.gateway, call, terms).await;
        let yes = |reference| PaymentCommand::Refund { reference };
        payment::found(call, terms.order_id, answer, yes).await
    }
}
