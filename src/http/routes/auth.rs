//! Accounts: register, log in, and who one is.

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use sagaline_storage::{Backend, Claim, Clock, EventStore};
use serde::{Deserialize, Serialize};

use crate::domain::{
    Aggregate, EMAIL_CLAIM_KIND, Email, Role, Session, SessionCommand, User, UserId, UserStatus,
};
use crate::engine::CommandMetadata;
use crate::http::app::App;
use crate::http::auth::{Account, Caller, NewAccount, RefreshToken};
use crate::http::body::JsonBody;
use crate::http::correlation::Correlation;
use crate::http::error::Error;
use crate::http::failure;
use crate::http::peer::PeerAddress;

/// `/auth`.
pub(super) fn routes<B: Backend>() -> Router<App<B>> {
    Router::new()
        .route("/auth/register", post(register))
        .route("/auth/login", post(log_in))
        .route("/auth/profile", get(profile))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RegisterBody {
    email: String,
    password: String,
    first_name: String,
    last_name: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LogInBody {
    email: String,
    password: String,
}

/// Tokens, and whose they are.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LoggedIn {
    access_token: String,
    refresh_token: String,
    user: UserBody,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct UserBody {
    id: UserId,
    email: Email,
    first_name: String,
    last_name: String,
    role: Role,
    status: UserStatus,
}

async fn register<B: Backend>(
    State(app): State<App<B>>,
    correlation: Correlation,
    JsonBody(body): JsonBody<RegisterBody>,
) -> Result<(StatusCode, Json<LoggedIn>), Error> {
    let RegisterBody { email, password, first_name, last_name } = body;
    let new = NewAccount::check(&email, &password, &first_name, &last_name)?;
    if owner_of(&app, new.email()).await?.is_some() {
        // Told before a password is hashed: that costs a processor 20 ms.
        return Err(Error::EmailExists);
    }
    let (backend, aggregates, passwords) = (app.backend(), app.aggregates(), app.passwords());
    let id = correlation.id.clone();
    let account = new.create(backend, aggregates, passwords, Role::Customer, id).await?;
    Ok((StatusCode::CREATED, Json(begin_session(&app, &correlation, account).await?)))
}

async fn log_in<B: Backend>(
    State(app): State<App<B>>,
    PeerAddress(address): PeerAddress,
    correlation: Correlation,
    JsonBody(body): JsonBody<LogInBody>,
) -> Result<Json<LoggedIn>, Error> {
    let account_name = body.email.to_ascii_lowercase();
    app.attempts_by_address().check(&address, app.clock().monotonic())?;
    app.attempts_by_account().check(&account_name, app.clock().monotonic())?;
    let account = find(&app, &body.email).await?;
    let known = account.as_ref().and_then(|account| account.user.account());
    let hash = known.map(|known| known.password_hash.as_str());
    let right = app.passwords().verify(body.password, hash).await?;
    let account = account.filter(|account| right && account.user.status() == UserStatus::Active);
    let Some(account) = account else {
        app.attempts_by_address().failed(&address, app.clock().monotonic());
        app.attempts_by_account().failed(&account_name, app.clock().monotonic());
        return Err(Error::InvalidCredentials);
    };
    begin_session(&app, &correlation, account).await.map(Json)
}

async fn profile<B: Backend>(
    State(app): State<App<B>>,
    caller: Caller,
) -> Result<Json<UserBody>, Error> {
    let account = load(&app, caller.user).await?;
    account
        .map(|account| user_body(&account))
        .transpose()?
        .map(Json)
        .ok_or(Error::NotFound("the user"))
}

/// The account with an e-mail address. What is no address has none.
async fn find<B: Backend>(app: &App<B>, email: &str) -> Result<Option<Account>, Error> {
    let Ok(email) = Email::parse(email) else { return Ok(None) };
    match owner_of(app, &email).await? {
        Some(user) => load(app, user).await,
        None => Ok(None),
    }
}

/// Whose an address is, by the log's claims.
async fn owner_of<B: Backend>(app: &App<B>, email: &Email) -> Result<Option<UserId>, Error> {
    let claim = Claim::new(EMAIL_CLAIM_KIND, email.as_str());
    let holder = app.backend().events().claim_holder(&claim).await.map_err(failure::storage)?;
    let Some(holder) = holder.filter(|holder| holder.owner.category() == User::CATEGORY) else {
        return Ok(None);
    };
    UserId::parse(holder.owner.key()).map(Some).map_err(Error::internal)
}

async fn load<B: Backend>(app: &App<B>, id: UserId) -> Result<Option<Account>, Error> {
    let loaded = app.aggregates().load::<User>(&id.to_string()).await.map_err(failure::load)?;
    Ok(loaded.state.account().is_some().then(|| Account { id, user: loaded.state.clone() }))
}

/// Tokens for an account; the session they belong to is durable when this returns.
async fn begin_session<B: Backend>(
    app: &App<B>,
    correlation: &Correlation,
    account: Account,
) -> Result<LoggedIn, Error> {
    let user = user_body(&account)?;
    let now = app.clock().now();
    let access_token = app.tokens().issue(account.id, user.role, now).map_err(Error::internal)?;
    let refresh = RefreshToken::draw(app.clock(), app.entropy());
    let command = SessionCommand::Open {
        user_id: account.id,
        token: refresh.hash(),
        expires_at_us: now.after(app.settings().auth.refresh_expires_in).0,
    };
    let metadata = CommandMetadata { correlation_id: correlation.id.clone(), causation_id: None };
    let session = refresh.session.to_string();
    let opened = app.aggregates().execute::<Session>(&session, command, &metadata).await;
    opened.map_err(failure::command)?;
    Ok(LoggedIn { access_token, refresh_token: refresh.text, user })
}

fn user_body(account: &Account) -> Result<UserBody, Error> {
    let known =
        account.user.account().ok_or_else(|| Error::internal("a user without an account"))?;
    Ok(UserBody {
        id: account.id,
        email: known.email.clone(),
        first_name: known.first_name.to_string(),
        last_name: known.last_name.to_string(),
        role: known.role,
        status: account.user.status(),
    })
}
