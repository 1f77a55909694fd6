//! Personal parts as a user of a node meets them: put back into what was read from the log, and forgotten.

use bytes::Bytes;
use sagaline_storage::{Backend, Claim, RecordedEvent};
use tokio::sync::oneshot;

use crate::codec::CodecError;
use crate::codec::sealed::is_sealed;
use crate::domain::Aggregate;
use crate::saga::SagaState;

use super::aggregates::{Aggregates, CommandMetadata, ExecuteError};
use super::append::Refused;
use super::node::Node;
use super::sagas::Sagas;
use super::stage::{LoadError, Stage};

impl<B: Backend> Node<B> {
    /// Puts the personal parts back into events that were read from the log. Those of a forgotten subject
    /// keep their placeholders.
    pub async fn open(&self, events: &mut [RecordedEvent]) -> Result<(), LoadError> {
        self.core().privacy.open_all(events).await
    }

    /// Forgets a subject: its key is deleted, so that its personal parts are gone from the log, from every
    /// view and from what sagas were started with. After `Ok` that is durable; other nodes over the same log
    /// follow within a second. An embedded store deletes the files that held the key; where the process
    /// ends before that, forgetting once more sees to it. The log stays as it is, and verifies. A subject that is forgotten is not
    /// remembered again: personal parts that come later are not stored.
    ///
    /// ```
    /// use sagaline::domain::{Personal, PersonalField, Subject};
    /// use sagaline::prelude::*;
    /// # use sagaline_storage::{CorrelationId, clock::SystemClock, memory::MemoryKv};
    ///
    /// #[derive(Default, Clone, Serialize, Deserialize)]
    /// struct Guest { name: String }
    ///
    /// #[derive(Serialize, Deserialize)]
    /// enum GuestEvent { GuestArrived { name: String, nights: u8 } }
    ///
    /// impl Aggregate for Guest {
    ///     const CATEGORY: &'static str = "guest";
    ///     // The name is about the guest, whose id is the key of the stream.
    ///     const PERSONAL: &'static [(&'static str, Personal)] = &[("GuestArrived", Personal {
    ///         subject: Subject::Stream,
    ///         fields: &[PersonalField { at: "/name", forgotten: r#""somebody""# }],
    ///     })];
    ///     type Command = String;
    ///     type Event = GuestEvent;
    ///     type Refusal = std::convert::Infallible;
    ///
    ///     fn decide(&self, name: String) -> Result<Vec<GuestEvent>, Self::Refusal> {
    ///         Ok(vec![GuestEvent::GuestArrived { name, nights: 2 }])
    ///     }
    ///
    ///     fn evolve(&mut self, event: &GuestEvent) {
    ///         let GuestEvent::GuestArrived { name, .. } = event;
    ///         self.name = name.clone();
    ///     }
    /// }
    ///
    /// # tokio::runtime::Runtime::new()?.block_on(async {
    /// let node = Node::in_memory(&MemoryKv::new(), SystemClock::default()).await?.start().await?;
    /// # let correlation_id = CorrelationId::new("request-1")?;
    /// let metadata = CommandMetadata { correlation_id, causation_id: None };
    /// let guest = node.aggregates().execute::<Guest>("17", "Ada".to_owned(), &metadata).await?;
    /// assert_eq!(guest.name, "Ada");
    /// node.forget("17", &metadata).await?;
    /// assert_eq!(node.aggregates().load::<Guest>("17").await?.state.name, "somebody");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn forget(
        &self,
        subject: &str,
        metadata: &CommandMetadata,
    ) -> Result<(), ExecuteError<std::convert::Infallible>> {
        // Whoever was first has forgotten it, or has just made it known: then it is looked at again.
        while !self.aggregates().forgetting(Stage::default(), subject, metadata).await? {}
        Ok(())
    }

    /// Claims of this kind that an earlier program stored with their keys are stored as hashes from now on;
    /// for a kind that has become one of [`Aggregate::PERSONAL_CLAIMS`].
    pub async fn hash_claims(&self, kind: &str) -> Result<(), LoadError> {
        self.core().privacy.hash_claims(kind).await
    }
}

impl<B: Backend> Sagas<B> {
    /// Puts the personal parts back into the input of a saga's state, which has them as the log does. Those
    /// of a forgotten subject keep their placeholders.
    pub async fn open(&self, mut state: SagaState) -> Result<SagaState, LoadError> {
        let input = state.input.as_str().as_bytes();
        if is_sealed(input) {
            let opened = self.core.privacy.show(Bytes::copy_from_slice(input)).await?;
            state.input = serde_json::from_slice(&opened).map_err(|error| CodecError {
                event_type: "SagaStarted".to_owned(),
                problem: error.to_string(),
            })?;
        }
        Ok(state)
    }
}

impl<B: Backend> Aggregates<B> {
    /// The claim on `key` as the store has it: to look up who holds it.
    pub fn claim<A: Aggregate>(&self, kind: &str, key: &str) -> Result<Claim, CodecError> {
        match A::PERSONAL_CLAIMS.contains(&kind) {
            true => self.core.privacy.claim(kind, key),
            false => Ok(Claim::new(kind, key)),
        }
    }

    /// Has an aggregate decide on a command and forgets `subject`, in one append: see [`Node::forget`].
    pub async fn execute_and_forget<A: Aggregate>(
        &self,
        id: &str,
        command: A::Command,
        subject: &str,
        metadata: &CommandMetadata,
    ) -> Result<A, ExecuteError<A::Refusal>>
    where
        A::Command: Clone,
    {
        let tries = self.core.settings.conflict_retries + 1;
        for _ in 0..tries {
            let (stage, state) = self.decide::<A>(id, command.clone()).await?;
            if self.forgetting(stage, subject, metadata).await? {
                return Ok(state);
            }
        }
        Err(ExecuteError::Conflict { tries })
    }

    /// Appends what was staged together with what makes the subject forgotten. False: somebody was first.
    async fn forgetting<R>(
        &self,
        mut stage: Stage,
        subject: &str,
        metadata: &CommandMetadata,
    ) -> Result<bool, ExecuteError<R>> {
        let changes = self.core.privacy.forgetting(subject).await.map_err(ExecuteError::from)?;
        changes.into_iter().for_each(|change| stage.claim(change));
        let broken = |_| ExecuteError::<R>::Unavailable("forgetting broke off".to_owned());
        match self.append_and_look_again(stage, subject, metadata).await.map_err(broken)? {
            Ok(()) => Ok(true),
            Err(error) if error.is_race() => Ok(false),
            Err(error) => Err(self.failure(error)),
        }
    }

    /// In a task of its own: when the caller goes away in the middle, what is appended all the same must not
    /// leave the subject's key remembered.
    fn append_and_look_again(
        &self,
        stage: Stage,
        subject: &str,
        metadata: &CommandMetadata,
    ) -> oneshot::Receiver<Result<(), Refused>> {
        let (aggregates, subject) = (self.clone(), subject.to_owned());
        let (metadata, task) = (metadata.clone(), self.core.tasks.begin());
        let (reply, appended) = oneshot::channel();
        tokio::spawn(Box::pin(async move {
            let answer = aggregates.append(stage, &metadata).await;
            aggregates.core.privacy.look_again(&subject);
            if answer.is_ok() {
                aggregates.core.privacy.purge(&subject).await;
            }
            // Whoever asked may have gone away.
            drop(reply.send(answer));
            drop(aggregates);
            drop(task);
        }));
        appended
    }
}
