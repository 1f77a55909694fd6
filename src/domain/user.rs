//! A person with an account.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::email::Email;
use super::invalid::Invalid;
use super::personal::{Personal, PersonalField, Subject};
use super::text::text_type;
use super::{Aggregate, ClaimIntent};

/// What stands for the address of a forgotten user. No mail can reach it.
const FORGOTTEN_EMAIL: &str = "forgotten@forgotten.invalid";
/// What stands for a name or a password's hash of a forgotten user.
const FORGOTTEN: &str = "forgotten";

const REGISTRATION: Personal = Personal {
    subject: Subject::Stream,
    fields: &[
        PersonalField { at: "/email", forgotten: r#""forgotten@forgotten.invalid""# },
        PersonalField { at: "/firstName", forgotten: r#""forgotten""# },
        PersonalField { at: "/lastName", forgotten: r#""forgotten""# },
        PASSWORD,
    ],
};
const NEW_PASSWORD: Personal = Personal { subject: Subject::Stream, fields: &[PASSWORD] };
const PASSWORD: PersonalField = PersonalField { at: "/passwordHash", forgotten: r#""forgotten""# };

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
    /// Never again: nothing is known of the user any more.
    Forgotten,
}

impl UserStatus {
    /// Its word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Disabled => "disabled",
            Self::Forgotten => "forgotten",
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
    /// Everything that is known of the user goes away, for good.
    Forget,
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
    /// Nothing is known of the user any more.
    UserForgotten {},
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
    /// It is nobody's any more.
    #[error("the user was forgotten")]
    Forgotten,
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

    /// Also what an earlier program left in clear is gone from here.
    fn forget(&mut self) {
        self.status = UserStatus::Forgotten;
        let Some(account) = &mut self.registration else { return };
        let name = || PersonName::parse(FORGOTTEN).expect("a word is a name");
        account.email = Email::parse(FORGOTTEN_EMAIL).expect("it is an address");
        account.password_hash = PasswordHash::new(FORGOTTEN);
        (account.first_name, account.last_name) = (name(), name());
    }
}

impl Aggregate for User {
    const CATEGORY: &'static str = "user";
    const PERSONAL: &'static [(&'static str, Personal)] =
        &[("UserRegistered", REGISTRATION), ("UserPasswordChanged", NEW_PASSWORD)];
    const PERSONAL_CLAIMS: &'static [&'static str] = &[EMAIL_CLAIM_KIND];

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
        if self.status == UserStatus::Forgotten {
            return match command {
                UserCommand::Forget => Ok(vec![]),
                _ => Err(UserRefusal::Forgotten),
            };
        }
        let events = match command {
            UserCommand::Register(_) => return Err(UserRefusal::AlreadyRegistered),
            UserCommand::Forget => vec![UserEvent::UserForgotten {}],
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
            UserEvent::UserForgotten {} => self.forget(),
        }
    }

    /// From version 2 on what is personal stands under the user's key.
    fn schema_version(event_type: &str) -> u16 {
        if Self::PERSONAL.iter().any(|(known, _)| *known == event_type) { 2 } else { 1 }
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
            UserEvent::UserForgotten {} => {
                let release = |account: &Registration| ClaimIntent::Release {
                    kind: EMAIL_CLAIM_KIND.to_owned(),
                    key: account.email.as_str().to_owned(),
                };
                self.registration.iter().map(release).collect()
            }
        }
    }
}

#[cfg(test)]
#[path = "user_tests.rs"]
mod tests;
