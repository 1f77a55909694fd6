//! A program without a mistake.

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

impl Compensable for Hotel {
    async fn compensate(&self, _: &Call<String>, _: Option<&u32>) -> Outcome<()> {
        Ok(())
    }
}

fn main() {
    let _ = Definition::new("trip").compensable(Hotel).build();
}
