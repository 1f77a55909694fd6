//! Who may ask: passwords, tokens, and the caller that handlers take. Used by the routes under `/auth`
//! and by every route that is not for anyone.

mod attempts;
mod blocking;
mod caller;
mod password;
mod secret;
mod token;

pub use caller::{Admin, Caller};
pub use password::{PasswordSettings, PasswordSettingsError, Passwords};
pub use secret::{SecretError, signing_secret};
pub use token::Tokens;

pub(super) use attempts::Attempts;

/// A user's id.
pub type UserId = uuid::Uuid;

/// What a user may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Orders for oneself.
    Customer,
    /// Confirms orders.
    Merchant,
    /// Sees and does everything.
    Admin,
}
