//! A read model that is none.

use sagaline::prelude::*;

struct Trips;

fn with<B: Backend>(node: NodeBuilder<B>) -> NodeBuilder<B> {
    node.projection(Trips)
}

fn main() {}
