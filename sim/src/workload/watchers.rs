//! Those who watch the log over HTTP as it grows: server-sent events of one node after the other, each from
//! the last event that the one before has sent. Some of them are cut off right behind the first thing that a
//! node says, which is where to come back to, while there is more to tell: then they come back there. What they
//! see is judged as what any subscriber sees.

use bytes::Bytes;
use http::{Request, header};
use http_body_util::Full;
use serde_json::Value;

use crate::machine::Machine;
use crate::seed::{Random, Seed};
use crate::world::World;

use super::http::{Chunks, Http};
use super::subscribers::{Seat, Subscribers};

/// So many of a hundred seeds have them.
const SEEDS_PERCENT: u64 = 50;
/// How long the head of an answer is waited for.
const ANSWER_US: u64 = 5_000_000;
/// A node gives a sign of life every 15 s: who hears nothing for so long asks another one.
const SILENCE_US: u64 = 20_000_000;
const RETRY_US: u64 = 1_000_000;
/// How long a watcher stays with a node, at most.
const STAY_MAX_US: u64 = 12_000_000;
/// So many of a hundred stays end behind the first block.
const CUT_OFF_PERCENT: u64 = 25;

/// Starts those of a seed: one from the log's beginning, `after_us` later, and one from its head.
pub fn start(
    seed: Seed,
    world: &World,
    http: &Http,
    admin: &str,
    seats: &Subscribers,
    after_us: u64,
) {
    let mut random = seed.stream("run/watchers");
    if !random.percent(SEEDS_PERCENT) {
        return;
    }
    for (name, after, wait_us) in
        [("over-http-from-zero", Some(0), after_us), ("over-http-from-head", None, 0)]
    {
        let watcher = Watcher {
            world: world.clone(),
            http: http.clone(),
            admin: admin.to_owned(),
            random: seed.stream(&format!("run/watchers/{name}")),
            name,
            last: after,
            seats: seats.clone(),
            seat: None,
        };
        let timeline = world.timeline().clone();
        tokio::spawn(Box::pin(async move {
            timeline.after(wait_us).await;
            watcher.run().await;
        }));
    }
}

struct Watcher {
    world: World,
    http: Http,
    admin: String,
    random: Random,
    name: &'static str,
    /// The id of the last event that came whole.
    last: Option<u64>,
    seats: Subscribers,
    seat: Option<Seat>,
}

impl Watcher {
    async fn run(mut self) {
        if let Some(after) = self.last {
            self.seat = Some(self.seats.take_seat(self.name, after));
        }
        let mut failed = None;
        loop {
            // Whoever did not answer is not asked again at once.
            let nodes: Vec<_> =
                Machine::NODES.into_iter().filter(|node| Some(*node) != failed).collect();
            let node = *self.random.pick(&nodes).unwrap_or(&Machine::Node1);
            let stays_us = self.random.between(1, STAY_MAX_US);
            let until_us = self.world.now_us() + stays_us;
            let blocks_max = if self.random.percent(CUT_OFF_PERCENT) { 1 } else { u64::MAX };
            // A node that does not answer, or ends the stream: the next one is asked.
            let request = self.request();
            let answer = self.within(ANSWER_US, self.http.open(node, request)).await;
            failed = Some(node);
            if let Some(Ok(chunks)) = answer {
                failed = None;
                self.follow(chunks, until_us, blocks_max).await;
            }
            self.world.timeline().after(RETRY_US).await;
        }
    }

    /// Where it was is said in a header, as browsers do, or in the query.
    fn request(&mut self) -> Request<Full<Bytes>> {
        const PATH: &str = "/trace/events/stream";
        let request = match self.last {
            None => Request::get(PATH),
            Some(last) if self.random.percent(50) => {
                Request::get(PATH).header("last-event-id", last)
            }
            Some(last) => Request::get(format!("{PATH}?after={last}")),
        };
        let request = request
            .header(header::HOST, "sagaline")
            .header(header::AUTHORIZATION, format!("Bearer {}", self.admin));
        request.body(Full::default()).expect("paths and headers are made of plain letters")
    }

    /// Takes in what comes until the stream ends, is silent for too long, or the time to leave has come:
    /// that may be in the middle of an event. Of what came behind the last block that is wanted nothing is
    /// taken in, also when it came along with it.
    async fn follow(&mut self, mut chunks: Chunks, until_us: u64, blocks_max: u64) {
        let (mut text, mut blocks) = (Text::default(), 0);
        while self.world.now_us() < until_us {
            let Some(Some(Ok(chunk))) = self.within(SILENCE_US, chunks.next()).await else {
                return;
            };
            text.0.extend_from_slice(&chunk);
            while let Some(block) = text.block() {
                self.take(&block);
                blocks += 1;
                if blocks == blocks_max {
                    return;
                }
            }
        }
    }

    /// One block: an event, or no more than an id.
    fn take(&mut self, block: &str) {
        let field =
            |name: &str| block.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        let Some(id) = field("id").and_then(|id| id.parse().ok()) else { return };
        self.last = Some(id);
        let seat = match self.seat {
            Some(seat) => seat,
            // The head was where the node says that it begins.
            None => *self.seat.insert(self.seats.take_seat(self.name, id)),
        };
        if let Some(data) = field("data") {
            let shown: Value = serde_json::from_str(data).unwrap_or_default();
            let event = shown["eventId"].as_str().unwrap_or(data).to_owned();
            self.seats.saw(seat, [(id, event)]);
        }
    }

    async fn within<T>(&self, us: u64, what: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            came = what => Some(came),
            () = self.world.timeline().after(us) => None,
        }
    }
}

/// What came and is no whole block yet.
#[derive(Default)]
struct Text(Vec<u8>);

impl Text {
    fn block(&mut self) -> Option<String> {
        let end = self.0.windows(2).position(|pair| pair == b"\n\n")?;
        let block: Vec<u8> = self.0.drain(..end + 2).collect();
        Some(String::from_utf8_lossy(&block).into_owned())
    }
}
