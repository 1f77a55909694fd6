//! The log while a node serves from its folder, and the log of a running node from anywhere.

use std::io::{BufRead, BufReader};

use serde_json::Value;

use crate::{ADMIN, Node, printed, refused, run, sagaline};

fn parsed(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_log_is_looked_at_while_its_node_serves() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path());
    assert!(node.log_in().starts_with("HTTP/1.1 200"));
    let events = parsed(&printed(folder.path(), &["log", "cat", "--json"]));
    assert!(!events.is_empty());
    let stats = parsed(&printed(folder.path(), &["log", "stats", "--json"]).replace('\n', " "));
    assert!(stats[0]["events"].as_u64() >= Some(events.len() as u64), "{stats:?}");
    assert!(printed(folder.path(), &["log", "verify"]).contains("is sound"));
    assert_eq!(printed(folder.path(), &["log", "tail", "-n", "1"]).lines().count(), 1);
    let exported = parsed(&printed(folder.path(), &["export"]));
    assert!(exported.last().unwrap()["end"]["events"].as_u64() >= Some(events.len() as u64));
    // Nobody was in the node's way.
    assert!(node.log_in().starts_with("HTTP/1.1 200"));
    node.stop();
    let later = parsed(&printed(folder.path(), &["log", "cat", "--json"]));
    assert_eq!(later[..events.len()], events);
}

#[test]
fn the_log_of_a_running_node_is_looked_at_over_http() {
    let (folder, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let node = Node::start(folder.path());
    let url = format!("http://{}", node.address);
    let log = |arguments: &[&str]| {
        let who = ["--url", &url, "--email", ADMIN[0].1];
        run(elsewhere.path(), &[&["log"][..], arguments, &who].concat(), "correct horse\n")
    };
    let shown = |arguments: &[&str]| {
        let output = log(arguments);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let category = ["cat", "--category", "user", "--json"];
    let here = [&["log"][..], &category].concat();
    let (there, here) = (parsed(&shown(&category)), parsed(&printed(folder.path(), &here)));
    let place = |events: &[Value], kind: &str| -> Vec<(Value, Value)> {
        events.iter().map(|event| (event["position"].clone(), event[kind].clone())).collect()
    };
    assert_eq!(place(&there, "eventType"), place(&here, "type"));
    let stream = here[0]["stream"].as_str().unwrap();
    let of_stream = shown(&["cat", "--stream", stream, "--limit", "1"]);
    assert_eq!(of_stream.lines().count(), 1);
    assert!(of_stream.contains(&format!("  {stream}@1  UserRegistered  ")), "{of_stream}");
    let last = parsed(&shown(&["tail", "--category", "user", "-n", "1", "--json"]));
    assert_eq!(last, there[there.len() - 1..]);
    refused(&log(&["cat", "--category", "gift-card"]), 2, &["--category", "gift-card"]);
    assert!(!elsewhere.path().join("data").exists());
    node.stop();
}

#[test]
fn a_tail_follows_a_running_node_until_it_is_gone() {
    let (folder, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let tail = ["log", "tail", "-n", "1", "--category", "user", "--json", "--follow"];
    refused(&run(folder.path(), &tail, ""), 2, &["--follow", "--url"]);
    let node = Node::start(folder.path());
    let url = format!("http://{}", node.address);
    let mut follower = sagaline(elsewhere.path(), &[&tail[..], &["--url", &url]].concat());
    let mut follower = follower.env("SAGALINE_TOKEN", node.token()).spawn().unwrap();
    let mut lines = BufReader::new(follower.stdout.take().unwrap()).lines();
    let mut next = || -> Value { serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap() };
    let there = next();
    for name in ["anna", "bert"] {
        let account = format!(
            r#"{{"email":"{name}@example.org","password":"a good one","firstName":"A","lastName":"B"}}"#
        );
        assert!(node.answer("POST", "/auth/register", "", &account).starts_with("HTTP/1.1 201"));
    }
    let (first, second) = (next(), next());
    let place = |event: &Value| event["position"].as_u64().unwrap();
    assert!(place(&there) < place(&first) && place(&first) < place(&second));
    for event in [&first, &second] {
        assert_eq!(event["eventType"], "UserRegistered");
    }
    node.stop();
    refused(&follower.wait_with_output().unwrap(), 1, &["no answer from", &url]);
}
