//! The answering side: connections in, every request that has to wait in a task of its own.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::watch;

use super::frame::{Frames, Outbox, Unnumbered, decode, encode, write};
use crate::machine::Machine;
use crate::world::{SimListener, SimStream};

/// Answers requests.
pub(crate) trait Service: Send + Sync + 'static {
    /// What can be asked.
    type Request: DeserializeOwned + Send + 'static;

    /// Answers one request.
    fn answer(&self, request: Self::Request, caller: Caller)
    -> impl Future<Output = Answer> + Send;
}

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Caller(pub(crate) Machine);

/// What a service does about a request.
pub(crate) enum Answer {
    /// It answers with this.
    Say(Unnumbered),
    /// It says nothing and ends the connection.
    Cut,
}

impl Answer {
    /// An answer that the asker decodes as the same type.
    pub(crate) fn of(answer: &impl Serialize) -> Self {
        // What cannot be written cannot be answered: the asker sees a broken connection.
        encode(answer).map_or(Self::Cut, Self::Say)
    }
}

/// All connections of a service, to be cut at once.
#[derive(Debug, Clone)]
pub(crate) struct Connections(Arc<watch::Sender<()>>);

impl Default for Connections {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(())))
    }
}

impl Connections {
    /// Ends every open connection in the middle of what it does; how many there were.
    pub(crate) fn cut_all(&self) -> usize {
        self.0.send_replace(());
        self.0.receiver_count()
    }
}

/// Serves for ever.
pub(crate) async fn serve<S: Service>(
    listener: SimListener,
    service: Arc<S>,
    connections: Connections,
) {
    loop {
        let Ok((stream, peer)) = listener.accept().await else { return };
        let Some(machine) = Machine::at(peer.ip()) else { continue };
        let cut = connections.0.subscribe();
        tokio::spawn(connection(stream, service.clone(), Caller(machine), cut));
    }
}

async fn connection<S: Service>(
    stream: SimStream,
    service: Arc<S>,
    caller: Caller,
    mut cut: watch::Receiver<()>,
) {
    let (outbox, line) = Outbox::of(&stream);
    let sending = stream.sending();
    let mut reading = Frames::new(stream);
    let mut writing = pin!(write(sending, line));
    let mut cut = pin!(cut.changed());
    // Every message comes through here: nothing is looked at twice that cannot have changed meanwhile.
    poll_fn(|context| {
        if cut.as_mut().poll(context).is_ready() || writing.as_mut().poll(context).is_ready() {
            return Poll::Ready(());
        }
        while let Poll::Ready(frame) = reading.poll_next(context) {
            let started = frame.and_then(|frame| start(&service, caller, frame, &outbox));
            // What stands in line leaves before more is read.
            if started.is_err() || (outbox.has_line() && writing.as_mut().poll(context).is_ready())
            {
                return Poll::Ready(());
            }
        }
        Poll::Pending
    })
    .await;
}

/// Answers a request, unless that takes time: then a task does it.
fn start<S: Service>(
    service: &Arc<S>,
    caller: Caller,
    (id, body): (u64, Bytes),
    outbox: &Outbox,
) -> io::Result<()> {
    let request = decode::<S::Request>(&body)?;
    let (service, outbox) = (service.clone(), outbox.clone());
    // Answering takes a big future: on the heap it is not copied from one owner to the next.
    let mut answering = Box::pin(async move {
        // The connection may be gone; the answer is then lost like any other.
        match service.answer(request, caller).await {
            Answer::Say(answer) => outbox.send(answer.numbered(id)),
            Answer::Cut => outbox.cut(),
        };
    });
    // Nobody is woken by this look: when it is not enough, the task looks again.
    if answering.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending() {
        tokio::spawn(answering);
    }
    Ok(())
}
