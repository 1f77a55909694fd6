//! Sessions: one begins with a login, goes on with every refresh, and ends with the logout, or when one
//! of its earlier tokens turns up again.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use sagaline_storage::{Backend, Clock};

use super::body::{LoggedIn, RefreshBody, UserBody};
use super::load;
use crate::domain::{Session, SessionCommand, SessionRefusal, UserStatus};
use crate::engine::{CommandMetadata, ExecuteError};
use crate::http::app::App;
use crate::http::auth::{Account, RefreshToken};
use crate::http::body::JsonBody;
use crate::http::correlation::Correlation;
use crate::http::error::{Error, RefreshProblem};
use crate::http::failure;
use crate::http::peer::PeerAddress;

/// Gives new tokens for a refresh token.
///
/// A refresh token is good once. Presented again it ends its session for everybody: one of the two who
/// have it is a thief. The new access token has the role that the user has now.
#[utoipa::path(
    post, path = "/auth/refresh", operation_id = "refresh", tag = "Accounts",
    request_body = RefreshBody,
    responses(
        (status = 200, description = "The next tokens", body = LoggedIn),
        (status = 401, description = "REFRESH_TOKEN_INVALID, REFRESH_TOKEN_EXPIRED, REFRESH_TOKEN_REUSED, SESSION_ENDED"),
        (status = 429, description = "TOO_MANY_REQUESTS"),
    ),
)]
pub(super) async fn refresh<B: Backend>(
    State(app): State<App<B>>,
    PeerAddress(address): PeerAddress,
    correlation: Correlation,
    JsonBody(body): JsonBody<RefreshBody>,
) -> Result<Json<LoggedIn>, Error> {
    let attempt = app.attempts_by_address().begin(&address, app.clock().monotonic())?;
    let rotated = rotate(&app, &correlation, body.refresh_token).await;
    if let Err(Error::Refresh(_)) = rotated {
        attempt.failed();
    }
    rotated.map(Json)
}

async fn rotate<B: Backend>(
    app: &App<B>,
    correlation: &Correlation,
    presented: String,
) -> Result<LoggedIn, Error> {
    let presented = read(presented)?;
    let next = presented.next(app.entropy());
    let now = app.clock().now();
    let command = SessionCommand::Rotate {
        presented: presented.hash(),
        next: next.hash(),
        now_us: now.0,
        expires_at_us: now.after(app.settings().auth.refresh_expires_in).0,
    };
    let session = execute(app, correlation, &presented, command).await?;
    if session.is_revoked() {
        tracing::warn!(session = %presented.session, "a refresh token was used again");
        return Err(Error::Refresh(RefreshProblem::Reused));
    }
    let user = session.user_id().ok_or_else(|| Error::internal("a session without a user"))?;
    let account = load(app, user).await?;
    let account = account.filter(|account| account.user.status() == UserStatus::Active);
    let Some(account) = account else {
        let reason = "its user may not log in any more".to_owned();
        execute(app, correlation, &presented, SessionCommand::Revoke { reason }).await?;
        return Err(Error::Refresh(RefreshProblem::Ended));
    };
    logged_in(app, &account, next)
}

/// Ends the session of a refresh token.
///
/// Access tokens that were issued stay valid until their time is over. Done twice it is done once.
#[utoipa::path(
    post, path = "/auth/logout", operation_id = "logOut", tag = "Accounts",
    request_body = RefreshBody,
    responses(
        (status = 204, description = "The session has ended"),
        (status = 401, description = "REFRESH_TOKEN_INVALID"),
    ),
)]
pub(super) async fn log_out<B: Backend>(
    State(app): State<App<B>>,
    correlation: Correlation,
    JsonBody(body): JsonBody<RefreshBody>,
) -> Result<StatusCode, Error> {
    let presented = read(body.refresh_token)?;
    let command = SessionCommand::LogOut { presented: presented.hash() };
    execute(&app, &correlation, &presented, command).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Tokens for an account; the session they belong to is durable when this returns.
pub(super) async fn begin<B: Backend>(
    app: &App<B>,
    correlation: &Correlation,
    account: &Account,
) -> Result<LoggedIn, Error> {
    let first = RefreshToken::draw(app.clock(), app.entropy());
    let now = app.clock().now();
    let command = SessionCommand::Open {
        user_id: account.id,
        token: first.hash(),
        expires_at_us: now.after(app.settings().auth.refresh_expires_in).0,
    };
    execute(app, correlation, &first, command).await?;
    logged_in(app, account, first)
}

fn logged_in<B: Backend>(
    app: &App<B>,
    account: &Account,
    refresh: RefreshToken,
) -> Result<LoggedIn, Error> {
    let user = UserBody::of(account)?;
    let issued = app.tokens().issue(account.id, user.role, app.clock().now());
    let access_token = issued.map_err(Error::internal)?;
    Ok(LoggedIn { access_token, refresh_token: refresh.text, user })
}

fn read(text: String) -> Result<RefreshToken, Error> {
    RefreshToken::read(text).ok_or(Error::Refresh(RefreshProblem::Invalid))
}

async fn execute<B: Backend>(
    app: &App<B>,
    correlation: &Correlation,
    token: &RefreshToken,
    command: SessionCommand,
) -> Result<Session, Error> {
    let metadata = CommandMetadata { correlation_id: correlation.id.clone(), causation_id: None };
    let session = token.session.to_string();
    let executed = app.aggregates().execute::<Session>(&session, command, &metadata).await;
    executed.map_err(|error| match error {
        ExecuteError::Refused(refusal) => refused(&refusal),
        other => failure::command(other),
    })
}

fn refused(refusal: &SessionRefusal) -> Error {
    match refusal {
        SessionRefusal::NotOpen | SessionRefusal::UnknownToken => {
            Error::Refresh(RefreshProblem::Invalid)
        }
        SessionRefusal::Revoked => Error::Refresh(RefreshProblem::Ended),
        SessionRefusal::Expired => Error::Refresh(RefreshProblem::Expired),
        // Its id was drawn a moment ago.
        SessionRefusal::AlreadyOpen => Error::internal(refusal),
    }
}
