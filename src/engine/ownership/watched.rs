//! Who waits for sagas that another node works on. The [`super::tail`] tells; waiters look for themselves.

use std::collections::HashMap;

use parking_lot::Mutex;
use tokio::sync::watch;
use uuid::Uuid;

/// The sagas that somebody at this node waits for.
#[derive(Default)]
pub(crate) struct Watched {
    by_saga: Mutex<HashMap<Uuid, watch::Sender<()>>>,
}

/// A place among those who wait for a saga, given back when it is dropped.
pub(crate) struct Watch<'a> {
    watched: &'a Watched,
    saga: Uuid,
    news: watch::Receiver<()>,
}

impl Watched {
    /// From now on news of the saga are kept for the caller.
    pub(crate) fn watch(&self, saga: Uuid) -> Watch<'_> {
        let mut by_saga = self.by_saga.lock();
        let news = by_saga.entry(saga).or_insert_with(|| watch::Sender::new(())).subscribe();
        Watch { watched: self, saga, news }
    }

    /// Whether anybody waits for anything.
    pub(crate) fn is_empty(&self) -> bool {
        self.by_saga.lock().is_empty()
    }

    /// There is news of the saga.
    pub(crate) fn tell(&self, saga: Uuid) {
        if let Some(news) = self.by_saga.lock().get(&saga) {
            news.send_replace(());
        }
    }
}

impl Watch<'_> {
    /// Returns when there was news since the last time.
    pub(crate) async fn news(&mut self) {
        // The sender stays for as long as this watch does.
        let _told = self.news.changed().await.is_ok();
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        let mut by_saga = self.watched.by_saga.lock();
        // This one's own receiver is still counted.
        if by_saga.get(&self.saga).is_some_and(|news| news.receiver_count() <= 1) {
            by_saga.remove(&self.saga);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn news_between_two_looks_are_not_lost() {
        let (watched, saga) = (Watched::default(), Uuid::from_u128(1));
        let mut watch = watched.watch(saga);
        assert!(watch.news().now_or_never().is_none());
        watched.tell(saga);
        watched.tell(Uuid::from_u128(2));
        assert!(watch.news().now_or_never().is_some());
        assert!(watch.news().now_or_never().is_none());
    }

    #[test]
    fn nothing_is_left_behind_by_those_who_have_gone() {
        let (watched, saga) = (Watched::default(), Uuid::from_u128(1));
        let (one, other) = (watched.watch(saga), watched.watch(saga));
        drop(one);
        assert!(!watched.is_empty());
        drop(other);
        assert!(watched.is_empty());
    }
}
