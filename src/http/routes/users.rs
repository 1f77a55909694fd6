//! Accounts as an administrator sees them: list, make, change the role, close and open again.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use sagaline_storage::{Backend, EventStore};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::{NO_USER, UserBody, create as create_account, load};
use super::operator::{ReasonBody, check_reason};
use crate::domain::{EMAIL_CLAIM_KIND, Email, Role, User, UserCommand, UserId, UserRefusal};
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
}

/// Users in the order of their addresses, and where the next page begins.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct UserList {
    users: Vec<UserBody>,
    /// Give it as `after` for the next page; missing: that was all.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_after: Option<Email>,
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

/// Lists the users, in the order of their e-mail addresses.
#[utoipa::path(
    get, path = "/users", operation_id = "listUsers", tag = "Users",
    security(("bearer" = ["admin"])),
    params(
        ("after" = Option<Email>, Query, description = "Users behind this address"),
        ("limit" = Option<u32>, Query, description = "Users of a page", minimum = 1, maximum = 100),
    ),
    responses((status = 200, description = "A page of users", body = UserList)),
)]
async fn list<B: Backend>(
    State(app): State<App<B>>,
    _: Admin,
    mut params: Params,
) -> Result<Json<UserList>, Error> {
    let after = params.parsed("after", Email::parse);
    let limit = params.number("limit", 1..=PAGE_ENTRIES_MAX.into());
    params.finish()?;
    let limit = limit.unwrap_or_else(|| PAGE_ENTRIES_DEFAULT.into());
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let after = after.as_ref().map(Email::as_str);
    // The claims on addresses are the list of accounts that cannot be behind.
    let claims = app.backend().events().claims(EMAIL_CLAIM_KIND, after, limit).await;
    let claims = claims.map_err(failure::storage)?;
    let mut users = Vec::with_capacity(claims.len());
    for holder in &claims {
        let id = UserId::parse(holder.owner.key()).map_err(Error::internal)?;
        if let Some(account) = load(&app, id).await? {
            users.push(UserBody::of(&account)?);
        }
    }
    let last = claims.last().filter(|_| claims.len() == limit);
    let next_after = last.map(|last| Email::parse(&last.claim.key)).transpose();
    Ok(Json(UserList { users, next_after: next_after.map_err(Error::internal)? }))
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
    if caller.user == id {
        // The last administrator could lock everybody out.
        let own = "nobody changes the role or the status of their own account";
        return Err(Error::StateForbids(own.to_owned()));
    }
    let metadata = CommandMetadata { correlation_id: correlation.id, causation_id: None };
    let changed = app.aggregates().execute::<User>(&id.to_string(), command, &metadata).await;
    let user = changed.map_err(|error| match error {
        ExecuteError::Refused(UserRefusal::NotRegistered) => NO_USER,
        other => failure::command(other),
    })?;
    UserBody::of(&Account { id, user }).map(Json)
}
