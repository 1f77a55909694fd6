//! A world on a thread of its own for one test, and what most tests do in it.

use std::future::Future;
use std::io;
use std::time::Duration;

use sagaline_sim::bites::Bites;
use sagaline_sim::fault::{Episode, Fault, FaultKind, Link};
use sagaline_sim::machine::Machine;
use sagaline_sim::once;
use sagaline_sim::seed::Seed;
use sagaline_sim::world::{SimStream, World};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

pub(crate) const MS: u64 = 1_000;
pub(crate) const SECOND: u64 = 1_000 * MS;

/// Runs a test in a world of its own.
pub(crate) fn in_world<F, T>(seed: u64, test: impl FnOnce(World) -> F + Send + 'static) -> T
where
    F: Future<Output = T> + 'static,
    T: Send + 'static,
{
    once::run(seed, move || async move { test(World::new(Seed(seed), Bites::default())).await })
}

/// An episode that lasts until it is ended.
pub(crate) fn episode(id: u32, fault: Fault) -> Episode {
    Episode { id, at_ms: 0, for_ms: 0, fault }
}

/// From the clients to the store: the link of most tests.
pub(crate) const LINK: Link = Link { from: Machine::Clients, to: Machine::Store };

/// A partition between the clients and the store.
pub(crate) fn partition() -> Fault {
    let (one, other) = (vec![Machine::Clients], vec![Machine::Store]);
    Fault::Partition { one, other, one_way: false }
}

/// How often this kind has mattered.
pub(crate) fn bites(world: &World, kind: FaultKind) -> u64 {
    world.bites.counts().get(&kind).copied().unwrap_or(0)
}

/// A machine that sends back what it is sent, over every connection.
pub(crate) fn echo(world: &World, machine: Machine) {
    world.machine(machine, move |world| Box::pin(echo_boot(world, machine)));
}

async fn echo_boot(world: World, machine: Machine) {
    let listener = world.network.listen(machine, 3000).expect("nobody else listens");
    loop {
        let (mut stream, _) = listener.accept().await.expect("the listener is ours");
        tokio::spawn(async move {
            let mut buffer = vec![0; 4_096];
            while let Ok(read) = stream.read(&mut buffer).await {
                if read == 0 || stream.write_all(&buffer[..read]).await.is_err() {
                    break;
                }
            }
        });
    }
}

/// A connection from the clients to the store.
pub(crate) async fn connect(world: &World) -> io::Result<SimStream> {
    world.network.connect(Machine::Clients, Machine::Store.address()).await
}

/// Sends bytes and reads as many back.
pub(crate) async fn ask(stream: &mut SimStream, bytes: &[u8]) -> io::Result<Vec<u8>> {
    stream.write_all(bytes).await?;
    let mut answer = vec![0; bytes.len()];
    stream.read_exact(&mut answer).await?;
    Ok(answer)
}

/// Lets so much of the world's time pass.
pub(crate) async fn pass(world: &World, us: u64) {
    world.timeline().after(us).await;
}

/// What the future comes to within this time; none: it takes longer.
pub(crate) async fn within<T>(
    world: &World,
    us: u64,
    future: impl Future<Output = T>,
) -> Option<T> {
    let limit = pass(world, us);
    tokio::select! {
        biased;
        done = future => Some(done),
        () = limit => None,
    }
}

/// A duration of the world's time.
pub(crate) fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}
