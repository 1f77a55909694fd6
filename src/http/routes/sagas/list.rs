//! `GET /sagas`, `/sagas/status/{status}`, `/sagas/correlation/{id}`: one's own, newest first; all for an
//! administrator.

use axum::Json;
use axum::extract::State;
use bytes::Bytes;
use sagaline_storage::{Backend, CorrelationId};
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::ORDER_PROCESSING;
use crate::canary::planted;
use crate::http::app::App;
use crate::http::auth::Caller;
use crate::http::error::Error;
use crate::http::id::Id;
use crate::http::pages::{Listed, Page};
use crate::http::params::Params;
use crate::projections::{ALL, SagaPage, SagaStatus, Sagas, partition};

/// A page of sagas.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct SagaList {
    sagas: Vec<SagaPage>,
    #[serde(flatten)]
    listed: Listed,
}

/// Lists one's own sagas, newest first; everybody's for an administrator.
#[utoipa::path(
    get, path = "/sagas", operation_id = "listSagas", tag = "Sagas",
    security(("bearer" = [])),
    params(
        Page,
        ("type" = Option<String>, Query, description = "Only sagas of this type", example = "order-processing"),
        ("status" = Option<SagaStatus>, Query, description = "Only sagas that are this"),
    ),
    responses((status = 200, description = "A page of sagas", body = SagaList)),
)]
pub(super) async fn list<B: Backend>(
    State(app): State<App<B>>,
    caller: Caller,
    mut params: Params,
) -> Result<Json<SagaList>, Error> {
    let status = params.word("status", &SagaStatus::WORDS);
    read(&app, caller, status, params).await
}

/// Lists the sagas of a status.
#[utoipa::path(
    get, path = "/sagas/status/{status}", operation_id = "listSagasOfStatus", tag = "Sagas",
    security(("bearer" = [])),
    params(
        ("status" = SagaStatus, Path, description = "The status"),
        ("type" = Option<String>, Query, description = "Only sagas of this type", example = "order-processing"),
        Page,
    ),
    responses((status = 200, description = "A page of sagas", body = SagaList)),
)]
pub(super) async fn of_status<B: Backend>(
    State(app): State<App<B>>,
    caller: Caller,
    Id(status): Id<String>,
    params: Params,
) -> Result<Json<SagaList>, Error> {
    let known = SagaStatus::WORDS.into_iter().find(|word| *word == status);
    let wants = || Error::field("status", format!("wants one of {}", SagaStatus::WORDS.join(", ")));
    read(&app, caller, Some(known.ok_or_else(wants)?), params).await
}

/// Lists the sagas of orders that are being paid.
#[utoipa::path(
    get, path = "/sagas/orders/processing", operation_id = "listOrdersProcessing", tag = "Sagas",
    security(("bearer" = [])),
    params(Page),
    responses((status = 200, description = "A page of sagas", body = SagaList)),
)]
pub(super) async fn orders_processing<B: Backend>(
    State(app): State<App<B>>,
    caller: Caller,
    mut params: Params,
) -> Result<Json<SagaList>, Error> {
    let page = Page::take(&mut params);
    params.finish()?;
    let status = Some("started").filter(|_| !planted("ended-orders-shown-as-processing"));
    let place = place(caller, Some(ORDER_PROCESSING), status);
    listed(&app, page, place).await
}

async fn read<B: Backend>(
    app: &App<B>,
    caller: Caller,
    status: Option<&str>,
    mut params: Params,
) -> Result<Json<SagaList>, Error> {
    let saga_type = params.parsed("type", saga_type);
    let page = Page::take(&mut params);
    params.finish()?;
    listed(app, page, place(caller, saga_type.as_deref(), status)).await
}

async fn listed<B: Backend>(
    app: &App<B>,
    page: Page,
    (index, partition): (&'static str, Bytes),
) -> Result<Json<SagaList>, Error> {
    let (sagas, listed) = page.read::<B, Sagas>(app, index, partition).await?;
    let sagas = sagas.iter().map(|saga| app.show(saga)).collect();
    Ok(Json(SagaList { sagas, listed }))
}

/// A definition's name.
fn saga_type(text: &str) -> Result<String, String> {
    let allowed =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte);
    if (1..=64).contains(&text.len()) && text.bytes().all(allowed) {
        return Ok(text.to_owned());
    }
    Err("wants 1 to 64 of a-z, 0-9, _ and -".to_owned())
}

/// Where the wanted sagas stand in the view.
pub(super) fn place(
    caller: Caller,
    saga_type: Option<&str>,
    status: Option<&str>,
) -> (&'static str, Bytes) {
    let user = (!caller.is_admin() && !planted("sagas-of-everybody-listed"))
        .then(|| caller.user.to_string());
    let values: Vec<&str> = [user.as_deref(), saga_type, status].into_iter().flatten().collect();
    let index = match (user.is_some(), saga_type.is_some(), status.is_some()) {
        (false, false, false) => return ("all", Bytes::from_static(ALL)),
        (false, false, true) => "by_status",
        (false, true, false) => "by_type",
        (false, true, true) => "by_type_status",
        (true, false, false) => "by_user",
        (true, false, true) => "by_user_status",
        (true, true, false) => "by_user_type",
        (true, true, true) => "by_user_type_status",
    };
    (index, partition(&values))
}

/// Lists the sagas of one request.
#[utoipa::path(
    get, path = "/sagas/correlation/{id}", operation_id = "listSagasOfRequest", tag = "Sagas",
    security(("bearer" = [])),
    params(("id" = String, Path, description = "The request's correlation id"), Page),
    responses(
        (status = 200, description = "A page of its sagas", body = SagaList),
        (status = 404, description = "NOT_FOUND"),
    ),
)]
pub(super) async fn of_correlation<B: Backend>(
    State(app): State<App<B>>,
    caller: Caller,
    Id(id): Id<CorrelationId>,
    params: Params,
) -> Result<Json<SagaList>, Error> {
    correlated(&app, caller, &id, params).await
}

/// Tells how the sagas of a request stand.
#[utoipa::path(
    get, path = "/saga/status/{id}", operation_id = "statusOfRequest", tag = "Sagas",
    security(("bearer" = [])),
    params(("id" = String, Path, description = "The request's correlation id"), Page),
    responses(
        (status = 200, description = "A page of its sagas", body = SagaList),
        (status = 404, description = "NOT_FOUND"),
    ),
)]
pub(super) async fn status_of_correlation<B: Backend>(
    State(app): State<App<B>>,
    caller: Caller,
    Id(id): Id<CorrelationId>,
    params: Params,
) -> Result<Json<SagaList>, Error> {
    correlated(&app, caller, &id, params).await
}

/// A page of the sagas of one request; 404 when there is none that the caller may see.
async fn correlated<B: Backend>(
    app: &App<B>,
    caller: Caller,
    id: &CorrelationId,
    mut params: Params,
) -> Result<Json<SagaList>, Error> {
    let page = Page::take(&mut params);
    params.finish()?;
    let found = listed(app, page, place_of_request(caller, id)).await?;
    if found.listed.total == 0 {
        return Err(Error::NotFound("a saga with this correlation id"));
    }
    Ok(found)
}

/// Where the sagas of a request stand in the view: one's own, all for an administrator.
fn place_of_request(caller: Caller, id: &CorrelationId) -> (&'static str, Bytes) {
    if planted("sagas-of-any-request") {
        return place(caller, None, None);
    }
    if caller.is_admin() {
        return ("by_correlation", partition(&[id.as_str()]));
    }
    ("by_user_correlation", partition(&[&caller.user.to_string(), id.as_str()]))
}
