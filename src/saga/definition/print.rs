//! A definition for people: as text and as a Mermaid graph.

use std::fmt::{self, Write as _};

use super::{Definition, StepKind, StepSpec};

impl fmt::Display for Definition {
    /// One line a step: name, kind, what it comes after.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.name)?;
        if let Some(deadline_ms) = self.deadline_ms {
            write!(f, " (within {deadline_ms} ms)")?;
        }
        let width = self.steps.iter().map(|step| step.name.len()).max().unwrap_or(0);
        for step in &self.steps {
            write!(f, "\n  {:width$}  {:11}", step.name, step.kind.name())?;
            if !step.after.is_empty() {
                write!(f, "  after {}", step.after.join(", "))?;
            }
        }
        Ok(())
    }
}

impl Definition {
    /// A Mermaid flowchart: compensable steps as boxes, the pivot as a hexagon, retriable ones round.
    pub fn to_mermaid(&self) -> String {
        let mut graph = String::from("flowchart LR");
        for (place, step) in self.steps.iter().enumerate() {
            let (open, close) = match step.kind {
                StepKind::Compensable => ("[", "]"),
                StepKind::Pivot => ("{{", "}}"),
                StepKind::Retriable => ("([", "])"),
            };
            push(&mut graph, format_args!("s{place}{open}\"{}\"{close}", step.name));
        }
        for (place, step) in self.steps.iter().enumerate() {
            self.push_edges(&mut graph, place, step);
        }
        graph
    }

    // Nodes are numbered: a step may have a name that Mermaid would read as a keyword.
    fn push_edges(&self, graph: &mut String, place: usize, step: &StepSpec) {
        for (earlier, _) in step.after.iter().filter_map(|name| self.find(name)) {
            push(graph, format_args!("s{} --> s{place}", earlier.0));
        }
    }
}

fn push(graph: &mut String, line: fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = write!(graph, "\n    {line}");
}
