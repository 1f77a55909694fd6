//! Any text as an access or a refresh token: good when it is the one that was issued, else refused.

use std::cell::RefCell;

use axum::body::Body;
use axum::http::{HeaderValue, Request};
use jsonwebtoken::{EncodingKey, Header};
use serde_json::json;
use tower::ServiceExt;

use super::node::{SECRET, Served, block_on};

/// The user of the token that is good. No such account exists: access tokens are not looked up.
const SUBJECT: &str = "0192f3a4-5b6c-7d8e-9f01-23456789abcd";

thread_local! {
    static NODE: RefCell<Option<Served>> = const { RefCell::new(None) };
}

/// The first byte says how the rest is meant: as a token itself, or as changes to the good one, three
/// bytes each (where, what, how); or as a refresh token.
pub fn run(bytes: &[u8]) {
    let Some((&first, rest)) = bytes.split_first() else { return };
    NODE.with_borrow_mut(|node| {
        let node = node.get_or_insert_with(|| block_on(Served::start()));
        match first % 3 {
            0 => access(node, rest.to_vec()),
            1 => access(node, changed(rest)),
            _ => refresh(node, rest),
        }
    });
}

fn good() -> String {
    let claims = json!({
        "sub": SUBJECT, "role": "admin", "iss": "sagaline", "iat": 0, "exp": 9_000_000_000_u64,
    });
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    jsonwebtoken::encode(&Header::default(), &claims, &key).unwrap()
}

fn changed(changes: &[u8]) -> Vec<u8> {
    let mut token = good().into_bytes();
    for change in changes.as_chunks::<3>().0 {
        let at = usize::from(change[0]) % token.len();
        match change[2] % 3 {
            0 => token[at] = change[1],
            1 => token.insert(at, change[1]),
            _ if token.len() > 1 => drop(token.remove(at)),
            _ => {}
        }
    }
    token
}

fn access(node: &Served, token: Vec<u8>) {
    let is_good = token == good().as_bytes();
    let Ok(value) = HeaderValue::from_bytes(&[b"Bearer ", &token[..]].concat()) else { return };
    let request = Request::get("/trace/active-flows").header("authorization", value);
    let status = ask(node, request.body(Body::empty()).unwrap());
    // Space around a header's value is not a part of it.
    let expected = if is_good || token.trim_ascii() == good().as_bytes() { 200 } else { 401 };
    assert_eq!(status, expected, "{:?}", String::from_utf8_lossy(&token));
}

fn refresh(node: &Served, token: &[u8]) {
    let Ok(token) = std::str::from_utf8(token) else { return };
    for path in ["/auth/refresh", "/auth/logout"] {
        let body = json!({ "refreshToken": token }).to_string();
        let request = Request::post(path).header("content-type", "application/json");
        let status = ask(node, request.body(Body::from(body)).unwrap());
        assert!(
            matches!(status, 400 | 401 | 429) || path == "/auth/logout" && status == 204,
            "{path} {token:?}: {status}"
        );
    }
}

fn ask(node: &Served, request: Request<Body>) -> u16 {
    let answer = block_on(node.router.clone().oneshot(request));
    answer.unwrap_or_else(|never| match never {}).status().as_u16()
}
