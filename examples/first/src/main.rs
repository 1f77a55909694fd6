//! Coffee: grind, pay, brew. `cargo run -p first`, `kill -9` it at any moment, run it again: it goes on
//! where it was. Nothing is done twice that was done, and the order is accepted once.
use std::{error::Error, time::Duration};

use sagaline::prelude::*;

#[derive(Serialize, Deserialize)]
struct Coffee {
    guest: String,
    cups: u32,
}

struct Grind;
impl Step for Grind {
    const NAME: &'static str = "grind";
    type Saga = Coffee; // what a saga is started with
    type Output = u32; // grams: stored with the step's success
    async fn action(&self, call: &Call<Coffee>) -> Outcome<u32> {
        work(call, "grinds").await;
        Ok(18 * call.input().cups)
    }
}
impl Compensable for Grind {
    async fn compensate(&self, call: &Call<Coffee>, _grams: Option<&u32>) -> Outcome<()> {
        work(call, "puts the beans back").await;
        Ok(())
    }
}

struct Pay; // the pivot: before it everything can be undone, behind it the coffee comes
impl Step for Pay {
    const NAME: &'static str = "pay";
    type Saga = Coffee;
    type Output = ();
    async fn action(&self, call: &Call<Coffee>) -> Outcome<()> {
        work(call, "takes the money").await;
        if call.input().cups > 9 {
            Err(Failure::rejected("TOO_MANY", "no such pot"))
        } else {
            Ok(())
        }
    }
}

struct Brew;
impl Step for Brew {
    const NAME: &'static str = "brew";
    const READS: &'static [&'static str] = &[Grind::NAME]; // checked when the saga is built
    type Saga = Coffee;
    type Output = String;
    async fn action(&self, call: &Call<Coffee>) -> Outcome<String> {
        work(call, "brews").await;
        Ok(format!("{} g for {}", call.result::<Grind>()?, call.input().guest))
    }
}

#[allow(clippy::disallowed_methods, reason = "a kettle takes the time it takes")]
async fn work(call: &Call<Coffee>, what: &str) {
    println!("{what} (attempt {}, key {})", call.attempt(), call.key());
    tokio::time::sleep(Duration::from_millis(1_500)).await; // now is the time to kill it
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let coffee = Definition::new("coffee")
        .compensable(Grind)
        .pivot(Pay)
        .after(Grind)
        .retriable(Brew)
        .after(Pay)
        .build()?;
    let node = Node::embedded("./first-data").await?.saga(&coffee).start().await?;
    let order = Coffee { guest: "Ada".into(), cups: 2 };
    let saga = node.sagas().start(&coffee, "order-1", &order).await?; // on the disk when it returns
    println!("order-1 is {}", if saga.replayed { "known already" } else { "accepted" });
    let end = node.sagas().wait(saga.id).await?;
    println!("order-1 is {:?}", end.end());
    Ok(node.drain().await?)
}
