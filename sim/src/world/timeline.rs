//! The world's own time: what no machine can read, and everything of the world goes by. Counted in
//! microseconds from the world's start; exact where madsim's own sleeps round up to a millisecond.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use madsim::time::TimeHandle;

/// The true time of one world.
#[derive(Clone)]
pub struct Timeline {
    time: TimeHandle,
    start: Duration,
}

impl fmt::Debug for Timeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Timeline(at {} us)", self.now_us())
    }
}

impl Timeline {
    /// A time that starts now. Only within a madsim runtime.
    pub(super) fn new() -> Self {
        let time = TimeHandle::current();
        let start = time.elapsed();
        Self { time, start }
    }

    /// Microseconds since the start.
    pub fn now_us(&self) -> u64 {
        micros(self.time.elapsed().saturating_sub(self.start))
    }

    /// Wakes `waker` once, at this moment; at once when it is past. Nothing takes it back, so whoever is
    /// woken looks for itself whether there is anything to do.
    pub fn wake_at(&self, at_us: u64, waker: &Waker) {
        let due = self.start + Duration::from_micros(at_us);
        let Some(ahead) = due.checked_sub(self.time.elapsed()).filter(|ahead| !ahead.is_zero())
        else {
            return waker.wake_by_ref();
        };
        // A sleep of madsim's leaves its timer behind when it is dropped, and this is all of a timer that
        // can be had from outside. A new sleep is a millisecond at least; its deadline can be any.
        let mut sleep = self.time.sleep(Duration::ZERO);
        Pin::new(&mut sleep).reset(self.time.now_instant() + ahead);
        if Pin::new(&mut sleep).poll(&mut Context::from_waker(waker)).is_ready() {
            waker.wake_by_ref();
        }
    }

    /// Ready from this moment on.
    pub fn until(&self, at_us: u64) -> Until {
        Until { timeline: self.clone(), at_us, woken_by: None }
    }

    /// Ready when so many microseconds have passed.
    pub fn after(&self, us: u64) -> Until {
        self.until(self.now_us().saturating_add(us))
    }
}

/// Asked for at nearly every step of the world: it divides nothing in 128 bits.
fn micros(duration: Duration) -> u64 {
    duration.as_secs().saturating_mul(1_000_000).saturating_add(duration.subsec_micros().into())
}

/// Waits for a moment of the world's time.
#[derive(Debug)]
#[must_use = "a wait that nobody awaits is none"]
pub struct Until {
    timeline: Timeline,
    at_us: u64,
    /// Who is woken already, so that being polled often costs one timer.
    woken_by: Option<Waker>,
}

impl Until {
    /// The moment it waits for.
    pub fn at_us(&self) -> u64 {
        self.at_us
    }
}

impl Future for Until {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.timeline.now_us() >= self.at_us {
            return Poll::Ready(());
        }
        let waker = context.waker();
        if !self.woken_by.as_ref().is_some_and(|known| known.will_wake(waker)) {
            self.timeline.wake_at(self.at_us, waker);
            self.woken_by = Some(waker.clone());
        }
        Poll::Pending
    }
}
