//! `sagaline saga retry --all` on as many parked sagas as a long outage leaves behind: while the participant is
//! still dead a few canaries are spent and nothing more; once it lives all come to their end, called once each.
//!
//! `SAGALINE_PARKED=10000` makes a long run of it, and `make outage` is that run.

use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sagaline::prelude::*;
use sagaline::saga::DefinitionError;
use sagaline_storage::Clock;
use sagaline_storage::clock::SystemClock;
use serde_json::json;

use crate::app::{Setup, TestApp};

/// Parked sagas of a short run.
const PARKED: usize = 400;
/// So many a second hold nobody back.
const AT_ONCE: u32 = 10_000;
/// The command's own default.
const CANARIES: usize = 5;

/// Who delivers, when there is anybody.
#[derive(Debug, Default)]
pub(crate) struct Carrier {
    lives: AtomicBool,
    asked: AtomicUsize,
    /// The trace context of each call.
    pub(crate) traces: Mutex<Vec<String>>,
}

struct Pack;
struct Pay;
struct Deliver(Arc<Carrier>);

/// Pack and pay, then deliver: what is paid has to be delivered, so a delivery that fails is parked.
pub(crate) fn parcel(carrier: &Arc<Carrier>) -> Result<Definition<String>, DefinitionError> {
    let once = || Policy::attempts(1).backoff(Duration::from_millis(1)..=Duration::from_millis(1));
    Definition::new("parcel")
        .compensable(Pack)
        .pivot(Pay)
        .after(Pack)
        .retriable(Deliver(carrier.clone()))
        .after(Pay)
        .policy(once())
        .build()
}

impl Step for Pack {
    const NAME: &'static str = "pack";
    const PARTICIPANT: &'static str = "warehouse";
    type Saga = String;
    type Output = ();

    async fn action(&self, _: &Call<String>) -> Outcome<()> {
        Ok(())
    }
}

impl Compensable for Pack {
    async fn compensate(&self, _: &Call<String>, _: Option<&()>) -> Outcome<()> {
        Ok(())
    }
}

impl Step for Pay {
    const NAME: &'static str = "pay";
    const PARTICIPANT: &'static str = "warehouse";
    type Saga = String;
    type Output = ();

    async fn action(&self, _: &Call<String>) -> Outcome<()> {
        Ok(())
    }
}

/// Of three calls of the warehouse's people one fails: the breaker, which judges by half of them, lets all
/// sagas come as far as they can.
impl Step for Deliver {
    const NAME: &'static str = "deliver";
    const PARTICIPANT: &'static str = "warehouse";
    type Saga = String;
    type Output = ();

    async fn action(&self, call: &Call<String>) -> Outcome<()> {
        self.0.traces.lock().unwrap().push(call.traceparent());
        self.0.asked.fetch_add(1, Ordering::SeqCst);
        match self.0.lives.load(Ordering::SeqCst) {
            true => Ok(()),
            false => Err(Failure::unknown("no route to the carrier")),
        }
    }
}

fn retry_all(app: &TestApp, rate: u32) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sagaline"));
    command.args(["saga", "--url", &format!("http://{}", app.address), "retry", "--all"]);
    command.args(["--status", "parked", "--rate", &rate.to_string()]);
    command.args(["--reason", "the carrier is back"]);
    command.env("SAGALINE_TOKEN", &app.admin).output().unwrap()
}

/// Asserts that all were retried; how many a second it says they were.
#[track_caller]
fn retried(output: &Output, count: usize) -> f64 {
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{output:?}");
    eprintln!("{said}");
    assert!(said.starts_with(&format!("{count} sagas done, 0 passed over, 0 left")), "{said}");
    let rate = said.trim_end().strip_suffix(" a second").and_then(|said| said.rsplit(' ').next());
    rate.unwrap_or_else(|| panic!("no rate in {said}")).parse().unwrap()
}

async fn in_status(app: &TestApp, status: &str) -> u64 {
    let page = app.get(&app.admin, &format!("/sagas/status/{status}?limit=1")).await.expect(200);
    page["total"].as_u64().unwrap()
}

async fn all_in_status(app: &TestApp, status: &str, count: usize) {
    while in_status(app, status).await < count as u64 {
        tokio::task::yield_now().await;
    }
}

/// A node with so many parcels that are parked: there is nobody who delivers them.
async fn outage(count: usize) -> (TestApp, Arc<Carrier>) {
    let carrier = Arc::new(Carrier::default());
    let mut setup = Setup { carrier: Some(carrier.clone()), ..Setup::default() };
    setup.settings.engine.breaker_outcomes = 64;
    let app = TestApp::start_with(setup).await;
    for number in 0..count {
        let parcel = json!({"sagaType": "parcel", "data": format!("parcel {number}")});
        app.post(&app.admin, "/sagas", &parcel).await.expect(201);
    }
    all_in_status(&app, "parked", count).await;
    let asked = carrier.asked.swap(0, Ordering::SeqCst);
    assert_eq!(asked, count, "each was tried once");
    (app, carrier)
}

#[tokio::test(flavor = "multi_thread")]
async fn parked_sagas_of_an_outage_are_retried_by_canaries_first() {
    let count = std::env::var("SAGALINE_PARKED").map_or(PARKED, |text| text.parse().unwrap());
    let (app, carrier) = outage(count).await;
    let refused = retry_all(&app, AT_ONCE);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1), "{said}");
    let left = count - CANARIES;
    assert!(said.contains(&format!("{CANARIES} sagas done, 0 passed over, {left} left")), "{said}");
    assert!(said.contains("is parked at deliver: no route to the carrier"), "{said}");
    all_in_status(&app, "parked", count).await;
    assert_eq!(carrier.asked.swap(0, Ordering::SeqCst), CANARIES, "the canaries alone");

    carrier.lives.store(true, Ordering::SeqCst);
    retried(&retry_all(&app, AT_ONCE), count);
    all_in_status(&app, "completed", count).await;
    assert_eq!(carrier.asked.load(Ordering::SeqCst), count, "each was called once");
}

/// Those behind the canaries come one after another, and the last one no sooner than its turn.
#[tokio::test(flavor = "multi_thread")]
async fn rate_of_a_retry_holds_back_whoever_is_behind_the_canaries() {
    const COUNT: usize = 30;
    const RATE: u32 = 20;
    let (app, carrier) = outage(COUNT).await;
    carrier.lives.store(true, Ordering::SeqCst);
    let clock = SystemClock::default();
    let began = clock.monotonic();
    let output = retry_all(&app, RATE);
    let took = clock.monotonic().saturating_sub(began).as_secs_f64();
    let shown = retried(&output, COUNT);
    let least = (COUNT - 1 - CANARIES) as f64 / f64::from(RATE);
    assert!(took >= least, "{took} s, at least {least} s");
    // It is shown with one digit behind its point.
    assert!(shown <= COUNT as f64 / least + 0.05, "{shown} a second in {took} s");
    all_in_status(&app, "completed", COUNT).await;
    assert_eq!(carrier.asked.load(Ordering::SeqCst), COUNT, "each was called once");
}
