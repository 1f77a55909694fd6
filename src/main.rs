//! The one binary: reads arguments and settings, opens the embedded store, and hands both to a
//! subcommand.

use std::future::Future;
use std::io::{BufWriter, Write, stdin};
use std::process::ExitCode;

use clap::FromArgMatches;
use sagaline::cli::backup::{Backup, Restore, Restored, copy_folder, empty_folder};
use sagaline::cli::password::Passwords;
use sagaline::cli::remote::{self, Reach, Remote};
use sagaline::cli::transfer::{self, Export, Import};
use sagaline::cli::{
    self, Arguments, Command, ConsumerArguments, Exit, Failure, LogCommand, ProjectionArguments,
    SagaArguments, UserArguments, UserCommand, say,
};
use sagaline::engine::Node;
use sagaline::http::metrics::store_measures;
use sagaline::settings::{Environment, Loaded, Origin, Settings};
use sagaline::telemetry;
use sagaline::worlds::{
    incomplete, open_existing_folder, open_folder, open_log_at, open_log_read_only, open_new,
    open_read_only,
};
use sagaline_storage::NodeId;
use sagaline_storage::clock::SystemClock;
use sagaline_storage::embedded::Embedded;
use sagaline_storage::memory::ManualClock;
use tokio::signal::unix::{SignalKind, signal};

/// Sagas are many small pieces of memory made on one thread and given back on another. This allocator hands
/// out next what was given back last, while it is still in the processor's cache.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let matches = cli::command().get_matches();
    let arguments = Arguments::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    match run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !failure.is_silent() {
                eprintln!("sagaline: {failure}");
            }
            failure.exit_code()
        }
    }
}

fn run(arguments: Arguments) -> Result<(), Failure> {
    let loaded = Settings::load(&arguments.flags, &Environment::of_process())?;
    let settings = &loaded.settings;
    telemetry::start(&settings.telemetry, log_level(&loaded, arguments.command.as_ref()))?;
    match arguments.command.unwrap_or(Command::Serve) {
        Command::Serve => block_on(settings, serve(settings)),
        Command::Settings(show) => say(&cli::settings::text(&loaded, show)?),
        Command::Log(command) => block_on(settings, look(settings, &command)),
        Command::User(arguments) => block_on(settings, users(settings, &arguments)),
        Command::Saga(arguments) => block_on(settings, sagas(settings, &arguments)),
        Command::Projection(arguments) => block_on(settings, projections(settings, &arguments)),
        Command::Consumer(arguments) => block_on(settings, consumers(settings, &arguments)),
        Command::Definition(command) => say(&cli::definition::text(&command)?),
        Command::Backup(command) => block_on(settings, backup(settings, &command)),
        Command::Restore(command) => block_on(settings, restore(settings, &command)),
        Command::Export(command) => block_on(settings, export(settings, &command)),
        Command::Import(command) => block_on(settings, import(settings, &command)),
        Command::Completions(command) => cli::completions::write(command, &mut stdout()),
    }
}

/// A command that serves nobody tells of what is wrong alone, unless somebody has set what is told.
fn log_level<'a>(loaded: &'a Loaded, command: Option<&Command>) -> &'a str {
    let mut settings = loaded.effective.iter();
    let is_set =
        settings.any(|setting| setting.name == "LOG_LEVEL" && setting.origin != Origin::Default);
    let serves = matches!(command, None | Some(Command::Serve));
    if serves || is_set { loaded.settings.telemetry.log_level.as_str() } else { "warn" }
}

/// The log in the data folder, or of a running node.
async fn look(settings: &Settings, command: &LogCommand) -> Result<(), Failure> {
    if let LogCommand::Verify(output) = command {
        let kv = open_read_only(settings, &settings.node.data_dir)?;
        let checked = cli::log::check(&kv, cli::progress::bar("verify")).await?;
        say(&output.text(&checked)?)?;
        return checked.sound();
    }
    if look_at_running(settings, command).await? {
        return Ok(());
    }
    if let LogCommand::Tail(tail) = command {
        tail.check_folder()?;
    }
    let log = open_log_read_only(settings).await?;
    let done = match command {
        LogCommand::Verify(_) => Ok(()),
        LogCommand::Cat(cat) => cli::log::cat(&log, cat, &mut stdout()).await,
        LogCommand::Tail(tail) => cli::log::tail(&log, tail, &mut stdout()).await,
        LogCommand::Stats(stats) => {
            match cli::log::stats(&log, stats, cli::progress::bar("stats")).await {
                Ok(text) => say(&text),
                Err(failure) => Err(failure),
            }
        }
    };
    log.close().await;
    done
}

/// False: no running node is meant.
async fn look_at_running(settings: &Settings, command: &LogCommand) -> Result<bool, Failure> {
    let given = match command {
        LogCommand::Cat(cat) => &cat.reach,
        LogCommand::Tail(tail) => &tail.reach,
        LogCommand::Stats(_) | LogCommand::Verify(_) => return Ok(false),
    };
    if !given.is_given(std::env::var(remote::TOKEN).ok().as_deref()) {
        return Ok(false);
    }
    let node = reach(settings, given).await?;
    match command {
        LogCommand::Cat(cat) => cli::log::remote_cat(&node, cat, &mut stdout()).await?,
        LogCommand::Tail(tail) => {
            cli::log::remote_tail(&node, tail, &SystemClock::default(), &mut stdout()).await?;
        }
        LogCommand::Stats(_) | LogCommand::Verify(_) => {}
    }
    Ok(true)
}

/// The sagas of a running node, or of a stopped one.
async fn sagas(settings: &Settings, arguments: &SagaArguments) -> Result<(), Failure> {
    let SagaArguments { reach: given, command } = arguments;
    let (clock, bar) = (SystemClock::default(), cli::progress::bar("sagas"));
    if given.is_given(std::env::var(remote::TOKEN).ok().as_deref()) {
        let node = reach(settings, given).await?;
        return say(&remote::run(&node, command, &clock, stop_signal()?, bar).await?);
    }
    let store = open_existing_folder(settings).await?;
    let work = async |node: Remote| remote::run(&node, command, &clock, stop_signal()?, bar).await;
    in_store(store.clone(), cli::stopped::node_at_rest(store, settings), work).await
}

/// The accounts of a running node, or of a stopped one.
async fn users(settings: &Settings, arguments: &UserArguments) -> Result<(), Failure> {
    let token = std::env::var(remote::TOKEN).ok();
    let UserArguments { url, operator, command } = arguments;
    let reach = Reach { url: url.clone(), email: operator.clone() };
    let mut passwords = Passwords::of_stdin();
    if reach.is_given(token.as_deref()) {
        let node = Remote::reach(&reach, &settings.http, token, &mut passwords).await?;
        return say(&cli::user::run(&node, command, &mut passwords).await?);
    }
    let store = match command {
        UserCommand::Create(_) => open_folder(settings).await?,
        _ => open_existing_folder(settings).await?,
    };
    let work = async |node: Node<Embedded>| cli::user::run(&node, command, &mut passwords).await;
    in_store(store.clone(), itself(cli::stopped::node(store, settings)), work).await
}

/// The read models of a running node, or of a stopped one.
async fn projections(settings: &Settings, arguments: &ProjectionArguments) -> Result<(), Failure> {
    let token = std::env::var(remote::TOKEN).ok();
    let (clock, bar) = (SystemClock::default(), cli::progress::bar("events"));
    let ProjectionArguments { reach, command } = arguments;
    if reach.is_given(token.as_deref()) {
        let node = Remote::reach(reach, &settings.http, token, &mut Passwords::of_stdin()).await?;
        return say(&cli::projection::run(&node, command, &clock, bar).await?);
    }
    let store = open_existing_folder(settings).await?;
    let work = async |node: Node<Embedded>| cli::projection::run(&node, command, &clock, bar).await;
    in_store(store.clone(), itself(cli::stopped::node_with_views(store, settings)), work).await
}

/// Starts a node on a store, does `work` with the way to it and says what came of it; then everything is closed.
async fn in_store<W>(
    store: Embedded,
    start: impl Future<Output = Result<(Node<Embedded>, W), Failure>>,
    work: impl AsyncFnOnce(W) -> Result<String, Failure>,
) -> Result<(), Failure> {
    let done = match start.await {
        Ok((node, way)) => {
            let done = work(way).await;
            node.drain().await.map_err(Failure::from).and(done)
        }
        Err(failure) => Err(failure),
    };
    store.events.close().await;
    say(&done?)
}

/// A node that is spoken to without any detour.
async fn itself(
    start: impl Future<Output = Result<Node<Embedded>, Failure>>,
) -> Result<(Node<Embedded>, Node<Embedded>), Failure> {
    start.await.map(|node| (node.clone(), node))
}

/// The consumer groups of a running node, or of a stopped one.
async fn consumers(settings: &Settings, arguments: &ConsumerArguments) -> Result<(), Failure> {
    let ConsumerArguments { reach: given, command } = arguments;
    if given.is_given(std::env::var(remote::TOKEN).ok().as_deref()) {
        let node = reach(settings, given).await?;
        return say(&remote::run_consumer(&node, command).await?);
    }
    let store = open_existing_folder(settings).await?;
    let work = async |node: Remote| remote::run_consumer(&node, command).await;
    in_store(store.clone(), cli::stopped::node_at_rest(store, settings), work).await
}

async fn reach(settings: &Settings, reach: &remote::Reach) -> Result<Remote, Failure> {
    let token = std::env::var(remote::TOKEN).ok();
    Remote::reach(reach, &settings.http, token, &mut Passwords::of_stdin()).await
}

async fn backup(settings: &Settings, command: &Backup) -> Result<(), Failure> {
    let (from, to) = (&*settings.node.data_dir, &*command.to);
    let source = open_read_only(settings, from)?;
    empty_folder(to)?;
    incomplete::mark(to)?;
    let made = open_new(settings, to)?;
    let bar = cli::progress::bar("backup");
    let copied = copy_folder((&source, from), (&made, to), bar).await?;
    incomplete::unmark(to)?;
    say(&command.output.text(&copied)?)
}

async fn restore(settings: &Settings, command: &Restore) -> Result<(), Failure> {
    let (from, to) = (&*command.from, &*settings.node.data_dir);
    let source = open_read_only(settings, from)?;
    empty_folder(to)?;
    incomplete::mark(to)?;
    let made = open_new(settings, to)?;
    let bar = cli::progress::bar("restore");
    let copied = copy_folder((&source, from), (&made, to), bar).await?;
    let bar = cli::progress::bar("verify");
    let restored = Restored { copied, checked: cli::log::check(&made, bar).await? };
    let sound = restored.checked.sound();
    if sound.is_ok() {
        incomplete::unmark(to)?;
    }
    say(&command.output.text(&restored)?)?;
    sound
}

async fn export(settings: &Settings, command: &Export) -> Result<(), Failure> {
    let log = open_log_read_only(settings).await?;
    let bar = cli::progress::bar("export");
    let written = if command.file.as_os_str() == "-" {
        transfer::export(&log, &mut stdout(), bar).await
    } else {
        let mut file = transfer::create(&command.file)?;
        let written = transfer::export(&log, &mut file, bar).await;
        written.and_then(|line| transfer::finish(file, &command.file).map(|()| line))
    };
    log.close().await;
    eprintln!("{}", command.output.text(&written?)?);
    Ok(())
}

async fn import(settings: &Settings, command: &Import) -> Result<(), Failure> {
    let clock = ManualClock::default();
    let log = open_log_at(settings, clock.clone()).await?;
    let node_id = NodeId::new(settings.node.node_id.as_str())?;
    let set_time = |at| clock.step_wall(at);
    let folder = &*settings.node.data_dir;
    let mark = || incomplete::mark(folder).map_err(Failure::from);
    let bar = cli::progress::bar("import");
    let read = if command.file.as_os_str() == "-" {
        transfer::import(&log, node_id, stdin().lock(), set_time, mark, bar).await
    } else {
        let file = transfer::open(&command.file)?;
        transfer::import(&log, node_id, file, set_time, mark, bar).await
    };
    log.close().await;
    let read = read?;
    incomplete::unmark(folder)?;
    say(&command.output.text(&read)?)
}

fn stdout() -> impl Write {
    BufWriter::new(std::io::stdout().lock())
}

fn block_on(
    settings: &Settings,
    work: impl Future<Output = Result<(), Failure>>,
) -> Result<(), Failure> {
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
