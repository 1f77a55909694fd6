//! The sagas under way on this node, and how to reach each.

use std::collections::HashMap;

use parking_lot::Mutex;
use sagaline_storage::StreamVersion;
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use crate::canary::planted;
use crate::saga::{Refusal, SagaState, Stimulus};

/// A message to a saga under way.
pub(crate) enum Message {
    /// A person's request; the answer comes when it is durable. Boxed: every saga under way has room for
    /// a block of messages, and hardly any of them ever gets one.
    Request { stimulus: Box<Stimulus>, reply: oneshot::Sender<Result<(), Undone>> },
    /// Tell when the saga has ended or is parked.
    Wait { reply: oneshot::Sender<SagaState> },
    /// Another node has written to the saga's stream, up to this version.
    Overtaken { version: StreamVersion },
}

/// Why a message's request was not carried out.
pub(crate) enum Undone {
    /// For good.
    Because(RequestError),
    /// Another node has the saga's shard. Nothing was done.
    Elsewhere,
}

/// Why a person's request to a saga was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// There is no such saga.
    #[error("there is no such saga")]
    NotFound,
    /// The state of the saga forbids it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The saga cannot be worked on by this node.
    #[error("{0}")]
    Unworkable(String),
    /// The node or its store does not serve.
    #[error("{0}")]
    Unavailable(String),
}

/// Where a saga's task is reached. Closed when the saga is no longer this node's.
pub(crate) struct Mailbox {
    entry: EntryId,
    messages: mpsc::UnboundedReceiver<Message>,
}

/// One stay of a saga in the directory: a task that is still leaving does not take along the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EntryId(u64);

impl Mailbox {
    pub(crate) fn entry(&self) -> EntryId {
        self.entry
    }

    /// The next message; none when the mailbox is closed and empty.
    pub(crate) async fn recv(&mut self) -> Option<Message> {
        self.messages.recv().await
    }

    pub(crate) fn try_recv(&mut self) -> Option<Message> {
        self.messages.try_recv().ok()
    }

    /// Whether no message will come any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.messages.is_closed()
    }
}

/// Who is under way. Sending and leaving exclude each other, so no message is lost between them.
#[derive(Default)]
pub(crate) struct Directory {
    entries: Mutex<Entries>,
}

#[derive(Default)]
struct Entries {
    by_saga: HashMap<Uuid, Entry>,
    entered: u64,
    closed: bool,
}

struct Entry {
    id: EntryId,
    sender: mpsc::UnboundedSender<Message>,
}

impl Entries {
    fn enter(&mut self, saga: Uuid) -> (mpsc::UnboundedSender<Message>, Mailbox) {
        self.entered += 1;
        let entry = EntryId(self.entered);
        let (sender, messages) = mpsc::unbounded_channel();
        self.by_saga.insert(saga, Entry { id: entry, sender: sender.clone() });
        (sender, Mailbox { entry, messages })
    }

    fn remove(&mut self, saga: Uuid, entry: EntryId) {
        let any = planted("leaves-for-the-next");
        if self.by_saga.get(&saga).is_some_and(|found| found.id == entry || any) {
            self.by_saga.remove(&saga);
        }
    }
}

impl Directory {
    pub(crate) fn len(&self) -> usize {
        self.entries.lock().by_saga.len()
    }

    /// Enters a saga; `None` when it is under way already, or the directory is closed.
    pub(crate) fn enter(&self, saga: Uuid) -> Option<Mailbox> {
        let mut entries = self.entries.lock();
        if entries.closed || entries.by_saga.contains_key(&saga) {
            return None;
        }
        Some(entries.enter(saga).1)
    }

    /// Sends, or gives the message back when the saga is not under way.
    pub(crate) fn send(&self, saga: Uuid, message: Message) -> Result<(), Message> {
        match self.entries.lock().by_saga.get(&saga) {
            Some(entry) => entry.sender.send(message).map_err(|error| error.0),
            None => Err(message),
        }
    }

    /// Sends, entering the saga first when it is not under way: then the mailbox comes back, and the
    /// caller must see to it that somebody works it. A closed directory drops the message, and its sender
    /// is told by that.
    pub(crate) fn send_or_enter(&self, saga: Uuid, message: Message) -> Option<Mailbox> {
        let mut entries = self.entries.lock();
        if entries.closed {
            return None;
        }
        let message = match entries.by_saga.get(&saga) {
            Some(entry) => match entry.sender.send(message) {
                Ok(()) => return None,
                Err(error) => error.0,
            },
            None => message,
        };
        let (sender, mailbox) = entries.enter(saga);
        let sent = sender.send(message);
        debug_assert!(sent.is_ok(), "the receiver is in scope");
        Some(mailbox)
    }

    /// Leaves, unless a message has come in the meantime. After true no message will come.
    pub(crate) fn leave(&self, saga: Uuid, mailbox: &Mailbox) -> bool {
        let mut entries = self.entries.lock();
        if !mailbox.messages.is_empty() {
            return false;
        }
        entries.remove(saga, mailbox.entry);
        true
    }

    /// Leaves for good: messages still waiting are dropped, and their senders told by that.
    pub(crate) fn abandon(&self, saga: Uuid, entry: EntryId) {
        self.entries.lock().remove(saga, entry);
    }

    /// Nobody enters any more, and every task under way stops at its next opportunity: what it owes is
    /// taken up from the log by the next start.
    pub(crate) fn close(&self) {
        let mut entries = self.entries.lock();
        entries.closed = true;
        entries.by_saga.clear();
    }

    /// The tasks of these sagas stop at their next opportunity: what they owe is taken up from the log by
    /// whoever owns them now.
    pub(crate) fn close_those(&self, goes: impl Fn(Uuid) -> bool) {
        self.entries.lock().by_saga.retain(|saga, _| !goes(*saga));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait() -> (Message, oneshot::Receiver<SagaState>) {
        let (reply, answer) = oneshot::channel();
        (Message::Wait { reply }, answer)
    }

    #[test]
    fn a_saga_is_entered_once() {
        let directory = Directory::default();
        let _mailbox = directory.enter(Uuid::from_u128(1)).unwrap();
        assert!(directory.enter(Uuid::from_u128(1)).is_none());
        assert_eq!(directory.len(), 1);
    }

    #[test]
    fn a_saga_with_mail_does_not_leave() {
        let (directory, saga) = (Directory::default(), Uuid::from_u128(1));
        let mut mailbox = directory.enter(saga).unwrap();
        assert!(directory.send(saga, wait().0).is_ok());
        assert!(!directory.leave(saga, &mailbox));
        assert!(mailbox.try_recv().is_some());
        assert!(directory.leave(saga, &mailbox));
        assert!(directory.send(saga, wait().0).is_err());
    }

    #[test]
    fn a_closed_directory_ends_every_task() {
        let (directory, saga) = (Directory::default(), Uuid::from_u128(1));
        let mut mailbox = directory.enter(saga).unwrap();
        directory.close();
        assert!(mailbox.try_recv().is_none() && mailbox.is_closed());
        assert!(directory.enter(saga).is_none());
        assert!(directory.send_or_enter(saga, wait().0).is_none());
    }

    #[test]
    fn a_message_to_a_sleeping_saga_wakes_it_once() {
        let (directory, saga) = (Directory::default(), Uuid::from_u128(1));
        let mailbox = directory.send_or_enter(saga, wait().0);
        assert!(mailbox.is_some_and(|mailbox| mailbox.messages.len() == 1));
    }

    #[test]
    fn only_the_tasks_of_lost_sagas_end() {
        let (directory, lost, kept) =
            (Directory::default(), Uuid::from_u128(1), Uuid::from_u128(2));
        let (gone, stays) = (directory.enter(lost).unwrap(), directory.enter(kept).unwrap());
        directory.close_those(|saga| saga == lost);
        assert!(gone.is_closed() && !stays.is_closed());
    }

    #[test]
    fn a_task_that_is_still_leaving_does_not_take_the_next_one_along() {
        let (directory, saga) = (Directory::default(), Uuid::from_u128(1));
        let old = directory.enter(saga).unwrap();
        directory.close_those(|_| true);
        let new = directory.enter(saga).unwrap();
        directory.abandon(saga, old.entry());
        assert!(directory.leave(saga, &old));
        assert!(!new.is_closed() && directory.enter(saga).is_none());
    }
}
