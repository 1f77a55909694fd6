//! A compensable step without its undo.

use sagaline::prelude::*;

struct Hotel;

impl Step for Hotel {
    const NAME: &'static str = "hotel";
    type Saga = String;
    type Output = u32;

    async fn action(&self, _: &Call<String>) -> Outcome<u32> {
        Ok(4)
    }
}

fn main() {
    let _ = Definition::new("trip").compensable(Hotel).build();
}
