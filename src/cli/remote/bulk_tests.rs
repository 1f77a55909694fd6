//! Verbs for many sagas, on sagas whose participant is there or is not.

use std::cell::RefCell;
use std::future::{pending, ready};
use std::sync::Arc;

use parking_lot::Mutex;
use sagaline_storage::Timestamp;
use sagaline_storage::clock::SystemClock;
use tokio::sync::Notify;

use super::*;

/// Sagas whose participant is there or is not.
#[derive(Default)]
struct Scripted {
    /// Operated sagas are parked again from this one on.
    parks_from: Option<usize>,
    /// Not in the right state any more.
    moved_on: Vec<Uuid>,
    /// Under way for longer than anybody waits.
    waits_long: bool,
    /// They were given by name.
    by_name: bool,
    /// Until `operate` is answered.
    takes: Duration,
    clock: Stepped,
    /// Which of `operate` and `look` never comes back.
    hangs_in: &'static str,
    hangs: Notify,
    operated: RefCell<Vec<Uuid>>,
    looked_at: RefCell<Vec<Uuid>>,
    waited_s: RefCell<Vec<u64>>,
}

impl Sagas for Scripted {
    async fn operate(&self, id: Uuid) -> Result<Result<(), Refusal>, Failure> {
        self.hang("operate").await;
        *self.clock.0.lock() += self.takes;
        if self.moved_on.contains(&id) {
            let code = "STATE_FORBIDS".to_owned();
            return Ok(Err(Refusal { status: 409, code, detail: String::new() }));
        }
        self.operated.borrow_mut().push(id);
        Ok(Ok(()))
    }

    async fn look(&self, id: Uuid, wait_s: u64) -> Result<Shown, Failure> {
        self.hang("look").await;
        self.waited_s.borrow_mut().push(wait_s);
        self.looked_at.borrow_mut().push(id);
        let place = self.operated.borrow().iter().position(|operated| *operated == id).unwrap();
        let parks = self.parks_from.is_some_and(|from| place >= from);
        Ok(Shown {
            id,
            saga_type: "travel".to_owned(),
            status: match (parks, self.waits_long) {
                (true, _) => "parked",
                (false, true) => "started",
                (false, false) => "completed",
            }
            .to_owned(),
            paused: false,
            current_step: Some("hotel".to_owned()),
            error_message: parks.then(|| "no route to host".to_owned()),
            updated_at: String::new(),
        })
    }

    fn is_as_wanted(&self, saga: &Shown, waited: bool) -> bool {
        saga.status == "completed" || (waited && saga.status == "started")
    }

    fn passes_over(&self) -> bool {
        !self.by_name
    }
}

impl Scripted {
    async fn hang(&self, place: &str) {
        if self.hangs_in == place {
            self.hangs.notify_one();
            pending().await
        }
    }
}

fn ids(count: u128) -> Vec<Uuid> {
    (1..=count).map(Uuid::from_u128).collect()
}

async fn run(sagas: &Scripted, ids: &[Uuid]) -> Result<String, Failure> {
    let bulk = Bulk { canaries: 5, canary_wait_s: 30, rate: 10_000 };
    let report = bulk.run(sagas, ids, &SystemClock::default(), pending(), |_, _| {}).await;
    report.ended().map(|report| report.to_string())
}

#[tokio::test]
async fn a_dead_participant_costs_the_canaries_alone() {
    let sagas = Scripted { parks_from: Some(0), ..Scripted::default() };
    let failure = run(&sagas, &ids(10_000)).await.unwrap_err().to_string();
    assert_eq!(sagas.operated.borrow().len(), 5);
    assert!(failure.starts_with("5 sagas done, 0 passed over, 9995 left as they are; the canary"));
    assert!(failure.ends_with("is parked at hotel: no route to host"), "{failure}");
}

#[tokio::test]
async fn a_participant_that_dies_on_the_way_costs_a_batch() {
    let sagas = Scripted { parks_from: Some(150), ..Scripted::default() };
    let failure = run(&sagas, &ids(10_000)).await.unwrap_err().to_string();
    assert_eq!(sagas.operated.borrow().len(), 205);
    assert!(failure.contains("205 sagas done"), "{failure}");
}

#[tokio::test]
async fn with_a_live_one_all_are_done_once_and_the_rate_is_shown() {
    let sagas = Scripted::default();
    let all = ids(300);
    let line = run(&sagas, &all).await.unwrap();
    assert_eq!(*sagas.operated.borrow(), all);
    assert_eq!(sagas.looked_at.borrow().len(), 15);
    assert!(line.starts_with("300 sagas done, 0 passed over, 0 left as they are, "), "{line}");
    assert!(line.ends_with(" a second"), "{line}");
}

#[tokio::test]
async fn a_saga_that_has_moved_on_is_passed_over() {
    let sagas = Scripted { moved_on: vec![Uuid::from_u128(2)], ..Scripted::default() };
    let line = run(&sagas, &ids(3)).await.unwrap();
    assert!(line.starts_with("2 sagas done, 1 passed over, 0 left"), "{line}");
}

#[tokio::test]
async fn a_saga_that_was_given_by_name_is_not_passed_over() {
    let moved_on = vec![Uuid::from_u128(2)];
    let sagas = Scripted { moved_on, by_name: true, ..Scripted::default() };
    let failure = run(&sagas, &ids(3)).await.unwrap_err().to_string();
    assert!(failure.starts_with("1 sagas done, 0 passed over, 2 left as they are; "), "{failure}");
    assert!(failure.contains("the node answered 409 STATE_FORBIDS"), "{failure}");
}

#[test]
fn the_kind_of_a_refusal_is_the_kind_of_the_whole() {
    let refusal = |status| Refusal { status, code: String::new(), detail: String::new() };
    for (status, exit) in [(400, Exit::Usage), (404, Exit::Failed)] {
        let failure = Failure::from(refusal(status)).at("id").behind("0 sagas done");
        assert_eq!(failure, Failure::new(exit, failure.to_string()));
    }
}

#[tokio::test]
async fn canaries_are_waited_for_together() {
    let sagas = Scripted { waits_long: true, ..Scripted::default() };
    let line = run(&sagas, &ids(300)).await.unwrap();
    assert!(line.starts_with("300 sagas done"), "{line}");
    // Of each batch the first for the whole time, the others not at all.
    assert_eq!(sagas.waited_s.borrow().iter().sum::<u64>(), 90);
}

/// A clock that goes on by what sleeps and by what is said to take time.
#[derive(Clone, Default)]
struct Stepped(Arc<Mutex<Duration>>);

impl Clock for Stepped {
    fn now(&self) -> Timestamp {
        Timestamp(0)
    }

    fn monotonic(&self) -> Duration {
        *self.0.lock()
    }

    async fn sleep(&self, duration: Duration) {
        *self.0.lock() += duration;
    }
}

#[tokio::test]
async fn the_time_of_the_answers_is_part_of_the_rate() {
    let bulk = Bulk { canaries: 1_000, canary_wait_s: 30, rate: 100 };
    let sagas = Scripted { takes: Duration::from_millis(9), ..Scripted::default() };
    let (clock, all) = (sagas.clock.clone(), ids(500));
    let report = bulk.run(&sagas, &all, &clock, pending(), |_, _| {}).await;
    assert!((99.0..=100.5).contains(&report.rate_per_second), "{report}");
}

#[tokio::test]
async fn canaries_that_somebody_else_took_are_replaced() {
    let sagas = Scripted { parks_from: Some(0), moved_on: ids(7), ..Scripted::default() };
    let failure = run(&sagas, &ids(10_000)).await.unwrap_err().to_string();
    assert_eq!(*sagas.operated.borrow(), ids(12)[7..]);
    assert!(failure.starts_with("5 sagas done, 7 passed over, 9988 left as they are; the canary"));
    assert_eq!(*sagas.looked_at.borrow(), ids(8)[7..]);
}

#[tokio::test]
async fn the_last_of_a_batch_are_looked_at_also_when_some_were_passed_over() {
    let moved_on = ids(300).split_off(100);
    let sagas = Scripted { moved_on, ..Scripted::default() };
    let line = run(&sagas, &ids(400)).await.unwrap();
    assert!(line.starts_with("200 sagas done, 200 passed over, 0 left as they are, "), "{line}");
    // The first five, and the last five of the batch that came to its hundred behind those.
    assert_eq!(*sagas.looked_at.borrow(), [&ids(5)[..], &ids(305)[300..]].concat());
}

#[tokio::test]
async fn it_can_be_stopped_while_it_waits() {
    let stopped = async |sagas: &Scripted| {
        let bulk = Bulk { canaries: 5, canary_wait_s: 30, rate: 10_000 };
        let (clock, stop) = (SystemClock::default(), sagas.hangs.notified());
        let report = bulk.run(sagas, &ids(9), &clock, stop, |_, _| {}).await;
        report.ended().unwrap_err().to_string()
    };
    let sagas = Scripted { hangs_in: "look", ..Scripted::default() };
    let failure = stopped(&sagas).await;
    assert_eq!(failure, "5 sagas done, 0 passed over, 4 left as they are; it was stopped");
    let sagas = Scripted { hangs_in: "operate", ..Scripted::default() };
    let (failure, first) = (stopped(&sagas).await, Uuid::from_u128(1));
    let left = format!("8 left as they are, {first} perhaps done; it was stopped");
    assert_eq!(failure, format!("0 sagas done, 0 passed over, {left}"));
}

#[tokio::test]
async fn it_can_be_stopped() {
    let sagas = Scripted::default();
    let bulk = Bulk { canaries: 5, canary_wait_s: 30, rate: 10_000 };
    let clock = SystemClock::default();
    let report = bulk.run(&sagas, &ids(9), &clock, ready(()), |_, _| {}).await;
    let json =
        r#"{"done":0,"passedOver":0,"left":9,"ratePerSecond":0.0,"stoppedBy":"it was stopped"}"#;
    assert_eq!(serde_json::to_string(&report).unwrap(), json);
    let stopped = report.ended().unwrap_err().to_string();
    assert!(stopped.ends_with("9 left as they are; it was stopped"), "{stopped}");
    assert!(sagas.operated.borrow().is_empty());
}
