//! What the steps that call the gateway have in common: how they ask, and how they record the answer.

use crate::app::gateway::{Gateway, Operation, PaymentCall, Receipt};
use crate::canary::planted;
use crate::domain::{OrderId, Payment, PaymentCommand, PaymentTerms};
use crate::engine::{Call, Failure, Outcome, Probe};

/// Steps that name this participant share its circuit breaker, limit and budget.
pub(super) const GATEWAY: &str = "payment-gateway";

/// Asks the gateway under the call's own key.
pub(super) async fn request<G: Gateway, T>(
    gateway: &G,
    operation: Operation,
    call: &Call<T>,
    terms: PaymentTerms,
    token: Option<&str>,
) -> Outcome<Receipt> {
    let traceparent = call.traceparent();
    let asked = asked(call, call.key(), terms, token, &traceparent);
    gateway.request(operation, &asked).await
}

/// Asks the gateway whether the step's action took effect.
pub(super) async fn probe<G: Gateway, T>(
    gateway: &G,
    call: &Call<T>,
    terms: PaymentTerms,
) -> Probe<Receipt> {
    let (key, traceparent) = (call.action_key(), call.traceparent());
    gateway.probe(&asked(call, &key, terms, None, &traceparent)).await
}

fn asked<'a, T>(
    call: &'a Call<T>,
    key: &'a str,
    terms: PaymentTerms,
    token: Option<&'a str>,
    traceparent: &'a str,
) -> PaymentCall<'a> {
    PaymentCall {
        key,
        epoch: call.epoch(),
        order_id: terms.order_id,
        amount: terms.amount,
        currency: terms.currency,
        token,
        correlation_id: call.correlation_id().as_str(),
        traceparent: Some(traceparent),
    }
}

/// Records what the gateway said, together with the step's outcome.
///
/// The gateway is the truth. When our own record of the payment contradicts it, that is no business
/// answer but a fault that an operator must see: the attempt counts as unknown, and in the end the saga
/// is parked.
pub(super) async fn record<T>(
    call: &Call<T>,
    order: OrderId,
    command: PaymentCommand,
) -> Outcome<()> {
    let payment = Payment::key(order);
    match call.execute::<Payment>(payment.as_str(), command).await {
        Ok(_) => Ok(()),
        Err(Failure::Rejected { reason, .. }) => Err(Failure::unknown(format!(
            "the gateway's answer contradicts what is recorded of the payment: {reason}"
        ))),
        Err(unknown @ Failure::Unknown { .. }) => Err(unknown),
    }
}

/// Records a yes or a final no of the gateway and passes it on.
pub(super) async fn recorded<T>(
    call: &Call<T>,
    terms: PaymentTerms,
    answer: Outcome<Receipt>,
    yes: impl FnOnce(String) -> PaymentCommand,
) -> Outcome<Receipt> {
    match answer {
        Ok(receipt) => {
            let reference = match planted("reference-is-the-key") {
                true => call.key().to_owned(),
                false => receipt.reference.clone(),
            };
            record(call, terms.order_id, yes(reference)).await?;
            Ok(receipt)
        }
        Err(Failure::Rejected { code, reason }) => {
            let no = PaymentCommand::Decline { terms, code: code.clone(), reason: reason.clone() };
            record(call, terms.order_id, no).await?;
            Err(Failure::Rejected { code, reason })
        }
        Err(unknown @ Failure::Unknown { .. }) => Err(unknown),
    }
}

/// Records what a probe found and passes it on; what cannot be recorded cannot be told.
pub(super) async fn found<T>(
    call: &Call<T>,
    order: OrderId,
    answer: Probe<Receipt>,
    yes: impl FnOnce(String) -> PaymentCommand,
) -> Probe<Receipt> {
    let Probe::Happened(receipt) = answer else { return answer };
    if planted("found-payment-not-recorded") {
        return Probe::Happened(receipt);
    }
    match record(call, order, yes(receipt.reference.clone())).await {
        Ok(()) => Probe::Happened(receipt),
        Err(_) => Probe::CannotTell,
    }
}

/// Lets the money go, or sees to it that it is never touched.
pub(super) async fn void<G: Gateway, T>(
    gateway: &G,
    call: &Call<T>,
    terms: PaymentTerms,
    token: Option<&str>,
) -> Outcome<()> {
    request(gateway, Operation::Void, call, terms, token).await?;
    record(call, terms.order_id, PaymentCommand::Void).await
}
