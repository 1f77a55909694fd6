//! Accounts and read models from the command line: the same words for a running node and a stopped one.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::{ADMIN, Node, order, printed, refused, run};

/// What `script` shows of a command at a terminal at which this is typed when something is asked for.
fn at_a_terminal(command: &str, typed: &str) -> String {
    let mut script = Command::new("script");
    script.args(["--quiet", "--return", "--echo", "always", "--command", command, "/dev/null"]);
    script.env_clear().stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = script.spawn().unwrap();
    let (mut shown, mut out) = (Vec::new(), child.stdout.take().unwrap());
    while !shown.ends_with(b": ") {
        let mut byte = [0];
        assert_eq!(out.read(&mut byte).unwrap(), 1, "{}", String::from_utf8_lossy(&shown));
        shown.extend(byte);
    }
    // What is typed before the terminal is told to show nothing is shown.
    std::thread::sleep(Duration::from_secs(1));
    let mut input = child.stdin.take().unwrap();
    writeln!(input, "{typed}").unwrap();
    out.read_to_end(&mut shown).unwrap();
    assert!(child.wait().unwrap().success());
    String::from_utf8(shown).unwrap()
}

#[test]
fn a_password_at_a_terminal_is_asked_for_and_not_shown() {
    let folder = tempfile::tempdir().unwrap();
    let (program, data) = (env!("CARGO_BIN_EXE_sagaline"), folder.path().join("data"));
    let data = data.display();
    let create = format!("{program} --data-dir {data} user create --email ada@example.org");
    let shown = at_a_terminal(&create, "long enough");
    assert!(shown.starts_with("Password of ada@example.org: "), "{shown}");
    assert!(shown.contains("has the id") && !shown.contains("long enough"), "{shown}");
}

/// Strings that are nobody's but the user's.
const PERSONAL: [&str; 3] = ["ada@example.org", "Lovelace", "12 Square"];

/// A command as the administrator, on a running node when there is one.
fn command(folder: &Path, node: Option<&Node>, group: &str, arguments: &[&str]) -> Value {
    let mut all = vec![group];
    let url = node.map(|node| format!("http://{}", node.address));
    if let Some(url) = &url {
        let login = if group == "user" { "--as" } else { "--email" };
        all.extend(["--url", url, login, ADMIN[0].1]);
    }
    all.extend(arguments);
    let login = if node.is_some() { "correct horse\n" } else { "" };
    let output = run(folder, &all, &format!("{login}long enough\n"));
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    if lines.len() == 1 { lines[0].clone() } else { Value::Array(lines) }
}

fn look_after_accounts(folder: &Path, node: Option<&Node>, email: &str) {
    let user = |arguments: &[&str]| command(folder, node, "user", arguments);
    let made = user(&["create", "--email", email, "--last-name", "Lovelace", "--json"]);
    let id = made["id"].as_str().unwrap();
    assert_eq!((&made["role"], &made["status"]), (&"customer".into(), &"active".into()));
    assert_eq!(user(&["role", email, "merchant", "--json"])["role"], "merchant");
    let closed = user(&["disable", id, "--reason", "left", "--json"]);
    assert_eq!(closed["status"], "disabled");
    assert_eq!(user(&["enable", id, "--json"])["status"], "active");
    let listed = user(&["list", "--json"]);
    let listed = listed.as_array().unwrap();
    let found = listed.iter().find(|shown| shown["email"] == email).unwrap();
    assert_eq!(found["lastName"], "Lovelace");
    let left = user(&["forget", email, "--json"]);
    assert_eq!((&left["id"], &left["status"]), (&made["id"], &"forgotten".into()));
    assert!(!left.to_string().contains("Lovelace"));
    assert_eq!(user(&["forget", id, "--json"]), left);
}

#[test]
fn accounts_of_a_running_and_of_a_stopped_node_are_looked_after_alike() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path());
    look_after_accounts(folder.path(), Some(&node), "ada@example.org");
    let url = format!("http://{}", node.address);
    let user = |arguments: &[&str]| {
        let who = ["user", "--url", &url, "--as", ADMIN[0].1];
        run(folder.path(), &[&who[..], arguments].concat(), "correct horse\n")
    };
    refused(&user(&["forget", "bob@example.org"]), 1, &["bob@example.org"]);
    refused(&user(&["forget", "bob"]), 2, &["bob", "id or the e-mail"]);
    refused(&user(&["forget", ADMIN[0].1]), 1, &["409", "STATE_FORBIDS"]);
    refused(&user(&["create", "--email", "bob"]), 2, &["400", "email"]);
    let list = ["user", "list"];
    refused(&run(folder.path(), &list, ""), 3, &["in use"]);
    node.stop();
    look_after_accounts(folder.path(), None, "ada@example.org");
    refused(&run(folder.path(), &["user", "forget", "bob@example.org"], ""), 1, &["bob@"]);
    for reason in ["", "two\nlines", &"long".repeat(25_000)] {
        let disable = ["user", "disable", ADMIN[0].1, "--reason", reason];
        refused(&run(folder.path(), &disable, ""), 2, &["--reason", "not blank"]);
    }
    assert!(printed(folder.path(), &["log", "verify"]).contains("is sound"));
    let missing = tempfile::tempdir().unwrap();
    refused(&run(missing.path(), &list, ""), 3, &["does not exist"]);
}

#[test]
fn a_forgotten_user_is_in_no_log_no_export_and_no_restored_backup() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path());
    let body = r#"{"email":"ada@example.org","password":"long enough","firstName":"Ada","lastName":"Lovelace"}"#;
    let ada: Value = serde_json::from_str(&node.ask("POST", "/auth/register", "", body)).unwrap();
    let token = ada["accessToken"].as_str().unwrap();
    let order = order(1, "tok_ok").replace("1 Main St", "12 Square");
    let placed: Value = serde_json::from_str(&node.ask("POST", "/orders", token, &order)).unwrap();
    let id = placed["id"].as_str().unwrap();
    let (early, late) = (folder.path().join("early"), folder.path().join("late"));
    printed(folder.path(), &["backup", early.to_str().unwrap()]);
    command(folder.path(), Some(&node), "user", &["forget", "ada@example.org", "--json"]);
    printed(folder.path(), &["backup", late.to_str().unwrap()]);
    node.stop();

    let file = folder.path().join("log.jsonl");
    printed(folder.path(), &["export", file.to_str().unwrap()]);
    let all = [
        printed(folder.path(), &["log", "cat", "--json"]),
        printed(folder.path(), &["user", "list"]),
        std::fs::read_to_string(&file).unwrap(),
    ];
    for personal in PERSONAL {
        assert!(all.iter().all(|text| !text.contains(personal)), "{personal}");
    }
    assert!(printed(folder.path(), &["log", "verify"]).contains("is sound"));

    // The backup from before knows the user, the one from behind does not, and both go on.
    for (copy, street) in [(&early, "12 Square"), (&late, "forgotten")] {
        let elsewhere = tempfile::tempdir().unwrap();
        let restored = printed(elsewhere.path(), &["restore", copy.to_str().unwrap()]);
        assert!(restored.contains("is sound"), "{restored}");
        let node = Node::start(elsewhere.path());
        let shown = node.ask("GET", &format!("/orders/{id}"), &node.token(), "");
        assert!(shown.contains(street), "{street} in {shown}");
        node.stop();
    }
    // An import keeps the keys that are left: the administrator is known under the same master key.
    let elsewhere = tempfile::tempdir().unwrap();
    std::fs::create_dir(elsewhere.path().join("data")).unwrap();
    printed(elsewhere.path(), &["import", file.to_str().unwrap()]);
    let refused_key = run(elsewhere.path(), &["user", "list"], "");
    refused(&refused_key, 2, &["another master key"]);
    let key = |folder: &Path| folder.join("data/master.key");
    std::fs::copy(key(folder.path()), key(elsewhere.path())).unwrap();
    assert!(printed(elsewhere.path(), &["user", "list"]).contains(ADMIN[0].1));
}

/// The wrapped keys in a stopped node's log, by subject.
fn keys(folder: &Path) -> BTreeMap<String, String> {
    let lines = printed(folder, &["export"]);
    let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let claims = lines.map(|line| line["claim"].clone());
    let keys = claims.filter(|claim| claim["kind"] == "subject-key");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    keys.map(|claim| (text(&claim["key"]), text(&claim["owner"]))).collect()
}

/// Whether a part of a key is in any file of the log; compression may have broken it up somewhere.
fn is_in_a_file(folder: &Path, key: &str) -> bool {
    const PART: usize = 16;
    let files = std::fs::read_dir(folder.join("data/log")).unwrap();
    let mut files = files.map(|entry| std::fs::read(entry.unwrap().path()).unwrap());
    let parts: Vec<_> = key.as_bytes().chunks_exact(PART).skip(1).collect();
    files.any(|file| file.windows(PART).any(|part| parts.contains(&part)))
}

#[test]
fn the_key_of_a_forgotten_user_is_in_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path());
    let body = r#"{"email":"ada@example.org","password":"long enough","firstName":"Ada","lastName":"Lovelace"}"#;
    node.ask("POST", "/auth/register", "", body);
    node.stop();
    let before = keys(folder.path());
    assert!(before.values().all(|key| is_in_a_file(folder.path(), key)), "{before:?}");
    printed(folder.path(), &["user", "forget", "ada@example.org"]);
    let after = keys(folder.path());
    let (kept, gone): (Vec<_>, Vec<_>) =
        before.iter().partition(|(subject, key)| after.get(*subject) == Some(*key));
    assert_eq!((kept.len(), gone.len()), (1, 1), "the administrator and Ada: {after:?}");
    assert!(kept.iter().all(|(_, key)| is_in_a_file(folder.path(), key)));
    assert!(gone.iter().all(|(_, key)| !is_in_a_file(folder.path(), key)));
}

#[test]
fn read_models_are_listed_and_rebuilt_on_a_running_and_on_a_stopped_node() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path());
    node.ask("POST", "/orders", &node.token(), &order(1, "tok_ok"));
    let model = |node: Option<&Node>, arguments: &[&str]| {
        command(folder.path(), node, "projection", arguments)
    };
    let listed = model(Some(&node), &["list", "--json"]);
    let names = |listed: &Value| -> Vec<Value> {
        listed.as_array().unwrap().iter().map(|shown| shown["name"].clone()).collect()
    };
    assert_eq!(names(&listed), ["orders", "payments", "sagas"]);
    let rebuilt = model(Some(&node), &["rebuild", "orders", "--json"]);
    assert_eq!((&rebuilt["name"], &rebuilt["generation"]), (&"orders".into(), &2.into()));
    assert_eq!(node.gauge("/orders?limit=1", &node.token(), "total"), 1);
    node.stop();
    let rebuilt = model(None, &["rebuild", "--all", "--json"]);
    let generations = rebuilt.as_array().unwrap().iter().map(|shown| shown["generation"].clone());
    assert_eq!(generations.collect::<Vec<_>>(), [3, 2, 2]);
    let unknown = run(folder.path(), &["projection", "rebuild", "baskets"], "");
    refused(&unknown, 1, &["baskets", "orders, payments, sagas"]);
    let node = Node::start(folder.path());
    assert_eq!(node.gauge("/orders?limit=1", &node.token(), "total"), 1);
    node.stop();
}
