//! Requests made from the API's document, right ones and wrong ones to each operation: whatever is sent, the
//! node answers in time, as the document says, and never fails.
//!
//! The requests are drawn from a seed that is printed first: `SAGALINE_REQUESTS_SEED=0x2a` draws the same ones
//! again. What the node makes of them is the same as far as it has the same things by then: ids and times are
//! its own. `SAGALINE_REQUESTS=100000` makes a long run of it, against a node on disk, and looks at the memory
//! of the process in its middle and at its end.

mod api;
mod conforms;
mod dice;
mod draft;
mod drawn;
mod right;
mod scenes;
mod things;
mod verdict;
mod words;
mod wrong;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::app::{PASSWORD, Setup, TestApp};
use crate::outage::Carrier;

use api::{Api, Operation};
use conforms::differences;
use dice::Dice;
use draft::Draft;
use drawn::Drawer;
use scenes::Stage;
use things::Things;
use verdict::answered;

/// Requests of a run, unless the environment says otherwise.
const REQUESTS: usize = 2_400;

/// What the process may have grown by in the second half of a long run: the store's buffers come and go.
const GROWTH_MAX_MIB: u64 = 64;

/// Bodies that are drawn for each operation that takes one, and looked at.
const BODIES: usize = 1_000;

/// Bodies that are drawn for each operation that takes one, and sent whatever the run's seed is.
const SENT_BODIES: usize = 12;

/// Some right requests are for what a saga does in the next seconds; on a busy machine they come too late.
const TRIES: usize = 4;

fn setup() -> Setup {
    let mut setup = Setup { carrier: Some(Arc::new(Carrier::default())), ..Setup::default() };
    // Nobody ever gets a parcel; what else is sent is not to wait for that.
    setup.settings.engine.breaker_outcomes = 64;
    // As long as the longest run.
    setup.settings.auth.jwt_expires_in = Duration::from_secs(30 * 24 * 3_600);
    setup
}

/// The memory of this process: node and client together.
fn resident_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.unwrap_or_default() / 1_024
}

/// Shows the request under way when the run ends by it.
struct Told<'a> {
    run: &'a str,
    number: usize,
    draft: &'a Draft,
}

impl Drop for Told<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}\nfailed at request {}:\n{}", self.run, self.number, self.draft);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_sent_gets_an_answer_of_the_document() {
    let seed = dice::seed();
    let asked_for = std::env::var("SAGALINE_REQUESTS").ok().map(|text| text.parse().unwrap());
    let requests: usize = asked_for.unwrap_or(REQUESTS);
    let longer = asked_for.map_or_else(String::new, |count| format!(" SAGALINE_REQUESTS={count}"));
    let run = format!("REPRO: {}={seed:#x}{longer} cargo test --test http generated", dice::SEED);
    eprintln!("{run}");
    let folder = tempfile::tempdir().unwrap();
    let app = match asked_for {
        Some(_) => TestApp::embedded(folder.path(), setup()).await,
        None => TestApp::start_with(setup()).await,
    };
    let document = app.document().await;
    let api = Api(&document);
    let (operations, customer) = (api.operations(), app.customer().await);
    let mut things = Things::make(&app, api).await;
    let drawer = Drawer { api, admin: &app.admin, customer: &customer };
    let mut resident_at_half = 0;
    for number in 0..requests {
        let operation = operations[number % operations.len()];
        if ["refresh", "logOut"].contains(&operation.id()) {
            let session = app.log_in("admin@example.org", PASSWORD).await.expect(200);
            things.session = session["refreshToken"].as_str().map(str::to_owned);
        }
        let mut dice = Dice::of_request(seed, number);
        let draft = drawer.draw(operation, &things, &mut dice);
        let _told = Told { run: &run, number, draft: &draft };
        let answer = answered(&app, api, operation, &draft).await;
        things.note(operation, &answer);
        if number == requests / 2 {
            resident_at_half = resident_mib();
        }
    }
    app.get("", "/health/ready").await.expect(200);
    let resident = resident_mib();
    eprintln!(
        "{requests} requests; resident: {resident_at_half} MiB at half, {resident} MiB at the end"
    );
    let grown = resident.saturating_sub(resident_at_half);
    assert!(asked_for.is_none() || grown <= GROWTH_MAX_MIB, "{grown} MiB more in the second half");
}

/// Whatever the seed of the requests above is: here every operation is met, and refused for each reason.
#[tokio::test(flavor = "multi_thread")]
async fn every_operation_succeeds_once_and_refuses_for_every_reason() {
    let app = TestApp::start_with(setup()).await;
    let document = app.document().await;
    let api = Api(&document);
    let (things, customer) = (Things::make(&app, api).await, app.customer().await);
    let stage = Stage { app: &app, api, things: &things, customer: &customer };
    let (mut met, mut refused) = (0, 0);
    for operation in api.operations() {
        assert!(succeeds(&stage, operation).await, "{operation} never succeeds");
        met += 1;
        let reasons = stage.refused(operation);
        let parts = ["security", "requestBody", "parameters"];
        let can_refuse = parts.iter().any(|part| operation.said.get(part).is_some());
        assert_eq!(can_refuse, !reasons.is_empty(), "{operation}");
        for (number, (status, draft)) in reasons.into_iter().enumerate() {
            let _told = Told { run: "every reason to refuse", number, draft: &draft };
            let answer = answered(&app, api, operation, &draft).await;
            assert_eq!(answer.status, status, "{draft}\n{answer:?}");
            refused += 1;
        }
    }
    assert!(met > 60 && refused > 3 * met, "{met} operations, refused {refused} times");
}

async fn succeeds(stage: &Stage<'_>, operation: Operation<'_>) -> bool {
    for number in 0..TRIES {
        let name = format!("{}-{number}", operation.id());
        let draft = stage.right(operation, &name).await;
        let _told = Told { run: "the right request", number, draft: &draft };
        let answer = answered(stage.app, stage.api, operation, &draft).await;
        if answer.status < 400 {
            return true;
        }
        assert_eq!(answer.status, 409, "{draft}\n{answer:?}");
    }
    false
}

/// What is drawn from a schema is not refused for its form: not every time.
#[tokio::test(flavor = "multi_thread")]
async fn bodies_drawn_from_their_schemas_are_understood() {
    let app = TestApp::start_with(setup()).await;
    let document = app.document().await;
    let api = Api(&document);
    let things = Things::make(&app, api).await;
    // Nobody is refused for a role.
    let drawer = Drawer { api, admin: &app.admin, customer: &app.admin };
    for operation in api.operations().into_iter().filter(|it| it.body().is_some()) {
        let mut is_understood = false;
        for number in 0..SENT_BODIES {
            let draft = drawer.right(operation, &things, &mut Dice::of_request(0, number));
            let _told = Told { run: "bodies of the seed 0", number, draft: &draft };
            let answer = answered(&app, api, operation, &draft).await;
            is_understood |= answer.status != 400;
        }
        assert!(is_understood, "{operation}: no body that was drawn for it is right");
    }
}

/// The drawing itself: what is right by a schema conforms to it, and mistakes are made everywhere.
#[tokio::test(flavor = "multi_thread")]
async fn right_bodies_conform_and_mistakes_are_made_at_every_place() {
    let app = TestApp::start().await;
    let document = app.document().await;
    let api = Api(&document);
    let (mut spoiled, mut drawn, mut differing) = (BTreeSet::new(), 0, 0);
    for operation in api.operations() {
        let Some(schema) = operation.body() else { continue };
        for number in 0..BODIES {
            let mut dice = Dice::of_request(0, number);
            let mut body = right::value(api, schema, None, &mut dice);
            let found = differences(api, schema, &body);
            assert!(found.is_empty(), "{operation}, body {number}: {body}: {found:?}");
            let at = wrong::spoil(api, schema, &mut body, &mut dice);
            spoiled.insert(format!("{} {at}", operation.id()));
            drawn += 1;
            differing += usize::from(!differences(api, schema, &body).is_empty());
        }
    }
    for place in [
        "",
        "/items",
        "/items/0",
        "/items/0/price",
        "/items/0/quantity",
        "/items/0/productId",
        "/shippingAddress/city",
        "/paymentMethod/token",
        "/idempotencyKey",
        "/currency",
    ] {
        assert!(spoiled.contains(&format!("placeOrder {place}")), "{place}: {spoiled:#?}");
    }
    assert!(differing * 3 > drawn, "of {drawn} mistakes only {differing} are any");
}
