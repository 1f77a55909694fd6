//! Sagas and consumer groups from the command line: of a running node over HTTP, of a stopped one in its store.

use serde_json::Value;

use crate::{ADMIN, Node, order, printed, refused, run};

#[test]
fn sagas_of_a_running_node_are_looked_at_and_operated_on() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path());
    let url = format!("http://{}", node.address);
    let saga = |arguments: &[&str]| {
        let who = ["saga", "--url", &url, "--email", ADMIN[0].1];
        run(folder.path(), &[&who[..], arguments].concat(), "correct horse\n")
    };
    let placed = node.ask("POST", "/orders", &node.token(), &order(1, "tok_slow"));
    let order: Value = serde_json::from_str(&placed).unwrap();
    let id = order["id"].as_str().unwrap();
    let paused = saga(&["pause", id, "--reason", "a look"]);
    assert!(paused.status.success(), "{paused:?}");
    assert!(String::from_utf8_lossy(&paused.stdout).starts_with("1 sagas done, 0 passed over"));
    let listed = saga(&["list", "--status", "started"]);
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert!(listed.starts_with(id) && listed.contains("paused"), "{listed}");
    let go_on = ["--status", "started", "--reason", "go on", "--canary-wait-s", "1"];
    let resumed = saga(&[&["resume", "--all", "--json"][..], &go_on].concat());
    let resumed: Value = serde_json::from_slice(&resumed.stdout).unwrap();
    assert_eq!((&resumed["done"], &resumed["left"]), (&1.into(), &0.into()), "{resumed}");
    let shown = saga(&["show", id, "--json"]);
    let shown: Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!((&shown["id"], &shown["paused"]), (&order["id"], &false.into()));

    let nobody = "00000000-0000-7000-8000-000000000000";
    refused(&saga(&["show", nobody]), 1, &["404"]);
    let won = ["resolve", id, "--outcome", "won", "--reason", "r"];
    for wrong in [&won[..], &["list", "--status", "nonsense"], &["pause", id, "--reason", ""]] {
        refused(&saga(wrong), 2, &["400"]);
    }
    // It is not parked: who was named is not passed over in silence.
    let retry = ["retry", id, "--reason", "r"];
    refused(&saga(&retry), 1, &["0 sagas done", id, "409", "STATE_FORBIDS"]);
    let retried = saga(&["retry", id, "--reason", "r", "--json"]);
    refused(&retried, 1, &["STATE_FORBIDS"]);
    let retried: Value = serde_json::from_slice(&retried.stdout).unwrap();
    assert!(retried["stoppedBy"].as_str().unwrap().contains("STATE_FORBIDS"), "{retried}");
    for nothing in [&["list", "--type", "nobody"][..], &["list", "--type", "nobody", "--json"]] {
        assert_eq!(saga(nothing).stdout, b"");
    }
    let wrong = ["saga", "--url", &url, "--email", "admin@example.org", "list"];
    refused(&run(folder.path(), &wrong, "wrong horse\n"), 1, &["401", "INVALID_CREDENTIALS"]);
    let nobody = ["saga", "--url", &url, "list"];
    refused(&run(folder.path(), &nobody, ""), 2, &["--email", "SAGALINE_TOKEN"]);
    refused(&run(folder.path(), &["saga", "list"], ""), 3, &["in use"]);
    node.stop();
}

/// The sagas that a command lists.
fn listed(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn sagas_of_a_stopped_node_are_looked_at_and_operated_on() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path());
    let placed = node.ask("POST", "/orders", &node.token(), &order(1, "tok_slow"));
    let placed: Value = serde_json::from_str(&placed).unwrap();
    let id = placed["id"].as_str().unwrap();
    let pause = format!("/saga/pause/{id}");
    let paused = node.ask("POST", &pause, &node.token(), r#"{"reason":"a look"}"#);
    assert!(paused.contains(r#""paused":true"#), "{paused}");
    node.stop();

    let list = ["saga", "list", "--status", "started", "--json"];
    let sagas = listed(&printed(folder.path(), &list));
    assert_eq!((&sagas[0]["id"], &sagas[0]["paused"]), (&placed["id"], &true.into()));
    let show = ["saga", "show", id, "--json"];
    assert_eq!(listed(&printed(folder.path(), &show))[0]["id"], placed["id"]);
    let verb = |verb: &str, id: &str, reason: &str| {
        run(folder.path(), &["saga", verb, id, "--reason", reason], "")
    };
    refused(&verb("retry", id, "r"), 1, &["0 sagas done", "409", "STATE_FORBIDS"]);
    refused(&verb("pause", "00000000-0000-7000-8000-000000000000", "r"), 1, &["404"]);
    refused(&verb("resume", id, ""), 2, &["400", "reason"]);
    let resumed = verb("resume", id, "go on");
    let resumed = String::from_utf8(resumed.stdout).unwrap();
    assert!(resumed.starts_with("1 sagas done, "), "{resumed}");
    assert!(resumed.ends_with("carried out when a node starts\n"), "{resumed}");
    assert_eq!(listed(&printed(folder.path(), &show))[0]["paused"], false);
    // Nothing was done in the world by that.
    assert_eq!(listed(&printed(folder.path(), &show))[0]["status"], "started");
    let log = printed(folder.path(), &["log", "cat", "--category", "saga"]);
    assert!(log.contains("go on"), "{log}");

    let node = Node::start(folder.path());
    let token = node.token();
    while node.gauge("/sagas/status/completed?limit=1", &token, "total") == 0 {
        std::thread::yield_now();
    }
    node.stop();
    let missing = tempfile::tempdir().unwrap();
    refused(&run(missing.path(), &["saga", "list"], ""), 3, &["does not exist"]);
    assert!(!missing.path().join("data").exists());
}

#[test]
fn consumer_groups_of_a_stopped_node_are_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    Node::start(folder.path()).stop();
    assert_eq!(printed(folder.path(), &["consumer", "list"]), "");
    refused(&run(folder.path(), &["consumer", "parked", "warehouse"], ""), 1, &["404"]);
    let replay = ["consumer", "replay", "warehouse", "--all", "--reason", "r"];
    refused(&run(folder.path(), &replay, ""), 1, &["404"]);
}
