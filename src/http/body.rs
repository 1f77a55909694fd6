//! Request bodies: read within the edge's bounds, parsed strictly, refused with the field that is wrong.
//! Every handler with a body takes it through here.

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use sagaline_storage::{Backend, Clock};
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use super::app::App;
use super::error::Error;
use super::strict;
use super::within::within;
use crate::limits::JSON_DEPTH_MAX;
use crate::settings::HttpSettings;

/// A JSON object as the body.
#[derive(Debug)]
pub struct JsonBody<T>(pub T);

/// A JSON object as the body, or no body at all.
#[derive(Debug)]
pub struct OptionalBody<T>(pub Option<T>);

impl<B: Backend, T: DeserializeOwned> FromRequest<App<B>> for JsonBody<T> {
    type Rejection = Error;

    async fn from_request(request: Request, app: &App<B>) -> Result<Self, Error> {
        let (parts, body) = request.into_parts();
        check_media_type(&parts.headers)?;
        let bytes = read(app.clock(), &app.settings().http, &parts.headers, body).await?;
        parse(&bytes).map(Self)
    }
}

impl<B: Backend, T: DeserializeOwned> FromRequest<App<B>> for OptionalBody<T> {
    type Rejection = Error;

    async fn from_request(request: Request, app: &App<B>) -> Result<Self, Error> {
        let (parts, body) = request.into_parts();
        let bytes = read(app.clock(), &app.settings().http, &parts.headers, body).await?;
        if bytes.is_empty() {
            return Ok(Self(None));
        }
        check_media_type(&parts.headers)?;
        parse(&bytes).map(|value| Self(Some(value)))
    }
}

fn check_media_type(headers: &HeaderMap) -> Result<(), Error> {
    let given = headers.get(CONTENT_TYPE).map(|value| value.to_str().unwrap_or("unreadable"));
    let media_type = given.unwrap_or("nothing").split(';').next().unwrap_or_default().trim();
    let lower = media_type.to_ascii_lowercase();
    let is_json = lower == "application/json"
        || (lower.starts_with("application/") && lower.ends_with("+json"));
    if is_json { Ok(()) } else { Err(Error::UnsupportedMediaType(lower)) }
}

async fn read<C: Clock>(
    clock: &C,
    settings: &HttpSettings,
    headers: &HeaderMap,
    body: Body,
) -> Result<Bytes, Error> {
    let max = usize::try_from(settings.body_limit_bytes).unwrap_or(usize::MAX);
    let announced = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if announced.is_some_and(|length: usize| length > max) {
        return Err(Error::BodyTooLarge(max));
    }
    match within(clock, settings.body_timeout, collect(body, max)).await {
        Some(read) => read,
        None => Err(Error::BodyTimeout),
    }
}

/// What is left of one that is too long is not read here: [`super::serve`] sees to it.
async fn collect(mut body: Body, max: usize) -> Result<Bytes, Error> {
    let mut first = Bytes::new();
    let mut whole = BytesMut::new();
    let mut length = 0_usize;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| Error::BodyBroken)?.into_data() else { continue };
        length += data.len();
        if length > max {
            return Err(Error::BodyTooLarge(max));
        }
        if first.is_empty() && whole.is_empty() {
            // Nearly every body arrives in one piece and is not copied.
            first = data;
        } else {
            whole.extend_from_slice(&std::mem::take(&mut first));
            whole.extend_from_slice(&data);
        }
    }
    Ok(if whole.is_empty() { first } else { whole.freeze() })
}

pub(super) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    check_depth(bytes)?;
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let parsed = strict::read(&mut json).and_then(|value| json.end().map(|()| value));
    parsed.map_err(|_| explain::<T>(bytes))
}

/// Counts brackets outside of strings: also what is carried unread must not be nested without end.
fn check_depth(bytes: &[u8]) -> Result<(), Error> {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in bytes {
        match (in_string, byte) {
            (true, _) if escaped => escaped = false,
            (true, b'\\') => escaped = true,
            (_, b'"') => in_string = !in_string,
            (false, b'{' | b'[') => depth += 1,
            (false, b'}' | b']') => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > JSON_DEPTH_MAX {
            return Err(Error::InvalidJson(format!("nested deeper than {JSON_DEPTH_MAX}")));
        }
    }
    Ok(())
}

/// Parses again, slowly, to learn where it goes wrong.
fn explain<T: DeserializeOwned>(bytes: &[u8]) -> Error {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let mut track = serde_path_to_error::Track::new();
    let tracked = serde_path_to_error::Deserializer::new(&mut json, &mut track);
    let cause = match strict::read::<T, _>(tracked) {
        Err(cause) => cause,
        Ok(_) => {
            let rest = json.end().err().map_or_else(String::new, |error| error.to_string());
            return Error::InvalidJson(rest);
        }
    };
    let path = track.path().to_string();
    match cause.classify() {
        Category::Syntax | Category::Eof | Category::Io => Error::InvalidJson(cause.to_string()),
        Category::Data => {
            let text = cause.to_string();
            let message = text.split(" at line ").next().unwrap_or(&text).to_owned();
            Error::field(field(&path, &message), message)
        }
    }
}

/// serde names the object in which a field is missing, unknown or double, and the field in its message.
fn field(path: &str, message: &str) -> String {
    let path = if path == "." { "" } else { path };
    let named = ["missing field", "unknown field", "duplicate field"]
        .iter()
        .any(|words| message.starts_with(words));
    let name = message.split('`').nth(1).filter(|_| named);
    match (path, name) {
        ("", None) => "body".to_owned(),
        ("", Some(name)) => name.to_owned(),
        (path, Some(name)) if path != name && !path.ends_with(&format!(".{name}")) => {
            format!("{path}.{name}")
        }
        (path, _) => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::value::RawValue;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    #[allow(dead_code, reason = "only parsed")]
    struct Order {
        items: Vec<Item>,
        idempotency_key: Option<String>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    #[allow(dead_code, reason = "only parsed")]
    struct Item {
        product_id: String,
        quantity: u32,
        price: Box<RawValue>,
    }

    fn wrong_field(body: &str) -> String {
        match parse::<Order>(body.as_bytes()) {
            Err(Error::Invalid(errors)) => errors[0].field.clone(),
            other => panic!("{body}: {other:?}"),
        }
    }

    #[test]
    fn text_of_a_number_is_kept_exactly() {
        let body = br#"{"items":[{"productId":"p","quantity":1,"price":0.30000000000000004}]}"#;
        let order: Order = parse(body).unwrap();
        assert_eq!(order.items[0].price.get(), "0.30000000000000004");
    }

    #[test]
    fn wrong_fields_are_named_by_their_place() {
        for (body, field) in [
            (r#"{}"#, "items"),
            (r#"[]"#, "body"),
            (r#""text""#, "body"),
            (r#"{"items":1}"#, "items"),
            (r#"{"items":[],"more":1}"#, "more"),
            (r#"{"items":[{}]}"#, "items[0].productId"),
            (r#"{"items":[["p",1,2]]}"#, "items[0]"),
            (r#"{"items":[{"productId":"p","quantity":-1,"price":1}]}"#, "items[0].quantity"),
            (r#"{"items":[{"productId":"p","quantity":1e99,"price":1}]}"#, "items[0].quantity"),
            (r#"{"items":[{"productId":7,"quantity":1,"price":1}]}"#, "items[0].productId"),
            (r#"{"items":[{"productId":"p","quantity":1,"price":1,"x":1}]}"#, "items[0].x"),
            (r#"{"items":[],"items":[]}"#, "items"),
            (r#"{"items":[],"idempotencyKey":[]}"#, "idempotencyKey"),
        ] {
            assert_eq!(wrong_field(body), field, "{body}");
        }
    }

    #[test]
    fn what_is_not_json_is_told_as_such() {
        for body in [
            &b""[..],
            b"{",
            b"{\"items\":[]",
            b"{\"items\":[]} more",
            b"{\"items\":[\xff]}",
            b"{\"idempotencyKey\":\"\xff\xfe\",\"items\":[]}",
            b"{items:[]}",
        ] {
            let parsed = parse::<Order>(body);
            assert!(matches!(parsed, Err(Error::InvalidJson(_))), "{body:?}: {parsed:?}");
        }
    }

    #[test]
    fn deep_nesting_is_refused_also_where_nothing_reads_it() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        let body = format!(r#"{{"items":[{{"productId":"p","quantity":1,"price":{deep}}}]}}"#);
        let parsed = parse::<Order>(body.as_bytes());
        assert!(matches!(parsed, Err(Error::InvalidJson(_))));
        assert_eq!(check_depth(br#"{"a":"[[[[\"[[[["}"#), Ok(()));
    }

    #[tokio::test]
    async fn body_in_pieces_is_put_together_and_a_long_one_refused() {
        let pieces = |count: usize| {
            let frames = (0..count).map(|_| Ok::<_, std::io::Error>(Bytes::from_static(b"abcd")));
            Body::from_stream(futures_util::stream::iter(frames))
        };
        assert_eq!(collect(pieces(3), 12).await, Ok(Bytes::from_static(b"abcdabcdabcd")));
        assert_eq!(collect(pieces(4), 12).await, Err(Error::BodyTooLarge(12)));
        assert_eq!(collect(pieces(1_000_000), 12).await, Err(Error::BodyTooLarge(12)));
    }

    #[test]
    fn only_json_is_taken() {
        let check = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, value.parse().unwrap());
            check_media_type(&headers)
        };
        assert_eq!(check("application/json; charset=utf-8"), Ok(()));
        assert_eq!(check("Application/merge-patch+JSON"), Ok(()));
        assert!(check("text/plain").is_err() && check("application/jsonx").is_err());
        assert!(check_media_type(&HeaderMap::new()).is_err());
    }
}
