//! The business: pure. Imports nothing of ours.
//!
//! An [`Aggregate`] decides on a command by its own past and says what happened; the shell stores that
//! on the aggregate's stream, with the claims that keep it unique, in one append.

mod invalid;
mod personal;
mod schema;
mod text;

mod email;
mod ids;

mod decimal;
mod money;
mod wall_time;

mod address;
mod order_draft;
mod order_items;
mod order_locks;
mod order_status;

mod order_command;
mod order_event;

mod order;
mod payment;
mod session;
mod user;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use address::{Address, AddressDraft, Place, Street, ZipCode};
pub use decimal::Decimal;
pub use email::Email;
pub use ids::{IdempotencyKey, OrderId, PaymentId, ProductId, UserId};
pub use invalid::{FieldError, FieldErrors, Invalid};
pub use money::{Currency, Money, MoneyError};
pub use order::{Order, OrderRefusal};
pub use order_command::{ORDER_KEY_CLAIM_KIND, OrderCommand, PlaceOrder};
pub use order_draft::{
    OrderDetails, OrderDraft, OrderRequest, PaymentKind, PaymentMethod, PaymentMethodDraft,
    PaymentToken, RequestDigest,
};
pub use order_event::{OrderEvent, Placed};
pub use order_items::{ITEMS_MAX, ItemDraft, OrderItem, ProductName, Quantity, total};
pub use order_locks::{LockPolicy, LockScope, ProductLock};
pub use order_status::OrderStatus;
pub use payment::{
    Payment, PaymentCommand, PaymentEvent, PaymentRefusal, PaymentStatus, PaymentTerms,
};
pub use personal::{Personal, PersonalField, Subject};
pub use session::{Session, SessionCommand, SessionEvent, SessionRefusal, TokenHash};
pub use user::{
    EMAIL_CLAIM_KIND, PasswordHash, PersonName, Registration, Role, User, UserCommand, UserEvent,
    UserRefusal, UserStatus,
};
pub use wall_time::WallTime;

/// A thing with a stream of its own.
///
/// `Default` is the state before the first event. Events are enums with struct variants: the variant's
/// name is the event's type in the log, its fields are the payload. They are as serde writes them by itself:
/// what `#[serde(tag)]` or `#[serde(untagged)]` makes of them is not stored.
///
/// ```
/// use sagaline::prelude::*;
/// use sagaline::testing::aggregate::given;
///
/// #[derive(Clone, Default, Serialize, Deserialize)]
/// struct Lamp { is_on: bool }
///
/// #[derive(Debug, PartialEq, Serialize, Deserialize)]
/// enum LampEvent { SwitchedOn { by: String }, SwitchedOff {} }
///
/// enum LampCommand { On { by: String }, Off }
///
/// #[derive(Debug, PartialEq, thiserror::Error)]
/// #[error("it is on already")]
/// struct On;
///
/// impl Aggregate for Lamp {
///     const CATEGORY: &'static str = "lamp";
///     type Command = LampCommand;
///     type Event = LampEvent;
///     type Refusal = On;
///
///     fn decide(&self, command: LampCommand) -> Result<Vec<LampEvent>, On> {
///         match command {
///             LampCommand::On { .. } if self.is_on => Err(On),
///             LampCommand::On { by } => Ok(vec![LampEvent::SwitchedOn { by }]),
///             LampCommand::Off if self.is_on => Ok(vec![LampEvent::SwitchedOff {}]),
///             LampCommand::Off => Ok(vec![]),
///         }
///     }
///
///     fn evolve(&mut self, event: &LampEvent) {
///         self.is_on = matches!(event, LampEvent::SwitchedOn { .. });
///     }
/// }
///
/// let by = "ada".to_string();
/// given::<Lamp>([]).when(LampCommand::On { by: by.clone() }).then([LampEvent::SwitchedOn { by }]);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no aggregate",
    note = "write `impl Aggregate for {Self}` with CATEGORY, Command, Event, Refusal, `decide` and `evolve`; it must be `Default + Clone + Serialize + Deserialize`"
)]
pub trait Aggregate:
    Default + Clone + Serialize + DeserializeOwned + Send + Sync + 'static
{
    /// The category of its streams: the stream of id `x` is `CATEGORY-x`. Bytes of `[A-Za-z0-9_.:@+]`, and
    /// not `saga`, `barrier` or `consumer`, which are the engine's own.
    const CATEGORY: &'static str;
    /// Raised when the state's shape changes: older snapshots are then ignored.
    const SNAPSHOT_VERSION: u32 = 1;
    /// The types of its events that have personal parts, and which those are: the log holds them under a key
    /// of their subject, and they are gone when it is forgotten. Of an aggregate that has any no snapshots
    /// are kept: a snapshot would hold them in clear.
    const PERSONAL: &'static [(&'static str, Personal)] = &[];
    /// The kinds of its claims whose keys are personal, an e-mail address for instance: the store has them
    /// as hashes under the node's master key.
    const PERSONAL_CLAIMS: &'static [&'static str] = &[];

    /// What can be asked of it.
    type Command: Send;
    /// What can happen to it.
    type Event: Serialize + DeserializeOwned + Send + Sync;
    /// Why it says no.
    type Refusal: std::error::Error + Send + Sync + 'static;

    /// What follows from a command: nothing, when it changes nothing. Pure.
    fn decide(&self, command: Self::Command) -> Result<Vec<Self::Event>, Self::Refusal>;

    /// The state after an event.
    fn evolve(&mut self, event: &Self::Event);

    /// The claims that an event takes and gives up; `self` is the state before it. The aggregate's
    /// stream is their owner.
    fn claims(&self, event: &Self::Event) -> Vec<ClaimIntent> {
        let _ = event;
        Vec::new()
    }

    /// The schema version under which an event of this type is written.
    fn schema_version(event_type: &str) -> u16 {
        let _ = event_type;
        1
    }

    /// Lifts a payload written under an older version to the next one.
    fn upcast(event_type: &str, version: u16, payload: serde_json::Value) -> serde_json::Value {
        let _ = (event_type, version);
        payload
    }
}

/// A claim taken or given up by an event: see the event store's claims.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClaimIntent {
    /// There is one holder of `(kind, key)`: this aggregate from now on, or the event is refused.
    Take {
        /// The claim's kind.
        kind: String,
        /// Unique within the kind.
        key: String,
    },
    /// It is free.
    Release {
        /// The claim's kind.
        kind: String,
        /// Unique within the kind.
        key: String,
    },
    /// It becomes free at this time.
    ReleaseAt {
        /// The claim's kind.
        kind: String,
        /// Unique within the kind.
        key: String,
        /// Microseconds of wall time.
        at_us: u64,
    },
}
