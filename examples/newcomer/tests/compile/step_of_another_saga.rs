//! A step of one saga in the definition of another.

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
    let _ = Definition::<u64>::new("trip").pivot(Hotel).build();
}
