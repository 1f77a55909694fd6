//! The messages of one partition of a topic that are still kept.

use std::collections::VecDeque;

use crate::bus::Message;

use super::BusSettings;

/// A queue of messages with the offset of the first one. Offsets are dense and start at 0.
#[derive(Debug, Default)]
pub(super) struct Partition {
    oldest: u64,
    bytes: usize,
    kept: VecDeque<Kept>,
}

/// A message, and what it takes.
#[derive(Debug)]
struct Kept {
    message: Message,
    bytes: usize,
}

impl Partition {
    /// The offset of the oldest message kept, or of the next one to come.
    pub(super) fn oldest(&self) -> u64 {
        self.oldest
    }

    /// The message at `offset`, if it has come and is still kept.
    pub(super) fn get(&self, offset: u64) -> Option<&Message> {
        let kept = self.kept.get(usize::try_from(offset.checked_sub(self.oldest)?).ok()?);
        kept.map(|kept| &kept.message)
    }

    /// How many of the oldest messages must go so that `part` has room; none: some of them are still
    /// needed, `needed_from` on. An empty partition has room for anything: it would never have.
    pub(super) fn room(
        &self,
        part: &[Message],
        needed_from: Option<u64>,
        settings: BusSettings,
    ) -> Option<usize> {
        let mut messages = self.kept.len() + part.len();
        let mut bytes = self.bytes + part.iter().map(size).sum::<usize>();
        let mut evicted = 0;
        let fits = |messages, bytes| {
            messages <= settings.partition_messages_max && bytes <= settings.partition_bytes_max
        };
        while !part.is_empty() && !fits(messages, bytes) && evicted < self.kept.len() {
            if needed_from.is_some_and(|needed| self.oldest + evicted as u64 >= needed) {
                return None;
            }
            messages -= 1;
            bytes -= self.kept[evicted].bytes;
            evicted += 1;
        }
        Some(evicted)
    }

    /// The oldest `count` messages are gone.
    pub(super) fn evict(&mut self, count: usize) {
        self.bytes -= self.kept.drain(..count).map(|kept| kept.bytes).sum::<usize>();
        self.oldest += count as u64;
    }

    /// Adds messages at the end.
    pub(super) fn push(&mut self, part: Vec<Message>) {
        for message in part {
            let bytes = size(&message);
            self.bytes += bytes;
            self.kept.push_back(Kept { message, bytes });
        }
    }
}

/// What a message takes, near enough to bound memory.
fn size(message: &Message) -> usize {
    size_of::<Kept>()
        + message.id.len()
        + message.key.len()
        + message.headers.size()
        + message.payload.len()
}
