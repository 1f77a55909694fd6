//! Something that is no step.

use sagaline::prelude::*;

struct Hotel;

fn main() {
    let _ = Definition::<String>::new("trip").pivot(Hotel).build();
}
