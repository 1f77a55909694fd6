//! The API's own description, and the page that shows it. Everything stands in the binary: the page loads
//! nothing from elsewhere.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS,
};
use axum::response::{IntoResponse, Redirect, Response};
use bytes::Bytes;
use sagaline_storage::Backend;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use utoipa_swagger_ui::Config;

use crate::http::app::App;
use crate::http::error::Error;
use crate::http::id::Named;

/// The page may load what stands beside it, call its own node, and nothing else. Its styles and its
/// pictures are partly written into it.
const POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                      frame-ancestors 'none'";

/// `/api-json`, `/api`.
pub(super) fn routes<B: Backend>() -> OpenApiRouter<App<B>> {
    OpenApiRouter::new()
        .routes(routes!(document))
        .routes(routes!(to_page))
        .routes(routes!(page))
        .routes(routes!(file))
}

/// Gives this document.
#[utoipa::path(
    get, path = "/api-json", operation_id = "document", tag = "Documentation",
    responses((status = 200, description = "OpenAPI 3.1", body = serde_json::Value)),
)]
async fn document<B: Backend>(State(app): State<App<B>>) -> Result<Response, Error> {
    let document = app.document()?;
    Ok(([(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-cache")], document)
        .into_response())
}

/// Leads to the page.
#[utoipa::path(
    get, path = "/api", operation_id = "toPage", tag = "Documentation",
    responses((status = 308, description = "The page is at `/api/`")),
)]
async fn to_page() -> Redirect {
    Redirect::permanent("/api/")
}

/// Shows this document as a page on which every operation can be tried.
#[utoipa::path(
    get, path = "/api/", operation_id = "page", tag = "Documentation",
    responses((status = 200, description = "The page", body = String, content_type = "text/html")),
)]
async fn page() -> Result<Response, Error> {
    served("index.html")
}

/// Gives a file of the page.
#[utoipa::path(
    get, path = "/api/{file}", operation_id = "pageFile", tag = "Documentation",
    params(("file" = String, Path, description = "Its name")),
    responses(
        (status = 200, description = "The file", body = String, content_type = "*/*"),
        (status = 404, description = "NOT_FOUND"),
    ),
)]
async fn file(Named(file): Named<String>) -> Result<Response, Error> {
    served(&file)
}

fn served(file: &str) -> Result<Response, Error> {
    let config = Config::from("/api-json").persist_authorization(true).try_it_out_enabled(true);
    let found = utoipa_swagger_ui::serve(file, Arc::new(config)).map_err(Error::internal)?;
    let found = found.ok_or(Error::NotFound("this file"))?;
    let headers = [
        (CONTENT_TYPE, found.content_type.as_str()),
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (CACHE_CONTROL, "no-cache"),
    ];
    Ok((headers, Bytes::from(found.bytes.into_owned())).into_response())
}
