//! Several children at once, and a bar that says how far it is.

use std::num::NonZero;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use parking_lot::Mutex;

use super::wall::Stopwatch;

/// How many processes at once when nobody says.
pub(crate) fn jobs(asked: Option<usize>) -> usize {
    asked
        .filter(|jobs| *jobs > 0)
        .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, NonZero::get))
}

/// When to begin no more.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Until {
    /// After so many.
    Count(u64),
    /// After so long.
    Time(Duration),
}

/// Does `work` for 0, 1, 2, … on so many threads, and gives every result to `done` in the order in which
/// they come. Stops at the first error, and returns it.
pub(crate) fn each<T: Send>(
    jobs: usize,
    until: Until,
    work: impl Fn(u64) -> Result<T, String> + Sync,
    mut done: impl FnMut(u64, T, &ProgressBar) + Send,
) -> Result<(), String> {
    let (next, watch) = (AtomicU64::new(0), Stopwatch::start());
    let bar = bar(until);
    let failed: Mutex<Option<String>> = Mutex::default();
    let done = Mutex::new(&mut done);
    std::thread::scope(|threads| {
        for _ in 0..jobs.max(1) {
            threads.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let over = match until {
                        Until::Count(count) => index >= count,
                        Until::Time(time) => watch.elapsed() >= time,
                    };
                    if over || failed.lock().is_some() {
                        return;
                    }
                    match work(index) {
                        Ok(result) => done.lock()(index, result, &bar),
                        Err(error) => *failed.lock() = Some(error),
                    }
                    progress(&bar, until, watch);
                }
            });
        }
    });
    bar.finish_and_clear();
    failed.into_inner().map_or(Ok(()), Err)
}

fn bar(until: Until) -> ProgressBar {
    let length = match until {
        Until::Count(count) => count,
        Until::Time(time) => time.as_secs(),
    };
    let style = "{bar:40} {pos}/{len} {per_sec}  {elapsed} (left {eta})  {msg}";
    // The template is a constant; the bar is drawn on a terminal only.
    let style = ProgressStyle::with_template(style).expect("a template that is one");
    ProgressBar::new(length).with_style(style)
}

fn progress(bar: &ProgressBar, until: Until, watch: Stopwatch) {
    match until {
        Until::Count(_) => bar.inc(1),
        Until::Time(_) => bar.set_position(watch.elapsed().as_secs()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_worked_on_once() {
        let mut seen = Vec::new();
        each(4, Until::Count(100), |index| Ok(index * 2), |_, double, _| seen.push(double))
            .unwrap();
        seen.sort_unstable();
        assert_eq!(seen, (0..100).map(|index| index * 2).collect::<Vec<_>>());
    }

    #[test]
    fn the_first_error_ends_it() {
        let work = |index| if index == 3 { Err("no".to_owned()) } else { Ok(index) };
        assert_eq!(each(1, Until::Count(1_000), work, |_, _, _| {}), Err("no".to_owned()));
    }
}
