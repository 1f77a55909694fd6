//! Problem documents in the API's document: each code with the status and the words that
//! [`Error::meaning`] has for it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::http::error::{Error, RefreshProblem, TokenProblem};

/// One of each, as an example.
fn every() -> Vec<Error> {
    let mut every = vec![
        Error::HeadTooLarge,
        Error::InvalidJson("expected `,` or `}` at line 1 column 17".into()),
        Error::field("items[0].quantity", "0: wants 1 to 1000000"),
        Error::UnsupportedMediaType("text/plain".into()),
        Error::BodyTooLarge(1 << 20),
        Error::BodyTimeout,
        Error::BodyBroken,
        Error::NotFound("it"),
        Error::InvalidCredentials,
        Error::Forbidden("admin"),
        Error::EmailExists,
        Error::DuplicateOrder {
            existing_order_id: "0192f3a4-5b6c-7d8e-9f01-23456789abcd".into(),
            product_id: "lamp-17".into(),
        },
        Error::StateForbids("its state does not allow it, in so many words".into()),
        Error::IdempotencyKeyReused("checkout-4711".into()),
        Error::TooManyRequests { retry_after_s: 17 },
        Error::Overloaded { what: "too many requests in progress" },
        Error::Timeout,
        Error::Unavailable(String::new()),
    ];
    let tokens = [TokenProblem::Missing, TokenProblem::Invalid, TokenProblem::Expired];
    every.extend(tokens.map(Error::Unauthenticated));
    let refreshes = [
        RefreshProblem::Invalid,
        RefreshProblem::Expired,
        RefreshProblem::Reused,
        RefreshProblem::Ended,
    ];
    every.extend(refreshes.map(Error::Refresh));
    every
}

/// The codes that an operation can always be refused with, by what it takes and whom it is for.
pub(super) fn following_from(operation: &Value) -> Vec<&'static str> {
    let mut codes = Vec::new();
    let required = operation["security"].as_array().and_then(|all| all.first());
    if let Some(required) = required {
        codes.extend(["TOKEN_MISSING", "TOKEN_INVALID", "TOKEN_EXPIRED"]);
        if required["bearer"].as_array().is_some_and(|roles| !roles.is_empty()) {
            codes.push("FORBIDDEN");
        }
    }
    if operation.get("requestBody").is_some() {
        codes.extend(["INVALID_JSON", "VALIDATION_FAILED", "BODY_INCOMPLETE", "BODY_TIMEOUT"]);
        codes.extend(["BODY_TOO_LARGE", "UNSUPPORTED_MEDIA_TYPE"]);
    } else if operation["parameters"].as_array().is_some_and(|all| !all.is_empty()) {
        codes.push("VALIDATION_FAILED");
    }
    codes
}

/// Adds the codes to an operation's responses, and makes problem documents of all of them.
pub(super) fn add(responses: &mut Value, codes: &[&str], examples: &Examples) {
    let Some(responses) = responses.as_object_mut() else { return };
    let mut by_status = BTreeMap::<String, Vec<String>>::new();
    for (status, response) in responses.iter().filter(|(status, _)| is_refusal(status)) {
        let named = response["description"].as_str().unwrap_or_default().split(", ");
        by_status.insert(status.clone(), named.map(str::to_owned).collect());
    }
    for code in codes {
        let Some((status, _)) = examples.get(*code) else { continue };
        let named = by_status.entry(status.to_string()).or_default();
        if !named.iter().any(|known| known == code) {
            named.push((*code).to_owned());
        }
    }
    for (status, named) in by_status {
        responses.insert(status, problem(examples, &named));
    }
}

fn is_refusal(status: &str) -> bool {
    status.starts_with('4') || status.starts_with('5')
}

/// By code: its status, and a document.
pub(super) type Examples = BTreeMap<&'static str, (u16, Value)>;

/// All of them.
pub(super) fn examples() -> Examples {
    let example = |error: &Error| {
        let meaning = error.meaning();
        let document = crate::http::problem::example(error);
        (meaning.code, (meaning.status.as_u16(), document))
    };
    every().iter().map(example).collect()
}

/// An example of each, to be referred to.
pub(super) fn components(examples: &Examples) -> Value {
    let shown = |(code, (_, document)): (&&str, &(u16, Value))| {
        ((*code).to_owned(), json!({"value": document}))
    };
    Value::Object(examples.iter().map(shown).collect())
}

fn problem(examples: &Examples, codes: &[String]) -> Value {
    let mut shown = serde_json::Map::new();
    for code in codes {
        if examples.contains_key(code.as_str()) {
            shown.insert(code.clone(), json!({"$ref": format!("#/components/examples/{code}")}));
        }
    }
    json!({
        "description": codes.join(", "),
        "content": {"application/problem+json": {
            "schema": {"$ref": "#/components/schemas/Problem"},
            "examples": shown,
        }},
    })
}

/// The form of every problem document.
pub(super) fn schema() -> Value {
    let text = json!({"type": "string"});
    let field = json!({
        "type": "object", "required": ["field", "message"],
        "properties": {"field": text, "message": text},
    });
    json!({
        "type": "object",
        "description": "Why a request was not met (RFC 9457).",
        "required": ["type", "title", "status", "detail", "instance", "error", "correlationId"],
        "properties": {
            "type": {"type": "string", "format": "uri"},
            "title": text,
            "status": {"type": "integer"},
            "detail": text,
            "instance": {"type": "string", "description": "The path that was asked."},
            "error": {"type": "string", "description": "A stable code."},
            "correlationId": text,
            "errors": {"type": "array", "items": field, "description": "Each wrong field."},
            "existingOrderId": {"type": "string", "description": "Only with DUPLICATE_ORDER."},
            "productId": {"type": "string", "description": "Only with DUPLICATE_ORDER."},
        },
    })
}
