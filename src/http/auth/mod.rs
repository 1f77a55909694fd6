//! Who may ask: passwords, tokens, accounts, and the caller that handlers take. Used by the routes under
//! `/auth` and by every route that is not for anyone.

mod accounts;
mod attempts;
mod blocking;
mod caller;
mod password;
mod refresh;
mod secret;
mod token;

pub use accounts::{Account, NewAccount, own_correlation};
pub use caller::{Admin, Caller, Merchant};
pub use password::{PasswordSettings, PasswordSettingsError, Passwords};
pub use secret::{MASTER_KEY_FILE, SECRET_FILE, SecretError, master_key, signing_secret};
pub use token::Tokens;

pub(super) use attempts::Attempts;
pub(super) use refresh::RefreshToken;
