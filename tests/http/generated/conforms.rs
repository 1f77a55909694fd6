//! Whether a value is what a schema of the document says. Stricter than JSON Schema: a member that an object's
//! schema does not name is not in the document.

use serde_json::{Map, Value};
use uuid::Uuid;

use super::api::Api;

/// In what a value differs from a schema. Nothing: it conforms.
pub(crate) fn differences<'a>(api: Api<'a>, schema: &'a Value, value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    look(api, schema, value, "", &mut found);
    found
}

fn look<'a>(api: Api<'a>, schema: &'a Value, value: &Value, at: &str, found: &mut Vec<String>) {
    let schema = api.followed(schema);
    if let Some(choices) = schema["oneOf"].as_array() {
        let fits = |choice: &&'a Value| differences(api, choice, value).is_empty();
        if choices.iter().filter(fits).count() != 1 {
            found.push(format!("{at}: is not one of the {} that it may be", choices.len()));
            look(api, api.of_value(schema), value, at, found);
        }
        return;
    }
    if !is_of_type(schema, value) {
        found.push(format!("{at}: is not of type {}", schema["type"]));
        return;
    }
    if schema["enum"].as_array().is_some_and(|words| !words.contains(value)) {
        found.push(format!("{at}: {value} is none of {}", schema["enum"]));
    }
    if schema.get("allOf").is_some() && !value.is_object() {
        found.push(format!("{at}: is no object"));
    }
    match value {
        Value::Object(members) => look_into(api, schema, members, at, found),
        Value::Array(items) => {
            check_size(schema, ["minItems", "maxItems"], items.len(), at, found);
            for (place, item) in items.iter().enumerate() {
                if let Some(of_items) = schema.get("items") {
                    look(api, of_items, item, &format!("{at}/{place}"), found);
                }
            }
        }
        Value::String(text) => {
            check_size(schema, ["minLength", "maxLength"], text.chars().count(), at, found);
            if !is_of_format(schema, text) {
                found.push(format!("{at}: {text:?} is no {}", schema["format"]));
            }
        }
        Value::Number(number) => {
            let number = number.as_f64().unwrap();
            let is_low = schema["minimum"].as_f64().is_some_and(|least| number < least);
            if is_low || schema["maximum"].as_f64().is_some_and(|most| number > most) {
                found.push(format!("{at}: {number} is out of bounds"));
            }
        }
        Value::Null | Value::Bool(_) => {}
    }
}

/// An object's members, by its schema and those that it is composed of.
fn look_into<'a>(
    api: Api<'a>,
    schema: &'a Value,
    members: &Map<String, Value>,
    at: &str,
    found: &mut Vec<String>,
) {
    let composed = schema["allOf"].as_array().into_iter().flatten();
    let parts: Vec<&'a Value> =
        composed.map(|part| api.followed(part)).chain(std::iter::once(schema)).collect();
    let required = parts.iter().flat_map(|part| part["required"].as_array().into_iter().flatten());
    for name in required.filter_map(Value::as_str) {
        if !members.contains_key(name) {
            found.push(format!("{at}/{name}: is missing"));
        }
    }
    let is_open = !parts.iter().any(|part| part.get("properties").is_some());
    let others = parts.iter().find_map(|part| part.get("additionalProperties"));
    for (name, member) in members {
        let at = format!("{at}/{name}");
        let known = parts.iter().find_map(|part| part["properties"].get(name));
        match known.or_else(|| others.filter(|others| others.is_object())) {
            Some(of_member) => look(api, of_member, member, &at, found),
            None if is_open => {}
            None => found.push(format!("{at}: is not in the document")),
        }
    }
}

fn is_of_type(schema: &Value, value: &Value) -> bool {
    match &schema["type"] {
        Value::String(kind) => is_of(kind, value),
        Value::Array(kinds) => {
            kinds.iter().filter_map(Value::as_str).any(|kind| is_of(kind, value))
        }
        _ => true,
    }
}

fn is_of(kind: &str, value: &Value) -> bool {
    match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64(),
        "null" => value.is_null(),
        other => panic!("{other} is no type"),
    }
}

fn check_size(schema: &Value, limits: [&str; 2], size: usize, at: &str, found: &mut Vec<String>) {
    let [least, most] = limits.map(|limit| schema[limit].as_u64());
    let size = size as u64;
    if least.is_some_and(|least| size < least) || most.is_some_and(|most| size > most) {
        found.push(format!("{at}: has {size}, which is out of bounds"));
    }
}

fn is_of_format(schema: &Value, text: &str) -> bool {
    match schema["format"].as_str() {
        Some("uuid") => text.len() == 36 && Uuid::try_parse(text).is_ok(),
        Some("date-time") => text.len() >= 20 && text.as_bytes()[10] == b'T' && text.ends_with('Z'),
        Some("email") => text.contains('@'),
        Some("uri") => text.contains(':'),
        _ => true,
    }
}

#[test]
fn a_value_that_conforms_differs_in_nothing_and_each_difference_is_named() {
    use serde_json::json;

    let schema = json!({
        "type": "object", "required": ["word"],
        "properties": {
            "word": {"$ref": "#/named"},
            "count": {"type": ["integer", "null"], "minimum": 1},
            "more": {"oneOf": [{"$ref": "#/named"}, {"type": "null"}]},
            "list": {"type": "array", "maxItems": 1, "items": {"type": "string", "minLength": 1}},
        },
    });
    let named = json!({"type": "string", "enum": ["a", "b"]});
    let document = json!({"named": named, "schema": schema});
    let found = |value: Value| differences(Api(&document), &document["schema"], &value);
    assert!(found(json!({"word": "a", "count": 1, "more": null})).is_empty());
    assert!(found(json!({"word": "b", "count": null, "list": ["x"]})).is_empty());
    for (value, at) in [
        (json!([]), ""),
        (json!({}), "/word"),
        (json!({"word": "c"}), "/word"),
        (json!({"word": "a", "count": 0}), "/count"),
        (json!({"word": "a", "count": 1.5}), "/count"),
        (json!({"word": "a", "more": "c"}), "/more"),
        (json!({"word": "a", "list": ["x", "y"]}), "/list"),
        (json!({"word": "a", "list": [""]}), "/list/0"),
        (json!({"word": "a", "less": 1}), "/less"),
    ] {
        let found = found(value.clone());
        assert!(found[0].starts_with(&format!("{at}:")), "{value}: {found:?}");
    }
}
