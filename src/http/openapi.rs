//! The API's document (OpenAPI 3.1): what stands above each handler, and what is true of all of them.
//!
//! A handler names the codes of its own refusals as the description of a response. Here they become
//! problem documents with an example each, beside the refusals that follow from what an operation is: one
//! with a body can be sent a wrong one, one that needs a role can be asked without it.

mod problems;

use sagaline_storage::Backend;
use serde_json::{Map, Value, json};

use super::error::Error;
use super::routes;

/// Operations that are answered however full the node is.
const UNGATED: [&str; 3] = ["/health", "/health/ready", "/metrics"];

/// The document of the routes as they are.
pub(super) fn document<B: Backend>() -> Result<Value, Error> {
    let api = routes::all::<B>().into_openapi();
    let mut api = serde_json::to_value(api).map_err(Error::internal)?;
    api["info"] = info();
    api["tags"] = tags();
    api["components"]["securitySchemes"] = json!({"bearer": {
        "type": "http", "scheme": "bearer", "bearerFormat": "JWT",
        "description": "`accessToken` of `POST /auth/login`. A role behind an operation: who calls it has it.",
    }});
    api["components"]["headers"] = headers();
    api["components"]["schemas"]["Problem"] = problems::schema();
    let examples = problems::examples();
    api["components"]["examples"] = problems::components(&examples);
    for (path, item) in members(&mut api["paths"]) {
        for (_, operation) in members(item) {
            complete(path, operation, &examples);
        }
    }
    Ok(api)
}

fn info() -> Value {
    json!({
        "title": "Sagaline",
        "version": env!("CARGO_PKG_VERSION"),
        "description": "An event store and a saga engine, with a reference application: users, orders, \
            payments. Errors are problem documents (RFC 9457); `error` is a stable code. Every answer \
            carries `X-Correlation-Id` (taken over from the request when it is valid, else the trace id of \
            its `traceparent`, else drawn) and `X-Node-Id`; calls to participants go on with the trace. What \
            is no HTTP, or has a head four times too large, is answered by the connection alone, with a \
            status and nothing else.",
        "license": {"name": "MIT", "identifier": "MIT"},
    })
}

fn tags() -> Value {
    let tag = |(name, description): (&str, &str)| json!({"name": name, "description": description});
    let tags = [
        ("Accounts", "Register, log in, stay logged in"),
        ("Orders", "Place, list, look, cancel"),
        ("Merchants", "Confirm, ship, deliver, refund"),
        ("Payments", "What is known of the money"),
        ("Sagas", "What goes on behind an order"),
        ("Operators", "Bring stuck work back"),
        ("Consumers", "Who acts on the log's events, and what it has parked"),
        ("Traces", "Every event with its cause, also live"),
        ("Users", "Accounts as an administrator sees them"),
        ("Node", "Health, measures, and trials of its parts"),
        ("Documentation", "This"),
    ];
    Value::Array(tags.map(tag).into())
}

fn headers() -> Value {
    json!({
        "X-Correlation-Id": {"description": "Ties together what the request set in motion", "schema": {"type": "string"}},
        "X-Node-Id": {"description": "The node that answered", "schema": {"type": "string"}},
        "Retry-After": {"description": "Seconds after which to try again", "schema": {"type": "integer"}},
        "Preference-Applied": {"description": "`wait=SECONDS`: there was a saga to wait for", "schema": {"type": "string"}},
        "WWW-Authenticate": {"description": "What kind of token is wanted (RFC 6750)", "schema": {"type": "string"}},
    })
}

/// Adds to an operation what follows from what it is.
fn complete(path: &str, operation: &mut Value, examples: &problems::Examples) {
    if let Some(body) = operation.pointer_mut("/requestBody/content/application~1json/schema") {
        without_null(body);
    }
    let mut codes = problems::following_from(operation);
    codes.push("REQUEST_HEAD_TOO_LARGE");
    if !UNGATED.contains(&path) {
        codes.extend(["OVERLOADED", "TIMEOUT", "UNAVAILABLE"]);
    }
    let waits = takes(operation, "Prefer");
    let responses = &mut operation["responses"];
    problems::add(responses, &codes, examples);
    for (status, response) in members(responses) {
        let shown = response["headers"].as_object_mut();
        let mut headers = shown.map(std::mem::take).unwrap_or_else(Map::new);
        let mut names = vec!["X-Correlation-Id", "X-Node-Id"];
        match status.as_str() {
            "401" => names.push("WWW-Authenticate"),
            "429" | "503" => names.push("Retry-After"),
            success if waits && success.starts_with('2') => names.push("Preference-Applied"),
            _ => {}
        }
        for name in names {
            headers
                .insert(name.to_owned(), json!({"$ref": format!("#/components/headers/{name}")}));
        }
        response["headers"] = Value::Object(headers);
    }
}

/// Whether an operation has a parameter of this name.
fn takes(operation: &Value, name: &str) -> bool {
    let parameters = operation["parameters"].as_array();
    parameters.is_some_and(|all| all.iter().any(|parameter| parameter["name"] == name))
}

/// A body that may be left out is no `null`.
fn without_null(schema: &mut Value) {
    let body =
        schema["oneOf"].as_array().and_then(|of| of.iter().find(|of| of.get("$ref").is_some()));
    if let Some(body) = body.cloned() {
        *schema = body;
    }
}

/// The members of an object; none of anything else.
fn members(value: &mut Value) -> impl Iterator<Item = (&String, &mut Value)> {
    value.as_object_mut().into_iter().flatten()
}
