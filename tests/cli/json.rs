//! What a program reads of the commands whose outcome is one line for people.

use serde_json::Value;

use crate::{Node, printed, run};

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn a_program_reads_what_came_of_a_command() {
    let folder = tempfile::tempdir().unwrap();
    Node::start(folder.path()).stop();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let done = |arguments: &[&str]| {
        let json = [arguments, &["--json"]].concat();
        parsed(&printed(folder.path(), &json))
    };
    let verified = done(&["log", "verify"]);
    let head = verified["head"].as_u64().unwrap();
    assert!(head > 0 && verified["records"].as_u64() >= Some(head), "{verified}");
    assert_eq!(verified["damage"], Value::Array(Vec::new()));
    assert_eq!(verified["moreDamage"], false);

    let copied = done(&["backup", &path("backup")]);
    assert_eq!(copied["events"], head);
    let elsewhere = tempfile::tempdir().unwrap();
    let restored = printed(elsewhere.path(), &["restore", &path("backup"), "--json"]);
    let restored = parsed(&restored);
    assert_eq!((&restored["events"], &restored["checked"]["head"]), (&head.into(), &head.into()));

    let exported = run(folder.path(), &["export", &path("log.jsonl"), "--json"], "");
    assert_eq!(exported.stdout, b"");
    let exported = parsed(std::str::from_utf8(&exported.stderr).unwrap());
    assert_eq!(exported["events"], head);
    let empty = tempfile::tempdir().unwrap();
    let imported = parsed(&printed(empty.path(), &["import", &path("log.jsonl"), "--json"]));
    assert_eq!(imported, exported);

    let shown = done(&["definition", "show", "order-refund"]);
    assert_eq!(shown["definition"]["name"], "order-refund");
    let listed = printed(folder.path(), &["definition", "list", "--json"]);
    assert!(listed.lines().all(|line| parsed(line)["hash"].is_string()), "{listed}");
    let settings = printed(folder.path(), &["settings", "--json"]);
    let settings: Vec<Value> = settings.lines().map(parsed).collect();
    let folder_setting = settings.iter().find(|setting| setting["name"] == "DATA_DIR").unwrap();
    assert_eq!(folder_setting["origin"], "flag");
}
