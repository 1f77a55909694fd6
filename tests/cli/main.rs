//! The real binary from the outside: every way it ends has one line on stderr and an exit code of its
//! own, and nothing that was acknowledged is lost on any of them.

#![allow(clippy::unwrap_used, reason = "tests")]
#![allow(clippy::disallowed_methods, reason = "drives a real process")]

mod accounts;
mod backup;
mod beside;
mod damaged;
mod full_disk;
mod incomplete;
mod interrupted;
mod json;
mod rebuilt;
mod sagas;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

const ADMIN: [(&str, &str); 2] =
    [("ADMIN_EMAIL", "admin@example.org"), ("ADMIN_PASSWORD", "correct horse")];

const LOGIN: &str = r#"{"email":"admin@example.org","password":"correct horse"}"#;

const SERVE: [&str; 4] = ["--port", "0", "--bind-address", "127.0.0.1"];

/// The program on a data folder, without the settings of whoever runs the tests.
fn sagaline(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sagaline"));
    command.env_clear().arg("--data-dir").arg(folder.join("data")).args(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs it to its end with these lines on stdin.
fn run(folder: &Path, arguments: &[&str], input: &str) -> Output {
    let mut child = sagaline(folder, arguments).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

/// Asserts how it ended and what the one line says.
#[track_caller]
fn refused(output: &Output, code: i32, words: &[&str]) {
    let line = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{line}");
    assert_eq!(line.lines().count(), 1, "{line}");
    assert!(line.starts_with("sagaline: "), "{line}");
    for word in words {
        assert!(line.contains(word), "{word} in {line}");
    }
}

/// A node on a port of its own that ends with the test.
struct Node {
    child: Child,
    address: String,
}

impl Node {
    fn start(folder: &Path) -> Self {
        Self::of(sagaline(folder, &SERVE))
    }

    /// A node that is started in a way of one's own.
    fn of(mut command: Command) -> Self {
        let mut child = command.envs(ADMIN).env("LOG_FORMAT", "json").spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let (_, address) = line.trim().split_once("http://").unwrap_or_else(|| {
            let mut trouble = String::new();
            child.stderr.as_mut().unwrap().read_to_string(&mut trouble).unwrap();
            panic!("{line}{trouble}")
        });
        Self { address: address.to_owned(), child }
    }

    fn log_in(&self) -> String {
        self.answer("POST", "/auth/login", "", LOGIN)
    }

    /// An access token of the administrator.
    fn token(&self) -> String {
        let logged_in: serde_json::Value =
            serde_json::from_str(&self.ask("POST", "/auth/login", "", LOGIN)).unwrap();
        logged_in["accessToken"].as_str().unwrap().to_owned()
    }

    /// The body of the answer to a request.
    fn ask(&self, method: &str, path: &str, token: &str, body: &str) -> String {
        let answer = self.answer(method, path, token, body);
        answer.split_once("\r\n\r\n").unwrap().1.to_owned()
    }

    /// A number in the answer to a GET.
    fn gauge(&self, path: &str, token: &str, field: &str) -> u64 {
        let answer = self.ask("GET", path, token, "");
        let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
        answer[field].as_u64().unwrap_or_else(|| panic!("no {field} in {answer}"))
    }

    fn answer(&self, method: &str, path: &str, token: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\
             authorization: Bearer {token}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    }

    /// Ends it as an operator does; its log comes back.
    fn stop(mut self) -> String {
        self.signal("-TERM");
        assert!(self.child.wait().unwrap().success());
        let mut log = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        log
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // It has ended already unless its test failed.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
fn wrong_settings_and_arguments_end_with_2() {
    let folder = tempfile::tempdir().unwrap();
    let wrong = run(folder.path(), &["--port", "many"], "");
    refused(&wrong, 2, &["PORT", "many", "0 to 65535"]);
    let cluster = run(folder.path(), &["serve", "--backend", "cluster"], "");
    refused(&cluster, 2, &["BACKEND"]);
    let role = run(folder.path(), &["user", "create", "--email", "a@b.org", "--role", "king"], "");
    assert_eq!(role.status.code(), Some(2));
    assert_eq!(run(folder.path(), &["dance"], "").status.code(), Some(2));
}

#[test]
fn folder_in_use_and_port_in_use_are_told_apart_and_harm_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path());
    for arguments in [&["serve", "--port", "0"][..], &["import", "-"]] {
        refused(&run(folder.path(), arguments, ""), 3, &["in use", "data"]);
    }
    let create = ["user", "create", "--email", "a@example.org"];
    refused(&run(folder.path(), &create, "long enough\n"), 3, &["in use"]);

    let port = node.address.rsplit(':').next().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let arguments = ["--bind-address", "127.0.0.1", "--port", port];
    refused(&run(elsewhere.path(), &arguments, ""), 5, &["cannot listen", port, "in use"]);
    assert!(node.log_in().starts_with("HTTP/1.1 200"));
    node.stop();
}

#[test]
fn node_stops_in_good_order_and_its_log_is_sound() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path());
    assert!(node.log_in().starts_with("HTTP/1.1 200"));
    assert!(node.gauge("/db-pool", &node.token(), "writeBufferBytes") > 0);
    let log = node.stop();
    let lines: Vec<serde_json::Value> =
        log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.last().unwrap()["message"], "stopped", "{log}");
    let verified = run(folder.path(), &["log", "verify"], "");
    assert!(verified.status.success());
    assert!(String::from_utf8_lossy(&verified.stdout).contains("is sound"));
    // The administrator of the first start and the secret are still there.
    let again = Node::start(folder.path());
    assert!(again.log_in().starts_with("HTTP/1.1 200"));
    again.stop();
}

#[test]
fn killed_node_starts_again_with_everything_it_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let mut node = Node::start(folder.path());
    node.signal("-KILL");
    node.child.wait().unwrap();
    drop(node);
    let again = Node::start(folder.path());
    assert!(again.log_in().starts_with("HTTP/1.1 200"));
    again.stop();
}

#[test]
fn account_made_on_a_stopped_node_can_log_in() {
    let folder = tempfile::tempdir().unwrap();
    let create = ["user", "create", "--email", "admin@example.org", "--role", "admin"];
    let made = run(folder.path(), &create, "correct horse\n");
    assert!(made.status.success(), "{made:?}");
    assert!(
        String::from_utf8_lossy(&made.stdout).starts_with("admin admin@example.org has the id")
    );
    refused(&run(folder.path(), &create, "correct horse\n"), 1, &["admin@example.org"]);
    refused(&run(folder.path(), &create, "short\n"), 2, &["password", "at least 8"]);
    let node = Node::start(folder.path());
    assert!(node.log_in().contains(r#""role":"admin""#));
    node.stop();
}

/// What a command prints that ends well.
#[track_caller]
fn printed(folder: &Path, arguments: &[&str]) -> String {
    let output = run(folder, arguments, "");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn log_of_a_stopped_node_can_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path());
    assert!(node.log_in().starts_with("HTTP/1.1 200"));
    node.stop();
    let events = printed(folder.path(), &["log", "cat", "--json"]);
    let events: Vec<serde_json::Value> =
        events.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let positions: Vec<_> = events.iter().map(|event| event["position"].as_u64()).collect();
    assert_eq!(positions, (1..=events.len() as u64).map(Some).collect::<Vec<_>>());
    let last = printed(folder.path(), &["log", "tail", "-n", "1", "--json"]);
    assert_eq!(serde_json::from_str::<serde_json::Value>(&last).unwrap(), events[events.len() - 1]);

    let category = ["log", "cat", "--category", "user", "--limit", "1"];
    let line = printed(folder.path(), &category);
    assert_eq!(line.lines().count(), 1);
    assert!(line.contains("  user-") && line.contains("UserRegistered"), "{line}");
    let stats = printed(folder.path(), &["log", "stats", "--json"]);
    let stats: serde_json::Value = serde_json::from_str(&stats).unwrap();
    assert_eq!(stats["events"], events.len());
    assert_eq!(stats["byNode"]["node-1"], events.len());
    let since = run(folder.path(), &["log", "cat", "--since", "yesterday"], "");
    refused(&since, 2, &["--since", "yesterday"]);
    let category = run(folder.path(), &["log", "cat", "--category", "gift-card"], "");
    refused(&category, 2, &["--category", "gift-card", "before the first `-`"]);
}

#[test]
fn exported_log_is_imported_into_a_folder_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    Node::start(folder.path()).stop();
    let file = folder.path().join("log.jsonl");
    let file = file.to_str().unwrap();
    printed(folder.path(), &["export", file]);
    refused(&run(folder.path(), &["export", file], ""), 1, &["log.jsonl", "exists"]);
    refused(&run(folder.path(), &["import", file], ""), 1, &["not empty"]);

    let elsewhere = tempfile::tempdir().unwrap();
    let imported = printed(elsewhere.path(), &["import", file]);
    assert!(imported.starts_with("imported "), "{imported}");
    assert!(printed(elsewhere.path(), &["log", "verify"]).contains("is sound"));
    let exported = printed(elsewhere.path(), &["export"]);
    assert_eq!(exported, std::fs::read_to_string(file).unwrap());
    // The administrator came along; personal data is read under the master key it was written under.
    refused(&run(elsewhere.path(), &["user", "list"], ""), 2, &["another master key"]);
    let key = |folder: &Path| folder.join("data/master.key");
    std::fs::copy(key(folder.path()), key(elsewhere.path())).unwrap();
    let node = Node::start(elsewhere.path());
    assert!(node.log_in().contains(r#""role":"admin""#));
    node.stop();
}

fn order(product: usize, token: &str) -> String {
    format!(
        r#"{{"items":[{{"productId":"p-{product}","productName":"Lamp","quantity":1,"price":9.5}}],
        "shippingAddress":{{"street":"1 Main St","city":"Springfield","zipCode":"12345","country":"US"}},
        "paymentMethod":{{"type":"card","token":"{token}"}}}}"#
    )
}

#[test]
fn definitions_and_completions_need_no_store() {
    let folder = tempfile::tempdir().unwrap();
    let steps = printed(folder.path(), &["definition", "show", "order-processing"]);
    assert!(steps.contains("capture_payment"), "{steps}");
    let show = ["definition", "show", "travel"];
    refused(&run(folder.path(), &show, ""), 2, &["travel", "order-processing"]);
    assert!(printed(folder.path(), &["completions", "bash"]).contains("definition"));
    assert!(!folder.path().join("data").exists());
}
