//! A saga as the API shows it: its state with the names of its steps.

use std::collections::HashMap;
use std::sync::Arc;

use sagaline_storage::CorrelationId;
use serde::Serialize;
use uuid::Uuid;

use crate::canary::planted;
use crate::domain::WallTime;
use crate::saga::{
    AbortReason, Definition, Json, ParkReason, Phase, Progress, SagaState, StepDirection,
    StepIndex, StepState,
};

use super::sagas::SagaDocument;

/// The names of steps, by their definition's hash: a saga's log only numbers them.
#[derive(Debug, Clone, Default)]
pub struct StepNames(HashMap<Arc<str>, Arc<[Arc<str>]>>);

impl StepNames {
    /// The names in these definitions.
    pub fn of<'a>(definitions: impl IntoIterator<Item = &'a Definition>) -> Self {
        let names = |definition: &Definition| {
            let steps = definition.steps().iter().map(|step| step.name.clone());
            (definition.hash().clone(), steps.collect())
        };
        Self(definitions.into_iter().map(names).collect())
    }

    /// The name of a step; `step-3` when the definition is not known here.
    pub fn name(&self, state: &SagaState, step: StepIndex) -> String {
        let names = self.0.get(&state.definition);
        let name = names.and_then(|names| names.get(step.0 as usize));
        name.map_or_else(|| format!("step-{}", step.0 + 1), ToString::to_string)
    }
}

/// A saga as the API shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SagaPage {
    /// The saga.
    pub id: Uuid,
    /// Its definition's name.
    #[schema(value_type = String)]
    pub saga_type: Arc<str>,
    /// What ties it to its request.
    #[schema(value_type = String)]
    pub correlation_id: CorrelationId,
    /// `started`, `completed`, `compensating`, `compensated` or `parked`.
    #[schema(value_type = SagaStatus)]
    pub status: &'static str,
    /// Where it is on its way: `running`, `committing`, `compensating`, `completed`, `compensated`.
    #[schema(value_type = String)]
    pub phase: Phase,
    /// It starts nothing new until it is resumed.
    pub paused: bool,
    /// The step that is under way, or that it is parked at; the first of several.
    pub current_step: Option<String>,
    /// The steps that were done, also those that are undone by now.
    pub completed_steps: Vec<String>,
    /// The steps that are undone.
    pub compensation_steps: Vec<String>,
    /// Its input.
    #[schema(value_type = serde_json::Value)]
    pub data: Json,
    /// What went wrong last.
    pub error_message: Option<String>,
    /// Why it goes back.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub aborted: Option<AbortReason>,
    /// Why it waits for an operator.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub parked: Option<ParkReason>,
    /// Every step.
    pub steps: Vec<StepPage>,
    /// When it was started.
    pub created_at: WallTime,
    /// When something happened to it last.
    pub updated_at: WallTime,
}

/// The words of a saga's status, in the API's document. `failed` is one that no saga has: a saga that
/// cannot go on is parked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, utoipa::ToSchema)]
#[schema(rename_all = "camelCase")]
pub enum SagaStatus {
    /// On its way.
    Started,
    /// It did everything.
    Completed,
    /// None is.
    Failed,
    /// On its way back.
    Compensating,
    /// It undid everything.
    Compensated,
    /// It waits for an operator.
    Parked,
}

impl SagaStatus {
    /// All of them.
    pub const WORDS: [&'static str; 6] =
        ["started", "completed", "failed", "compensating", "compensated", "parked"];
}

/// A step of a saga as the API shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StepPage {
    /// Its name.
    pub name: String,
    /// How far its doing has come.
    #[schema(value_type = String)]
    pub action: &'static str,
    /// How far its undoing has come.
    #[schema(value_type = String)]
    pub compensation: &'static str,
    /// The attempt that is on its way or comes next.
    pub attempt: Option<u32>,
    /// When the next attempt begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_attempt_at: Option<WallTime>,
    /// Its last failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,
    /// When it was announced.
    pub started_at: Option<WallTime>,
    /// When it had its outcome.
    pub ended_at: Option<WallTime>,
}

impl SagaPage {
    /// Shows a saga.
    pub fn new(saga: &SagaDocument, names: &StepNames) -> Self {
        let state = &saga.state;
        let name = |step| names.name(state, step);
        let parked_at = state.parked.as_ref().and_then(|parked| parked.step);
        let under_way = state.current_steps().next().map(|(step, _)| step);
        Self {
            id: saga.id,
            saga_type: state.saga_type.clone(),
            correlation_id: saga.correlation_id.clone(),
            status: state.status(),
            phase: state.phase,
            paused: state.paused,
            current_step: parked_at.or(under_way).map(name),
            completed_steps: completed_steps(state).map(name).collect(),
            compensation_steps: state.compensated_steps().map(name).collect(),
            data: state.input.clone(),
            error_message: state.last_error().map(str::to_owned),
            aborted: state.aborted.clone(),
            parked: state.parked.as_ref().map(|parked| parked.reason.clone()),
            steps: steps(state, names),
            created_at: WallTime(state.started_at_us),
            updated_at: WallTime(state.updated_at_us),
        }
    }
}

fn completed_steps(state: &SagaState) -> impl Iterator<Item = StepIndex> + '_ {
    state.completed_steps().skip(usize::from(planted("completed-steps-off-by-one")))
}

fn steps(state: &SagaState, names: &StepNames) -> Vec<StepPage> {
    let numbered = (0..).map(StepIndex).zip(&state.steps);
    numbered.map(|(index, step)| StepPage::new(names.name(state, index), step)).collect()
}

impl StepPage {
    fn new(name: String, step: &StepState) -> Self {
        let undoing = step.compensation != Progress::NotStarted;
        let direction = if undoing { StepDirection::Compensation } else { StepDirection::Action };
        let progress = step.progress(direction);
        Self {
            name,
            action: word(&step.action),
            compensation: word(&step.compensation),
            attempt: progress.attempt(),
            next_attempt_at: due(progress),
            error_message: step.last_error.clone(),
            started_at: step.started_at_us.map(WallTime),
            ended_at: step.ended_at_us.map(WallTime),
        }
    }
}

fn due(progress: &Progress) -> Option<WallTime> {
    match progress {
        Progress::Waiting { due_at_us, .. } => Some(WallTime(*due_at_us)),
        Progress::NotStarted
        | Progress::Started { .. }
        | Progress::Succeeded
        | Progress::Rejected { .. }
        | Progress::Skipped => None,
    }
}

fn word(progress: &Progress) -> &'static str {
    match progress {
        Progress::NotStarted => "notStarted",
        Progress::Started { .. } => "started",
        Progress::Waiting { .. } => "waiting",
        Progress::Succeeded => "succeeded",
        Progress::Rejected { .. } => "rejected",
        Progress::Skipped => "skipped",
    }
}
