//! Changing an order that exists: cancelling it, confirming that it was paid elsewhere.

use std::time::Duration;

use sagaline_storage::Backend;
use uuid::Uuid;

use crate::canary::planted;
use crate::domain::{
    Order, OrderCommand, OrderId, OrderRefusal, OrderStatus, PaymentId, PaymentKind, PaymentTerms,
    Placed, UserId,
};
use crate::engine::{
    CommandMetadata, ExecuteError, RequestError, StartError, StartRequest, Started,
};
use crate::saga::{Phase, Refusal, SagaState};

use super::super::order_refund::RefundOrder;
use super::Orders;

/// What became of a wish to cancel an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancelled {
    /// It is cancelled.
    Now,
    /// Its saga goes back: it will be cancelled once the money is let go.
    Compensating,
    /// It was paid, so its money is given back by this saga: it will be cancelled after that.
    Refunding(Uuid),
}

/// Why an order stays as it is.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ChangeError {
    /// There is no such order.
    #[error("there is no such order")]
    NotFound,
    /// The order says no.
    #[error("{0}")]
    Refused(OrderRefusal),
    /// Its saga says no.
    #[error("{0}")]
    SagaRefused(Refusal),
    /// It is wanted cancelled, and whether that comes about hangs on what nobody knows yet.
    #[error("{0}")]
    InDoubt(&'static str),
    /// Its refund was tried and came to nothing.
    #[error("its money was not given back: {reason} (saga {saga})")]
    RefundRefused {
        /// Why.
        reason: String,
        /// The saga that tried.
        saga: Uuid,
    },
    /// The node or its store does not serve.
    #[error("{0}")]
    Unavailable(String),
}

/// Why a cancel is in doubt.
const ASK_AGAIN: &str = "it is not known yet whether its money has moved; ask again";
const WAITS_IN_DOUBT: &str =
    "it is not known yet whether its money has moved; its saga waits for an operator";
const WAITS_BEHIND_THE_MONEY: &str =
    "its money has moved and is not given back yet; its saga waits for an operator";

/// Nothing more comes of it by itself.
fn rests(state: &SagaState) -> bool {
    state.has_ended() || state.parked.is_some()
}

impl<B: Backend> Orders<B> {
    /// Cancels an order. The log decides: before its money has moved its saga goes back; after that the
    /// money is given back by a saga of its own. Where it is in doubt whether the money has moved, that is
    /// waited for, at most for `wait`.
    pub async fn cancel(
        &self,
        id: OrderId,
        reason: &str,
        actor: &str,
        wait: Duration,
        metadata: &CommandMetadata,
    ) -> Result<Cancelled, ChangeError> {
        let order = self.load(id).await?.ok_or(ChangeError::NotFound)?;
        let placed = order.placed().ok_or(ChangeError::NotFound)?;
        match (order.status(), placed.payment_kind) {
            (OrderStatus::Pending, PaymentKind::External) => {
                let withdraw = OrderCommand::Withdraw { reason: reason.to_owned() };
                self.execute(id, withdraw, metadata).await.map(|_| Cancelled::Now)
            }
            (OrderStatus::Pending, PaymentKind::Card) => {
                self.cancel_saga(id, placed, reason, actor, wait, metadata).await
            }
            (OrderStatus::Paid, PaymentKind::Card) => {
                self.start_refund(id, placed, reason, metadata).await
            }
            (OrderStatus::Shipped, PaymentKind::Card) if planted("shipped-order-taken-back") => {
                self.start_refund(id, placed, reason, metadata).await
            }
            (status, _) => {
                Err(ChangeError::Refused(OrderRefusal::WrongStatus { status, wanted: "cancelled" }))
            }
        }
    }

    async fn cancel_saga(
        &self,
        id: OrderId,
        placed: &Placed,
        reason: &str,
        actor: &str,
        wait: Duration,
        metadata: &CommandMetadata,
    ) -> Result<Cancelled, ChangeError> {
        match self.node.sagas().cancel(id.uuid(), reason, actor).await {
            Ok(()) | Err(RequestError::Refused(Refusal::AlreadyCompensating)) => {
                self.settled(id, placed, reason, wait, metadata).await
            }
            Err(RequestError::Refused(refusal @ Refusal::Ended { .. }))
                if planted("cancel-refused-by-an-ended-saga") =>
            {
                Err(ChangeError::SagaRefused(refusal))
            }
            // The money moved while we were looking, and the order was confirmed with it.
            Err(RequestError::Refused(Refusal::BehindPivot { .. } | Refusal::Ended { .. })) => {
                match self.load(id).await?.ok_or(ChangeError::NotFound)?.status() {
                    OrderStatus::Paid => self.start_refund(id, placed, reason, metadata).await,
                    status => Err(ChangeError::Refused(OrderRefusal::WrongStatus {
                        status,
                        wanted: "cancelled",
                    })),
                }
            }
            Err(RequestError::Refused(refusal)) => Err(ChangeError::SagaRefused(refusal)),
            Err(RequestError::NotFound) => Err(ChangeError::NotFound),
            Err(error @ (RequestError::Unworkable(_) | RequestError::Unavailable(_))) => {
                Err(ChangeError::Unavailable(error.to_string()))
            }
        }
    }

    /// What a cancel that the saga took comes to. While the capture is in doubt nobody knows yet, and what
    /// nobody knows is not acknowledged: it is settled first, and money that moved is given back.
    async fn settled(
        &self,
        id: OrderId,
        placed: &Placed,
        reason: &str,
        wait: Duration,
        metadata: &CommandMetadata,
    ) -> Result<Cancelled, ChangeError> {
        let unavailable = |error: RequestError| ChangeError::Unavailable(error.to_string());
        if planted("acknowledged-cancel-lost") {
            return Ok(Cancelled::Compensating);
        }
        let sagas = self.node.sagas();
        let mut state = sagas.history(id.uuid()).await.map_err(unavailable)?.state;
        if state.aborted.is_some() {
            return Ok(Cancelled::Compensating);
        }
        if !rests(&state) {
            let rested = sagas.wait_at_most(id.uuid(), wait).await.map_err(unavailable)?;
            state = rested.ok_or(ChangeError::InDoubt(ASK_AGAIN))?;
        }
        match state.phase {
            Phase::Compensated => Ok(Cancelled::Now),
            Phase::Compensating => Ok(Cancelled::Compensating),
            Phase::Completed => self.start_refund(id, placed, reason, metadata).await,
            Phase::Running => Err(ChangeError::InDoubt(WAITS_IN_DOUBT)),
            Phase::Committing => Err(ChangeError::InDoubt(WAITS_BEHIND_THE_MONEY)),
        }
    }

    async fn start_refund(
        &self,
        id: OrderId,
        placed: &Placed,
        reason: &str,
        metadata: &CommandMetadata,
    ) -> Result<Cancelled, ChangeError> {
        self.refund_saga(id, placed, reason, metadata).await.map(Cancelled::Refunding)
    }

    async fn refund_saga(
        &self,
        id: OrderId,
        placed: &Placed,
        reason: &str,
        metadata: &CommandMetadata,
    ) -> Result<Uuid, ChangeError> {
        let terms = PaymentTerms { order_id: id, amount: placed.total, currency: placed.currency };
        let refund = RefundOrder { user_id: placed.user_id, terms, reason: reason.to_owned() };
        let request = StartRequest {
            idempotency_key: (!planted("refund-again")).then(|| id.to_string()),
            correlation_id: Some(metadata.correlation_id.clone()),
        };
        let sagas = self.node.sagas();
        let (saga, state) = match sagas.start(&self.refund, request, &refund).await {
            Ok(Started { id, state, .. }) => (id, state),
            // Started before in other words: it is one refund all the same.
            Err(StartError::KeyReused { saga }) => {
                let history = sagas.history(saga).await;
                (saga, history.map_err(|error| ChangeError::Unavailable(error.to_string()))?.state)
            }
            Err(error) => return Err(ChangeError::Unavailable(error.to_string())),
        };
        match state.aborted.filter(|_| state.phase == Phase::Compensated) {
            Some(why) => Err(ChangeError::RefundRefused { reason: why.to_string(), saga }),
            None => Ok(saga),
        }
    }

    /// Gives the money of a paid order back, also of one that was shipped or delivered. Returns the saga
    /// that does it; none when the money is back already.
    pub async fn refund(
        &self,
        id: OrderId,
        reason: &str,
        metadata: &CommandMetadata,
    ) -> Result<Option<Uuid>, ChangeError> {
        let order = self.load(id).await?.ok_or(ChangeError::NotFound)?;
        let placed = order.placed().ok_or(ChangeError::NotFound)?;
        let refuse = |refusal| Err(ChangeError::Refused(refusal));
        match (order.status(), placed.payment_kind) {
            (OrderStatus::Cancelled, PaymentKind::Card) if order.payment_id().is_some() => Ok(None),
            (_, PaymentKind::External) => {
                refuse(OrderRefusal::PaidOtherwise { how: "elsewhere", wanted: "refunded" })
            }
            (OrderStatus::Paid | OrderStatus::Shipped | OrderStatus::Delivered, _) => {
                self.refund_saga(id, placed, reason, metadata).await.map(Some)
            }
            (status, _) => refuse(OrderRefusal::WrongStatus { status, wanted: "refunded" }),
        }
    }

    /// Says in somebody's name that a paid order is on its way.
    pub async fn ship(
        &self,
        id: OrderId,
        by: UserId,
        metadata: &CommandMetadata,
    ) -> Result<Order, ChangeError> {
        self.execute(id, OrderCommand::Ship { by }, metadata).await
    }

    /// Says in somebody's name that a shipped order has arrived.
    pub async fn deliver(
        &self,
        id: OrderId,
        by: UserId,
        metadata: &CommandMetadata,
    ) -> Result<Order, ChangeError> {
        self.execute(id, OrderCommand::Deliver { by }, metadata).await
    }

    /// Ends an order that was to be paid elsewhere and was not.
    pub async fn give_up(
        &self,
        id: OrderId,
        reason: &str,
        metadata: &CommandMetadata,
    ) -> Result<Order, ChangeError> {
        self.execute(id, OrderCommand::GiveUp { reason: reason.to_owned() }, metadata).await
    }

    /// Confirms an order that was paid elsewhere.
    pub async fn confirm(
        &self,
        id: OrderId,
        payment_id: PaymentId,
        metadata: &CommandMetadata,
    ) -> Result<Order, ChangeError> {
        self.execute(id, OrderCommand::ConfirmExternal { payment_id }, metadata).await
    }

    async fn execute(
        &self,
        id: OrderId,
        command: OrderCommand,
        metadata: &CommandMetadata,
    ) -> Result<Order, ChangeError> {
        let aggregates = self.node.aggregates();
        let executed = aggregates.execute::<Order>(&id.to_string(), command, metadata).await;
        executed.map_err(|error| match error {
            ExecuteError::Refused(OrderRefusal::NotPlaced) => ChangeError::NotFound,
            ExecuteError::Refused(refusal) => ChangeError::Refused(refusal),
            error @ (ExecuteError::ClaimTaken { .. }
            | ExecuteError::Conflict { .. }
            | ExecuteError::Invalid(_)
            | ExecuteError::Codec(_)
            | ExecuteError::Unavailable(_)) => ChangeError::Unavailable(error.to_string()),
        })
    }
}
