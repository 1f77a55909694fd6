//! What the nodes say of themselves that must never be: counters that anybody can read, of which some count
//! what only a defect of the product can bring about.

use bytes::Bytes;
use http::{Request, header};
use http_body_util::Full;

use crate::machine::Machine;
use crate::workload::http::Http;
use crate::world::World;

/// How long a healed node may take to answer: it may have to be switched on again.
const READY_US: u64 = 20_000_000;
const ANSWER_US: u64 = 5_000_000;
const LOOK_US: u64 = 50_000;

/// Counters that stay at zero whatever happens to a node.
const NEVER: [&str; 4] = [
    "sagaline_sagas_quarantined_total",
    "sagaline_projection_errors_total",
    "sagaline_step_panics_total",
    "sagaline_consumer_panics_total",
];

/// How many sagas a node works on.
const LIVE: &str = "sagaline_sagas_live";

/// Asks every node that is on. What a node counted in a life before this one is gone with it. At rest, when so
/// many sagas have not ended, everybody has to answer.
pub(super) async fn heard(world: &World, http: &Http, unended: Option<usize>) -> Vec<String> {
    let (mut heard, at_rest) = (Vec::new(), unended.is_some());
    let until_us = world.now_us() + if at_rest { READY_US } else { 0 };
    for node in Machine::NODES.into_iter().filter(|node| world.is_on(*node)) {
        let mut said = ask(world, http, node).await;
        while said.is_none() && world.now_us() < until_us {
            world.timeline().after(LOOK_US).await;
            said = ask(world, http, node).await;
        }
        match said {
            Some(text) => {
                let admitted = admitted(&text).chain(unended.and_then(|most| kept(&text, most)));
                heard.extend(admitted.map(|what| format!("{node} {what}")));
            }
            None if !at_rest => {}
            None => heard.push(format!("{node} does not say how it is")),
        }
    }
    heard
}

async fn ask(world: &World, http: &Http, node: Machine) -> Option<String> {
    let look = Request::get("/metrics").header(header::HOST, "sagaline");
    let look = look.body(Full::<Bytes>::default()).expect("a plain request");
    let answer = tokio::select! {
        biased;
        answer = http.send(node, look) => answer.ok(),
        () = world.timeline().after(ANSWER_US) => None,
    };
    answer.filter(|answer| answer.status == 200)?.body.as_str().map(str::to_owned)
}

/// `counts sagaline_…_total: 3`, of what is not zero or is not there.
fn admitted(text: &str) -> impl Iterator<Item = String> {
    NEVER.into_iter().filter_map(|name| match value(text, name) {
        Some("0") => None,
        Some(count) => Some(format!("counts {name}: {count}")),
        None => Some(format!("does not count {name}")),
    })
}

/// Says so if it works on more sagas than there are to be worked on: what has ended, or never began, has left.
fn kept(text: &str, unended: usize) -> Option<String> {
    match value(text, LIVE).and_then(|count| count.parse::<usize>().ok()) {
        Some(live) if live <= unended => None,
        Some(live) => Some(format!("works on {live} sagas, and {unended} have not ended")),
        None => Some(format!("does not count {LIVE}")),
    }
}

fn value<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_zero_is_heard() {
        let healthy: String = NEVER.iter().map(|name| format!("{name} 0\n")).collect();
        assert_eq!(admitted(&healthy).count(), 0);
        let sick = healthy.replace(&format!("{} 0", NEVER[0]), &format!("{} 2", NEVER[0]));
        let heard: Vec<_> = admitted(&sick).collect();
        assert_eq!(heard, [format!("counts {}: 2", NEVER[0])]);
        assert_eq!(admitted("").count(), NEVER.len());
    }

    #[test]
    fn a_node_that_works_on_what_is_not_there_is_heard() {
        let text = format!("{LIVE} 2\n");
        assert_eq!(kept(&text, 2), None);
        assert_eq!(kept(&text, 1).as_deref(), Some("works on 2 sagas, and 1 have not ended"));
        assert_eq!(kept("", 1), Some(format!("does not count {LIVE}")));
    }
}
