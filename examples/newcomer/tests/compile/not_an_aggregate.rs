//! A command for something that is no aggregate.

use sagaline::prelude::*;

struct Account;

struct Withdraw;

impl Step for Withdraw {
    const NAME: &'static str = "withdraw";
    const LOCAL: bool = true;
    type Saga = String;
    type Output = ();

    async fn action(&self, call: &Call<String>) -> Outcome<()> {
        call.execute::<Account>("ada", 5).await.map(drop)
    }
}

fn main() {}
