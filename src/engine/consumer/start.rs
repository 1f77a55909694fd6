//! The groups of a node at its start: what is asked is checked, then each runs while the node has its shard.

use std::collections::BTreeMap;
use std::sync::Arc;

use sagaline_storage::Backend;
use tokio::task::JoinHandle;

use crate::engine::builder::{NodeError, twice};
use crate::engine::core::Core;
use crate::engine::ownership::duty;
use crate::engine::pages::Pages;
use crate::engine::subscription::{Followed, following};

use super::{AnyConsumer, Runner, Terms};

/// A consumer, and what it asks for.
type Checked = (Arc<dyn AnyConsumer>, Terms);

/// Consumers with what they ask for, each once.
pub(crate) fn checked(consumers: Vec<Arc<dyn AnyConsumer>>) -> Result<Vec<Checked>, NodeError> {
    let mut checked: Vec<Checked> = Vec::new();
    for consumer in consumers {
        let terms = consumer.terms()?;
        if checked.iter().any(|(_, known)| known.name == terms.name) {
            return Err(twice("consumer", terms.name));
        }
        checked.push((consumer, terms));
    }
    Ok(checked)
}

/// Runs the consumers' groups, each while this node has its shard.
pub(crate) fn consume<B: Backend>(
    core: &Arc<Core<B>>,
    pages: &Arc<Pages>,
    consumers: Vec<Checked>,
) -> (BTreeMap<&'static str, Followed>, Vec<JoinHandle<()>>) {
    let (mut groups, mut tasks) = (BTreeMap::new(), Vec::new());
    for (consumer, terms) in consumers {
        let (progress, followed) = following(pages);
        let (name, owner) = (terms.name, core.clone());
        groups.insert(name, followed);
        let run = move |stop| {
            let (core, consumer, terms) = (owner.clone(), consumer.clone(), terms.clone());
            Runner { core, consumer, terms, stop, progress: progress.clone() }.run()
        };
        tasks.push(tokio::spawn(duty::keep(core.clone(), name, core.stop.subscribe(), run)));
    }
    (groups, tasks)
}
