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
