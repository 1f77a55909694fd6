//! Making accounts: what registration, the administrator of a first start and `sagaline user create`
//! have in common. Hashes the password, and lets the log decide whose the e-mail address is.

use sagaline_storage::{Backend, Clock, CorrelationId, Entropy, EventStore};
use uuid::Uuid;

use super::password::Passwords;
use crate::domain::{
    Aggregate, EMAIL_CLAIM_KIND, Email, FieldErrors, PasswordHash, PersonName, Registration, Role,
    User, UserCommand, UserId, UserRefusal,
};
use crate::engine::{Aggregates, CommandMetadata, ExecuteError};
use crate::http::error::Error;
use crate::http::failure;
use crate::limits::{PASSWORD_CHARS_MAX, PASSWORD_CHARS_MIN};

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

impl Account {
    /// The account of a user, as the log has it.
    pub async fn load<B: Backend>(
        aggregates: &Aggregates<B>,
        id: UserId,
    ) -> Result<Option<Self>, Error> {
        let loaded = aggregates.load::<User>(&id.to_string()).await.map_err(failure::load)?;
        let user = loaded.state;
        Ok(user.account().is_some().then_some(Self { id, user }))
    }

    /// Whose an address is, by the log's claims.
    pub async fn owner_of<B: Backend>(
        backend: &B,
        aggregates: &Aggregates<B>,
        email: &Email,
    ) -> Result<Option<UserId>, Error> {
        let claim = aggregates.claim::<User>(EMAIL_CLAIM_KIND, email.as_str());
        let claim = claim.map_err(Error::internal)?;
        let holder = backend.events().claim_holder(&claim).await.map_err(failure::storage)?;
        let Some(holder) = holder.filter(|holder| holder.owner.category() == User::CATEGORY) else {
            return Ok(None);
        };
        UserId::parse(holder.owner.key()).map(Some).map_err(Error::internal)
    }

    /// Accounts in an order that stays the same and means nothing, and the cursor of the next page. The
    /// claims on addresses are the list that cannot be behind; they are there as hashes.
    pub async fn page<B: Backend>(
        backend: &B,
        aggregates: &Aggregates<B>,
        after: Option<&str>,
        limit: usize,
    ) -> Result<(Vec<Self>, Option<String>), Error> {
        let kind = aggregates.claim::<User>(EMAIL_CLAIM_KIND, "").map_err(Error::internal)?.kind;
        let claims = backend.events().claims(&kind, after, limit).await;
        let claims = claims.map_err(failure::storage)?;
        let mut accounts = Vec::with_capacity(claims.len());
        for holder in &claims {
            let id = UserId::parse(holder.owner.key()).map_err(Error::internal)?;
            accounts.extend(Self::load(aggregates, id).await?);
        }
        let last = claims.last().filter(|_| claims.len() == limit);
        Ok((accounts, last.map(|last| last.claim.key.to_string())))
    }

    /// Forgets the user: the account is closed for good, its address is free, and every personal part of
    /// what the user ever did is gone. What is left comes back; none: there is no such user.
    pub async fn forget<B: Backend>(
        aggregates: &Aggregates<B>,
        id: UserId,
        correlation_id: CorrelationId,
    ) -> Result<Option<Self>, Error> {
        let (key, metadata) =
            (id.to_string(), CommandMetadata { correlation_id, causation_id: None });
        let forget = UserCommand::Forget;
        match aggregates.execute_and_forget::<User>(&key, forget, &key, &metadata).await {
            Ok(user) => Ok(Some(Self { id, user })),
            Err(ExecuteError::Refused(UserRefusal::NotRegistered)) => Ok(None),
            Err(error) => Err(failure::command(error)),
        }
    }
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
    } else if characters > PASSWORD_CHARS_MAX {
        let wants = format!("has {characters} characters: wants at most {PASSWORD_CHARS_MAX}");
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
    fn password_is_counted_in_characters() {
        let fields = |password: &str| wrong("a@example.org", password, "Ada", "Lovelace");
        assert_eq!(fields("пароль"), ["password"]);
        assert_eq!(fields("длинный пароль"), [""; 0]);
        for letter in ["x", "ж"] {
            assert_eq!(fields(&letter.repeat(1_024)), [""; 0]);
            assert_eq!(fields(&letter.repeat(1_025)), ["password"]);
        }
    }

    #[test]
    fn password_is_not_repeated_in_the_refusal() {
        let refused = NewAccount::check("a@example.org", "hunter2", "Ada", "L").err().unwrap();
        assert!(!refused.to_string().contains("hunter2"));
    }
}
