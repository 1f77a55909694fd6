//! Coffee: grind, pay, brew. `kill -9` it at any moment and run it again: it goes on where it was.
//! Nothing is done twice that was done, and the order is accepted once.
use sagaline::prelude::*;

struct Grind;
impl Step for Grind {
    const NAME: &'static str = "grind";
    type Saga = u32; // cups: what a saga is started with
    type Output = u32; // grams: stored with the step's success
    async fn action(&self, call: &Call<u32>) -> Outcome<u32> {
        work(call, "grinds").await;
        Ok(18 * call.input())
    }
}
impl Compensable for Grind {
    async fn compensate(&self, call: &Call<u32>, _grams: Option<&u32>) -> Outcome<()> {
        work(call, "puts the beans back").await;
        Ok(())
    }
}

struct Pay; // the pivot: before it everything can be undone, behind it the coffee comes
impl Step for Pay {
    const NAME: &'static str = "pay";
    type Saga = u32;
    type Output = ();
    async fn action(&self, call: &Call<u32>) -> Outcome<()> {
        work(call, "takes the money").await;
        if *call.input() > 9 { Err(Failure::rejected("TOO_MANY", "no such pot")) } else { Ok(()) }
    }
}

struct Brew;
impl Step for Brew {
    const NAME: &'static str = "brew";
    const READS: &'static [&'static str] = &[Grind::NAME]; // checked when the saga is built
    type Saga = u32;
    type Output = String;
    async fn action(&self, call: &Call<u32>) -> Outcome<String> {
        work(call, "brews").await;
        Ok(format!("{} g for Ada", call.result::<Grind>()?))
    }
}

#[allow(clippy::disallowed_methods, reason = "a kettle takes the time it takes")]
async fn work(call: &Call<u32>, what: &str) {
    println!("{what} (attempt {}, key {})", call.attempt(), call.key());
    tokio::time::sleep(1_500.ms()).await; // now is the time to kill it
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let coffee = Definition::new("coffee").compensable(Grind).pivot(Pay).after(Grind);
    let coffee = coffee.retriable(Brew).after(Pay).build()?;
    let node = Node::embedded("./first-data").await?.saga(&coffee).start().await?;
    let saga = node.sagas().start(&coffee, "order-1", &2).await?; // on the disk when it returns
    println!("order-1 is {}", if saga.replayed { "known already" } else { "accepted" });
    println!("order-1 is {:?}", node.sagas().wait(saga.id).await?.end());
    Ok(node.drain().await?)
}
