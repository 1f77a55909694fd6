//! An action that returns something else than its output.

use sagaline::prelude::*;

struct Hotel;

impl Step for Hotel {
    const NAME: &'static str = "hotel";
    type Saga = String;
    type Output = u32;

    async fn action(&self, _: &Call<String>) -> Outcome<String> {
        Ok("room 4".to_owned())
    }
}

fn main() {}
