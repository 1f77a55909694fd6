//! The asking side: one connection to a service, made anew when it breaks, with a bound on every wait.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::io;
use std::marker::PhantomData;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use sagaline_storage::Clock;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::oneshot;

use super::Lost;
use super::frame::{Frames, Line, Outbox, Unnumbered, decode, encode, write};
use crate::machine::Machine;
use crate::services::within::within;
use crate::world::{MachineClock, Network, SimStream, World};

/// A connection that is not there by then is given up.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// A request without answer by then is given up, and its connection with it: it may be a dead one.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// More requests than this are not under way on one connection.
const OPEN_MAX: usize = 4_096;

/// Asks one service from one machine. Clones share the connection.
pub(crate) struct RpcClient<Q> {
    inner: Arc<Inner>,
    asks: PhantomData<fn(Q)>,
}

impl<Q> Clone for RpcClient<Q> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), asks: PhantomData }
    }
}

struct Inner {
    from: Machine,
    to: Machine,
    network: Network,
    clock: MachineClock,
    /// Held while connecting, so that one connection is made for all who wait.
    connection: tokio::sync::Mutex<Option<Connection>>,
}

impl<Q: Serialize> RpcClient<Q> {
    /// A client on machine `from`; it connects when it is first asked.
    pub(crate) fn new(world: &World, from: Machine, to: Machine) -> Self {
        let (network, clock) = (world.network.clone(), world.clock(from));
        let inner = Inner { from, to, network, clock, connection: tokio::sync::Mutex::default() };
        Self { inner: Arc::new(inner), asks: PhantomData }
    }

    /// Asks, and waits for the answer for a bounded time.
    pub(crate) async fn ask<A: DeserializeOwned>(&self, request: &Q) -> Result<A, Lost> {
        let request = encode(request).map_err(|error| Lost::Unsent(error.to_string()))?;
        let answer = self.inner.send(request).await.map_err(Lost::Unsent)?;
        match answer.await {
            Ok(Ok(answer)) => decode(&answer).map_err(|error| Lost::Unknown(error.to_string())),
            Ok(Err(why)) => Err(Lost::Unknown(why)),
            Err(_) => Err(Lost::Unknown("its connection was given up".to_owned())),
        }
    }
}

impl Inner {
    /// Puts a request on its way; the error says why it did not leave.
    async fn send(&self, request: Unnumbered) -> Result<Reply, String> {
        let mut connection = self.connection.lock().await;
        let until = self.clock.monotonic() + ANSWER_TIMEOUT;
        if let Some(open) = connection.as_ref().filter(|open| open.takes_more()) {
            return open.ask(request, until).ok_or_else(|| format!("{}: it has ended", self.to));
        }
        *connection = None;
        let made = self.connect().await.map_err(|error| format!("{}: {error}", self.to))?;
        let until = self.clock.monotonic() + ANSWER_TIMEOUT;
        let asked = connection.insert(made).ask(request, until);
        asked.ok_or_else(|| format!("{}: it has ended", self.to))
    }

    async fn connect(&self) -> io::Result<Connection> {
        let connecting = self.network.connect(self.from, self.to.address());
        let connected = within(&self.clock, CONNECT_TIMEOUT, connecting).await;
        Ok(Connection::over(connected.ok_or(io::ErrorKind::TimedOut)??, self.clock.clone()))
    }
}

type Reply = oneshot::Receiver<Result<Bytes, String>>;

/// An open connection. Dropping it ends it in good order.
struct Connection {
    outbox: Outbox,
    open: Arc<Mutex<Open>>,
}

/// The requests that wait for answers.
#[derive(Default)]
struct Open {
    last_id: u64,
    /// By number, which is also the order in which they are given up.
    waiting: BTreeMap<u64, Waiting>,
    broken: bool,
}

struct Waiting {
    until: Duration,
    reply: oneshot::Sender<Result<Bytes, String>>,
}

impl Connection {
    fn over(stream: SimStream, clock: MachineClock) -> Self {
        let (outbox, line) = Outbox::of(&stream);
        let open = Arc::new(Mutex::new(Open::default()));
        tokio::spawn(drive(stream, line, open.clone(), clock));
        Self { outbox, open }
    }

    /// Neither broken nor full.
    fn takes_more(&self) -> bool {
        let open = self.open.lock();
        !open.broken && open.waiting.len() < OPEN_MAX
    }

    /// None: nobody writes any more, and nothing left.
    fn ask(&self, request: Unnumbered, until: Duration) -> Option<Reply> {
        let mut open = self.open.lock();
        open.last_id += 1;
        let id = open.last_id;
        if !self.outbox.send(request.numbered(id)) {
            return None;
        }
        let (reply, answer) = oneshot::channel();
        open.waiting.insert(id, Waiting { until, reply });
        Some(answer)
    }
}

/// Carries a connection to its end, and tells everybody who still waits then.
async fn drive(stream: SimStream, line: Line, open: Arc<Mutex<Open>>, clock: MachineClock) {
    let sending = stream.sending();
    let mut frames = Frames::new(stream);
    let mut writing = pin!(write(sending, line));
    let mut overdue = pin!(first_overdue(&open, &clock));
    // Every message comes through here: nothing is looked at twice that cannot have changed meanwhile.
    let why = poll_fn(|context| {
        if let Poll::Ready(written) = writing.as_mut().poll(context) {
            let ended = |()| "not needed".to_owned();
            return Poll::Ready(written.map_or_else(|error| error.to_string(), ended));
        }
        while let Poll::Ready(frame) = frames.poll_next(context) {
            match frame {
                Ok((id, answer)) => answered(&open, id, answer),
                Err(error) => return Poll::Ready(error.to_string()),
            }
        }
        overdue.as_mut().poll(context).map(|()| "no answer in time".to_owned())
    });
    let why = why.await;
    let mut open = open.lock();
    open.broken = true;
    for waiting in std::mem::take(&mut open.waiting).into_values() {
        // Who asked may have gone away.
        let _ = waiting.reply.send(Err(why.clone()));
    }
}

fn answered(open: &Mutex<Open>, id: u64, answer: Bytes) {
    if let Some(waiting) = open.lock().waiting.remove(&id) {
        // Who asked may have gone away.
        let _ = waiting.reply.send(Ok(answer));
    }
}

/// Returns when a request has waited for too long. All wait equally long, so the oldest is looked at.
async fn first_overdue(open: &Mutex<Open>, clock: &MachineClock) {
    loop {
        let oldest = open.lock().waiting.values().next().map(|waiting| waiting.until);
        let now = clock.monotonic();
        match oldest {
            Some(until) if until <= now => return,
            Some(until) => clock.sleep(until - now).await,
            None => clock.sleep(ANSWER_TIMEOUT).await,
        }
    }
}
