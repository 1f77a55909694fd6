//! hyper's timer on the backend's clock. Used by [`super::serve`] only; it never reads the system's time.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use hyper::rt::{Sleep, Timer};
use parking_lot::Mutex;
use sagaline_storage::Clock;

/// Lets hyper sleep where the product sleeps: in the simulation that is simulated time.
#[derive(Debug, Clone)]
pub(super) struct ClockTimer<C>(pub(super) C);

impl<C: Clock> Timer for ClockTimer<C> {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        let clock = self.0.clone();
        let sleeping = async move { clock.sleep(duration).await };
        Box::pin(ClockSleep(Mutex::new(Box::pin(sleeping))))
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        self.sleep(deadline.saturating_duration_since(self.now()))
    }
}

/// hyper wants its sleeps `Sync`, a clock's are only `Send`: the lock makes up for it and is never
/// taken, because polling has the only reference.
struct ClockSleep(Mutex<Pin<Box<dyn Future<Output = ()> + Send>>>);

impl Sleep for ClockSleep {}

impl Future for ClockSleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.0.get_mut().as_mut().poll(context)
    }
}
