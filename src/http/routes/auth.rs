//! Accounts: register, log in, and who one is.

mod body;
mod session;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use sagaline_storage::{Backend, Clock};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::domain::{Email, Role, UserId, UserStatus};
use crate::http::app::App;
use crate::http::auth::{Account, Caller, NewAccount};
use crate::http::body::JsonBody;
use crate::http::correlation::Correlation;
use crate::http::error::Error;
use crate::http::peer::PeerAddress;

use body::{LogInBody, LoggedIn, RegisterBody};

pub(super) use body::UserBody;

/// `/auth`.
pub(super) fn routes<B: Backend>() -> OpenApiRouter<App<B>> {
    OpenApiRouter::new()
        .routes(routes!(register))
        .routes(routes!(log_in))
        .routes(routes!(session::refresh))
        .routes(routes!(session::log_out))
        .routes(routes!(profile, forget))
}

/// Makes an account for a customer, and logs in.
#[utoipa::path(
    post, path = "/auth/register", operation_id = "register", tag = "Accounts",
    request_body = RegisterBody,
    responses(
        (status = 201, description = "The account, logged in", body = LoggedIn),
        (status = 409, description = "EMAIL_EXISTS"),
    ),
)]
async fn register<B: Backend>(
    State(app): State<App<B>>,
    correlation: Correlation,
    JsonBody(body): JsonBody<RegisterBody>,
) -> Result<(StatusCode, Json<LoggedIn>), Error> {
    let RegisterBody { email, password, first_name, last_name } = body;
    let new = NewAccount::check(&email, &password, &first_name, &last_name)?;
    let account = create(&app, &correlation, new, Role::Customer).await?;
    Ok((StatusCode::CREATED, Json(session::begin(&app, &correlation, &account).await?)))
}

/// Makes an account.
pub(super) async fn create<B: Backend>(
    app: &App<B>,
    correlation: &Correlation,
    new: NewAccount,
    role: Role,
) -> Result<Account, Error> {
    if owner_of(app, new.email()).await?.is_some() {
        // Told before a password is hashed: that costs a processor 20 ms.
        return Err(Error::EmailExists);
    }
    let (backend, aggregates, passwords) = (app.backend(), app.aggregates(), app.passwords());
    new.create(backend, aggregates, passwords, role, correlation.id.clone()).await
}

/// Logs in.
///
/// An unknown address and a wrong password are told the same, in the same time. Who fails too often, by
/// address or by account, waits.
#[utoipa::path(
    post, path = "/auth/login", operation_id = "logIn", tag = "Accounts",
    request_body = LogInBody,
    responses(
        (status = 200, description = "Logged in", body = LoggedIn),
        (status = 401, description = "INVALID_CREDENTIALS"),
        (status = 429, description = "TOO_MANY_REQUESTS"),
    ),
)]
async fn log_in<B: Backend>(
    State(app): State<App<B>>,
    PeerAddress(address): PeerAddress,
    correlation: Correlation,
    JsonBody(body): JsonBody<LogInBody>,
) -> Result<Json<LoggedIn>, Error> {
    let account_name = body.email.to_ascii_lowercase();
    let now = app.clock().monotonic();
    let by_address = app.attempts_by_address().begin(&address, now)?;
    let by_account = app.attempts_by_account().begin(&account_name, now)?;
    let account = find(&app, &body.email).await?;
    let known = account.as_ref().and_then(|account| account.user.account());
    let hash = known.map(|known| known.password_hash.as_str());
    let right = app.passwords().verify(body.password, hash).await?;
    let account = account.filter(|account| right && account.user.status() == UserStatus::Active);
    let Some(account) = account else {
        by_address.failed();
        by_account.failed();
        return Err(Error::InvalidCredentials);
    };
    session::begin(&app, &correlation, &account).await.map(Json)
}

/// Tells who one is.
#[utoipa::path(
    get, path = "/auth/profile", operation_id = "profile", tag = "Accounts",
    security(("bearer" = [])),
    responses(
        (status = 200, description = "The user", body = UserBody),
        (status = 404, description = "NOT_FOUND"),
    ),
)]
async fn profile<B: Backend>(
    State(app): State<App<B>>,
    caller: Caller,
) -> Result<Json<UserBody>, Error> {
    let account = load(&app, caller.user).await?.ok_or(NO_USER)?;
    UserBody::of(&account).map(Json)
}

/// Forgets one's own account: see `POST /users/{id}/forget`. An administrator's is forgotten by another one.
#[utoipa::path(
    delete, path = "/auth/profile", operation_id = "forgetProfile", tag = "Accounts",
    security(("bearer" = [])),
    responses(
        (status = 200, description = "What is left of the account", body = UserBody),
        (status = 404, description = "NOT_FOUND"),
        (status = 409, description = "STATE_FORBIDS"),
    ),
)]
async fn forget<B: Backend>(
    State(app): State<App<B>>,
    caller: Caller,
    correlation: Correlation,
) -> Result<Json<UserBody>, Error> {
    if caller.is_admin() {
        // The last administrator could lock everybody out.
        let own = "an administrator's account is forgotten by another administrator";
        return Err(Error::StateForbids(own.to_owned()));
    }
    forgotten(&app, caller.user, correlation).await
}

/// Forgets a user.
pub(super) async fn forgotten<B: Backend>(
    app: &App<B>,
    id: UserId,
    correlation: Correlation,
) -> Result<Json<UserBody>, Error> {
    let account = Account::forget(app.aggregates(), id, correlation.id).await;
    UserBody::of(&account?.ok_or(NO_USER)?).map(Json)
}

pub(super) const NO_USER: Error = Error::NotFound("the user");

/// The account with an e-mail address. What is no address has none.
async fn find<B: Backend>(app: &App<B>, email: &str) -> Result<Option<Account>, Error> {
    let Ok(email) = Email::parse(email) else { return Ok(None) };
    match owner_of(app, &email).await? {
        Some(user) => load(app, user).await,
        None => Ok(None),
    }
}

/// Whose an address is.
pub(super) async fn owner_of<B: Backend>(
    app: &App<B>,
    email: &Email,
) -> Result<Option<UserId>, Error> {
    Account::owner_of(app.backend(), app.aggregates(), email).await
}

/// The account of a user, as the log has it.
pub(super) async fn load<B: Backend>(app: &App<B>, id: UserId) -> Result<Option<Account>, Error> {
    Account::load(app.aggregates(), id).await
}
