//! Verbs for many sagas, on sagas whose participant is there or is not.

use std::cell::RefCell;
use std::future::{pending, ready};

use sagaline_storage::clock::SystemClock;

use super::*;

/// Sagas whose participant is there or is not.
#[derive(Default)]
struct Scripted {
    /// Operated sagas are parked again from this one on.
    parks_from: Option<usize>,
    /// Not in the right state any more.
    moved_on: Vec<Uuid>,
    operated: RefCell<Vec<Uuid>>,
    looked_at: RefCell<Vec<Uuid>>,
}

impl Sagas for Scripted {
    async fn operate(&self, id: Uuid) -> Result<Result<(), Refusal>, Failure> {
        if self.moved_on.contains(&id) {
            let code = "STATE_FORBIDS".to_owned();
            return Ok(Err(Refusal { status: 409, code, detail: String::new() }));
        }
        self.operated.borrow_mut().push(id);
        Ok(Ok(()))
    }

    async fn look(&self, id: Uuid, _: u64) -> Result<Shown, Failure> {
        self.looked_at.borrow_mut().push(id);
        let place = self.operated.borrow().iter().position(|operated| *operated == id).unwrap();
        let parks = self.parks_from.is_some_and(|from| place >= from);
        Ok(Shown {
            id,
            saga_type: "travel".to_owned(),
            status: if parks { "parked" } else { "completed" }.to_owned(),
            paused: false,
            current_step: Some("hotel".to_owned()),
            error_message: parks.then(|| "no route to host".to_owned()),
            updated_at: String::new(),
        })
    }

    fn is_as_wanted(&self, saga: &Shown) -> bool {
        saga.status == "completed"
    }
}

fn ids(count: u128) -> Vec<Uuid> {
    (1..=count).map(Uuid::from_u128).collect()
}

async fn run(sagas: &Scripted, ids: &[Uuid]) -> Result<String, Failure> {
    let bulk = Bulk { canaries: 5, canary_wait_s: 30, rate: 10_000 };
    bulk.run(sagas, ids, &SystemClock::default(), pending(), |_, _| {}).await
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
async fn it_can_be_stopped() {
    let sagas = Scripted::default();
    let bulk = Bulk { canaries: 5, canary_wait_s: 30, rate: 10_000 };
    let clock = SystemClock::default();
    let stopped = bulk.run(&sagas, &ids(9), &clock, ready(()), |_, _| {}).await.unwrap_err();
    assert!(stopped.to_string().ends_with("9 left as they are; it was stopped"));
    assert!(sagas.operated.borrow().is_empty());
}
