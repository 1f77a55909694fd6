//! Placing an order.

use sagaline_storage::{
    Backend, Claim, Clock, CorrelationId, Direction, Entropy, EventStore, StreamId, StreamVersion,
};

use crate::domain::{
    Aggregate, IdempotencyKey, ORDER_KEY_CLAIM_KIND, Order, OrderCommand, OrderDetails, OrderId,
    PaymentKind, PlaceOrder, UserId,
};
use crate::engine::{CommandMetadata, ExecuteError, StartError, StartRequest};

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
    /// The order as it is now.
    pub order: Order,
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
        let order = self.existing(order_id).await?;
        Ok(Accepted { order_id, correlation_id, replayed: false, order })
    }

    async fn start(
        &self,
        order: &PlaceOrder,
        correlation_id: CorrelationId,
    ) -> Result<OrderId, NotPlaced> {
        let request = StartRequest { idempotency_key: None, correlation_id: Some(correlation_id) };
        let started = self.node.sagas().start(&self.processing, request, order).await;
        started.map(|started| OrderId::new(started.id)).map_err(|error| match error {
            StartError::ClaimTaken { claim, owner } => NotPlaced::Taken { claim, owner },
            StartError::Overloaded { live } => PlaceError::Overloaded { live }.into(),
            error @ (StartError::UnknownType { .. }
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
        let order = self.existing(existing).await?;
        if order.placed().map(|placed| &placed.request_digest) != Some(&asked.details.digest()) {
            return Err(PlaceError::KeyReused { existing });
        }
        let correlation_id = self.correlation_id(existing).await?;
        Ok(Accepted { order_id: existing, correlation_id, replayed: true, order })
    }

    async fn existing(&self, id: OrderId) -> Result<Order, PlaceError> {
        let missing = || PlaceError::Unavailable(format!("order {id} cannot be read"));
        let loaded = self.load(id).await;
        loaded.map_err(|error| PlaceError::Unavailable(error.to_string()))?.ok_or_else(missing)
    }

    /// The correlation id of an order: its first event's.
    async fn correlation_id(&self, id: OrderId) -> Result<CorrelationId, PlaceError> {
        let unavailable = |problem: String| PlaceError::Unavailable(problem);
        let stream = StreamId::new(format!("{}-{id}", Order::CATEGORY))
            .map_err(|error| unavailable(error.to_string()))?;
        let events = self.node.backend().events();
        let first = events.read_stream(&stream, StreamVersion(1), Direction::Forward, 1).await;
        let first = first.map_err(|error| unavailable(error.to_string()))?;
        let first = first.into_iter().next();
        Ok(first.ok_or_else(|| unavailable(format!("{stream} is empty")))?.correlation_id)
    }
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
