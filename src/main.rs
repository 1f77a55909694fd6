//! The one binary: reads arguments and settings, opens the embedded store, and hands both to a
//! subcommand.

use std::future::Future;
use std::process::ExitCode;

use clap::Parser;
use sagaline::cli::{self, Arguments, Command, Exit, Failure, LogCommand, UserCommand, say};
use sagaline::http::metrics::store_measures;
use sagaline::settings::{Environment, Settings};
use sagaline::telemetry;
use sagaline::worlds::{open_existing, open_folder};
use tokio::signal::unix::{SignalKind, signal};

/// Sagas are many small pieces of memory made on one thread and given back on another, which this
/// allocator is made for.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("sagaline: {failure}");
            failure.exit_code()
        }
    }
}

fn run(arguments: Arguments) -> Result<(), Failure> {
    let loaded = Settings::load(&arguments.flags, &Environment::of_process())?;
    let settings = &loaded.settings;
    match arguments.command.unwrap_or(Command::Serve) {
        Command::Serve => block_on(settings, serve(settings)),
        Command::Settings(show) => say(&cli::settings::text(&loaded, show)),
        Command::Log(LogCommand::Verify) => block_on(settings, async {
            let kv = open_existing(settings)?;
            say(&cli::log::check(&kv, |damage| _ = say(damage)).await?)
        }),
        Command::User(UserCommand::Create(create)) => block_on(settings, async {
            let store = open_folder(settings).await?;
            let log = store.events.clone();
            let made = cli::user::create(store, settings, &create, std::io::stdin().lock()).await;
            log.close().await;
            say(&made?)
        }),
    }
}

fn block_on(
    settings: &Settings,
    work: impl Future<Output = Result<(), Failure>>,
) -> Result<(), Failure> {
    telemetry::start(&settings.telemetry)?;
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.worker_threads(settings.node.threads());
    let runtime = runtime.enable_all().build();
    runtime.map_err(|error| Failure::new(Exit::Failed, error))?.block_on(work)
}

async fn serve(settings: &Settings) -> Result<(), Failure> {
    let store = open_folder(settings).await?;
    let (log, counted) = (store.events.clone(), store.events.clone());
    let measures = store_measures(move || counted.counters());
    let served = cli::serve::serve(store, settings.clone(), measures, stop_signal()?).await;
    log.close().await;
    served
}

/// Ready at the first SIGTERM or SIGINT.
fn stop_signal() -> Result<impl Future<Output = ()>, Failure> {
    let listen = |kind| signal(kind).map_err(|error| Failure::new(Exit::Failed, error));
    let (mut term, mut int) = (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            biased;
            _ = term.recv() => {}
            _ = int.recv() => {}
        }
    })
}
