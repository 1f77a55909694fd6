//! `sagaline definition`: the sagas that the ready node runs, as text and as graphs. Opens nothing.

use std::sync::Arc;

use super::failure::{Exit, Failure};
use crate::app::gateway::HttpGateway;
use crate::app::{order_processing, order_refund};
use crate::domain::LockPolicy;
use crate::engine::http_client::{HttpClient, TcpConnect};
use crate::saga::Definition;

/// `sagaline definition …`
#[derive(Debug, Clone, clap::Subcommand)]
pub enum DefinitionCommand {
    /// List the saga types of this node.
    List,
    /// Show the steps of a saga type: what follows what, what can be undone, and its hash.
    Show(Show),
}

/// `sagaline definition show`
#[derive(Debug, Clone, clap::Args)]
pub struct Show {
    /// The saga type: `order-processing`, for instance.
    pub saga_type: String,
    /// Print a Mermaid flowchart instead.
    #[arg(long)]
    pub mermaid: bool,
}

/// What is to be printed.
pub fn text(command: &DefinitionCommand) -> Result<String, Failure> {
    let definitions = definitions()?;
    match command {
        DefinitionCommand::List => {
            let lines = definitions.iter().map(|definition| {
                let (name, steps) = (definition.name(), definition.steps().len());
                format!("{name}  {steps} steps  {}", definition.hash())
            });
            Ok(lines.collect::<Vec<_>>().join("\n"))
        }
        DefinitionCommand::Show(show) => {
            let found = definitions.iter().find(|known| **known.name() == *show.saga_type);
            let definition = found.ok_or_else(|| unknown(&show.saga_type, &definitions))?;
            match show.mermaid {
                true => Ok(definition.to_mermaid()),
                false => Ok(format!("{definition}\nhash {}", definition.hash())),
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
        text(&DefinitionCommand::Show(Show { saga_type: saga_type.to_owned(), mermaid }))
    }

    #[test]
    fn definitions_are_shown_as_text_and_as_graph() {
        let list = text(&DefinitionCommand::List).unwrap();
        assert!(list.contains("order-processing  4 steps"), "{list}");
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
