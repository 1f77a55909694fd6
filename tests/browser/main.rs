//! The page at `/api/` in a real browser: somebody registers, logs in, authorises and places an order with
//! nothing but the page.
//!
//! `SAGALINE_NO_BROWSER=1` leaves it out where no Chromium can be had.

#![allow(clippy::unwrap_used, reason = "tests")]

mod chromium;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use chromium::Chromium;
use serde_json::{Value, json};

/// What the test calls on the page.
const SCRIPT: &str = include_str!("page.js");

/// A node on a port of its own that ends with the test.
struct Node {
    process: Child,
    origin: String,
}

impl Node {
    fn start(folder: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sagaline"));
        command.env_clear().arg("--data-dir").arg(folder);
        command.args(["--port", "0", "--bind-address", "127.0.0.1"]);
        command.env("ADMIN_EMAIL", "admin@example.org").env("ADMIN_PASSWORD", "correct horse");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let (_, address) = line.trim().split_once("http://").unwrap_or_else(|| panic!("{line}"));
        Self { origin: format!("http://{address}"), process }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// Tries an operation on the page, with what the page proposes when no body is given; the answer's body as
/// the page shows it.
#[track_caller]
fn attempt(page: &mut Chromium, operation: &str, body: &Value, status: &str) -> Value {
    let answer = page.evaluate(&format!("attempt({}, {body})", json!(operation)));
    assert_eq!(answer["status"], status, "{operation}: {answer}");
    answer["body"].clone()
}

/// Asserts that the page asked its own node alone, without a word of trouble.
fn nothing_else_happened(page: &Chromium, origin: &str) {
    let mut asked = 0;
    for request in page.told("Network.requestWillBeSent") {
        let url = request["request"]["url"].as_str().unwrap();
        let own = url.strip_prefix(origin).is_some_and(|path| path.starts_with('/'));
        assert!(own || url.starts_with("data:"), "the page asked {url}");
        asked += usize::from(own);
    }
    assert!(asked > 6, "the page and what was tried are {asked} requests");
    let thrown = page.told("Runtime.exceptionThrown");
    let called = page.told("Runtime.consoleAPICalled").filter(|call| call["type"] == "error");
    let logged = page.told("Log.entryAdded").filter(|log| log["entry"]["level"] == "error");
    let trouble: Vec<_> = thrown.chain(called).chain(logged).collect();
    assert!(trouble.is_empty(), "{trouble:?}");
}

#[test]
fn an_order_is_placed_from_the_page() {
    if std::env::var_os("SAGALINE_NO_BROWSER").is_some_and(|value| !value.is_empty()) {
        eprintln!("SAGALINE_NO_BROWSER is set: the page is not tried in a browser");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut page = Chromium::start(&folder.path().join("browser"));
    let node = Node::start(&folder.path().join("data"));
    page.open(&format!("{}/api/", node.origin), SCRIPT);

    let password = "correct horse battery";
    let eve = json!({
        "email": "eve@example.org", "password": password, "firstName": "Eve", "lastName": "Holt",
    });
    attempt(&mut page, "register", &eve, "201");
    let login = json!({"email": "eve@example.org", "password": password});
    let logged_in = attempt(&mut page, "logIn", &login, "200");
    page.evaluate(&format!("authorise({})", logged_in["accessToken"]));
    let order = attempt(&mut page, "placeOrder", &Value::Null, "201");
    assert_eq!(order["userId"], logged_in["user"]["id"], "{order}");
    assert_eq!(order["status"], "pending", "{order}");
    nothing_else_happened(&page, &node.origin);
}
