//! `sagaline projection list` and `rebuild`: the read models of a running node over its HTTP API, or of a
//! stopped one in its store.

use std::fmt::Write;
use std::future::Future;
use std::time::Duration;

use sagaline_storage::{Backend, Clock};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::failure::{Exit, Failure};
use super::remote::{Remote, not_understood};
use crate::engine::Node;

/// Between two looks at a rebuild.
const LOOK: Duration = Duration::from_millis(200);

/// `sagaline projection …`
#[derive(Debug, Clone, clap::Subcommand)]
pub enum ProjectionCommand {
    /// List the read models: position, lag, generation, and what is being rebuilt.
    List(List),
    /// Build read models anew from the log. A running node goes on answering from the old ones meanwhile.
    Rebuild(Rebuild),
}

/// `sagaline projection list`
#[derive(Debug, Clone, clap::Args)]
pub struct List {
    /// Print each as a JSON object on a line of its own.
    #[arg(long)]
    pub json: bool,
}

/// `sagaline projection rebuild`
#[derive(Debug, Clone, clap::Args)]
pub struct Rebuild {
    /// Their names, as `list` shows them.
    #[arg(required_unless_present = "all")]
    pub names: Vec<String>,
    /// All of them, one after another.
    #[arg(long, conflicts_with = "names")]
    pub all: bool,
    /// Print each as a JSON object on a line of its own.
    #[arg(long)]
    pub json: bool,
}

/// A read model, as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Shown {
    name: String,
    version: u32,
    generation: u32,
    position: u64,
    lag: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rebuilding: Option<Built>,
    retired: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Built {
    generation: u32,
    position: u64,
    lag: u64,
}

/// Whose read models they are.
pub trait ReadModels {
    /// All of them.
    fn list(&self) -> impl Future<Output = Result<Vec<Shown>, Failure>>;

    /// Orders one to be built anew.
    fn rebuild(&self, name: &str) -> impl Future<Output = Result<Shown, Failure>>;
}

/// Does it, and returns what is to be printed; a rebuild is waited for, and `progress` told how far it is.
pub async fn run<C: Clock>(
    models: &impl ReadModels,
    command: &ProjectionCommand,
    clock: &C,
    mut progress: impl FnMut(u64, u64),
) -> Result<String, Failure> {
    let mut out = String::new();
    match command {
        ProjectionCommand::List(list) => {
            models.list().await?.iter().for_each(|shown| shown.line(list.json, &mut out));
        }
        ProjectionCommand::Rebuild(rebuild) => {
            let names = match rebuild.all {
                true => models.list().await?.into_iter().map(|shown| shown.name).collect(),
                false => rebuild.names.clone(),
            };
            for name in &names {
                models.rebuild(name).await.map_err(|failure| failure.at(name))?;
                let done = built(models, name, clock, &mut progress).await?;
                done.line(rebuild.json, &mut out);
            }
        }
    }
    Ok(out)
}

async fn built<C: Clock>(
    models: &impl ReadModels,
    name: &str,
    clock: &C,
    progress: &mut impl FnMut(u64, u64),
) -> Result<Shown, Failure> {
    loop {
        let found = models.list().await?.into_iter().find(|shown| shown.name == name);
        let shown = found.ok_or_else(|| {
            Failure::new(Exit::Failed, format!("{name}: the node does not keep it any more"))
        })?;
        let Some(built) = &shown.rebuilding else {
            progress(shown.position, shown.position);
            return Ok(shown);
        };
        // Never at its end before it is swapped in.
        progress(built.position, (built.position + built.lag).max(built.position + 1));
        clock.sleep(LOOK).await;
    }
}

impl Shown {
    fn line(&self, as_json: bool, out: &mut String) {
        let line = if as_json { json!(self).to_string() } else { self.text() };
        writeln!(out, "{line}").expect("writing to a String cannot fail");
    }

    fn text(&self) -> String {
        let Self { name, version, generation, position, lag, rebuilding, retired } = self;
        let mut text = format!(
            "{name:<12}  version {version}  generation {generation}  position {position}  lag {lag}"
        );
        if let Some(built) = rebuilding {
            let (number, at) = (built.generation, built.position);
            text.push_str(&format!("  rebuilding: generation {number} at {at}, lag {}", built.lag));
        }
        if *retired > 0 {
            text.push_str(&format!("  retired {retired}"));
        }
        text
    }
}

#[derive(Deserialize)]
struct Listed {
    projections: Vec<Shown>,
}

impl ReadModels for Remote {
    async fn list(&self) -> Result<Vec<Shown>, Failure> {
        let listed = self.get("/projections").await??;
        let listed: Listed = serde_json::from_value(listed).map_err(not_understood)?;
        Ok(listed.projections)
    }

    async fn rebuild(&self, name: &str) -> Result<Shown, Failure> {
        let path = format!("/projections/{}/rebuild", super::remote::escaped(name));
        serde_json::from_value(self.post(&path, &json!({})).await??).map_err(not_understood)
    }
}

impl<B: Backend> ReadModels for Node<B> {
    async fn list(&self) -> Result<Vec<Shown>, Failure> {
        let states = self.projections().await?;
        let shown = |state| serde_json::from_value(json!(state)).map_err(not_understood);
        states.into_iter().map(shown).collect()
    }

    async fn rebuild(&self, name: &str) -> Result<Shown, Failure> {
        let state = Node::rebuild(self, name).await;
        let state = state.map_err(|error| Failure::new(Exit::Failed, error))?;
        serde_json::from_value(json!(state)).map_err(not_understood)
    }
}
