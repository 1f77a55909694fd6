//! `sagaline log cat` and `sagaline log tail` of a running node: its events as it shows them over HTTP, without
//! their payloads.

use std::io::Write;
use std::time::Duration;

use sagaline_storage::Clock;
use serde::Deserialize;
use serde_json::Value;

use super::super::failure::Failure;
use super::super::remote::{Remote, not_understood};
use super::super::said;
use super::{Cat, Tail};

/// Events of one page of the API.
const PAGE: usize = 1_000;

/// Between two looks for what is new.
const LOOK: Duration = Duration::from_millis(200);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    /// Oldest first.
    events: Vec<Value>,
    next_after: u64,
    next_before: u64,
    end: bool,
    head: u64,
}

/// What is read of an event.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    position: u64,
    recorded_at: String,
    stream: String,
    version: u64,
    event_type: String,
    correlation_id: String,
}

/// Prints the wanted events, oldest first.
pub async fn cat(node: &Remote, cat: &Cat, out: &mut impl Write) -> Result<(), Failure> {
    let filter = cat.select.query()?;
    let (mut after, mut left) = (cat.from.saturating_sub(1), cat.limit.unwrap_or(u64::MAX));
    let mut to = cat.to;
    while left > 0 {
        let page = page(node, &format!("&after={after}"), &filter).await?;
        // What is written meanwhile is no part of it.
        let to = *to.get_or_insert(page.head);
        for event in page.events {
            let shown = shown(&event)?;
            if shown.position > to || left == 0 {
                return said(out.flush());
            }
            if cat.select.takes(&shown.stream) {
                print(&event, &shown, cat.json, out)?;
                left -= 1;
            }
        }
        if page.end || page.next_after >= to {
            break;
        }
        after = page.next_after;
    }
    said(out.flush())
}

/// Prints the newest of the wanted events, oldest first; with `--follow` then each that is appended, as long as
/// the node answers.
pub async fn tail(
    node: &Remote,
    tail: &Tail,
    clock: &impl Clock,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let filter = tail.select.query()?;
    let (mut newest, mut place, mut after) = (Vec::new(), String::new(), None);
    loop {
        let page = page(node, &place, &filter).await?;
        after.get_or_insert(page.next_after);
        for event in page.events.into_iter().rev() {
            let shown = shown(&event)?;
            if newest.len() < tail.lines && tail.select.takes(&shown.stream) {
                newest.push((event, shown));
            }
        }
        if page.end || newest.len() >= tail.lines {
            break;
        }
        place = format!("&before={}", page.next_before);
    }
    for (event, shown) in newest.iter().rev() {
        print(event, shown, tail.json, out)?;
    }
    said(out.flush())?;
    match after {
        Some(after) if tail.follow => follow(node, tail, &filter, after, clock, out).await,
        _ => Ok(()),
    }
}

async fn follow(
    node: &Remote,
    tail: &Tail,
    filter: &str,
    mut after: u64,
    clock: &impl Clock,
    out: &mut impl Write,
) -> Result<(), Failure> {
    loop {
        let page = page(node, &format!("&after={after}"), filter).await?;
        for event in page.events {
            let shown = shown(&event)?;
            if tail.select.takes(&shown.stream) {
                print(&event, &shown, tail.json, out)?;
            }
        }
        said(out.flush())?;
        after = page.next_after;
        if page.end {
            clock.sleep(LOOK).await;
        }
    }
}

async fn page(node: &Remote, place: &str, filter: &str) -> Result<Page, Failure> {
    let page = node.get(&format!("/trace/events?limit={PAGE}{place}{filter}")).await??;
    serde_json::from_value(page).map_err(not_understood)
}

fn shown(event: &Value) -> Result<Shown, Failure> {
    Shown::deserialize(event).map_err(not_understood)
}

fn print(event: &Value, shown: &Shown, json: bool, out: &mut impl Write) -> Result<(), Failure> {
    if json {
        return said(writeln!(out, "{event}"));
    }
    let Shown { position, recorded_at, stream, version, event_type, correlation_id } = shown;
    let place = format!("{position}  {recorded_at}  {stream}@{version}");
    said(writeln!(out, "{place}  {event_type}  {correlation_id}"))
}
