//! A clock that stands still until a test moves it.
//!
//! Part of the test kit: used by unit tests and by nodes in memory. Never reads the system's time, so
//! what a test sees depends on the test alone.

use std::collections::BTreeMap;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use parking_lot::Mutex;

use crate::clock::{Clock, Timestamp};

/// [`Clock`] moved by hand. Clones are one clock.
#[derive(Clone, Default)]
pub struct ManualClock {
    time: Arc<Mutex<Time>>,
}

/// When a sleeper is due, and the order of its registration among those due at the same time.
type Due = (Duration, u64);

struct Time {
    now: Timestamp,
    monotonic: Duration,
    sleepers: BTreeMap<Due, Waker>,
    sleepers_ever: u64,
}

impl Default for Time {
    /// 2001-09-09T01:46:40Z: a round number, and no test can take it for today.
    fn default() -> Self {
        let now = Timestamp(1_000_000_000_000_000);
        Self { now, monotonic: Duration::ZERO, sleepers: BTreeMap::new(), sleepers_ever: 0 }
    }
}

impl Time {
    /// Moves both times to the monotonic `to`, which is not behind.
    fn move_to(&mut self, to: Duration) {
        self.now = self.now.after(to.saturating_sub(self.monotonic));
        self.monotonic = to;
    }

    /// Moves to the first sleeper due until `end` and takes its waker.
    fn next_until(&mut self, end: Duration) -> Option<Waker> {
        let (&(due, _), _) = self.sleepers.first_key_value()?;
        if due > end {
            return None;
        }
        self.move_to(due.max(self.monotonic));
        self.sleepers.pop_first().map(|(_, waker)| waker)
    }
}

impl ManualClock {
    /// Turns given to the other tasks after each waking in [`Self::run_for`].
    const TURNS: usize = 32;

    /// A clock whose wall time is `now`; its monotonic time starts at zero.
    pub fn starting_at(now: Timestamp) -> Self {
        let clock = Self::default();
        clock.step_wall(now);
        clock
    }

    /// Both times are `by` later. Sleepers due by then are woken in the order in which they are due;
    /// they run when the caller next waits, and see the time at the end.
    pub fn advance(&self, by: Duration) {
        let end = self.monotonic().saturating_add(by);
        while let Some(waker) = self.next_until(end) {
            waker.wake();
        }
        self.finish(end);
    }

    /// Both times are `by` later, with stops: at each sleeper's time it is woken and the tasks of this
    /// thread get turns to run and to sleep again. For a runtime of one thread.
    pub async fn run_for(&self, by: Duration) {
        let end = self.monotonic().saturating_add(by);
        Self::give_turns().await;
        while let Some(waker) = self.next_until(end) {
            waker.wake();
            Self::give_turns().await;
        }
        self.finish(end);
    }

    /// Wall time is `now`; monotonic time and sleepers are not touched. As an administrator or a time
    /// server would do it, in either direction.
    pub fn step_wall(&self, now: Timestamp) {
        self.time.lock().now = now;
    }

    /// How many are asleep: a test can wait until what it tests has come to rest.
    pub fn sleepers(&self) -> usize {
        self.time.lock().sleepers.len()
    }

    /// The monotonic time at which the first sleeper is due.
    pub fn next_due(&self) -> Option<Duration> {
        self.time.lock().sleepers.first_key_value().map(|((due, _), _)| *due)
    }

    fn next_until(&self, end: Duration) -> Option<Waker> {
        self.time.lock().next_until(end)
    }

    /// A waker may have moved the clock further: it never goes back.
    fn finish(&self, end: Duration) {
        let mut time = self.time.lock();
        let end = end.max(time.monotonic);
        time.move_to(end);
    }

    async fn give_turns() {
        for _ in 0..Self::TURNS {
            let mut given = false;
            poll_fn(|context| {
                if std::mem::replace(&mut given, true) {
                    return Poll::Ready(());
                }
                context.waker().wake_by_ref();
                Poll::Pending
            })
            .await;
        }
    }
}

impl fmt::Debug for ManualClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = self.time.lock();
        f.debug_struct("ManualClock")
            .field("now", &time.now)
            .field("monotonic", &time.monotonic)
            .field("sleepers", &time.sleepers.len())
            .finish()
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        self.time.lock().now
    }

    fn monotonic(&self) -> Duration {
        self.time.lock().monotonic
    }

    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send {
        let due = self.monotonic().saturating_add(duration);
        Sleep { clock: self.clone(), due, registered: None }
    }
}

/// Asleep until `due`; dropped, it leaves nothing behind.
struct Sleep {
    clock: ManualClock,
    due: Duration,
    registered: Option<Due>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let clock = self.clock.clone();
        let mut time = clock.time.lock();
        if time.monotonic >= self.due {
            return Poll::Ready(());
        }
        let due = self.registered.unwrap_or_else(|| {
            time.sleepers_ever += 1;
            (self.due, time.sleepers_ever)
        });
        self.registered = Some(due);
        time.sleepers.insert(due, context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(due) = self.registered {
            self.clock.time.lock().sleepers.remove(&due);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::Wake;

    use super::*;

    struct Note {
        name: &'static str,
        woken: Arc<Mutex<Vec<&'static str>>>,
    }

    impl Wake for Note {
        fn wake(self: Arc<Self>) {
            self.woken.lock().push(self.name);
        }
    }

    type Asleep = Pin<Box<dyn Future<Output = ()> + Send>>;

    fn fall_asleep(
        clock: &ManualClock,
        seconds: u64,
        name: &'static str,
        woken: &Arc<Mutex<Vec<&'static str>>>,
    ) -> Asleep {
        let waker = Waker::from(Arc::new(Note { name, woken: Arc::clone(woken) }));
        let clock = clock.clone();
        let mut sleep: Asleep =
            Box::pin(async move { clock.sleep(Duration::from_secs(seconds)).await });
        assert!(sleep.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        sleep
    }

    #[test]
    fn sleepers_are_woken_in_the_order_in_which_they_are_due() {
        let (clock, woken) = (ManualClock::default(), Arc::default());
        let _asleep = [(3, "c"), (1, "a"), (2, "b"), (9, "never")]
            .map(|(seconds, name)| fall_asleep(&clock, seconds, name, &woken));
        clock.advance(Duration::from_secs(3));
        assert_eq!(*woken.lock(), ["a", "b", "c"]);
        assert_eq!(clock.sleepers(), 1);
        assert_eq!(clock.next_due(), Some(Duration::from_secs(9)));
    }

    #[test]
    fn a_sleeper_is_not_woken_before_its_time() {
        let (clock, woken) = (ManualClock::default(), Arc::default());
        let _asleep = fall_asleep(&clock, 1, "a", &woken);
        clock.advance(Duration::from_millis(999));
        assert!(woken.lock().is_empty());
        clock.advance(Duration::from_millis(1));
        assert_eq!(*woken.lock(), ["a"]);
    }

    #[test]
    fn a_dropped_sleeper_is_forgotten() {
        let (clock, woken) = (ManualClock::default(), Arc::default());
        drop(fall_asleep(&clock, 1, "a", &woken));
        assert_eq!(clock.sleepers(), 0);
    }

    #[test]
    fn a_step_of_wall_time_touches_nothing_else() {
        let (clock, woken) = (ManualClock::starting_at(Timestamp(5)), Arc::default());
        let _asleep = fall_asleep(&clock, 1, "a", &woken);
        clock.step_wall(Timestamp(u64::MAX));
        clock.step_wall(Timestamp(1));
        assert_eq!((clock.now(), clock.monotonic()), (Timestamp(1), Duration::ZERO));
        assert!(woken.lock().is_empty());
        clock.advance(Duration::from_secs(2));
        assert_eq!(
            (clock.now(), clock.monotonic()),
            (Timestamp(2_000_001), Duration::from_secs(2))
        );
    }

    #[tokio::test]
    async fn one_who_sleeps_again_and_again_wakes_at_every_stop() {
        let (clock, ticks) = (ManualClock::default(), Arc::new(Mutex::new(Vec::new())));
        let (ticking, seen) = (clock.clone(), Arc::clone(&ticks));
        let task = tokio::spawn(async move {
            loop {
                ticking.sleep(Duration::from_secs(2)).await;
                seen.lock().push(ticking.monotonic().as_secs());
            }
        });
        clock.run_for(Duration::from_secs(7)).await;
        assert_eq!(*ticks.lock(), [2, 4, 6]);
        assert_eq!(clock.monotonic(), Duration::from_secs(7));
        task.abort();
    }
}
