//! A saga's definition with the code of its steps: what a user writes.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::domain::Personal;
use crate::saga::{self, DefinitionError, Policy, StepKind, StepSpec};

use super::event_types::SagaEventTypes;
use super::step::{Code, Compensable, ErasedStep, Step};

/// Builds a saga whose input is `T`. Steps run as early as their `after` lets them: one without starts
/// at once, beside the others.
pub struct DefinitionBuilder<T> {
    name: String,
    steps: Vec<StepSpec>,
    code: Vec<Arc<dyn ErasedStep>>,
    reads: Vec<&'static [&'static str]>,
    policy: Policy,
    own_policy: Vec<bool>,
    deadline_ms: Option<u64>,
    personal: Option<Personal>,
    /// What was first said of a step before there was one.
    too_early: Option<String>,
    input: PhantomData<fn(T)>,
}

/// A checked definition whose input is `T`.
#[derive(Clone)]
pub struct Definition<T> {
    pub(crate) registered: Arc<Registered>,
    input: PhantomData<fn(T)>,
}

/// A definition and the code of its steps, without the input's type.
pub(crate) struct Registered {
    pub(crate) definition: saga::Definition,
    pub(crate) code: Vec<Arc<dyn ErasedStep>>,
    /// Whether an input fits: the type's own reading of it, as text.
    pub(crate) check_input: fn(&saga::Json) -> Result<(), String>,
    /// What of the input is sealed.
    pub(crate) personal: Option<Personal>,
    pub(crate) event_types: SagaEventTypes,
}

impl<T: Serialize + DeserializeOwned + Send + Sync + 'static> Definition<T> {
    /// Begins a definition: 1 to 64 bytes of `[a-z0-9_-]`.
    #[allow(
        clippy::new_ret_no_self,
        reason = "a definition is built step by step and then checked"
    )]
    pub fn new(name: &str) -> DefinitionBuilder<T> {
        DefinitionBuilder {
            name: name.to_owned(),
            steps: Vec::new(),
            code: Vec::new(),
            reads: Vec::new(),
            policy: Policy::default(),
            own_policy: Vec::new(),
            deadline_ms: None,
            personal: None,
            too_early: None,
            input: PhantomData,
        }
    }

    /// Its names, kinds, edges and policies.
    pub fn as_value(&self) -> &saga::Definition {
        &self.registered.definition
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.as_value().name()
    }

    /// Its hash, hexadecimal: a saga stays with the one it began under, a changed definition has another.
    pub fn hash(&self) -> &str {
        self.as_value().hash()
    }

    /// Its graph for Mermaid; [`Display`](fmt::Display) writes it as text.
    pub fn to_mermaid(&self) -> String {
        self.as_value().to_mermaid()
    }

    /// The names of its compensable steps in the order in which they are undone. Steps that are
    /// independent of each other are undone at the same time.
    pub fn undo_order(&self) -> Vec<&str> {
        let definition = self.as_value();
        let name = |index| definition.step(index).map(|step| &*step.name);
        definition.undo_order().into_iter().filter_map(name).collect()
    }
}

impl<T> fmt::Display for Definition<T> {
    /// One line a step: name, kind, what it comes after.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.registered.definition, f)
    }
}

impl<T> fmt::Debug for Definition<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.registered.definition, f)
    }
}

impl<T: Serialize + DeserializeOwned + Send + Sync + 'static> DefinitionBuilder<T> {
    /// Adds a step that can be undone. It must come before the pivot.
    #[must_use]
    pub fn compensable<S: Compensable<Saga = T>>(self, step: S) -> Self {
        self.add::<S>(StepKind::Compensable, Arc::new(Code::undoable(step)))
    }

    /// Adds the step that decides: once it has succeeded the saga only goes forward. When the saga is
    /// to go back while the pivot is in doubt, its probe is asked.
    #[must_use]
    pub fn pivot<S: Step<Saga = T>>(self, step: S) -> Self {
        self.add::<S>(StepKind::Pivot, Arc::new(Code::forward(step)))
    }

    /// Like [`Self::pivot`]; when the saga goes back while the pivot is in doubt, `compensate` is called
    /// without an output to make sure that it never happens.
    #[must_use]
    pub fn revocable_pivot<S: Compensable<Saga = T>>(self, step: S) -> Self {
        self.add::<S>(StepKind::Pivot, Arc::new(Code::undoable(step)))
    }

    /// Adds a step behind the pivot, which is tried until it succeeds or the saga is parked.
    #[must_use]
    pub fn retriable<S: Step<Saga = T>>(self, step: S) -> Self {
        self.add::<S>(StepKind::Retriable, Arc::new(Code::forward(step)))
    }

    /// The step added last starts only after `step`.
    #[must_use]
    pub fn after<S: Step<Saga = T>>(self, step: S) -> Self {
        let _ = step;
        self.after_step(S::NAME)
    }

    /// Like [`Self::after`], by the step's name.
    #[must_use]
    pub fn after_step(mut self, name: &str) -> Self {
        match self.steps.last_mut() {
            Some(last) => last.after.push(name.into()),
            None => self.say_too_early(format!(
                "`.after(…)` of `{name}` stands before the first step: put it behind the step that is \
                 to come after `{name}`"
            )),
        }
        self
    }

    /// The policy of the step added last.
    #[must_use]
    pub fn policy(mut self, policy: Policy) -> Self {
        match (self.steps.last_mut(), self.own_policy.last_mut()) {
            (Some(last), Some(own)) => (last.policy, *own) = (policy, true),
            _ => self.say_too_early(
                "`.policy(…)` stands before the first step: put it behind the step it is for, or use \
                 `.retry(…)` for all"
                    .to_owned(),
            ),
        }
        self
    }

    /// The policy of every step that has none of its own.
    #[must_use]
    pub fn retry(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// How long a saga may take before it goes back, unless its pivot has succeeded.
    #[must_use]
    pub fn deadline(mut self, deadline: std::time::Duration) -> Self {
        self.deadline_ms = Some(u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX));
        self
    }

    /// The parts of its input that are about a person: the log holds them under a key of their subject, and
    /// steps see placeholders once it is forgotten. Not part of the definition's hash.
    #[must_use]
    pub fn personal(mut self, personal: Personal) -> Self {
        self.personal = Some(personal);
        self
    }

    /// Checks everything. A refusal names the step, the rule and the way out.
    pub fn build(mut self) -> Result<Definition<T>, DefinitionError> {
        if let Some(problem) = self.too_early {
            return Err(DefinitionError { saga: self.name, problem });
        }
        for (step, own) in self.steps.iter_mut().zip(&self.own_policy) {
            if !own {
                step.policy = self.policy.clone();
            }
        }
        let definition = saga::Definition::new(&self.name, self.steps, self.deadline_ms)?;
        for (step, reads) in definition.steps().iter().zip(&self.reads) {
            for read in *reads {
                check_read(&definition, &step.name, read)?;
            }
        }
        let check_input =
            |json: &saga::Json| json.read::<T>().map(drop).map_err(|error| error.to_string());
        let event_types = SagaEventTypes::default();
        let (code, personal) = (self.code, self.personal);
        let registered = Registered { definition, code, check_input, personal, event_types };
        let registered = Arc::new(registered);
        Ok(Definition { registered, input: PhantomData })
    }

    fn say_too_early(&mut self, problem: String) {
        self.too_early.get_or_insert(problem);
    }

    fn add<S: Step<Saga = T>>(mut self, kind: StepKind, code: Arc<dyn ErasedStep>) -> Self {
        let policy = self.policy.clone();
        self.steps.push(StepSpec { name: S::NAME.into(), kind, after: Vec::new(), policy });
        self.code.push(code);
        self.reads.push(S::READS);
        self.own_policy.push(false);
        self
    }
}

/// `reader` may read `read` when it comes after it, directly or not.
fn check_read(
    definition: &saga::Definition,
    reader: &str,
    read: &str,
) -> Result<(), DefinitionError> {
    let found = |name| definition.find(name).map(|(index, _)| index);
    let problem = match (found(reader), found(read)) {
        (Some(reader), Some(read)) if definition.comes_after(reader, read) => return Ok(()),
        (_, Some(_)) => format!(
            "step `{reader}` reads the result of `{read}` but does not come after it: add \
             `.after_step(\"{read}\")` to it, or to a step before it"
        ),
        (_, None) => format!(
            "step `{reader}` reads the result of `{read}`, and there is no such step: add it or \
             take it out of its READS"
        ),
    };
    Err(DefinitionError { saga: definition.name().to_string(), problem })
}
