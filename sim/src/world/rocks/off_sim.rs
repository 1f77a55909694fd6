//! Work on a real thread, outside the simulated world. RocksDB keeps timers of the whole process on the
//! real clock; a call of it that reads the simulated one sometimes fails, in another place each time.
//! Here it runs where madsim intercepts nothing, and the world stands still until it is done.
//!
//! Each simulated world has one such thread, started when it is first needed; it ends with the world's
//! own thread. madsim forbids starting threads by way of Rust's standard library, so the system's own
//! call is used: the only unsafe lines of the simulation.

use std::any::Any;
use std::cell::RefCell;
use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};

type Job = Box<dyn FnOnce() + Send>;

thread_local! {
    static THREAD: RefCell<Option<Sender<Job>>> = const { RefCell::new(None) };
}

/// Runs `work` outside the simulated world and returns what it returns; no simulated time passes. A
/// panic in it goes on here.
pub(super) fn off_sim<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (reply, answer) = channel::<Result<T, Box<dyn Any + Send>>>();
    let job: Job = Box::new(move || {
        // Nobody listens only when the world's thread is gone, and the work with it.
        let _listened = reply.send(catch_unwind(AssertUnwindSafe(work))).is_ok();
    });
    hand_over(job);
    match answer.recv() {
        Ok(Ok(done)) => done,
        Ok(Err(panic)) => resume_unwind(panic),
        Err(_) => panic!("the thread outside the simulation has ended"),
    }
}

fn hand_over(job: Job) {
    // While the world's thread ends there is no simulation any more either, and the job runs here.
    let mut job = Some(job);
    let handed = THREAD.try_with(|thread| {
        let mut thread = thread.borrow_mut();
        let sender = thread.get_or_insert_with(start);
        job.take().is_some_and(|job| sender.send(job).is_ok())
    });
    if let (Err(_), Some(job)) = (handed, job) {
        job();
    }
}

#[allow(unsafe_code, reason = "the only way to a thread that madsim does not refuse")]
fn start() -> Sender<Job> {
    let (sender, jobs) = channel::<Job>();
    let jobs = Box::into_raw(Box::new(jobs)).cast::<c_void>();
    let mut thread: libc::pthread_t = 0;
    // SAFETY: `thread` may be written to; no attributes are given; `work` has the signature of a thread's
    // entry, never unwinds, and is the only one to get `jobs`, which it takes ownership of.
    let error = unsafe { libc::pthread_create(&raw mut thread, std::ptr::null(), work, jobs) };
    assert_eq!(error, 0, "the system has a thread left");
    // SAFETY: the thread was created above, and nobody joins or detaches it elsewhere.
    let error = unsafe { libc::pthread_detach(thread) };
    assert_eq!(error, 0, "the thread was not detached before");
    sender
}

/// The thread: does jobs until their sender is gone.
#[allow(unsafe_code, reason = "takes over what `start` gave away")]
extern "C" fn work(jobs: *mut c_void) -> *mut c_void {
    // SAFETY: `jobs` is the box that `start` made and gave away to this call alone.
    let jobs = unsafe { Box::from_raw(jobs.cast::<Receiver<Job>>()) };
    // A job catches its own panic: nothing unwinds out of here.
    while let Ok(job) = jobs.recv() {
        job();
    }
    std::ptr::null_mut()
}
