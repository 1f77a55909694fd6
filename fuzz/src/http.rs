//! Any request to the node's router: answered, never by a failure, and each refusal by a problem document.

use std::cell::RefCell;

use axum::body::{Body, Bytes};
use axum::http::{HeaderName, HeaderValue, Method, Request, Response, Uri};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::node::{EMAIL, PASSWORD, Served, block_on};

/// Then a fresh node takes over: what was asked of the old one is forgotten, and so is its memory.
const REQUESTS_PER_NODE: u32 = 5_000;

struct Asked {
    node: Served,
    admin: String,
    /// What stands in paths for `{order}`, `{saga}`, `{payment}` and `{user}`.
    known: Vec<(&'static str, String)>,
    requests: u32,
}

thread_local! {
    static NODE: RefCell<Option<Asked>> = const { RefCell::new(None) };
}

/// A request as text: method and target, headers, an empty line, the body. `as: nobody` among the headers
/// takes away the administrator's token.
pub fn run(bytes: &[u8]) {
    NODE.with_borrow_mut(|slot| {
        if slot.as_ref().is_some_and(|asked| asked.requests >= REQUESTS_PER_NODE) {
            drop(slot.take().map(|old| block_on(async move { old.node.app.node().drain().await })));
        }
        let asked = slot.get_or_insert_with(|| block_on(Asked::start()));
        if let Some(request) = asked.request(bytes) {
            asked.requests += 1;
            block_on(asked.ask(request));
        }
    });
}

impl Asked {
    async fn start() -> Self {
        let node = Served::start().await;
        let mut asked = Self { node, admin: String::new(), known: Vec::new(), requests: 0 };
        let log_in = json!({"email": EMAIL, "password": PASSWORD});
        let account = asked.post("/auth/login", &log_in).await;
        asked.admin = format!("Bearer {}", account["accessToken"].as_str().unwrap());
        let order = json!({
            "items": [{"productId": "p", "productName": "P", "quantity": 1, "price": 1}],
            "shippingAddress": {"street": "1", "city": "C", "zipCode": "1", "country": "GB"},
        });
        let order = asked.post("/orders", &order).await;
        let id = |document: &Value| document["id"].as_str().unwrap().to_owned();
        let saga = asked
            .get(&format!("/sagas/correlation/{}", order["correlationId"].as_str().unwrap()))
            .await;
        let payments = asked.get("/payments").await;
        asked.known = vec![
            ("{order}", id(&order)),
            ("{user}", id(&account["user"])),
            ("{saga}", saga["sagas"][0]["id"].as_str().unwrap_or_default().to_owned()),
            ("{payment}", payments["payments"][0]["id"].as_str().unwrap_or_default().to_owned()),
            ("{correlation}", order["correlationId"].as_str().unwrap().to_owned()),
        ];
        asked
    }

    async fn post(&self, path: &str, body: &Value) -> Value {
        let request = Request::post(path).header("content-type", "application/json");
        let request = request.header("prefer", "wait=10").header("authorization", &self.admin);
        self.json(request.body(Body::from(body.to_string())).unwrap()).await
    }

    async fn get(&self, path: &str) -> Value {
        let request = Request::get(path).header("authorization", &self.admin);
        self.json(request.body(Body::empty()).unwrap()).await
    }

    async fn json(&self, request: Request<Body>) -> Value {
        let answer = self.node.router.clone().oneshot(request).await;
        let body = answer.unwrap_or_else(|never| match never {}).into_body();
        serde_json::from_slice(&body.collect().await.unwrap().to_bytes()).unwrap()
    }

    /// The request of a text; none where the server below the router would refuse it.
    fn request(&self, bytes: &[u8]) -> Option<Request<Body>> {
        let end = bytes.windows(2).position(|pair| pair == b"\n\n").unwrap_or(bytes.len());
        let (head, body) = bytes.split_at(end);
        let mut lines = std::str::from_utf8(head).ok()?.lines();
        let (method, target) = lines.next()?.split_once(' ')?;
        let mut target = target.to_owned();
        self.known.iter().for_each(|(place, id)| target = target.replace(place, id));
        let mut request = Request::new(Body::from(Bytes::copy_from_slice(body.get(2..)?)));
        *request.method_mut() = Method::from_bytes(method.as_bytes()).ok()?;
        *request.uri_mut() =
            target.parse::<Uri>().ok().filter(|uri| uri.path().starts_with('/'))?;
        let headers = request.headers_mut();
        headers.insert("authorization", HeaderValue::from_str(&self.admin).ok()?);
        for line in lines {
            let (name, value) = line.split_once(':')?;
            // A wait is not what is looked for here, and takes its time.
            let waits =
                name.eq_ignore_ascii_case("prefer") && value.contains(|c| ('1'..='9').contains(&c));
            if name == "as" {
                headers.remove("authorization");
            } else if !waits {
                let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
                headers.append(name, HeaderValue::from_str(value.trim()).ok()?);
            }
        }
        Some(request)
    }

    async fn ask(&self, request: Request<Body>) {
        let shown = format!("{} {}", request.method(), request.uri());
        let is_head = request.method() == Method::HEAD;
        let answer = self.node.router.clone().oneshot(request).await;
        let answer = answer.unwrap_or_else(|never| match never {});
        let status = answer.status().as_u16();
        assert!(
            status < 500 || (status == 503 && answer.headers().contains_key("retry-after")),
            "{shown}: {status}"
        );
        for name in ["x-correlation-id", "x-node-id"] {
            assert!(answer.headers().contains_key(name), "{shown}: {status} without {name}");
        }
        if status >= 400 && !is_head {
            is_problem(&shown, answer).await;
        } else if !is_stream(&answer) {
            answer.into_body().collect().await.unwrap();
        }
        tokio::task::yield_now().await;
    }
}

fn is_stream(answer: &Response<Body>) -> bool {
    let kind = answer.headers().get("content-type");
    kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"))
}

async fn is_problem(shown: &str, answer: Response<Body>) {
    let status = answer.status().as_u16();
    let kind = answer.headers().get("content-type").cloned();
    assert_eq!(kind.unwrap(), "application/problem+json", "{shown}: {status}");
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    let problem: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(problem["status"], status, "{shown}: {problem}");
    for member in ["type", "title", "detail", "instance", "error", "correlationId"] {
        assert!(problem[member].is_string(), "{shown}: {member}: {problem}");
    }
}
