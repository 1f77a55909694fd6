//! Accounts as an administrator sees them: list, make, change the role, close and open again.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use sagaline_storage::Backend;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::{NO_USER, UserBody, create as create_account, forgotten, load, owner_of};
use super::operator::{ReasonBody, check_reason};
use crate::domain::{Email, Invalid, Role, User, UserCommand, UserId, UserRefusal};
use crate::engine::{CommandMetadata, ExecuteError};
use crate::http::app::App;
use crate::http::auth::{Account, Admin, Caller, NewAccount};
use crate::http::body::JsonBody;
use crate::http::correlation::Correlation;
use crate::http::error::Error;
use crate::http::failure;
use crate::http::id::Id;
use crate::http::params::Params;
use crate::limits::{PAGE_ENTRIES_DEFAULT, PAGE_ENTRIES_MAX};

/// `/users`.
pub(super) fn routes<B: Backend>() -> OpenApiRouter<App<B>> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(look))
        .routes(routes!(change_role))
        .routes(routes!(disable))
        .routes(routes!(enable))
        .routes(routes!(forget))
}

/// Users, and where the next page begins.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct UserList {
    users: Vec<UserBody>,
    /// Give it as `after` for the next page; missing: that was all.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_after: Option<String>,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({
    "email": "shop@example.org", "password": "correct horse battery", "firstName": "Corner",
    "lastName": "Shop", "role": "merchant",
}))]
struct CreateBody {
    email: String,
    #[schema(min_length = 8, max_length = 1024, format = Password)]
    password: String,
    #[schema(min_length = 1, max_length = 50)]
    first_name: String,
    #[schema(min_length = 1, max_length = 50)]
    last_name: String,
    #[schema(value_type = Role)]
    role: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"role": "merchant"}))]
struct RoleBody {
    #[schema(value_type = Role)]
    role: String,
}

/// Lists the users, in an order that stays the same and means nothing. Forgotten ones are not among them.
#[utoipa::path(
    get, path = "/users", operation_id = "listUsers", tag = "Users",
    security(("bearer" = ["admin"])),
    params(
        ("email" = Option<Email>, Query, description = "Only the user with this address"),
        ("after" = Option<String>, Query, description = "`nextAfter` of the page before"),
        ("limit" = Option<u32>, Query, description = "Users of a page", minimum = 1, maximum = 100),
    ),
    responses((status = 200, description = "A page of users", body = UserList)),
)]
async fn list<B: Backend>(
    State(app): State<App<B>>,
    _: Admin,
    mut params: Params,
) -> Result<Json<UserList>, Error> {
    let email = params.parsed("email", Email::parse);
    let after = params.parsed("after", cursor);
    let limit = params.number("limit", 1..=PAGE_ENTRIES_MAX.into());
    params.finish()?;
    if let Some(email) = email {
        let account = match owner_of(&app, &email).await? {
            Some(id) => load(&app, id).await?,
            None => None,
        };
        let users = account.iter().map(UserBody::of).collect::<Result<_, _>>()?;
        return Ok(Json(UserList { users, next_after: None }));
    }
    let limit = limit.unwrap_or_else(|| PAGE_ENTRIES_DEFAULT.into());
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let page = Account::page(app.backend(), app.aggregates(), after.as_deref(), limit).await;
    let (accounts, next_after) = page?;
    let users = accounts.iter().map(UserBody::of).collect::<Result<_, _>>()?;
    Ok(Json(UserList { users, next_after }))
}

/// `nextAfter` is the hash of an address.
fn cursor(text: &str) -> Result<String, Invalid> {
    let is_hash = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_hash { Ok(text.to_owned()) } else { Err(Invalid::text(text, "`nextAfter` of a page")) }
}

/// Makes an account with a role.
#[utoipa::path(
    post, path = "/users", operation_id = "createUser", tag = "Users",
    security(("bearer" = ["admin"])),
    request_body = CreateBody,
    responses(
        (status = 201, description = "The account", body = UserBody),
        (status = 409, description = "EMAIL_EXISTS"),
    ),
)]
async fn create<B: Backend>(
    State(app): State<App<B>>,
    _: Admin,
    correlation: Correlation,
    JsonBody(body): JsonBody<CreateBody>,
) -> Result<(StatusCode, Json<UserBody>), Error> {
    let CreateBody { email, password, first_name, last_name, role } = body;
    let role = known(&role)?;
    let new = NewAccount::check(&email, &password, &first_name, &last_name)?;
    let account = create_account(&app, &correlation, new, role).await?;
    Ok((StatusCode::CREATED, Json(UserBody::of(&account)?)))
}

/// Shows a user.
#[utoipa::path(
    get, path = "/users/{id}", operation_id = "showUser", tag = "Users",
    security(("bearer" = ["admin"])),
    params(("id" = Uuid, Path, description = "The user's id")),
    responses(
        (status = 200, description = "The user", body = UserBody),
        (status = 404, description = "NOT_FOUND"),
    ),
)]
async fn look<B: Backend>(
    State(app): State<App<B>>,
    _: Admin,
    Id(id): Id<UserId>,
) -> Result<Json<UserBody>, Error> {
    UserBody::of(&load(&app, id).await?.ok_or(NO_USER)?).map(Json)
}

/// Gives a user another role.
///
/// Access tokens that were issued keep the old role until their time is over; refreshed ones have the new
/// one. Nobody changes their own role.
#[utoipa::path(
    put, path = "/users/{id}/role", operation_id = "changeRole", tag = "Users",
    security(("bearer" = ["admin"])),
    params(("id" = Uuid, Path, description = "The user's id")),
    request_body = RoleBody,
    responses(
        (status = 200, description = "The user with the role", body = UserBody),
        (status = 404, description = "NOT_FOUND"),
        (status = 409, description = "STATE_FORBIDS"),
    ),
)]
async fn change_role<B: Backend>(
    State(app): State<App<B>>,
    Admin(caller): Admin,
    correlation: Correlation,
    Id(id): Id<UserId>,
    JsonBody(body): JsonBody<RoleBody>,
) -> Result<Json<UserBody>, Error> {
    let command = UserCommand::ChangeRole { role: known(&body.role)? };
    change(&app, caller, correlation, id, command).await
}

/// Closes an account: its user cannot log in and cannot refresh any more.
///
/// Access tokens that were issued stay valid until their time is over. Nobody closes their own account.
#[utoipa::path(
    post, path = "/users/{id}/disable", operation_id = "disableUser", tag = "Users",
    security(("bearer" = ["admin"])),
    params(("id" = Uuid, Path, description = "The user's id")),
    request_body = ReasonBody,
    responses(
        (status = 200, description = "The closed account", body = UserBody),
        (status = 404, description = "NOT_FOUND"),
        (status = 409, description = "STATE_FORBIDS"),
    ),
)]
async fn disable<B: Backend>(
    State(app): State<App<B>>,
    Admin(caller): Admin,
    correlation: Correlation,
    Id(id): Id<UserId>,
    JsonBody(body): JsonBody<ReasonBody>,
) -> Result<Json<UserBody>, Error> {
    check_reason(&body.reason)?;
    let command = UserCommand::Disable { reason: body.reason };
    change(&app, caller, correlation, id, command).await
}

/// Opens a closed account again.
#[utoipa::path(
    post, path = "/users/{id}/enable", operation_id = "enableUser", tag = "Users",
    security(("bearer" = ["admin"])),
    params(("id" = Uuid, Path, description = "The user's id")),
    responses(
        (status = 200, description = "The open account", body = UserBody),
        (status = 404, description = "NOT_FOUND"),
        (status = 409, description = "STATE_FORBIDS"),
    ),
)]
async fn enable<B: Backend>(
    State(app): State<App<B>>,
    Admin(caller): Admin,
    correlation: Correlation,
    Id(id): Id<UserId>,
) -> Result<Json<UserBody>, Error> {
    change(&app, caller, correlation, id, UserCommand::Enable).await
}

/// Forgets a user: closes the account for good and makes its address free; every name, address and password
/// of it is gone from the log, from every view and from traces. What the user did stays, as a stranger's.
///
/// Access tokens that were issued stay valid until their time is over; sessions end at their next refresh. A
/// backup that was made before still holds the user's key. It cannot be undone; doing it again does nothing.
#[utoipa::path(
    post, path = "/users/{id}/forget", operation_id = "forgetUser", tag = "Users",
    security(("bearer" = ["admin"])),
    params(("id" = Uuid, Path, description = "The user's id")),
    responses(
        (status = 200, description = "What is left of the account", body = UserBody),
        (status = 404, description = "NOT_FOUND"),
        (status = 409, description = "STATE_FORBIDS"),
    ),
)]
async fn forget<B: Backend>(
    State(app): State<App<B>>,
    Admin(caller): Admin,
    correlation: Correlation,
    Id(id): Id<UserId>,
) -> Result<Json<UserBody>, Error> {
    not_oneself(&caller, id)?;
    forgotten(&app, id, correlation).await
}

/// The last administrator could lock everybody out.
fn not_oneself(caller: &Caller, id: UserId) -> Result<(), Error> {
    let own = "nobody changes the role or the status of their own account";
    if caller.user == id { Err(Error::StateForbids(own.to_owned())) } else { Ok(()) }
}

fn known(role: &str) -> Result<Role, Error> {
    Role::parse(role).map_err(|error| Error::field("role", error.to_string()))
}

async fn change<B: Backend>(
    app: &App<B>,
    caller: Caller,
    correlation: Correlation,
    id: UserId,
    command: UserCommand,
) -> Result<Json<UserBody>, Error> {
    not_oneself(&caller, id)?;
    let metadata = CommandMetadata { correlation_id: correlation.id, causation_id: None };
    let changed = app.aggregates().execute::<User>(&id.to_string(), command, &metadata).await;
    let user = changed.map_err(|error| match error {
        ExecuteError::Refused(UserRefusal::NotRegistered) => NO_USER,
        other => failure::command(other),
    })?;
    UserBody::of(&Account { id, user }).map(Json)
}
