//! Values that a schema allows, drawn: what the schema says, mixed with its examples.

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::api::Api;
use super::dice::Dice;

/// Texts consist of one of these. Most are taken wherever a text is.
const ALPHABETS: [&str; 6] = [
    "abcdefghijklmnopqrstuvwxyz0123456789",
    "abcdefghijklmnopqrstuvwxyz0123456789",
    "ABCXYZabcxyz012789-_.:",
    "abc xyz 019",
    "!\"#$%&'()*+,/;<=>?@[\\]^`{|}~",
    "äßλж中🕯\u{301}\u{2028}",
];

/// A value that a schema allows. Where there is an example it is taken over two times of five: the whole, or
/// member by member.
pub(crate) fn value<'a>(
    api: Api<'a>,
    schema: &'a Value,
    example: Option<&'a Value>,
    dice: &mut Dice,
) -> Value {
    let schema = api.followed(schema);
    let own = schema.get("example").or_else(|| schema["examples"].get(0));
    let example = example.or(own);
    if let Some(example) = example
        && dice.below(5) < 2
    {
        return example.clone();
    }
    for choices in ["oneOf", "anyOf"] {
        if let Some(choices) = schema[choices].as_array() {
            return value(api, dice.pick(choices), example, dice);
        }
    }
    if let Some(parts) = schema["allOf"].as_array() {
        return all_of(api, parts, dice);
    }
    if let Some(words) = schema["enum"].as_array() {
        return dice.pick(words).clone();
    }
    match kind(schema, dice) {
        None => anything(dice),
        Some("object") => object(api, schema, example, dice),
        Some("array") => array(api, schema, example, dice),
        Some("string") => text(schema, dice).into(),
        Some("integer") => whole(schema, dice).into(),
        Some("number") => amount(schema, dice),
        Some("boolean") => dice.one_in(2).into(),
        Some("null") => Value::Null,
        Some(other) => panic!("nothing is drawn of type {other}: {schema}"),
    }
}

/// Its type; of several, one.
fn kind<'a>(schema: &'a Value, dice: &mut Dice) -> Option<&'a str> {
    match &schema["type"] {
        Value::String(kind) => Some(kind.as_str()),
        Value::Array(kinds) => dice.pick(kinds).as_str(),
        _ => None,
    }
}

/// Where the schema does not say what.
fn anything(dice: &mut Dice) -> Value {
    let any = [json!(null), json!(true), json!(7), json!("text"), json!([]), json!({"a": [1, {}]})];
    dice.pick(&any).clone()
}

fn object<'a>(
    api: Api<'a>,
    schema: &'a Value,
    example: Option<&'a Value>,
    dice: &mut Dice,
) -> Value {
    let mut drawn = Map::new();
    for (name, member) in schema["properties"].as_object().into_iter().flatten() {
        if is_required(schema, name) || dice.one_in(2) {
            let example = example.and_then(|example| example.get(name));
            drawn.insert(name.clone(), value(api, member, example, dice));
        }
    }
    Value::Object(drawn)
}

fn is_required(schema: &Value, name: &str) -> bool {
    schema["required"].as_array().is_some_and(|names| names.iter().any(|it| it == name))
}

/// What has to be of several schemas at once.
fn all_of<'a>(api: Api<'a>, parts: &'a [Value], dice: &mut Dice) -> Value {
    let mut all = Map::new();
    for part in parts {
        if let Value::Object(members) = value(api, part, None, dice) {
            all.extend(members);
        }
    }
    Value::Object(all)
}

/// Mostly of few items, now and then of as many as there may be.
fn array<'a>(
    api: Api<'a>,
    schema: &'a Value,
    example: Option<&'a Value>,
    dice: &mut Dice,
) -> Value {
    let least = size(schema, "minItems").unwrap_or(0);
    let most = size(schema, "maxItems").unwrap_or(least + 3);
    let count = if dice.one_in(20) { most } else { most.min(least + dice.below(3)) };
    let example = example.and_then(|example| example.get(0));
    let items = (0..count).map(|_| value(api, &schema["items"], example, dice));
    Value::Array(items.collect())
}

fn size(schema: &Value, limit: &str) -> Option<usize> {
    schema[limit].as_u64().and_then(|size| usize::try_from(size).ok())
}

fn text(schema: &Value, dice: &mut Dice) -> String {
    assert!(schema.get("pattern").is_none(), "no text is drawn by a pattern: {schema}");
    match schema["format"].as_str() {
        Some("uuid") => Uuid::from_u64_pair(dice.next(), dice.next()).to_string(),
        Some("email") => format!("user-{}@example.org", dice.below(1_000)),
        Some("date-time") => {
            let (year, month, day) = (dice.below(100), dice.below(12) + 1, dice.below(28) + 1);
            format!("20{year:02}-{month:02}-{day:02}T03:04:05Z")
        }
        _ => characters(schema, dice),
    }
}

/// The shortest, the longest, or a short one.
fn characters(schema: &Value, dice: &mut Dice) -> String {
    let least = size(schema, "minLength").unwrap_or(0);
    let most = size(schema, "maxLength").unwrap_or(least + 30);
    let count = match dice.below(8) {
        0 => least,
        1 => most,
        _ => most.min(least + dice.below(12)),
    };
    let alphabet: Vec<char> = dice.word(&ALPHABETS).chars().collect();
    (0..count).map(|_| *dice.pick(&alphabet)).collect()
}

/// A bound, or what is near one, or anything between.
fn whole(schema: &Value, dice: &mut Dice) -> i64 {
    let widest = if schema["format"] == "int32" { i64::from(i32::MAX) } else { i64::MAX };
    let least = schema["minimum"].as_i64().unwrap_or(-3);
    let most = schema["maximum"].as_i64().unwrap_or(widest);
    match dice.below(5) {
        0 => least,
        1 => most,
        2 => between(least, most, dice),
        _ => between(least, most.min(least.saturating_add(20)), dice),
    }
}

fn between(least: i64, most: i64, dice: &mut Dice) -> i64 {
    let numbers = i128::from(most) - i128::from(least) + 1;
    let drawn = i128::from(least) + i128::from(dice.next()) % numbers;
    i64::try_from(drawn).unwrap()
}

/// Whole hundredths, few or many: an amount of money.
fn amount(schema: &Value, dice: &mut Dice) -> Value {
    assert_eq!(schema["minimum"], 0, "of other numbers nothing is drawn: {schema}");
    let most = if dice.one_in(8) { 1_000_000_000_000_000 } else { 10_000 };
    json!(dice.below(most) as f64 / 100.0)
}
