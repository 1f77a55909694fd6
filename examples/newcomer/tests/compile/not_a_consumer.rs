//! A consumer that is none.

use sagaline::prelude::*;

struct Letters;

fn with<B: Backend>(node: NodeBuilder<B>) -> NodeBuilder<B> {
    node.consumer(Letters)
}

fn main() {}
