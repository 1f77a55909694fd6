//! A person with an account.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::email::Email;
use super::invalid::Invalid;
use super::text::text_type;
use super::{Aggregate, ClaimIntent};

/// The kind of the claims that make an e-mail address belong to one account.
pub const EMAIL_CLAIM_KIND: &str = "email";

text_type!(
    /// A first or a last name.
    PersonName, 50, Line
);

/// A password's hash as argon2 writes it (PHC string). Never the password; never printed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PasswordHash(Arc<str>);

impl PasswordHash {
    /// Takes the text that the hasher wrote.
    pub fn new(phc: impl Into<Arc<str>>) -> Self {
        Self(phc.into())
    }

    /// The PHC string.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

/// What a user may do.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Default,
    Serialize,
    Deserialize,
    utoipa::ToSchema,
)]
#[serde(rename_all = "camelCase")]
pub enum Role {
    /// Orders, and sees what is theirs.
    #[default]
    Customer,
    /// Also confirms payments made elsewhere.
    Merchant,
    /// Everything.
    Admin,
}

impl Role {
    /// Its word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::Merchant => "merchant",
            Self::Admin => "admin",
        }
    }

    /// Reads its word.
    pub fn parse(word: &str) -> Result<Self, Invalid> {
        let known = [Self::Customer, Self::Merchant, Self::Admin];
        let known = known.into_iter().find(|role| role.as_str() == word);
        known.ok_or_else(|| Invalid::text(word, "one of customer, merchant, admin"))
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether a user may log in.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "camelCase")]
pub enum UserStatus {
    /// Yes.
    #[default]
    Active,
    /// No.
    Disabled,
}

impl UserStatus {
    /// Its word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Disabled => "disabled",
        }
    }
}

/// A new account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Registration {
    /// The address; no other account has it.
    pub email: Email,
    /// The password's hash.
    pub password_hash: PasswordHash,
    /// The first name.
    pub first_name: PersonName,
    /// The last name.
    pub last_name: PersonName,
    /// What the user may do.
    pub role: Role,
}

/// What can be asked of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UserCommand {
    /// It comes into being.
    Register(Box<Registration>),
    /// The user may do other things from now on.
    ChangeRole {
        /// What.
        role: Role,
    },
    /// The password is another one from now on.
    ChangePassword {
        /// Its hash.
        password_hash: PasswordHash,
    },
    /// The user may not log in from now on.
    Disable {
        /// Why.
        reason: String,
    },
    /// The user may log in again.
    Enable,
}

/// What can happen to an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all_fields = "camelCase")]
pub enum UserEvent {
    /// It exists.
    UserRegistered(Registration),
    /// The user may do other things.
    UserRoleChanged {
        /// What.
        role: Role,
    },
    /// The password is another one.
    UserPasswordChanged {
        /// Its hash.
        password_hash: PasswordHash,
    },
    /// The user may not log in.
    UserDisabled {
        /// Why.
        reason: String,
    },
    /// The user may log in again.
    UserEnabled {},
}

/// Why an account says no.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UserRefusal {
    /// There is one under this id.
    #[error("the user is registered already")]
    AlreadyRegistered,
    /// There is none under this id.
    #[error("there is no such user")]
    NotRegistered,
}

/// An account's state.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct User {
    registration: Option<Registration>,
    status: UserStatus,
}

impl User {
    /// The account as it is now (the role and the password may have changed); none before it exists.
    pub fn account(&self) -> Option<&Registration> {
        self.registration.as_ref()
    }

    /// Whether the user may log in.
    pub fn status(&self) -> UserStatus {
        self.status
    }
}

impl Aggregate for User {
    const CATEGORY: &'static str = "user";

    type Command = UserCommand;
    type Event = UserEvent;
    type Refusal = UserRefusal;

    fn decide(&self, command: UserCommand) -> Result<Vec<UserEvent>, UserRefusal> {
        let Some(account) = &self.registration else {
            return match command {
                UserCommand::Register(new) => Ok(vec![UserEvent::UserRegistered(*new)]),
                _ => Err(UserRefusal::NotRegistered),
            };
        };
        let events = match command {
            UserCommand::Register(_) => return Err(UserRefusal::AlreadyRegistered),
            UserCommand::ChangeRole { role } if role == account.role => vec![],
            UserCommand::ChangeRole { role } => vec![UserEvent::UserRoleChanged { role }],
            UserCommand::ChangePassword { password_hash } => {
                vec![UserEvent::UserPasswordChanged { password_hash }]
            }
            UserCommand::Disable { .. } if self.status == UserStatus::Disabled => vec![],
            UserCommand::Disable { reason } => vec![UserEvent::UserDisabled { reason }],
            UserCommand::Enable if self.status == UserStatus::Active => vec![],
            UserCommand::Enable => vec![UserEvent::UserEnabled {}],
        };
        Ok(events)
    }

    fn evolve(&mut self, event: &UserEvent) {
        match event {
            UserEvent::UserRegistered(registration) => {
                self.registration = Some(registration.clone());
            }
            UserEvent::UserRoleChanged { role } => {
                if let Some(account) = &mut self.registration {
                    account.role = *role;
                }
            }
            UserEvent::UserPasswordChanged { password_hash } => {
                if let Some(account) = &mut self.registration {
                    account.password_hash = password_hash.clone();
                }
            }
            UserEvent::UserDisabled { .. } => self.status = UserStatus::Disabled,
            UserEvent::UserEnabled {} => self.status = UserStatus::Active,
        }
    }

    fn claims(&self, event: &UserEvent) -> Vec<ClaimIntent> {
        match event {
            UserEvent::UserRegistered(new) => vec![ClaimIntent::Take {
                kind: EMAIL_CLAIM_KIND.to_owned(),
                key: new.email.as_str().to_owned(),
            }],
            UserEvent::UserRoleChanged { .. }
            | UserEvent::UserPasswordChanged { .. }
            | UserEvent::UserDisabled { .. }
            | UserEvent::UserEnabled {} => Vec::new(),
        }
    }
}

#[cfg(test)]
#[path = "user_tests.rs"]
mod tests;
