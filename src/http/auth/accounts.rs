//! Making accounts: what registration, the administrator of a first start and `sagaline user create`
//! have in common. Hashes the password, and lets the log decide whose the e-mail address is.

use sagaline_storage::{Backend, Clock, CorrelationId, Entropy};
use uuid::Uuid;

use super::password::Passwords;
use crate::domain::{
    Email, FieldErrors, PasswordHash, PersonName, Registration, Role, User, UserCommand, UserId,
};
use crate::engine::{Aggregates, CommandMetadata, ExecuteError};
use crate::http::error::Error;
use crate::limits::{PASSWORD_BYTES_MAX, PASSWORD_CHARS_MIN};

/// A checked wish for an account.
#[derive(Clone)]
pub struct NewAccount {
    email: Email,
    password: String,
    first_name: PersonName,
    last_name: PersonName,
}

/// A user with an account, as the log has it.
#[derive(Debug, Clone)]
pub struct Account {
    /// Who.
    pub id: UserId,
    /// The account.
    pub user: User,
}

impl NewAccount {
    /// Checks everything and reports everything that is wrong.
    pub fn check(
        email: &str,
        password: &str,
        first_name: &str,
        last_name: &str,
    ) -> Result<Self, FieldErrors> {
        let mut errors = FieldErrors::default();
        let email = errors.keep("email", Email::parse(email));
        check_password(password, &mut errors);
        let first_name = errors.keep("firstName", PersonName::parse(first_name));
        let last_name = errors.keep("lastName", PersonName::parse(last_name));
        match (email, first_name, last_name) {
            (Some(email), Some(first_name), Some(last_name)) if errors.is_empty() => {
                Ok(Self { email, password: password.to_owned(), first_name, last_name })
            }
            _ => Err(errors),
        }
    }

    /// The address it is for.
    pub fn email(&self) -> &Email {
        &self.email
    }

    /// Makes the account. After `Ok` it is durable, and nobody else has the address.
    pub async fn create<B: Backend>(
        self,
        backend: &B,
        aggregates: &Aggregates<B>,
        passwords: &Passwords,
        role: Role,
        correlation_id: CorrelationId,
    ) -> Result<Account, Error> {
        let hash = passwords.hash(self.password, backend.entropy()).await?;
        let id = UserId::new(backend.entropy().uuid_v7(backend.clock().now()));
        let registration = Registration {
            email: self.email,
            password_hash: PasswordHash::new(hash),
            first_name: self.first_name,
            last_name: self.last_name,
            role,
        };
        let command = UserCommand::Register(Box::new(registration));
        let metadata = CommandMetadata { correlation_id, causation_id: None };
        let user = aggregates.execute::<User>(&id.to_string(), command, &metadata).await;
        Ok(Account { id, user: user.map_err(refusal)? })
    }
}

/// The password is never shown, also not in what is wrong with it.
fn check_password(password: &str, errors: &mut FieldErrors) {
    let characters = password.chars().count();
    if characters < PASSWORD_CHARS_MIN {
        let wants = format!("has {characters} characters: wants at least {PASSWORD_CHARS_MIN}");
        errors.add("password", wants);
    } else if password.len() > PASSWORD_BYTES_MAX {
        let wants = format!("has {} bytes: wants at most {PASSWORD_BYTES_MAX}", password.len());
        errors.add("password", wants);
    }
}

fn refusal<R: std::fmt::Display>(error: ExecuteError<R>) -> Error {
    match error {
        ExecuteError::ClaimTaken { .. } => Error::EmailExists,
        // The id was drawn a moment ago: nothing can be there, nobody can be first.
        ExecuteError::Refused(_)
        | ExecuteError::Conflict { .. }
        | ExecuteError::Invalid(_)
        | ExecuteError::Codec(_) => Error::internal(error),
        ExecuteError::Unavailable(cause) => Error::Unavailable(cause),
    }
}

/// A correlation id for what no request set in motion.
pub fn own_correlation<B: Backend>(backend: &B) -> CorrelationId {
    let id: Uuid = backend.entropy().uuid_v7(backend.clock().now());
    CorrelationId::new(id.to_string()).expect("a UUID's text is a valid correlation id")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(email: &str, password: &str, first: &str, last: &str) -> Vec<String> {
        let errors = NewAccount::check(email, password, first, last).err().unwrap_or_default();
        errors.into_vec().into_iter().map(|error| error.field).collect()
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_once() {
        assert_eq!(wrong("x", "short", "", " "), ["email", "password", "firstName", "lastName"]);
        assert_eq!(wrong("a@example.org", "correct horse", "Ada", "Lovelace"), [""; 0]);
    }

    #[test]
    fn password_is_counted_in_characters_and_bounded_in_bytes() {
        let fields = |password: &str| wrong("a@example.org", password, "Ada", "Lovelace");
        assert_eq!(fields("пароль"), ["password"]);
        assert_eq!(fields("длинный пароль"), [""; 0]);
        assert_eq!(fields(&"x".repeat(1_025)), ["password"]);
    }

    #[test]
    fn password_is_not_repeated_in_the_refusal() {
        let refused = NewAccount::check("a@example.org", "hunter2", "Ada", "L").err().unwrap();
        assert!(!refused.to_string().contains("hunter2"));
    }
}
