//! What a step does: plain async functions that a user writes.

use std::future::Future;
use std::pin::Pin;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::saga::Json;

use super::call::{Call, RawCall};
use super::outcome::{Failure, Outcome, Probe};

/// One step of a saga.
///
/// `action` and `probe` may be called several times for one saga, on different nodes, and once more
/// after a crash: every call of one step of one saga carries the same [`Call::key`]. A panic is an
/// attempt that failed, not the end of the node.
///
/// ```
/// use sagaline::prelude::*;
///
/// #[derive(Serialize, Deserialize)]
/// struct Trip { city: String, nights: u8 }
///
/// struct Hotel;
///
/// impl Step for Hotel {
///     const NAME: &'static str = "hotel";
///     type Saga = Trip;
///     type Output = String;
///
///     async fn action(&self, call: &Call<Trip>) -> Outcome<String> {
///         call.http().post("http://hotels/book", call.input()).await
///     }
///
///     async fn probe(&self, call: &Call<Trip>) -> Probe<String> {
///         call.http().probe(&format!("http://hotels/calls/{}", call.key())).await
///     }
/// }
///
/// impl Compensable for Hotel {
///     async fn compensate(&self, call: &Call<Trip>, room: Option<&String>) -> Outcome<()> {
///         // Without a room it is not known whether one was booked: the key says which.
///         call.http().post("http://hotels/cancel", &(call.action_key(), room)).await
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no saga step",
    note = "write `impl Step for {Self}` with NAME, Saga, Output and `async fn action`"
)]
pub trait Step: Send + Sync + 'static {
    /// Unique within the saga: 1 to 64 bytes of `[a-z0-9_-]`. Stored; never change it.
    const NAME: &'static str;
    /// The names of the steps whose results it reads, `&[Hotel::NAME]`: it is given these and no others,
    /// and `build` refuses one that it does not come after.
    const READS: &'static [&'static str] = &[];
    /// True: it touches nothing but what it stages in the [`Call`], so it runs inside the saga's next
    /// append and costs no durable write of its own. It may be run again and its staging thrown away.
    const LOCAL: bool = false;
    /// Whose health it depends on: steps that name the same participant share a circuit breaker, a
    /// concurrency limit and a retry budget.
    const PARTICIPANT: &'static str = Self::NAME;

    /// The saga's input.
    type Saga: Serialize + DeserializeOwned + Send + Sync + 'static;
    /// Stored with `StepSucceeded`; handed to later steps and to the undo.
    type Output: Serialize + DeserializeOwned + Send + Sync + 'static;

    /// Does it. What the call staged is appended together with the outcome when that is `Ok`, or a
    /// rejection for good, and thrown away when it is `Unknown` or a rejection that is tried again.
    fn action(&self, call: &Call<Self::Saga>)
    -> impl Future<Output = Outcome<Self::Output>> + Send;

    /// Whether the action with this call's key happened. Asked when its outcome is unknown. When it did,
    /// stage here what the action would have staged: only that is appended with the outcome.
    fn probe(&self, call: &Call<Self::Saga>) -> impl Future<Output = Probe<Self::Output>> + Send {
        let _ = call;
        async { Probe::CannotTell }
    }
}

/// A step that can be undone.
#[diagnostic::on_unimplemented(
    message = "step `{Self}` cannot be undone, so it cannot be compensable",
    note = "write `impl Compensable for {Self}` with `async fn compensate`, or make it the pivot or a retriable step"
)]
pub trait Compensable: Step {
    /// Undoes it. `output` is what the action returned; `None` when it is not known whether it happened:
    /// then this must make sure that it has not happened and never will (a tombstone under the call's
    /// key), and succeed when there was nothing to do.
    fn compensate(
        &self,
        call: &Call<Self::Saga>,
        output: Option<&Self::Output>,
    ) -> impl Future<Output = Outcome<()>> + Send;
}

pub(crate) type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A step without its types.
pub(crate) trait ErasedStep: Send + Sync {
    fn local(&self) -> bool;
    /// Whether it has code of its own that undoes it.
    fn is_undoable(&self) -> bool;
    fn participant(&self) -> &'static str;
    fn reads(&self) -> &'static [&'static str];
    fn action<'a>(&'a self, call: &'a RawCall) -> BoxFuture<'a, Outcome<Json>>;
    fn probe<'a>(&'a self, call: &'a RawCall) -> BoxFuture<'a, Probe<Json>>;
    fn compensate<'a>(
        &'a self,
        call: &'a RawCall,
        output: Option<Json>,
    ) -> BoxFuture<'a, Outcome<()>>;
}

/// How a step is undone.
type Undo<S> = for<'a> fn(&'a S, &'a RawCall, Option<Json>) -> BoxFuture<'a, Outcome<()>>;

/// A step with its types inside, and how it is undone when it can be.
pub(crate) struct Code<S> {
    step: S,
    undo: Option<Undo<S>>,
}

impl<S: Step> Code<S> {
    /// A step that is not undone by its own code.
    pub(crate) fn forward(step: S) -> Self {
        Self { step, undo: None }
    }
}

impl<S: Compensable> Code<S> {
    /// A step that is.
    pub(crate) fn undoable(step: S) -> Self {
        Self { step, undo: Some(undo::<S>) }
    }
}

impl<S: Step> ErasedStep for Code<S> {
    fn local(&self) -> bool {
        S::LOCAL
    }

    fn is_undoable(&self) -> bool {
        self.undo.is_some()
    }

    fn participant(&self) -> &'static str {
        S::PARTICIPANT
    }

    fn reads(&self) -> &'static [&'static str] {
        S::READS
    }

    fn action<'a>(&'a self, call: &'a RawCall) -> BoxFuture<'a, Outcome<Json>> {
        Box::pin(act(&self.step, call))
    }

    fn probe<'a>(&'a self, call: &'a RawCall) -> BoxFuture<'a, Probe<Json>> {
        Box::pin(ask(&self.step, call))
    }

    /// Without code to undo it only a pivot in doubt is asked: its call must be repeated to settle it.
    fn compensate<'a>(
        &'a self,
        call: &'a RawCall,
        output: Option<Json>,
    ) -> BoxFuture<'a, Outcome<()>> {
        let refusal = || Failure::rejected("NOT_REVOCABLE", "the step has no compensation");
        match self.undo {
            Some(undo) => undo(&self.step, call, output),
            None => Box::pin(async move { Err(refusal()) }),
        }
    }
}

fn undo<'a, S: Compensable>(
    step: &'a S,
    call: &'a RawCall,
    output: Option<Json>,
) -> BoxFuture<'a, Outcome<()>> {
    Box::pin(async move {
        let output = output.map(|json| json.read::<S::Output>()).transpose();
        let output = output.map_err(|error| unreadable(S::NAME, "result", &error))?;
        step.compensate(&call.typed().await?, output.as_ref()).await
    })
}

async fn act<S: Step>(step: &S, call: &RawCall) -> Outcome<Json> {
    let output = step.action(&call.typed().await?).await?;
    Json::of(&output).map_err(|error| unreadable(S::NAME, "result", &error))
}

async fn ask<S: Step>(step: &S, call: &RawCall) -> Probe<Json> {
    let Ok(call) = call.typed().await else { return Probe::CannotTell };
    match step.probe(&call).await {
        Probe::Happened(output) => Json::of(&output).map_or(Probe::CannotTell, Probe::Happened),
        Probe::DidNotHappen => Probe::DidNotHappen,
        Probe::CannotTell => Probe::CannotTell,
    }
}

pub(crate) fn unreadable(step: &str, what: &str, error: &serde_json::Error) -> Failure {
    Failure::unknown(format!("step `{step}`: its {what} does not fit its type: {error}"))
}
