//! A probe that answers with something else than the output.

use sagaline::prelude::*;

struct Hotel;

impl Step for Hotel {
    const NAME: &'static str = "hotel";
    type Saga = String;
    type Output = u32;

    async fn action(&self, _: &Call<String>) -> Outcome<u32> {
        Ok(4)
    }

    async fn probe(&self, _: &Call<String>) -> Probe<String> {
        Probe::Happened("room 4".to_owned())
    }
}

fn main() {}
