//! Work that takes milliseconds of processor time, off the threads that serve. The only place in HTTP
//! that leaves them.

/// The work's result; none when it panicked. In the simulation the work runs in place, at no time.
#[allow(deprecated, reason = "the facade's simulated side has no other way to say it")]
pub(super) async fn off_the_async_threads<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    tokio::task::spawn_blocking(work).await.ok()
}
