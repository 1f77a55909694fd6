//! `sagaline definition`: the sagas that the ready node runs, as text and as graphs. Opens nothing.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use super::failure::{Exit, Failure};
use super::output::{Output, json_line};
use crate::app::gateway::HttpGateway;
use crate::app::{order_processing, order_refund};
use crate::domain::LockPolicy;
use crate::engine::http_client::{HttpClient, TcpConnect};
use crate::saga::{Definition, DefinitionDocument};

/// `sagaline definition …`
#[derive(Debug, Clone, clap::Subcommand)]
pub enum DefinitionCommand {
    /// List the saga types of this program.
    List(Output),
    /// Show the steps of a saga type: what follows what, what can be undone, and its hash.
    Show(Show),
}

/// `sagaline definition show`
#[derive(Debug, Clone, clap::Args)]
pub struct Show {
    /// The saga type: `order-processing`, for instance.
    pub saga_type: String,
    /// Print a Mermaid flowchart instead.
    #[arg(long, conflicts_with = "json")]
    pub mermaid: bool,
    /// How it is printed.
    #[command(flatten)]
    pub output: Output,
}

/// A definition in a list.
#[derive(Serialize)]
struct Listed<'a> {
    name: &'a str,
    steps: usize,
    hash: &'a str,
}

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, steps, hash } = self;
        write!(f, "{name}  {steps} steps  {hash}")
    }
}

/// A definition as a program reads it.
#[derive(Serialize)]
struct Shown<'a> {
    hash: &'a str,
    definition: DefinitionDocument,
}

/// What is to be printed.
pub fn text(command: &DefinitionCommand) -> Result<String, Failure> {
    let definitions = definitions()?;
    match command {
        DefinitionCommand::List(output) => {
            let lines = definitions.iter().map(|definition| {
                let (name, steps) = (&**definition.name(), definition.steps().len());
                output.text(&Listed { name, steps, hash: definition.hash() })
            });
            Ok(lines.collect::<Result<Vec<_>, _>>()?.join("\n"))
        }
        DefinitionCommand::Show(show) => {
            let found = definitions.iter().find(|known| **known.name() == *show.saga_type);
            let definition = found.ok_or_else(|| unknown(&show.saga_type, &definitions))?;
            let hash = definition.hash();
            match (show.mermaid, show.output.json) {
                (true, _) => Ok(definition.to_mermaid()),
                (false, true) => json_line(&Shown { hash, definition: definition.clone().into() }),
                (false, false) => Ok(format!("{definition}\nhash {hash}")),
            }
        }
    }
}

/// The reference application's. What a step is done with is no part of a definition: any gateway will do,
/// and this one is never asked.
fn definitions() -> Result<[Definition; 2], Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::new(Exit::Failed, error);
    let client = HttpClient::new(Arc::new(TcpConnect));
    let gateway = HttpGateway::new(client, "http://gateway").map_err(|error| failed(&error))?;
    let processing = order_processing(gateway.clone(), LockPolicy::default());
    let processing = processing.map_err(|error| failed(&error))?;
    let refund = order_refund(gateway).map_err(|error| failed(&error))?;
    Ok([processing.as_value().clone(), refund.as_value().clone()])
}

fn unknown(saga_type: &str, known: &[Definition]) -> Failure {
    let known: Vec<&str> = known.iter().map(|definition| &**definition.name()).collect();
    Failure::new(
        Exit::Usage,
        format!("saga type `{saga_type}` is not known here; known are: {}", known.join(", ")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(saga_type: &str, mermaid: bool) -> Result<String, Failure> {
        let (saga_type, output) = (saga_type.to_owned(), Output::default());
        text(&DefinitionCommand::Show(Show { saga_type, mermaid, output }))
    }

    #[test]
    fn definitions_are_shown_as_text_and_as_graph() {
        let list = text(&DefinitionCommand::List(Output::default())).unwrap();
        assert!(list.contains("order-processing  4 steps"), "{list}");
        let json = text(&DefinitionCommand::List(Output { json: true })).unwrap();
        assert!(json.starts_with(r#"{"name":"order-processing","steps":4,"hash":""#), "{json}");
        assert_eq!(json.lines().count(), list.lines().count());
        let steps = show("order-processing", false).unwrap();
        assert!(steps.contains("capture_payment") && steps.contains("pivot"), "{steps}");
        let graph = show("order-refund", true).unwrap();
        assert!(graph.starts_with("flowchart LR\n"), "{graph}");
    }

    #[test]
    fn an_unknown_type_is_refused_with_those_that_are_known() {
        let refusal = show("travel", false).unwrap_err().to_string();
        assert!(refusal.contains("order-processing, order-refund"), "{refusal}");
    }
}
