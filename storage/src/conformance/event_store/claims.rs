//! Claims: of each there is one, taken and given up as part of an append.

use std::time::Duration;

use crate::clock::{Clock, Timestamp};
use crate::event_store::{AppendError, Claim, ClaimHolder, EventStore};

use super::request::{append, exact};
use super::{Factory, fresh, promises, reopened, stream, whole_log};

promises! {
    a_claim_has_one_holder,
    exactly_one_racer_takes_a_claim,
    a_released_claim_is_free_and_released_once,
    only_the_holder_releases,
    the_holder_may_take_its_claim_again,
    a_claim_with_an_end_holds_until_then,
    a_claim_is_free_when_its_end_has_passed,
    an_end_in_the_past_is_a_release,
    taking_again_removes_the_end,
    a_refused_append_changes_no_claim,
    changes_of_one_append_see_each_other,
    claims_are_listed_by_key_in_pages_without_ended_ones,
    claims_survive_reopening,
}

const HOUR: Duration = Duration::from_secs(3_600);

fn sku(key: &str) -> Claim {
    Claim::new("sku", key)
}

fn held(key: &str, owner: &str, until: Option<Timestamp>) -> ClaimHolder {
    ClaimHolder { claim: sku(key), owner: stream(owner), until }
}

fn taken(key: &str, owner: &str) -> AppendError {
    AppendError::ClaimTaken { claim: sku(key), owner: stream(owner) }
}

fn not_held(key: &str, owner: &str) -> AppendError {
    AppendError::ClaimNotHeld { claim: sku(key), owner: stream(owner) }
}

/// The second taker learns who holds it.
pub async fn a_claim_has_one_holder<F: Factory>(factory: &F) {
    let (_place, store) = fresh(factory).await;
    assert_eq!(store.claim_holder(&sku("a")).await.unwrap(), None);
    store.append(append(1).to("o-1", exact(0), 1).take("a", "o-1").done()).await.unwrap();
    assert_eq!(store.claim_holder(&sku("a")).await.unwrap(), Some(held("a", "o-1", None)));
    let second = append(2).to("o-2", exact(0), 1).take("a", "o-2").done();
    assert_eq!(store.append(second).await.unwrap_err(), taken("a", "o-1"));
    assert_eq!(store.claim_holder(&Claim::new("email", "a")).await.unwrap(), None, "another kind");
}

/// A thing that begins and ends in one append holds its claim for no time, but not while another does.
pub async fn changes_of_one_append_see_each_other<F: Factory>(factory: &F) {
    let (_place, store) = fresh(factory).await;
    let both = |id, owner| append(id).to(owner, exact(0), 1).take("a", owner).release("a", owner);
    store.append(both(1, "o-1").done()).await.unwrap();
    assert_eq!(store.claim_holder(&sku("a")).await.unwrap(), None);
    let twice = append(2).take("a", "o-2").release("a", "o-2").release("a", "o-2").done();
    assert_eq!(store.append(twice).await.unwrap_err(), not_held("a", "o-2"));
    let two = append(3).take("a", "o-3").take("a", "o-4").done();
    assert_eq!(store.append(two).await.unwrap_err(), taken("a", "o-3"));
    store.append(append(4).take("a", "o-5").done()).await.unwrap();
    assert_eq!(store.append(both(5, "o-6").done()).await.unwrap_err(), taken("a", "o-5"));
    assert_eq!(store.claim_holder(&sku("a")).await.unwrap(), Some(held("a", "o-5", None)));
}

/// Five orders for one product: one gets it, four learn who did.
pub async fn exactly_one_racer_takes_a_claim<F: Factory>(factory: &F) {
    let (_place, store) = fresh(factory).await;
    let racers: Vec<_> = (1..=16_u128)
        .map(|number| {
            let (store, owner) = (store.clone(), format!("o-{number}"));
            tokio::spawn(async move {
                let request = append(number).to(&owner, exact(0), 1).take("a", &owner).done();
                store.append(request).await
            })
        })
        .collect();
    let mut losers = Vec::new();
    for racer in racers {
        losers.extend(racer.await.unwrap().err());
    }
    let holder = store.claim_holder(&sku("a")).await.unwrap().unwrap().owner;
    assert_eq!(losers.len(), 15);
    assert!(losers.iter().all(|error| *error == taken("a", holder.as_str())), "{losers:?}");
    assert_eq!(whole_log(&store).await.len(), 1);
}

/// Free at once, for anybody; a second release is refused.
pub async fn a_released_claim_is_free_and_released_once<F: Factory>(factory: &F) {
    let (_place, store) = fresh(factory).await;
    store.append(append(1).take("a", "o-1").done()).await.unwrap();
    store.append(append(2).release("a", "o-1").done()).await.unwrap();
    assert_eq!(store.claim_holder(&sku("a")).await.unwrap(), None);
    let again = store.append(append(3).release("a", "o-1").done()).await.unwrap_err();
    assert_eq!(again, not_held("a", "o-1"));
    store.append(append(4).take("a", "o-2").done()).await.unwrap();
    assert_eq!(store.claim_holder(&sku("a")).await.unwrap(), Some(held("a", "o-2", None)));
}

/// Nobody gives up what is another's.
pub async fn only_the_holder_releases<F: Factory>(factory: &F) {
    let (_place, store) = fresh(factory).await;
    let later = factory.clock().now().after(HOUR);
    store.append(append(1).take("a", "o-1").done()).await.unwrap();
    for request in [append(2).release("a", "o-2"), append(3).release_at("a", "o-2", later)] {
        assert_eq!(store.append(request.done()).await.unwrap_err(), not_held("a", "o-2"));
    }
    assert_eq!(store.claim_holder(&sku("a")).await.unwrap(), Some(held("a", "o-1", None)));
}

/// It holds it afterwards, as before.
pub async fn the_holder_may_take_its_claim_again<F: Factory>(factory: &F) {
    let (_place, store) = fresh(factory).await;
    for number in 1..=2 {
        store.append(append(number).take("a", "o-1").done()).await.unwrap();
        assert_eq!(store.claim_holder(&sku("a")).await.unwrap(), Some(held("a", "o-1", None)));
    }
    store.append(append(3).release("a", "o-1").done()).await.unwrap();
    assert_eq!(store.claim_holder(&sku("a")).await.unwrap(), None, "one release frees it");
}

/// An hour is longer than any machine takes for this test.
pub async fn a_claim_with_an_end_holds_until_then<F: Factory>(factory: &F) {
    let (_place, store) = fresh(factory).await;
    let until = factory.clock().now().after(HOUR);
    store.append(append(1).take("a", "o-1").done()).await.unwrap();
    store.append(append(2).release_at("a", "o-1", until).done()).await.unwrap();
    assert_eq!(store.claim_holder(&sku("a")).await.unwrap(), Some(held("a", "o-1", Some(until))));
    let other = store.append(append(3).take("a", "o-2").done()).await.unwrap_err();
    assert_eq!(other, taken("a", "o-1"));
    store.append(append(4).release("a", "o-1").done()).await.unwrap();
    store.append(append(5).take("a", "o-2").done()).await.unwrap();
}

/// Nobody has to do anything for it, and its old holder has nothing left to release.
pub async fn a_claim_is_free_when_its_end_has_passed<F: Factory>(factory: &F) {
    let (_place, store) = fresh(factory).await;
    let clock = factory.clock();
    let soon = clock.now().after(Duration::from_secs(1));
    store.append(append(1).take("a", "o-1").take("b", "o-1").done()).await.unwrap();
    let ends = append(2).release_at("a", "o-1", soon).release_at("b", "o-1", soon).done();
    store.append(ends).await.unwrap();
    while clock.now() < soon {
        clock.sleep(soon.since(clock.now())).await;
    }
    assert_eq!(store.claim_holder(&sku("a")).await.unwrap(), None);
    assert_eq!(store.claims("sku", None, 10).await.unwrap(), []);
    let late = store.append(append(3).release("a", "o-1").done()).await.unwrap_err();
    assert_eq!(late, not_held("a", "o-1"));
    store.append(append(4).take("a", "o-2").done()).await.unwrap();
    // Enough appends for any sweep of ended claims to have run: it must not take what was taken anew.
    for number in 0..200 {
        store
            .append(append(1_000 + number).to("s-1", exact(number as u64), 1).done())
            .await
            .unwrap();
    }
    assert_eq!(store.claim_holder(&sku("a")).await.unwrap(), Some(held("a", "o-2", None)));
    assert_eq!(store.claim_holder(&sku("b")).await.unwrap(), None);
}

/// There is nothing to wait for.
pub async fn an_end_in_the_past_is_a_release<F: Factory>(factory: &F) {
    let (_place, store) = fresh(factory).await;
    store.append(append(1).take("a", "o-1").done()).await.unwrap();
    store.append(append(2).release_at("a", "o-1", Timestamp(1)).done()).await.unwrap();
    assert_eq!(store.claim_holder(&sku("a")).await.unwrap(), None);
    store.append(append(3).take("a", "o-2").done()).await.unwrap();
}

/// `Take` says: the owner holds it after this.
pub async fn taking_again_removes_the_end<F: Factory>(factory: &F) {
    let (_place, store) = fresh(factory).await;
    let until = factory.clock().now().after(HOUR);
    store.append(append(1).take("a", "o-1").done()).await.unwrap();
    store.append(append(2).release_at("a", "o-1", until).done()).await.unwrap();
    store.append(append(3).take("a", "o-1").done()).await.unwrap();
    assert_eq!(store.claim_holder(&sku("a")).await.unwrap(), Some(held("a", "o-1", None)));
}

/// Neither takes nor releases of a refused append happen.
pub async fn a_refused_append_changes_no_claim<F: Factory>(factory: &F) {
    let (_place, store) = fresh(factory).await;
    store.append(append(1).take("a", "o-1").take("b", "o-2").done()).await.unwrap();
    let mixed = append(2).take("c", "o-1").release("a", "o-1").take("b", "o-1").done();
    assert_eq!(store.append(mixed).await.unwrap_err(), taken("b", "o-2"));
    let stale = append(3).to("s-1", exact(9), 1).take("c", "o-1").release("a", "o-1").done();
    store.append(stale).await.unwrap_err();
    assert_eq!(store.claim_holder(&sku("a")).await.unwrap(), Some(held("a", "o-1", None)));
    assert_eq!(store.claim_holder(&sku("c")).await.unwrap(), None);
}

/// In order of the key's bytes, whatever the keys are.
pub async fn claims_are_listed_by_key_in_pages_without_ended_ones<F: Factory>(factory: &F) {
    let (_place, store) = fresh(factory).await;
    let mut keys = vec!["a", "a\0b", "ab", "ä@example.com", "z z", "😀"];
    keys.sort_unstable();
    let take = keys.iter().rev().fold(append(1), |request, key| request.take(key, "o-1"));
    store.append(take.done()).await.unwrap();
    store.append(append(2).take("gone", "o-1").done()).await.unwrap();
    store.append(append(3).release_at("gone", "o-1", Timestamp(1)).done()).await.unwrap();
    for limit in 1..=keys.len() + 1 {
        let mut listed: Vec<String> = Vec::new();
        loop {
            let page = store.claims("sku", listed.last().map(String::as_str), limit).await.unwrap();
            assert!(page.len() <= limit);
            listed.extend(page.iter().map(|holder| holder.claim.key.to_string()));
            if page.len() < limit {
                break;
            }
        }
        assert_eq!(listed, keys, "pages of {limit}");
    }
    assert_eq!(store.claims("sk", None, 10).await.unwrap(), []);
}

/// With and without an end.
pub async fn claims_survive_reopening<F: Factory>(factory: &F) {
    if !F::REOPENS {
        return;
    }
    let (place, store) = fresh(factory).await;
    let until = factory.clock().now().after(HOUR);
    let take = append(1).take("a", "o-1").take("b", "o-1").take("c", "o-1").done();
    store.append(take).await.unwrap();
    let change = append(2).release("b", "o-1").release_at("c", "o-1", until).done();
    store.append(change).await.unwrap();
    let store = reopened(factory, &place, store).await;
    let wanted = [held("a", "o-1", None), held("c", "o-1", Some(until))];
    assert_eq!(store.claims("sku", None, 10).await.unwrap(), wanted);
    assert_eq!(
        store.append(append(3).take("a", "o-2").done()).await.unwrap_err(),
        taken("a", "o-1")
    );
    store.append(append(4).take("b", "o-2").done()).await.unwrap();
}
