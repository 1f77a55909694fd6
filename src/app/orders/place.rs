//! Placing an order.

use std::fmt::Display;

use sagaline_storage::{
    Backend, Claim, Clock, CorrelationId, Direction, Entropy, EventStore, RecordedEvent, StreamId,
    StreamVersion,
};

use crate::canary::planted;
use crate::domain::{
    Aggregate, IdempotencyKey, ORDER_KEY_CLAIM_KIND, Order, OrderCommand, OrderDetails, OrderEvent,
    OrderId, PaymentKind, PlaceOrder, UserId,
};
use crate::engine::{CommandMetadata, ExecuteError, Recorded, StartError, StartRequest};
use crate::projections::{self, OrderDocument};

use super::Orders;

/// An order that was accepted, by this request or by an earlier one of the same name and content.
#[derive(Debug, Clone)]
pub struct Accepted {
    /// The order; also its saga's id.
    pub order_id: OrderId,
    /// What ties together everything that follows from it.
    pub correlation_id: CorrelationId,
    /// An earlier request was answered with it; nothing was done now.
    pub replayed: bool,
    /// The order as it was when it was accepted: the same for every request of one name.
    pub document: OrderDocument,
}

/// Why an order was not accepted. Nothing was stored.
#[derive(Debug, Clone, thiserror::Error)]
pub enum PlaceError {
    /// Another order holds one of the products.
    #[error("order {existing} for product `{product}` is in flight")]
    Duplicate {
        /// The other order.
        existing: OrderId,
        /// The lock that it holds: the product id, in customer scope with the user before it.
        product: String,
    },
    /// The request's name was used before for another content.
    #[error("the idempotency key was used before for another order, {existing}")]
    KeyReused {
        /// The other order.
        existing: OrderId,
    },
    /// As many sagas are under way as the node takes.
    #[error("{live} orders are under way, which is the most this node takes")]
    Overloaded {
        /// How many.
        live: usize,
    },
    /// The node or its store does not serve.
    #[error("{0}")]
    Unavailable(String),
}

impl<B: Backend> Orders<B> {
    /// Accepts an order. After `Ok` it is durable, and unless it is paid elsewhere its saga is under way.
    pub async fn place(
        &self,
        user_id: UserId,
        details: OrderDetails,
        idempotency_key: Option<IdempotencyKey>,
        correlation_id: CorrelationId,
    ) -> Result<Accepted, PlaceError> {
        let idempotency_key = idempotency_key.filter(|_| !planted("idempotency-key-ignored"));
        let order = PlaceOrder { user_id, details, idempotency_key };
        let accepted = match order.details.payment_method.kind() {
            PaymentKind::Card => self.start(&order, correlation_id.clone()).await,
            PaymentKind::External => self.place_without_saga(&order, correlation_id.clone()).await,
        };
        let order_id = match accepted {
            Ok(order_id) => order_id,
            Err(NotPlaced::Taken { claim, owner }) => {
                return self.taken(&order, &claim, &owner).await;
            }
            Err(NotPlaced::Otherwise(error)) => return Err(error),
        };
        let document = self.accepted(order_id, &order.details).await?;
        Ok(Accepted { order_id, correlation_id, replayed: false, document })
    }

    async fn start(
        &self,
        order: &PlaceOrder,
        correlation_id: CorrelationId,
    ) -> Result<OrderId, NotPlaced> {
        let told = Some(correlation_id).filter(|_| !planted("started-under-an-id-of-its-own"));
        let request = StartRequest { idempotency_key: None, correlation_id: told };
        let started = self.node.sagas().start(&self.processing, request, order).await;
        started.map(|started| OrderId::new(started.id)).map_err(|error| match error {
            StartError::ClaimTaken { claim, owner } => NotPlaced::Taken { claim, owner },
            StartError::Overloaded { live } => PlaceError::Overloaded { live }.into(),
            error @ (StartError::UnknownType { .. }
            | StartError::UnknownDefinition { .. }
            | StartError::BadInput { .. }
            | StartError::BadRequest(_)
            | StartError::KeyReused { .. }
            | StartError::Rejected { .. }
            | StartError::Unavailable(_)) => PlaceError::Unavailable(error.to_string()).into(),
        })
    }

    async fn place_without_saga(
        &self,
        order: &PlaceOrder,
        correlation_id: CorrelationId,
    ) -> Result<OrderId, NotPlaced> {
        let now = self.node.backend().clock().now();
        let id = OrderId::new(self.node.backend().entropy().uuid_v7(now));
        let place = OrderCommand::Place {
            order: Box::new(order.clone()),
            locks: self.locks,
            now_us: now.0,
        };
        let metadata = CommandMetadata { correlation_id, causation_id: None };
        let aggregates = self.node.aggregates();
        let placed = aggregates.execute::<Order>(&id.to_string(), place, &metadata).await;
        placed.map(|_| id).map_err(|error| match error {
            ExecuteError::ClaimTaken { claim, owner } => NotPlaced::Taken { claim, owner },
            error @ (ExecuteError::Refused(_)
            | ExecuteError::Conflict { .. }
            | ExecuteError::Invalid(_)
            | ExecuteError::Codec(_)
            | ExecuteError::Unavailable(_)) => PlaceError::Unavailable(error.to_string()).into(),
        })
    }

    /// Something of which there is one belongs to another order: the same request, or another.
    async fn taken(
        &self,
        asked: &PlaceOrder,
        claim: &Claim,
        owner: &StreamId,
    ) -> Result<Accepted, PlaceError> {
        let existing = OrderId::parse(owner.key())
            .map_err(|_| PlaceError::Unavailable(format!("{claim} is held by {owner}")))?;
        if *claim.kind != *ORDER_KEY_CLAIM_KIND {
            return Err(PlaceError::Duplicate { existing, product: claim.key.to_string() });
        }
        let first = self.first_event(existing).await?;
        let placed =
            Recorded::new(&first).of::<Order>().map_err(|error| unreadable(existing, &error))?;
        let Some(OrderEvent::OrderPlaced(placed)) = placed else {
            return Err(unreadable(existing, &"its first event does not place it"));
        };
        if placed.request_digest != asked.details.digest()
            && !planted("key-reused-for-another-order")
        {
            return Err(PlaceError::KeyReused { existing });
        }
        let document = as_placed(existing, &first)?;
        let correlation_id = first.correlation_id;
        Ok(Accepted { order_id: existing, correlation_id, replayed: true, document })
    }

    /// An order that was just placed. What its user gave is at hand, and need not be opened again.
    async fn accepted(
        &self,
        id: OrderId,
        given: &OrderDetails,
    ) -> Result<OrderDocument, PlaceError> {
        let sealed = as_placed(id, &self.stored_first_event(id).await?)?;
        let shipping_address = given.shipping_address.clone();
        Ok(OrderDocument { shipping_address, sealed: None, ..sealed })
    }

    /// The event that placed an order.
    async fn first_event(&self, id: OrderId) -> Result<RecordedEvent, PlaceError> {
        let mut first = [self.stored_first_event(id).await?];
        self.node.open(&mut first).await.map_err(|error| unreadable(id, &error))?;
        let [first] = first;
        Ok(first)
    }

    /// The same as the log has it.
    async fn stored_first_event(&self, id: OrderId) -> Result<RecordedEvent, PlaceError> {
        let stream = StreamId::new(format!("{}-{id}", Order::CATEGORY))
            .map_err(|error| unreadable(id, &error))?;
        let events = self.node.backend().events();
        let first = events.read_stream(&stream, StreamVersion(1), Direction::Forward, 1).await;
        let first = first.map_err(|error| unreadable(id, &error))?;
        first.into_iter().next().ok_or_else(|| unreadable(id, &"it has no events"))
    }
}

fn as_placed(id: OrderId, first: &RecordedEvent) -> Result<OrderDocument, PlaceError> {
    let document = projections::fold(&projections::Orders, &id.to_string(), [first]);
    let document = document.map_err(|error| unreadable(id, &error))?;
    document.ok_or_else(|| unreadable(id, &"its first event does not place it"))
}

fn unreadable(id: OrderId, problem: &dyn Display) -> PlaceError {
    PlaceError::Unavailable(format!("order {id} cannot be read: {problem}"))
}

/// Why an append that was to place an order was not made.
enum NotPlaced {
    Taken { claim: Claim, owner: StreamId },
    Otherwise(PlaceError),
}

impl From<PlaceError> for NotPlaced {
    fn from(error: PlaceError) -> Self {
        Self::Otherwise(error)
    }
}
