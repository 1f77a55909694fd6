//! The names that an application puts into a node, before anything is simulated.

use sagaline::app::{ORDER_PROCESSING, ORDER_REFUND};
use sagaline::engine::{Node, NodeBuilder, Projection};
use sagaline::projections::{Orders, Payments, Sagas};
use sagaline_storage::clock::SystemClock;
use sagaline_storage::memory::MemoryKv;

use super::clash;
use crate::check::{App, SimBackend};

const SAGAS: [&str; 2] = [ORDER_PROCESSING, ORDER_REFUND];
const PROJECTIONS: [&str; 3] = [Orders::NAME, Payments::NAME, Sagas::NAME];

/// Why this application cannot be checked, by what it puts into a node.
pub(in crate::check) fn refused(app: &App) -> Option<String> {
    let look = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("the system has room for a runtime");
        runtime.block_on(async {
            let node = Node::in_memory(&MemoryKv::new(), SystemClock::default()).await;
            match app(node.expect("an empty memory can be opened")) {
                Ok(node) => taken(&node),
                Err(error) => Some(format!("the application cannot be put together: {error}")),
            }
        })
    };
    // The test may be within a runtime already.
    let looked = std::thread::scope(|threads| threads.spawn(look).join());
    looked.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

fn taken(node: &NodeBuilder<SimBackend>) -> Option<String> {
    let mut sagas = node.definitions().into_iter().map(|saga| saga.name().to_string());
    let saga = sagas.find(|name| SAGAS.contains(&name.as_str()));
    let mut projections = node.projections().into_iter().map(|(name, _)| name);
    let projection = projections.find(|name| PROJECTIONS.contains(name));
    let of_saga = saga.map(|name| clash("saga", &name));
    of_saga.or_else(|| projection.map(|name| clash("projection", name)))
}

#[cfg(test)]
mod tests {
    use sagaline::engine::Definition;

    use super::*;
    use crate::check::Built;

    fn nothing(node: NodeBuilder<SimBackend>) -> Built {
        Ok(node)
    }

    fn orders(node: NodeBuilder<SimBackend>) -> Built {
        Ok(node.projection(Orders))
    }

    fn nameless(node: NodeBuilder<SimBackend>) -> Built {
        Ok(node.saga(&Definition::<u8>::new("").build()?))
    }

    #[test]
    fn a_projection_of_the_nodes_own_is_named() {
        assert_eq!(refused(&nothing), None);
        let why = refused(&orders).unwrap();
        assert!(why.starts_with("the projection `orders` cannot be checked"), "{why}");
    }

    #[test]
    fn an_application_that_contradicts_itself_says_so() {
        let why = refused(&nameless).unwrap();
        assert!(why.starts_with("the application cannot be put together: "), "{why}");
    }
}
