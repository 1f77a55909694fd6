//! What a step is given: everything it may depend on.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use parking_lot::Mutex;
use sagaline_storage::{ClaimChange, CorrelationId, StreamId};
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::codec::sealed::is_sealed;
use crate::domain::Aggregate;
use crate::saga::{AbortReason, Json, StepDirection};

use super::http_client::{CallHttp, HttpClient};
use super::outcome::{Failure, Outcome};
use super::stage::{ReadStreams, Stage, StageError};
use super::step::{Step, unreadable};

/// The circumstances of one attempt.
pub(crate) struct CallContext {
    pub(crate) saga_id: Uuid,
    pub(crate) saga_type: Arc<str>,
    pub(crate) step: Arc<str>,
    pub(crate) direction: StepDirection,
    pub(crate) attempt: u32,
    pub(crate) key: String,
    pub(crate) epoch: u64,
    pub(crate) correlation_id: CorrelationId,
    pub(crate) at_us: u64,
    pub(crate) deadline_at_us: u64,
    pub(crate) input: Json,
    /// The steps that its own names in [`Step::READS`].
    pub(crate) reads: &'static [&'static str],
    /// What those of them that succeeded returned.
    pub(crate) results: Vec<(Arc<str>, Json)>,
    pub(crate) aborted: Option<AbortReason>,
    pub(crate) http: HttpClient,
    pub(crate) streams: Arc<dyn ReadStreams>,
    pub(crate) beats: AtomicU64,
    /// What is to be appended with the outcome.
    pub(crate) stage: Mutex<Stage>,
    /// Held while a command is worked out.
    pub(crate) executing: tokio::sync::Mutex<()>,
}

impl CallContext {
    /// The W3C trace context of this attempt: the trace is everything that the correlation id ties
    /// together, the span is the attempt.
    pub(crate) fn traceparent(&self) -> String {
        let trace = trace(&self.correlation_id).simple();
        let span = &self.saga_id.as_bytes()[8..];
        let span = u64::from_be_bytes(span.try_into().unwrap_or_default())
            ^ u64::from(self.attempt).rotate_left(32)
            ^ self.at_us;
        format!("00-{trace}-{span:016x}-01")
    }
}

/// The trace that a correlation id names: its own digits where it is a UUID or a trace id, as it is when the
/// request came with one; else what a hash makes of it.
fn trace(correlation_id: &CorrelationId) -> Uuid {
    let text = correlation_id.as_str();
    let own = Uuid::try_parse(text).ok().filter(|id| !id.is_nil());
    own.unwrap_or_else(|| {
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&blake3::hash(text.as_bytes()).as_bytes()[..16]);
        Uuid::from_bytes(bytes)
    })
}

/// A call without its saga's type.
pub(crate) struct RawCall {
    pub(crate) context: Arc<CallContext>,
}

impl RawCall {
    /// With the input, whose personal parts are put back.
    pub(crate) async fn typed<T: DeserializeOwned>(&self) -> Result<Call<T>, Failure> {
        let input = self.context.input.as_str().as_bytes();
        let input = if is_sealed(input) {
            let opened = self.context.streams.open(Bytes::copy_from_slice(input)).await;
            let opened = opened.map_err(|error| Failure::unknown(error.to_string()))?;
            serde_json::from_slice(&opened)
        } else {
            self.context.input.read()
        };
        let input = input.map_err(|error| unreadable(&self.context.step, "input", &error))?;
        Ok(Call { input, context: self.context.clone() })
    }
}

/// One attempt to do, undo or probe a step of a saga whose input is `T`.
///
/// It gives neither the wall clock nor randomness: what a step does depends on its call alone, so that
/// a repetition does the same.
pub struct Call<T> {
    input: T,
    context: Arc<CallContext>,
}

impl<T> Call<T> {
    /// The saga's input.
    pub fn input(&self) -> &T {
        &self.input
    }

    /// The saga.
    pub fn saga_id(&self) -> Uuid {
        self.context.saga_id
    }

    /// The saga's type.
    pub fn saga_type(&self) -> &str {
        &self.context.saga_type
    }

    /// What an earlier step returned: one that is named in [`Step::READS`], so that `build` has seen that
    /// it comes before. Otherwise every attempt fails and says so; also when an operator skipped that step.
    /// A saga that is parked by it can be retried once the step names what it reads: that does not change
    /// its definition's hash.
    pub fn result<S: Step>(&self) -> Outcome<S::Output> {
        let found = self.context.results.iter().find(|(name, _)| **name == *S::NAME);
        let (_, json) = found.ok_or_else(|| Failure::unknown(self.no_result_of(S::NAME)))?;
        json.read().map_err(|error| unreadable(S::NAME, "result", &error))
    }

    fn no_result_of(&self, read: &str) -> String {
        let reader = &self.context.step;
        if self.context.reads.contains(&read) {
            return format!(
                "step `{reader}` reads the result of `{read}`, which has none since an operator skipped \
                 it: resolve or skip `{reader}` too, or let the saga go back while it can"
            );
        }
        format!(
            "step `{reader}` reads the result of `{read}` and its READS do not name it: write `const \
             READS: &'static [&'static str] = &[\"{read}\"];`, with what else it reads, where `{reader}` \
             implements Step, start the node again and retry the saga"
        )
    }

    /// The idempotency key: the same for every attempt at this step in this direction.
    pub fn key(&self) -> &str {
        &self.context.key
    }

    /// The key of the same step's action: what an undo cancels and a probe asks for.
    pub fn action_key(&self) -> String {
        super::keys::call_key(self.context.saga_id, &self.context.step, StepDirection::Action)
    }

    /// The idempotency key under which another step's action was called.
    pub fn action_key_of<S: Step>(&self) -> String {
        super::keys::call_key(self.context.saga_id, S::NAME, StepDirection::Action)
    }

    /// The fencing epoch: a participant refuses calls of a saga under an older one than it has seen.
    pub fn epoch(&self) -> u64 {
        self.context.epoch
    }

    /// Why the saga goes back; none while it goes forward.
    pub fn abort_reason(&self) -> Option<&AbortReason> {
        self.context.aborted.as_ref()
    }

    /// 1 is the first.
    pub fn attempt(&self) -> u32 {
        self.context.attempt
    }

    /// Doing or undoing. (A probe asks about the doing.)
    pub fn direction(&self) -> StepDirection {
        self.context.direction
    }

    /// When this attempt began, in microseconds of wall time: the decision's own time, from the log
    /// where it is repeated after a crash.
    pub fn at_us(&self) -> u64 {
        self.context.at_us
    }

    /// When this attempt is given up, in microseconds of wall time.
    pub fn deadline_at_us(&self) -> u64 {
        self.context.deadline_at_us
    }

    /// What ties together everything this saga's request set in motion.
    pub fn correlation_id(&self) -> &CorrelationId {
        &self.context.correlation_id
    }

    /// The W3C trace context of this attempt, for participants that are not called by [`Self::http`]. All
    /// calls with one correlation id are of one trace; a request's own, where it came with one over HTTP.
    pub fn traceparent(&self) -> String {
        self.context.traceparent()
    }

    /// An HTTP client that carries the key, the epoch, the correlation id and the trace context.
    pub fn http(&self) -> CallHttp<'_> {
        CallHttp::new(&self.context)
    }

    /// The attempt is alive: its timeout starts anew. For work that takes long.
    pub fn heartbeat(&self) {
        self.context.beats.fetch_add(1, Ordering::Relaxed);
    }

    /// Has an aggregate decide on a command. Its events and claims are appended together with this call's
    /// outcome; the next command of the same append sees them. A refusal is a rejection with the code
    /// `CATEGORY_REFUSED`.
    pub async fn execute<A: Aggregate>(&self, id: &str, command: A::Command) -> Outcome<A> {
        let stream = super::keys::aggregate_stream::<A>(id)?;
        // One after the other, and on a copy: commands may be given side by side, and given up in between.
        let _turn = self.context.executing.lock().await;
        let copy = self.context.stage.lock().clone();
        let claims = copy.claims();
        let (worked, outcome) = copy.execute::<A>(&*self.context.streams, &stream, command).await;
        self.context.stage.lock().take_over(worked, claims);
        outcome.map(|loaded| loaded.state).map_err(|error| match error {
            StageError::Refused(refusal) => {
                let code = format!("{}_REFUSED", A::CATEGORY.to_uppercase());
                Failure::rejected(code, refusal.to_string())
            }
            StageError::Storage(error) => Failure::unknown(error.to_string()),
            StageError::Codec(error) => Failure::unknown(error.to_string()),
        })
    }

    /// Takes or gives up a claim together with this call's outcome. The owner is a stream of the caller's
    /// choice, by custom the saga's own or an aggregate's.
    pub fn claim(&self, change: ClaimChange) {
        self.context.stage.lock().claim(change);
    }

    /// The saga's own stream: an owner for claims.
    pub fn saga_stream(&self) -> StreamId {
        super::keys::saga_stream(self.context.saga_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn traced(correlation_id: &str) -> String {
        trace(&CorrelationId::new(correlation_id).unwrap()).simple().to_string()
    }

    #[test]
    fn correlation_id_that_is_a_trace_id_is_the_trace() {
        let id = "4bf92f3577b34da6a3ce929d0e0e4736";
        assert_eq!(traced(id), id);
        assert_eq!(traced("4bf92f35-77b3-4da6-a3ce-929d0e0e4736"), id);
    }

    #[test]
    fn any_other_correlation_id_has_a_trace_of_its_own() {
        let nil = "00000000-0000-0000-0000-000000000000";
        let ids = ["checkout:42", "checkout:43", "x", nil];
        let mut traces: Vec<String> = ids.iter().map(|id| traced(id)).collect();
        assert_eq!(traced(ids[0]), traces[0]);
        assert!(traces.iter().all(|trace| trace.len() == 32 && trace.bytes().any(|b| b != b'0')));
        traces.sort_unstable();
        traces.dedup();
        assert_eq!(traces.len(), ids.len());
    }
}
