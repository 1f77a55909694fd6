//! Logs over and back, and files that are not whole.

use std::cell::{Cell, RefCell};

use bytes::Bytes;
use sagaline_storage::clock::SystemEntropy;
use sagaline_storage::memory::{ManualClock, MemoryKv};
use sagaline_storage::{
    AllQuery, AppendId, AppendRequest, Claim, ClaimChange, CorrelationId, EventId, EventStore,
    EventType, ExpectedVersion, GlobalPosition, Log, LogSettings, NewEvent, NodeId, RecordedEvent,
    Shard, StreamId, StreamWrite, Timestamp,
};
use uuid::Uuid;

use super::*;
use crate::cli::Output;

type Memory = Log<MemoryKv, ManualClock>;

async fn log(clock: &ManualClock) -> Memory {
    let settings = LogSettings::default();
    Log::open(MemoryKv::new(), clock.clone(), &SystemEntropy, settings).await.unwrap()
}

fn node(name: &str) -> NodeId {
    NodeId::new(name).unwrap()
}

fn new_event(id: u128, payload: &'static str) -> NewEvent {
    NewEvent {
        id: EventId(Uuid::from_u128(id)),
        event_type: EventType::new("Happened").unwrap(),
        schema_version: 1,
        correlation_id: CorrelationId::new("c-1").unwrap(),
        causation_id: (id > 1).then(|| EventId(Uuid::from_u128(id - 1))),
        payload: Bytes::from_static(payload.as_bytes()),
    }
}

/// Two streams in turns, two nodes, claims with and without an end, epochs, an odd payload.
async fn filled() -> Memory {
    let clock = ManualClock::starting_at(Timestamp(1_000_000));
    let log = log(&clock).await;
    let owner = |name: &str| StreamId::new(name).unwrap();
    for round in 0..40_u128 {
        clock.step_wall(Timestamp(1_000_000 + u64::try_from(round / 3).unwrap()));
        let write = |name: &str, id, payload| StreamWrite {
            stream: owner(name),
            expected: ExpectedVersion::Any,
            events: vec![new_event(id, payload), new_event(id + 1, "{ \"b\" : 1.50 }\n")],
        };
        let id = 10 * round + 1;
        let mut writes = vec![write("a-1", id, "{}"), write("b-2", id + 2, "[1, 2]")];
        if round % 5 == 0 {
            writes.remove(0);
        }
        let claim = Claim::new("email", format!("{round}@example.org"));
        let mut claims = vec![ClaimChange::Take { claim: claim.clone(), owner: owner("b-2") }];
        if round % 2 == 0 {
            let at = Timestamp(9_000_000);
            claims.push(ClaimChange::ReleaseAt { claim, owner: owner("b-2"), at });
        }
        let request = AppendRequest {
            append_id: AppendId(Uuid::from_u128(round)),
            node_id: node(if round % 7 == 0 { "n1" } else { "n2" }),
            fence: None,
            writes,
            claims,
        };
        log.append(request).await.unwrap();
    }
    log.raise_epochs(&[Shard(3), Shard(5)]).await.unwrap();
    log.raise_epochs(&[Shard(5)]).await.unwrap();
    log
}

async fn exported(log: &Memory) -> Vec<u8> {
    let mut text = Vec::new();
    export(log, &mut text, |_, _| {}).await.unwrap();
    text
}

async fn imported(text: &[u8]) -> (Memory, Result<Transferred, Failure>) {
    let clock = ManualClock::default();
    let log = log(&clock).await;
    let seen = RefCell::new((0, 0));
    let progress = |done, all| *seen.borrow_mut() = (done, all);
    let read = import(&log, node("n9"), text, |at| clock.step_wall(at), || Ok(()), progress).await;
    let (done, all) = seen.into_inner();
    assert!(read.is_err() || done == all);
    (log, read)
}

async fn events(log: &Memory) -> Vec<RecordedEvent> {
    log.read_all(AllQuery::after(GlobalPosition::START, 1_000)).await.unwrap().events
}

#[tokio::test]
async fn an_imported_log_is_the_exported_one_to_the_last_hash() {
    let log = filled().await;
    let text = exported(&log).await;
    let (copy, read) = imported(&text).await;
    let read = read.unwrap();
    assert!(read.to_string().starts_with("imported 144 events and 40 claims, chain "));
    let json = Output { json: true }.text(&read).unwrap();
    assert!(json.starts_with(r#"{"events":144,"claims":40,"chain":""#), "{json}");
    assert_eq!(events(&copy).await, events(&log).await);
    assert_eq!(
        copy.every_claim(None, 1_000).await.unwrap(),
        log.every_claim(None, 1_000).await.unwrap()
    );
    let epochs = copy.every_epoch().await.unwrap();
    assert_eq!(epochs, log.every_epoch().await.unwrap());
    assert_eq!(epochs.len(), 2);
    assert!(copy.verify(GlobalPosition::START, |_, _| {}).await.unwrap().is_sound());
    assert_eq!(exported(&copy).await, text);
}

#[tokio::test]
async fn an_empty_log_comes_over_too() {
    let text = exported(&log(&ManualClock::default()).await).await;
    let (copy, read) = imported(&text).await;
    assert!(read.unwrap().to_string().starts_with("imported 0 events and 0 claims"));
    assert_eq!(copy.head().await.unwrap(), GlobalPosition::START);
}

/// The file with one of its lines changed.
fn with(text: &[u8], change: impl Fn(&mut Vec<String>)) -> Vec<u8> {
    let text = std::str::from_utf8(text).unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    change(&mut lines);
    lines.join("\n").into_bytes()
}

#[tokio::test]
async fn a_file_that_is_not_whole_is_refused_with_its_line() {
    let text = exported(&filled().await).await;
    let cases: [(&str, Vec<u8>); 8] = [
        ("cut off behind event", with(&text, |lines| drop(lines.pop()))),
        ("line 5: position 5 behind 3", with(&text, |lines| drop(lines.remove(4)))),
        ("line 4: ", with(&text, |lines| lines[3].truncate(40))),
        ("line 1: the first line wants to be a head", with(&text, |lines| drop(lines.remove(0)))),
        ("line 1: format 2", with(&text, |lines| lines[0] = lines[0].replace(":1,", ":2,"))),
        ("line 2: there is a second head", with(&text, |lines| lines.insert(1, lines[0].clone()))),
        ("behind the end", with(&text, |lines| lines.push(lines[0].clone()))),
        (
            "is not what the file ends with",
            with(&text, |lines| lines[2] = lines[2].replace("c-1", "c-2")),
        ),
    ];
    for (words, file) in cases {
        let failure = imported(&file).await.1.unwrap_err().to_string();
        assert!(failure.contains(words), "{words}: {failure}");
    }
}

#[tokio::test]
async fn a_store_with_something_in_it_is_left_alone() {
    let log = filled().await;
    let text = exported(&log).await;
    let marks = Cell::new(0);
    let mark = || {
        marks.set(marks.get() + 1);
        Ok(())
    };
    let read = import(&log, node("n9"), &text[..], |_| {}, mark, |_, _| {}).await;
    assert!(read.unwrap_err().to_string().contains("not empty"));
    assert_eq!(marks.get(), 0);
    assert_eq!(exported(&log).await, text);
}

#[tokio::test]
async fn nothing_is_written_before_the_mark() {
    let text = exported(&filled().await).await;
    let log = log(&ManualClock::default()).await;
    let mark = || Err(Failure::new(Exit::Failed, "no place for a mark"));
    let read = import(&log, node("n9"), &text[..], |_| {}, mark, |_, _| {}).await;
    assert_eq!(read.unwrap_err().to_string(), "line 1: no place for a mark");
    assert_eq!(log.head().await.unwrap(), GlobalPosition::START);
    assert!(log.every_claim(None, 1_000).await.unwrap().is_empty());
    assert!(log.every_epoch().await.unwrap().is_empty());
    // A file that is none leaves no mark either.
    let mark = || -> Result<(), Failure> { panic!("nothing is to be written") };
    let read = import(&log, node("n9"), &b"{\"events\": 1}\n"[..], |_| {}, mark, |_, _| {}).await;
    assert!(read.unwrap_err().to_string().starts_with("line 1: "));
}
