//! Hyper's timers on the facade's clock: the same in production and in the simulation.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use hyper::rt::{Sleep, Timer};

/// Hyper's timer.
#[derive(Debug, Clone, Copy, Default)]
pub struct TokioTimer;

#[allow(
    clippy::disallowed_methods,
    reason = "hyper measures its own timeouts, nothing of ours depends on them"
)]
impl Timer for TokioTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        Box::pin(Pause(Box::pin(tokio::time::sleep(duration))))
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        self.sleep(deadline.saturating_duration_since(self.now()))
    }

    fn now(&self) -> Instant {
        Instant::now()
    }
}

struct Pause(Pin<Box<dyn Future<Output = ()> + Send + Sync>>);

impl Future for Pause {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().poll(context)
    }
}

impl Sleep for Pause {}
