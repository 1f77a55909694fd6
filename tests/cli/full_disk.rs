//! A disk on which nothing can be written any more: the node says so, ends, and has lost nothing.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};

use crate::{Node, SERVE, order, printed, sagaline};

/// What a file may grow to, in KiB: some hundred orders.
const FILE_KIB_MAX: u32 = 1_024;
const ORDERS_MAX: usize = 5_000;

/// The same command below a limit: a write beyond it fails as it does on a full disk.
fn limited(command: &Command) -> Command {
    let mut shell = Command::new("bash");
    let script = format!("trap '' XFSZ; ulimit -f {FILE_KIB_MAX}; exec \"$0\" \"$@\"");
    shell.env_clear().arg("-c").arg(script).arg(command.get_program()).args(command.get_args());
    shell.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    shell
}

/// The id of the order when the node acknowledged it; a node that is ending may cut the connection.
fn place(node: &Node, token: &str, product: usize) -> Option<String> {
    let body = order(product, "tok_ok");
    let mut stream = TcpStream::connect(&node.address).ok()?;
    let request = format!(
        "POST /orders HTTP/1.1\r\nhost: h\r\nconnection: close\r\nauthorization: Bearer {token}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    if !head.starts_with("HTTP/1.1 201") {
        assert!(head.starts_with("HTTP/1.1 503"), "{answer}");
        return None;
    }
    let placed: serde_json::Value = serde_json::from_str(body).unwrap();
    Some(placed["id"].as_str().unwrap().to_owned())
}

#[test]
fn node_on_a_full_disk_ends_with_3_and_has_lost_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut node = Node::of(limited(&sagaline(folder.path(), &SERVE)));
    let token = node.token();
    let placed: BTreeSet<_> =
        (0..ORDERS_MAX).map_while(|product| place(&node, &token, product)).collect();
    assert!(placed.len() < ORDERS_MAX, "the disk never filled up");
    assert!(placed.len() > 10, "only {} orders", placed.len());
    assert_eq!(node.child.wait().unwrap().code(), Some(3));
    let mut said = String::new();
    node.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    let line = said.lines().last().unwrap();
    assert!(line.starts_with("sagaline: ") && line.contains("data folder"), "{line}");

    let node = Node::start(folder.path());
    let token = node.token();
    for id in &placed {
        let found = node.answer("GET", &format!("/orders/{id}?"), &token, "");
        assert!(found.starts_with("HTTP/1.1 200"), "{id}: {found}");
    }
    // One that was not acknowledged may have been written all the same.
    let orders = node.gauge("/orders?limit=1", &token, "total");
    assert!((0..=1).contains(&(orders - placed.len() as u64)), "{orders} of {}", placed.len());
    node.stop();
    assert!(printed(folder.path(), &["log", "verify"]).contains("is sound"));
}
