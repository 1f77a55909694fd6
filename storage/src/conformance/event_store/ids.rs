//! Append ids: the same append is made once, however often and from wherever it is asked for.

use crate::event_store::{AppendError, EventStore, ExpectedVersion, Shard};

use super::request::{append, exact};
use super::{Factory, fresh, promises, reopened, whole_log};

promises! {
    a_repeated_append_is_answered_with_the_first_result,
    a_repeated_append_is_recognised_after_reopening,
    a_repeated_append_from_another_node_is_recognised,
    a_repeated_append_is_answered_even_when_its_writer_was_fenced,
    a_used_id_with_other_content_is_refused,
    an_append_and_its_repetitions_at_once_are_one,
    different_content_under_one_id_at_once_is_made_once,
    the_id_of_a_refused_append_is_free,
    an_append_of_nothing_uses_its_id_up,
}

/// Also when the stream has moved on, so that the append would be refused by now.
pub async fn a_repeated_append_is_answered_with_the_first_result<F: Factory>(factory: &F) {
    let (_place, store) = fresh(factory).await;
    let request = append(1).to("s-1", exact(0), 2).take("k", "s-1").done();
    let first = store.append(request.clone()).await.unwrap();
    for number in 2..40 {
        store.append(append(number).to("s-1", ExpectedVersion::Any, 1).done()).await.unwrap();
    }
    store.append(append(40).release("k", "s-1").done()).await.unwrap();
    assert_eq!(store.append(request).await.unwrap(), first);
    assert_eq!(whole_log(&store).await.len(), 40);
    let claim = crate::event_store::Claim::new("sku", "k");
    assert_eq!(store.claim_holder(&claim).await.unwrap(), None, "and it takes no claim again");
}

/// Ids live as long as the log.
pub async fn a_repeated_append_is_recognised_after_reopening<F: Factory>(factory: &F) {
    if !F::REOPENS {
        return;
    }
    let (place, store) = fresh(factory).await;
    let requests = [
        append(1).to("s-1", exact(0), 3).to("t-1", exact(0), 1).done(),
        append(2).to("s-1", exact(3), 0).done(),
        append(3).take("k", "s-1").done(),
    ];
    let mut first = Vec::new();
    for request in &requests {
        first.push(store.append(request.clone()).await.unwrap());
    }
    store.append(append(4).to("s-1", ExpectedVersion::Any, 1).done()).await.unwrap();
    let store = reopened(factory, &place, store).await;
    for (request, first) in requests.into_iter().zip(first) {
        assert_eq!(store.append(request.clone()).await.unwrap(), first);
        let mut other = append(5).to("u-1", exact(0), 1).done();
        other.append_id = request.append_id;
        let refused = store.append(other).await.unwrap_err();
        assert_eq!(refused, AppendError::AppendIdReused { append_id: request.append_id });
    }
    assert_eq!(whole_log(&store).await.len(), 5);
}

/// Who asks is not part of the content.
pub async fn a_repeated_append_from_another_node_is_recognised<F: Factory>(factory: &F) {
    let (_place, store) = fresh(factory).await;
    let request = append(1).to("s-1", exact(0), 1).done();
    let first = store.append(request.clone()).await.unwrap();
    let mut other = request;
    other.node_id = crate::event::NodeId::new("node-2").unwrap();
    assert_eq!(store.append(other).await.unwrap(), first);
}

/// It was made; that its writer has lost the shard since does not change it.
pub async fn a_repeated_append_is_answered_even_when_its_writer_was_fenced<F: Factory>(
    factory: &F,
) {
    let (_place, store) = fresh(factory).await;
    let epoch = store.raise_epochs(&[Shard(7)]).await.unwrap()[0];
    let request = append(1).to("s-1", exact(0), 1).fenced(7, epoch).done();
    let first = store.append(request.clone()).await.unwrap();
    store.raise_epochs(&[Shard(7)]).await.unwrap();
    assert_eq!(store.append(request).await.unwrap(), first);
}

/// Any difference in writes or claims is other content.
pub async fn a_used_id_with_other_content_is_refused<F: Factory>(factory: &F) {
    let (_place, store) = fresh(factory).await;
    let request = || append(1).to("s-1", exact(0), 1);
    store.append(request().done()).await.unwrap();
    let mut payload = request().done();
    payload.writes[0].events[0].payload = bytes::Bytes::from_static(b"{}");
    let mut cause = request().done();
    cause.writes[0].events[0].causation_id = Some(crate::event::EventId(uuid::Uuid::from_u128(5)));
    let others = [
        payload,
        cause,
        append(1).to("s-1", exact(0), 2).done(),
        append(1).to("s-1", ExpectedVersion::NoStream, 1).done(),
        append(1).to("s-2", exact(0), 1).done(),
        request().take("k", "s-1").done(),
        append(1).take("k", "s-1").done(),
    ];
    for other in others {
        let append_id = other.append_id;
        let refused = store.append(other).await.unwrap_err();
        assert_eq!(refused, AppendError::AppendIdReused { append_id });
    }
    assert_eq!(whole_log(&store).await.len(), 1);
}

/// A client that repeats while the first is still on its way: one append, one answer for all.
pub async fn an_append_and_its_repetitions_at_once_are_one<F: Factory>(factory: &F) {
    let (_place, store) = fresh(factory).await;
    for number in 1..=10 {
        let request = append(number).to("s-1", ExpectedVersion::Any, 2).done();
        let racers: Vec<_> = (0..8)
            .map(|_| {
                let (store, request) = (store.clone(), request.clone());
                tokio::spawn(async move { store.append(request).await.unwrap() })
            })
            .collect();
        let mut answers = Vec::new();
        for racer in racers {
            answers.push(racer.await.unwrap());
        }
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    }
    assert_eq!(whole_log(&store).await.len(), 20);
}

/// Two different appends with one id, in one moment: one is made, the other is told.
pub async fn different_content_under_one_id_at_once_is_made_once<F: Factory>(factory: &F) {
    let (_place, store) = fresh(factory).await;
    let one = append(1).to("s-1", ExpectedVersion::Any, 1).done();
    let two = append(1).to("s-2", ExpectedVersion::Any, 1).done();
    let append_id = one.append_id;
    let (one, two) = futures_util::future::join(store.append(one), store.append(two)).await;
    let refused: Vec<_> = [one, two].into_iter().filter_map(Result::err).collect();
    assert_eq!(refused, [AppendError::AppendIdReused { append_id }]);
    assert_eq!(whole_log(&store).await.len(), 1);
}

/// Nothing was made under it.
pub async fn the_id_of_a_refused_append_is_free<F: Factory>(factory: &F) {
    let (_place, store) = fresh(factory).await;
    store.append(append(1).to("s-1", exact(3), 1).done()).await.unwrap_err();
    store.append(append(1).to("s-1", exact(0), 1).done()).await.unwrap();
    assert_eq!(whole_log(&store).await.len(), 1);
}

/// So whoever was refused keeps an earlier request of the same append, which is still on its way, from being made.
pub async fn an_append_of_nothing_uses_its_id_up<F: Factory>(factory: &F) {
    let (_place, store) = fresh(factory).await;
    store.append(append(1).take("k", "s-1").done()).await.unwrap();
    let request = append(2).to("s-2", exact(0), 1).take("k", "s-2").done();
    let append_id = request.append_id;
    store.append(request.clone()).await.unwrap_err();
    let nothing = append(2).to("s-2", ExpectedVersion::Any, 0).done();
    let first = store.append(nothing.clone()).await.unwrap();
    store.append(append(3).release("k", "s-1").done()).await.unwrap();
    let refused = store.append(request).await.unwrap_err();
    assert_eq!(refused, AppendError::AppendIdReused { append_id });
    assert_eq!(store.append(nothing).await.unwrap(), first);
    assert_eq!(whole_log(&store).await.len(), 0);
}
