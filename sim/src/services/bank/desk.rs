//! The bank's desk: one request after the other is ruled on, written to the disk, and only then known and
//! answered.

use bytes::Bytes;
use sagaline_storage::StorageError;
use sagaline_storage::kv::{Durability, Kv, Range, Space, WriteBatch};

use super::book::{Book, Ruling};
use super::line::{Asked, Line, Reply};
use crate::evidence::BankEffect;
use crate::services::witness::Witness;
use crate::world::{FaultyDisk, World};

/// Lines of one read at the start.
const PAGE: usize = 1_000;

/// The book with its ledger.
pub(super) struct Desk {
    world: World,
    witness: Witness,
    disk: FaultyDisk,
    book: Book,
    /// The number of the next line.
    next: u64,
    /// The disk failed, and whether it has the line is not known: nothing is said any more until the ledger
    /// is read anew.
    is_lost: bool,
}

impl Desk {
    /// Reads the ledger. Lines that were written and never told of, since the bank crashed in between, are
    /// told now.
    pub(super) async fn open(
        world: World,
        witness: Witness,
        disk: FaultyDisk,
    ) -> Result<Self, StorageError> {
        // Nothing is told of that the next power loss could still take.
        disk.flush(Space::Events).await?;
        let book = Book::default();
        let mut desk = Self { world, witness, disk, book, next: 0, is_lost: false };
        loop {
            let from = desk.next.to_be_bytes().to_vec().into();
            let range = Range { from, to: Bytes::new(), backward: false, limit: PAGE };
            let page = desk.disk.scan(Space::Events, range).await?;
            for (key, value) in &page {
                let line: Line = decode(value)?;
                desk.next = number(key)? + 1;
                desk.book.apply(&line);
                desk.witness.bank_late(line.entry());
            }
            if page.len() < PAGE {
                return Ok(desk);
            }
        }
    }

    /// Acts on a request. The error says that the disk failed: what came of it is not known.
    pub(super) async fn execute(
        &mut self,
        asked: &Asked,
        verdict: Result<String, (String, String)>,
    ) -> Result<(BankEffect, Reply), StorageError> {
        self.check_known()?;
        let tell = |effect| {
            self.witness.bank(asked.entry(self.world.now_us(), asked.amount_minor, effect));
        };
        match self.book.rule(asked, verdict) {
            Ruling::Again(reply) => {
                tell(BankEffect::Repeated);
                Ok((BankEffect::Repeated, reply))
            }
            Ruling::Refuse(reply) => {
                tell(BankEffect::Refused);
                Ok((BankEffect::Refused, reply))
            }
            Ruling::First { effect, amount_minor, reply } => {
                let line = self.line(asked, effect, amount_minor, reply.clone());
                self.write(&line).await?;
                self.book.apply(&line);
                self.witness.bank(line.entry());
                Ok((effect, reply))
            }
        }
    }

    fn line(&self, asked: &Asked, effect: BankEffect, amount_minor: u64, reply: Reply) -> Line {
        Line {
            at_us: self.world.now_us(),
            by: asked.by,
            operation: asked.operation,
            path: asked.path.clone(),
            key: asked.key.clone(),
            epoch: asked.epoch,
            order: asked.order.clone(),
            amount_minor,
            effect,
            reply,
        }
    }

    async fn write(&mut self, line: &Line) -> Result<(), StorageError> {
        let value = bincode::serde::encode_to_vec(line, bincode::config::standard());
        let value = value.map_err(|error| StorageError::invalid(error.to_string()))?;
        let mut batch = WriteBatch::default();
        batch.put(Space::Events, self.next.to_be_bytes().to_vec(), value);
        self.is_lost = true;
        self.disk.write(batch, Durability::Synced).await?;
        self.is_lost = false;
        self.next += 1;
        Ok(())
    }

    fn check_known(&self) -> Result<(), StorageError> {
        match self.is_lost {
            true => Err(StorageError::unavailable("the ledger has to be read anew")),
            false => Ok(()),
        }
    }

    /// Whether what was asked under `key` happened. It changes nothing.
    pub(super) fn probe(&self, asked: &Asked) -> Result<Option<Reply>, StorageError> {
        self.check_known()?;
        let mut entry = asked.entry(self.world.now_us(), 0, BankEffect::Probed);
        entry.order = self.book.order_of(&asked.key).unwrap_or_default().to_owned();
        self.witness.bank(entry);
        Ok(self.book.happened(&asked.key).cloned())
    }
}

/// The number of a line, from its key.
fn number(key: &[u8]) -> Result<u64, StorageError> {
    let bytes = key.try_into().map_err(|_| StorageError::corrupt("the key of a line"))?;
    Ok(u64::from_be_bytes(bytes))
}

fn decode(value: &[u8]) -> Result<Line, StorageError> {
    let decoded = bincode::serde::decode_from_slice(value, bincode::config::standard());
    let decoded = decoded.map(|(line, _)| line);
    decoded.map_err(|error| StorageError::corrupt(format!("a line of the ledger: {error}")))
}
