//! Personal parts under a key of their subject, and forgetting: the key is deleted, the log stays as it is.
//!
//! A subject's key is kept wrapped as the holder of a claim, `(subject-key, subject)`. A claim is what the
//! store has that a key needs: unique, synced with its append, copied by backup, export and import, in no
//! record of the log, and gone when it is released. Forgetting replaces it by the holder `forgotten`, which
//! stays: a forgotten subject never gets another key, and later parts of it are not stored at all. What the
//! store's files still have of the key is purged behind that.
//!
//! Called where events are staged, read and shown. Never decides what is personal: [`crate::domain::Personal`]
//! says that.

mod key;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use sagaline_storage::{
    AppendError, AppendId, AppendRequest, Backend, Claim, ClaimChange, Clock, Entropy, EventStore,
    NodeId, RecordedEvent, StorageError, StreamId,
};
use serde_json::{Map, Value};

use crate::canary::planted;
use crate::codec::{CodecError, Sealed, sealed};
use crate::domain::Personal;

use super::append::{Refused, append_certainly};
use super::metrics::Metrics;
use super::stage::LoadError;

pub use key::MasterKey;
use key::{RANDOM_BYTES, SubjectKey};

/// The kind of the claims that hold keys, and the one under which the master key is known.
const KEY_KIND: &str = "subject-key";
const MASTER_KIND: &str = "master-key";
/// Holders: `key-…` with the wrapped key, or this.
const FORGOTTEN: &str = "forgotten";
/// Behind a claim's kind: its keys are hashes.
const HASHED: &str = "-hashed";

/// Subjects remembered: a few hundred bytes each.
const KNOWN_MAX: usize = 10_000;
/// Over a log that other nodes share, for so long: a subject that another node forgets is forgotten here
/// within this time.
const KNOWN_FOR: Duration = Duration::from_secs(1);

/// What is known of a subject.
#[derive(Clone)]
enum Known {
    Key(Arc<SubjectKey>),
    Forgotten,
}

/// A node's keys. One for each node; it outlives everything that reads events.
pub(crate) struct Privacy<B> {
    backend: B,
    node_id: NodeId,
    metrics: Arc<Metrics>,
    master: Option<MasterKey>,
    memory: Mutex<Memory>,
}

/// What the store said of subjects, and when.
#[derive(Default)]
struct Memory {
    subjects: HashMap<String, (Known, Duration)>,
    /// Counts what was forgotten: what was looked up before that is not remembered.
    forgotten: u64,
}

impl<B: Backend> Privacy<B> {
    pub(crate) fn new(
        backend: B,
        node_id: NodeId,
        metrics: Arc<Metrics>,
        master: Option<MasterKey>,
    ) -> Self {
        Self { backend, node_id, metrics, master, memory: Mutex::default() }
    }

    /// Refuses another master key than the one that the store's keys are under; the first one is noted.
    pub(crate) async fn check_master(&self) -> Result<(), LoadError> {
        let Some(master) = &self.master else { return Ok(()) };
        let claim = Claim::new(MASTER_KIND, "1");
        let owner = StreamId::new(format!("master-{}", master.fingerprint()))?;
        loop {
            match self.backend.events().claim_holder(&claim).await? {
                Some(held) if held.owner == owner => return Ok(()),
                Some(_) => return Err(another_master("the personal data in this store is").into()),
                None => {}
            }
            let take = ClaimChange::Take { claim: claim.clone(), owner: owner.clone() };
            match self.change(vec![take]).await {
                // Whoever was first is looked at.
                Ok(()) | Err(Refused::Append(AppendError::ClaimTaken { .. })) => {}
                Err(error) => return Err(unavailable(error).into()),
            }
        }
    }

    /// `json` as it is stored: its personal parts in a box.
    pub(crate) async fn seal(
        &self,
        json: Bytes,
        personal: &Personal,
        stream_key: Option<&str>,
    ) -> Result<Bytes, LoadError> {
        let Some(taken) = sealed::take(&json, personal, stream_key)? else { return Ok(json) };
        let sealed_box = match self.key_to_seal(&taken.subject).await? {
            Known::Key(key) => Some(key.seal(&taken.subject, &taken.parts)),
            Known::Forgotten => None,
        };
        Ok(taken.store(sealed_box)?)
    }

    /// `json` with its personal parts; those of a forgotten subject stay as they are stored. To decide by:
    /// a box that was changed is an error.
    pub(crate) async fn open(&self, json: Bytes) -> Result<Bytes, LoadError> {
        self.opened(json, true).await
    }

    /// The same, to be shown: what is in a box that was changed stays hidden, and everything else is shown.
    pub(crate) async fn show(&self, json: Bytes) -> Result<Bytes, LoadError> {
        self.opened(json, false).await
    }

    async fn opened(&self, json: Bytes, strictly: bool) -> Result<Bytes, LoadError> {
        if !sealed::is_sealed(&json) {
            return Ok(json);
        }
        if self.master.is_none() {
            return if strictly { Err(no_master().into()) } else { Ok(json) };
        }
        let unreadable = |error: serde_json::Error| mistaken(&error.to_string());
        let mut value: Value = serde_json::from_slice(&json).map_err(unreadable)?;
        let mut parts: HashMap<Sealed, Map<String, Value>> = HashMap::new();
        for found in sealed::boxes(&value) {
            let Some(Known::Key(key)) = self.known(&found.of).await? else { continue };
            let opened = key.open(&found.of, &found.sealed_box);
            match opened.and_then(|opened| serde_json::from_slice(&opened).ok()) {
                Some(opened) => drop(parts.insert(found, opened)),
                None if strictly => {
                    let of = &found.of;
                    let changed = format!("a box of subject {of} was changed: it does not open");
                    return Err(mistaken(&changed).into());
                }
                None => tracing::error!(subject = %found.of, "a box was changed: it does not open"),
            }
        }
        sealed::open(&mut value, &mut |found| parts.get(found).cloned());
        Ok(serde_json::to_vec(&value).map_err(unreadable)?.into())
    }

    /// Opens the payloads of events, to be shown.
    pub(crate) async fn open_all(&self, events: &mut [RecordedEvent]) -> Result<(), LoadError> {
        for event in events {
            if sealed::is_sealed(&event.payload) {
                event.payload = self.show(event.payload.clone()).await?;
            }
        }
        Ok(())
    }

    /// The claim on `key`, as it is stored: without the key.
    pub(crate) fn claim(&self, kind: &str, key: &str) -> Result<Claim, CodecError> {
        let master = self.master.as_ref().ok_or_else(no_master)?;
        Ok(Claim::new(format!("{kind}{HASHED}"), master.hashed(kind, key)))
    }

    /// What makes a subject forgotten, to be appended with whatever else belongs to it; nothing when it is
    /// already.
    pub(crate) async fn forgetting(&self, subject: &str) -> Result<Vec<ClaimChange>, LoadError> {
        let claim = key_claim(subject);
        let held = self.backend.events().claim_holder(&claim).await?;
        let owner = StreamId::new(FORGOTTEN)?;
        let was_before = held.as_ref().is_some_and(|held| held.owner == owner);
        if was_before || planted("forgotten-key-kept") {
            return Ok(Vec::new());
        }
        let release =
            held.map(|held| ClaimChange::Release { claim: claim.clone(), owner: held.owner });
        Ok(release.into_iter().chain([ClaimChange::Take { claim, owner }]).collect())
    }

    /// The key of a subject that was forgotten goes from the store's files too. Nobody reads it since it was
    /// replaced, so a failure undoes nothing; forgetting once more tries again.
    pub(crate) async fn purge(&self, subject: &str) {
        if let Err(error) = self.backend.events().purge_claim(&key_claim(subject)).await {
            tracing::error!(
                %subject, %error,
                "the key of a forgotten subject may still be in the store's files: forget it again"
            );
        }
    }

    /// What is remembered of a subject is looked up again.
    pub(crate) fn look_again(&self, subject: &str) {
        let mut memory = self.memory.lock();
        memory.forgotten += 1;
        memory.subjects.remove(subject);
    }

    /// Claims of `kind` that an earlier program stored with their keys are stored as hashes.
    pub(crate) async fn hash_claims(&self, kind: &str) -> Result<(), LoadError> {
        const PAGE: usize = 100;
        loop {
            let plain = self.backend.events().claims(kind, None, PAGE).await?;
            if plain.is_empty() {
                return Ok(());
            }
            let mut changes = Vec::new();
            for holder in plain {
                let (claim, owner) = (holder.claim, holder.owner);
                let hashed = self.claim(kind, &claim.key)?;
                changes.push(ClaimChange::Release { claim, owner: owner.clone() });
                changes.push(ClaimChange::Take { claim: hashed, owner });
            }
            match self.change(changes).await {
                Ok(()) => {}
                // Another node does the same.
                Err(Refused::Append(AppendError::ClaimNotHeld { .. })) => {}
                Err(error) => return Err(unavailable(error).into()),
            }
        }
    }

    async fn key_to_seal(&self, subject: &str) -> Result<Known, LoadError> {
        let master = self.master.as_ref().ok_or_else(no_master)?;
        loop {
            if let Some(known) = self.known(subject).await? {
                return Ok(known);
            }
            let mut random = [0; RANDOM_BYTES];
            self.backend.entropy().fill(&mut random);
            let (key, kept) = master.make(subject, random);
            let owner = StreamId::new(format!("key-{kept}"))?;
            let take = ClaimChange::Take { claim: key_claim(subject), owner };
            match self.change(vec![take]).await {
                Ok(()) => return Ok(Known::Key(Arc::new(key))),
                // Somebody else made one, or the subject was forgotten.
                Err(Refused::Append(AppendError::ClaimTaken { .. })) => {}
                Err(error) => return Err(unavailable(error).into()),
            }
        }
    }

    /// What the store knows of a subject; none: it never had personal parts.
    async fn known(&self, subject: &str) -> Result<Option<Known>, LoadError> {
        let now = self.backend.clock().monotonic();
        let (remembered, forgotten) = {
            let memory = self.memory.lock();
            (memory.subjects.get(subject).cloned(), memory.forgotten)
        };
        if let Some((known, at)) = remembered
            && (!self.backend.shared() || now.saturating_sub(at) <= KNOWN_FOR)
        {
            return Ok(Some(known));
        }
        let held = self.backend.events().claim_holder(&key_claim(subject)).await?;
        let Some(held) = held else { return Ok(None) };
        let known = match (held.owner.as_str(), &self.master) {
            (FORGOTTEN, _) => Known::Forgotten,
            (_, None) => return Err(no_master().into()),
            (_, Some(master)) => {
                let key = master.unwrap(subject, held.owner.key());
                let key = key.ok_or_else(|| {
                    another_master(&format!("the key of subject {subject} was changed, or is"))
                })?;
                Known::Key(Arc::new(key))
            }
        };
        let mut memory = self.memory.lock();
        if memory.forgotten == forgotten {
            if memory.subjects.len() >= KNOWN_MAX {
                memory.subjects.clear();
            }
            memory.subjects.insert(subject.to_owned(), (known.clone(), now));
        }
        Ok(Some(known))
    }

    async fn change(&self, claims: Vec<ClaimChange>) -> Result<(), Refused> {
        let append_id = AppendId(self.backend.entropy().uuid_v7(self.backend.clock().now()));
        let (node_id, writes) = (self.node_id.clone(), Vec::new());
        let request = AppendRequest { append_id, node_id, fence: None, writes, claims };
        append_certainly(&self.backend, &self.metrics, request).await.map(drop)
    }
}

fn key_claim(subject: &str) -> Claim {
    Claim::new(KEY_KIND, subject)
}

fn no_master() -> CodecError {
    mistaken(
        "there are personal parts, and the node has no master key for them: give it one with \
         NodeBuilder::master_key",
    )
}

fn another_master(what: &str) -> CodecError {
    mistaken(&format!(
        "{what} under another master key: give that one (MASTER_KEY, or the file master.key in the \
         data folder)"
    ))
}

fn mistaken(problem: &str) -> CodecError {
    CodecError { event_type: "?".to_owned(), problem: problem.to_owned() }
}

fn unavailable(error: Refused) -> StorageError {
    match error {
        Refused::StoreLost(error) => error,
        Refused::Append(error) => StorageError::unavailable(error.to_string()),
    }
}
