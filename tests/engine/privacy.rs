//! Personal parts of a user's own aggregate, projection and saga.

use std::convert::Infallible;
use std::time::Duration;

use sagaline::domain::{
    Aggregate, Personal, PersonalField, Subject, User, UserCommand, UserStatus,
};
use sagaline::engine::{
    Call, CommandMetadata, Definition, EngineSettings, IndexKey, MasterKey, Node, NodeBuilder,
    NodeError, Outcome, Projection, Recorded, StartRequest, Step, View,
};
use sagaline::prelude::CodecError;
use sagaline_storage::backend::Parts;
use sagaline_storage::memory::MemoryKv;
use sagaline_storage::{
    AllQuery, AppendId, AppendRequest, Backend, Claim, ClaimChange, Clock, CorrelationId, EventId,
    EventStore, EventType, ExpectedVersion, GlobalPosition, NewEvent, NodeId, RecordedEvent,
    StreamId, StreamWrite,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::nodes::{NodeLog, until};
use crate::trip::{self, Memory};

/// A letter of somebody; the subject stands in the event.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Letter {
    texts: Vec<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
enum LetterEvent {
    Written { by: String, text: String, words: u64 },
    Sent {},
}

impl Aggregate for Letter {
    const CATEGORY: &'static str = "letter";
    const PERSONAL: &'static [(&'static str, Personal)] = &[(
        "Written",
        Personal {
            subject: Subject::Field("/by"),
            fields: &[PersonalField { at: "/text", forgotten: r#""…""# }],
        },
    )];
    const PERSONAL_CLAIMS: &'static [&'static str] = &["letter-text"];
    type Command = (String, String);
    type Event = LetterEvent;
    type Refusal = Infallible;

    fn decide(&self, (by, text): (String, String)) -> Result<Vec<LetterEvent>, Infallible> {
        let words = text.split(' ').count() as u64;
        Ok(vec![LetterEvent::Written { by, text, words }, LetterEvent::Sent {}])
    }

    fn evolve(&mut self, event: &LetterEvent) {
        if let LetterEvent::Written { text, .. } = event {
            self.texts.push(text.clone());
        }
    }

    fn claims(&self, event: &LetterEvent) -> Vec<sagaline::domain::ClaimIntent> {
        let LetterEvent::Written { text, .. } = event else { return Vec::new() };
        let (kind, key) = ("letter-text".to_owned(), text.clone());
        vec![sagaline::domain::ClaimIntent::Take { kind, key }]
    }
}

struct Letters;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Shown {
    text: String,
    words: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sealed: Option<sagaline::codec::Sealed>,
}

impl Projection for Letters {
    const NAME: &'static str = "letters";
    const VERSION: u32 = 1;
    const CATEGORIES: &'static [&'static str] = &[Letter::CATEGORY];
    type Document = Shown;

    fn keys(&self, event: &Recorded<'_>) -> Vec<String> {
        vec![event.envelope().stream.key().to_owned()]
    }

    fn apply(&self, view: &mut View<Shown>, event: &Recorded<'_>) -> Result<(), CodecError> {
        if let Some(LetterEvent::Written { text, words, .. }) = event.of::<Letter>()? {
            let shown = Shown { text, words, sealed: event.sealed() };
            view.put(event.envelope().stream.key(), shown);
        }
        Ok(())
    }

    fn index(&self, _: &str, _: &Shown) -> Vec<IndexKey> {
        Vec::new()
    }
}

fn master() -> MasterKey {
    MasterKey::new([7; 32])
}

fn settings() -> EngineSettings {
    EngineSettings { shards: 4, snapshot_events: 2, ..EngineSettings::default() }
}

async fn builder(kv: &MemoryKv) -> NodeBuilder<Memory> {
    NodeBuilder::new(trip::backend(kv).await).settings(settings()).projection(Letters)
}

async fn node(kv: &MemoryKv) -> Node<Memory> {
    builder(kv).await.master_key(master()).start().await.unwrap()
}

fn metadata() -> CommandMetadata {
    CommandMetadata { correlation_id: CorrelationId::new("c").unwrap(), causation_id: None }
}

async fn write<B: Backend>(node: &Node<B>, id: &str, by: &str, text: &str) -> Letter {
    let command = (by.to_owned(), text.to_owned());
    node.aggregates().execute::<Letter>(id, command, &metadata()).await.unwrap()
}

async fn log(node: &Node<Memory>) -> Vec<RecordedEvent> {
    let query = AllQuery::after(GlobalPosition::START, 1_000);
    node.backend().events().read_all(query).await.unwrap().events
}

/// The text of a letter as the view shows it.
async fn shown(node: &Node<Memory>, id: &str) -> String {
    let views = node.views::<Letters>().unwrap();
    let head = node.backend().events().head().await.unwrap();
    assert!(views.caught_up(head, Duration::from_secs(30)).await);
    views.get(id).await.unwrap().unwrap().text
}

#[tokio::test]
async fn a_forgotten_subject_is_gone_from_the_log_the_view_and_the_aggregate() {
    let kv = MemoryKv::new();
    let node = node(&kv).await;
    let written = write(&node, "1", "ada", "dear bob").await;
    assert_eq!(written.texts, ["dear bob"]);
    write(&node, "2", "bob", "dear ada").await;
    assert_eq!(shown(&node, "1").await, "dear bob");
    // What is stored never has the text.
    for event in log(&node).await {
        assert!(!String::from_utf8_lossy(&event.payload).contains("dear"), "{event:?}");
    }
    let loaded = node.aggregates().load::<Letter>("1").await.unwrap();
    assert_eq!(loaded.state.texts, ["dear bob"]);

    node.forget("ada", &metadata()).await.unwrap();
    node.forget("ada", &metadata()).await.unwrap();
    let loaded = node.aggregates().load::<Letter>("1").await.unwrap();
    assert_eq!((loaded.state.texts, loaded.version.0), (vec!["…".to_owned()], 2));
    assert_eq!((shown(&node, "1").await, shown(&node, "2").await), ("…".into(), "dear ada".into()));
    let mut events = log(&node).await;
    node.open(&mut events).await.unwrap();
    let first: serde_json::Value = serde_json::from_slice(&events[0].payload).unwrap();
    assert_eq!(first, serde_json::json!({"by": "ada", "text": "…", "words": 2}));
    let third: serde_json::Value = serde_json::from_slice(&events[2].payload).unwrap();
    assert_eq!(third["text"], "dear ada");
    // What comes later is not kept either.
    write(&node, "3", "ada", "again").await;
    assert_eq!(shown(&node, "3").await, "…");
}

/// The texts of a letter as its aggregate has them.
async fn texts<B: Backend>(node: &Node<B>, id: &str) -> Vec<String> {
    node.aggregates().load::<Letter>(id).await.unwrap().state.texts
}

#[tokio::test]
async fn whoever_goes_away_in_the_middle_has_forgotten_all_the_same() {
    let Parts { name, shared, events, views, locks, bus, clock, entropy } =
        trip::backend(&MemoryKv::new()).await;
    let events = NodeLog::new(events);
    let log = events.clone();
    let backend = Parts { name, shared, events, views, locks, bus, clock, entropy };
    let builder = NodeBuilder::new(backend).settings(settings()).master_key(master());
    let node = builder.start().await.unwrap();
    write(&node, "1", "ada", "dear bob").await;
    assert_eq!(texts(&node, "1").await, ["dear bob"], "the key is remembered from here on");
    log.appends().close();
    let metadata = metadata();
    tokio::select! {
        biased;
        _ = node.forget("ada", &metadata) => panic!("its append is not answered"),
        () = until(|| log.appends().waiting() == 1) => {}
    }
    log.appends().open();
    for _ in 0..1_000 {
        if texts(&node, "1").await == ["…"] {
            break;
        }
        clock.sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(texts(&node, "1").await, ["…"]);
}

#[tokio::test]
async fn keys_outlive_a_restart_and_rebuilds_are_equal_behind_a_forgetting() {
    let kv = MemoryKv::new();
    let first = node(&kv).await;
    write(&first, "1", "ada", "dear bob").await;
    write(&first, "2", "bob", "dear ada").await;
    drop(first);
    let second = node(&kv).await;
    assert_eq!(shown(&second, "1").await, "dear bob");
    second.forget("bob", &metadata()).await.unwrap();
    second.rebuild("letters").await.unwrap();
    loop {
        let state = second.projections().await.unwrap().remove(0);
        if state.rebuilding.is_none() {
            break;
        }
        sagaline_storage::Clock::sleep(second.backend().clock(), Duration::from_millis(2)).await;
    }
    assert_eq!(shown(&second, "1").await, "dear bob");
    assert_eq!(shown(&second, "2").await, "…");
    drop(second);
    assert_eq!(shown(&node(&kv).await, "2").await, "…");
}

#[tokio::test]
async fn an_aggregate_with_personal_parts_keeps_no_snapshots() {
    let kv = MemoryKv::new();
    let node = node(&kv).await;
    for text in ["a", "b", "c", "d", "e"] {
        write(&node, "1", "ada", text).await;
    }
    let loaded = node.aggregates().load::<Letter>("1").await.unwrap();
    assert_eq!(loaded.state.texts, ["a", "b", "c", "d", "e"]);
    let views = node.backend().views();
    let kept = sagaline_storage::views::ViewStore::get(views, "snapshot:letter.v1", b"letter-1");
    assert_eq!(kept.await.unwrap(), None);
}

#[tokio::test]
async fn personal_claims_are_unique_and_stand_there_as_hashes() {
    let node = node(&MemoryKv::new()).await;
    write(&node, "1", "ada", "dear bob").await;
    let again = ("bob".to_owned(), "dear bob".to_owned());
    let taken = node.aggregates().execute::<Letter>("2", again, &metadata()).await;
    assert!(taken.unwrap_err().to_string().contains("held by letter-1"));
    let claim = node.aggregates().claim::<Letter>("letter-text", "dear bob").unwrap();
    let held = node.backend().events().claim_holder(&claim).await.unwrap().unwrap();
    assert_eq!(held.owner.as_str(), "letter-1");
    assert!(!claim.to_string().contains("dear"));
    let plain = Claim::new("letter-text", "dear bob");
    assert_eq!(node.backend().events().claim_holder(&plain).await.unwrap(), None);
}

#[tokio::test]
async fn without_a_master_key_nothing_personal_is_stored_and_another_one_is_refused() {
    let kv = MemoryKv::new();
    let without = builder(&kv).await.start().await.unwrap();
    let command = ("ada".to_owned(), "dear bob".to_owned());
    let refused = without.aggregates().execute::<Letter>("1", command, &metadata()).await;
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("master_key"), "{refused}");
    assert!(log(&without).await.is_empty());
    drop(without);
    write(&node(&kv).await, "1", "ada", "dear bob").await;
    let another = builder(&kv).await.master_key(MasterKey::new([8; 32])).start().await;
    let error = another.err().unwrap();
    assert!(matches!(error, NodeError::Personal(_)), "{error}");
    assert!(error.to_string().contains("another master key"), "{error}");
    // Nor is what is stored shown to a node that was given none.
    let without = builder(&kv).await.start().await.unwrap();
    assert_eq!(shown(&without, "1").await, "…");
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Parcel {
    to: String,
    street: String,
}

struct Carry;

impl Step for Carry {
    const NAME: &'static str = "carry";
    type Saga = Parcel;
    type Output = u64;

    async fn action(&self, call: &Call<Parcel>) -> Outcome<u64> {
        Ok(call.input().street.len() as u64)
    }
}

#[tokio::test]
async fn a_saga_sees_the_personal_parts_of_its_input_and_the_log_does_not() {
    let parcel = Personal {
        subject: Subject::Field("/to"),
        fields: &[PersonalField { at: "/street", forgotten: r#""…""# }],
    };
    let definition = Definition::new("parcel").pivot(Carry).personal(parcel).build().unwrap();
    let backend = trip::backend(&MemoryKv::new()).await;
    let builder = NodeBuilder::new(backend).settings(settings()).master_key(master());
    let node = builder.saga(&definition).start().await.unwrap();
    let input = Parcel { to: "ada".to_owned(), street: "12 Square".to_owned() };
    let request = StartRequest { idempotency_key: Some("one".to_owned()), correlation_id: None };
    let started = node.sagas().start(&definition, request.clone(), &input).await.unwrap();
    let state = node.sagas().wait(started.id).await.unwrap();
    assert_eq!(state.steps[0].result.as_ref().unwrap().as_str(), "9");
    for event in log(&node).await {
        assert!(!String::from_utf8_lossy(&event.payload).contains("Square"), "{event:?}");
    }
    let again = node.sagas().start(&definition, request.clone(), &input).await.unwrap();
    assert_eq!((again.id, again.replayed), (started.id, true));
    let other = Parcel { street: "13 Square".to_owned(), ..input };
    assert!(node.sagas().start(&definition, request, &other).await.is_err());
}

/// As programs wrote it before personal parts were sealed.
const REGISTERED_V1: &str = r#"{"email":"ada@example.org","passwordHash":"$argon2id$x","firstName":"Ada","lastName":"Lovelace","role":"customer"}"#;

#[tokio::test]
async fn what_an_earlier_program_stored_in_clear_is_read_and_its_claim_hashed() {
    let kv = MemoryKv::new();
    let backend = trip::backend(&kv).await;
    let owner = StreamId::new(format!("user-{}", Uuid::from_u128(1))).unwrap();
    let event = NewEvent {
        id: EventId(Uuid::from_u128(2)),
        event_type: EventType::new("UserRegistered").unwrap(),
        schema_version: 1,
        correlation_id: CorrelationId::new("c").unwrap(),
        causation_id: None,
        payload: REGISTERED_V1.into(),
    };
    let write = StreamWrite {
        stream: owner.clone(),
        expected: ExpectedVersion::NoStream,
        events: vec![event],
    };
    let plain = Claim::new("email", "ada@example.org");
    let take = ClaimChange::Take { claim: plain.clone(), owner: owner.clone() };
    let request = AppendRequest {
        append_id: AppendId(Uuid::from_u128(3)),
        node_id: NodeId::new("node-1").unwrap(),
        fence: None,
        writes: vec![write],
        claims: vec![take],
    };
    backend.events().append(request).await.unwrap();
    drop(backend);
    let node = node(&kv).await;
    node.hash_claims("email").await.unwrap();
    let claim = node.aggregates().claim::<User>("email", "ada@example.org").unwrap();
    let events = node.backend().events();
    assert_eq!(events.claim_holder(&claim).await.unwrap().unwrap().owner, owner);
    assert_eq!(events.claim_holder(&plain).await.unwrap(), None);
    let aggregates = node.aggregates();
    let user = aggregates.load::<User>(owner.key()).await.unwrap().state;
    assert_eq!(user.account().unwrap().email.as_str(), "ada@example.org");

    let forget = UserCommand::Forget;
    let key = owner.key();
    let left = aggregates.execute_and_forget::<User>(key, forget, key, &metadata()).await.unwrap();
    assert_eq!(left.status(), UserStatus::Forgotten);
    assert_eq!(left.account().unwrap().email.as_str(), "forgotten@forgotten.invalid");
    assert_eq!(events.claim_holder(&claim).await.unwrap(), None);
}

#[tokio::test]
async fn a_box_that_was_changed_hides_its_parts_and_nothing_else() {
    let node = node(&MemoryKv::new()).await;
    write(&node, "1", "ada", "dear bob").await;
    let mut events = log(&node).await;
    let text = String::from_utf8(events[0].payload.to_vec()).unwrap();
    let (head, tail) = text.split_once(r#""box":""#).unwrap();
    let changed = format!("{head}\"box\":\"AAAA{}", &tail[4..]);
    events[0].payload = changed.into();
    node.open(&mut events).await.unwrap();
    let shown: serde_json::Value = serde_json::from_slice(&events[0].payload).unwrap();
    assert_eq!(shown, serde_json::json!({"by": "ada", "text": "…", "words": 2}));
}
