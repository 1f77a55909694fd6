//! `sagaline saga …`: looking at sagas, and the operator's verbs. At a node that is at rest they are decided and
//! made durable; the next start carries them out.

use std::fmt::Write as _;
use std::future::Future;
use std::pin::pin;

use sagaline_storage::Clock;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::super::failure::{Exit, Failure};
use super::super::output::{Output, json_line};
use super::super::say;
use super::bulk::{Bulk, Report, Sagas, Shown};
use super::{Refusal, Remote, escaped, not_understood, unless_stopped};

/// What is said of a verb at a node that is at rest.
const AT_START: &str = "carried out when a node starts";
/// Sagas of one page of the API.
const PAGE: usize = 100;

/// `sagaline saga …`
#[derive(Debug, Clone, clap::Subcommand)]
pub enum SagaCommand {
    /// List sagas, newest first.
    List(List),
    /// Show a saga.
    Show(Show),
    /// Have a parked saga try again what it is parked at.
    Retry(Operate),
    /// Have a saga go back: undo what it has done.
    Compensate(Operate),
    /// Have a saga take the step it is parked at for done, without a result.
    Skip(Operate),
    /// Have a saga start nothing new until it is resumed.
    Pause(Operate),
    /// Have a paused saga go on.
    Resume(Operate),
    /// Say what became of the step that a saga is parked at.
    Resolve(Resolve),
}

/// Which sagas.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Which {
    /// Only sagas of this status: started, completed, compensating, compensated or parked.
    #[arg(long)]
    pub status: Option<String>,
    /// Only sagas of this type.
    #[arg(long = "type")]
    pub saga_type: Option<String>,
}

/// `sagaline saga list`
#[derive(Debug, Clone, clap::Args)]
pub struct List {
    /// Which sagas.
    #[command(flatten)]
    pub which: Which,
    /// At most so many.
    #[arg(long, default_value_t = 20)]
    pub limit: usize,
    /// Print each as a JSON object on a line of its own.
    #[arg(long)]
    pub json: bool,
}

/// `sagaline saga show`
#[derive(Debug, Clone, clap::Args)]
pub struct Show {
    /// The saga.
    pub id: Uuid,
    /// Print the node's answer as it is.
    #[arg(long)]
    pub json: bool,
}

/// One of the operator's verbs, for one saga or for many.
#[derive(Debug, Clone, clap::Args)]
pub struct Operate {
    /// The sagas.
    #[arg(required_unless_present = "all")]
    pub ids: Vec<Uuid>,
    /// All sagas that --status and --type pick.
    #[arg(long, conflicts_with = "ids", requires = "status")]
    pub all: bool,
    /// Which sagas.
    #[command(flatten)]
    pub which: Which,
    /// Why; it becomes part of each saga's history.
    #[arg(long)]
    pub reason: String,
    /// How many are done at once.
    #[command(flatten)]
    pub bulk: Bulk,
    /// How the outcome is printed.
    #[command(flatten)]
    pub output: Output,
}

/// `sagaline saga resolve`
#[derive(Debug, Clone, clap::Args)]
pub struct Resolve {
    /// The saga.
    pub id: Uuid,
    /// succeeded or rejected.
    #[arg(long)]
    pub outcome: String,
    /// What the step returned, as JSON; only when it succeeded.
    #[arg(long)]
    pub result: Option<String>,
    /// Why; it becomes part of the saga's history.
    #[arg(long)]
    pub reason: String,
    /// Print the saga as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Does it, and returns what is to be printed. `stop`: ready when the operator wants no more.
pub async fn run<C: Clock>(
    remote: &Remote,
    command: &SagaCommand,
    clock: &C,
    stop: impl Future<Output = ()>,
    progress: impl FnMut(u64, u64),
) -> Result<String, Failure> {
    let mut stop = pin!(stop);
    let (verb, operate) = match command {
        SagaCommand::List(list) => return unless_stopped(stop, listed(remote, list)).await,
        SagaCommand::Show(show) => return unless_stopped(stop, shown(remote, show)).await,
        SagaCommand::Resolve(resolve) => {
            return unless_stopped(stop, resolved(remote, resolve)).await;
        }
        SagaCommand::Retry(operate) => ("retry", operate),
        SagaCommand::Compensate(operate) => ("compensate", operate),
        SagaCommand::Skip(operate) => ("skip", operate),
        SagaCommand::Pause(operate) => ("pause", operate),
        SagaCommand::Resume(operate) => ("resume", operate),
    };
    let ids = match operate.all {
        true => unless_stopped(stop.as_mut(), ids(remote, &operate.which)).await?,
        false => operate.ids.clone(),
    };
    let sagas = OnNode { remote, verb, reason: &operate.reason, picked: operate.all };
    let report = operate.bulk.run(&sagas, &ids, clock, stop, progress).await;
    let text = reported(report, operate.output)?;
    let is_told = remote.at_rest && !operate.output.json;
    Ok(if is_told { format!("{text}\n{AT_START}") } else { text })
}

/// The text to print. A program is told what was done also when that is not all.
fn reported(report: Report, output: Output) -> Result<String, Failure> {
    if output.json {
        let text = json_line(&report)?;
        if let Err(failure) = report.ended() {
            say(&text)?;
            return Err(failure);
        }
        return Ok(text);
    }
    report.ended().map(|report| report.to_string())
}

async fn listed(remote: &Remote, list: &List) -> Result<String, Failure> {
    let mut out = String::new();
    for saga in page_through(remote, &list.which, list.limit).await? {
        let line = match list.json {
            true => saga.to_string(),
            false => line(&serde_json::from_value(saga).map_err(not_understood)?),
        };
        writeln!(out, "{line}").expect("writing to a String cannot fail");
    }
    Ok(out)
}

fn line(saga: &Shown) -> String {
    let step = saga.current_step.as_deref().unwrap_or("-");
    let error = saga.error_message.as_deref().unwrap_or("");
    let status = if saga.paused { "paused" } else { &saga.status };
    let line = format!(
        "{}  {status:<12}  {:<18}  {step:<18}  {}  {error}",
        saga.id, saga.saga_type, saga.updated_at
    );
    line.trim_end().to_owned()
}

async fn shown(remote: &Remote, show: &Show) -> Result<String, Failure> {
    let saga = remote.get(&format!("/sagas/{}", show.id)).await??;
    if show.json {
        return Ok(saga.to_string());
    }
    serde_json::to_string_pretty(&saga).map_err(not_understood)
}

async fn resolved(remote: &Remote, resolve: &Resolve) -> Result<String, Failure> {
    let mut body = json!({ "reason": resolve.reason, "outcome": resolve.outcome });
    if let Some(result) = &resolve.result {
        body["result"] = serde_json::from_str(result).map_err(|error| {
            Failure::new(Exit::Usage, format!("--result: wants JSON, not `{result}`: {error}"))
        })?;
    }
    let saga = remote.post(&format!("/saga/resolve/{}", resolve.id), &body).await??;
    if resolve.json {
        return Ok(saga.to_string());
    }
    let line = line(&serde_json::from_value(saga).map_err(not_understood)?);
    Ok(if remote.at_rest { format!("{line}\n{AT_START}") } else { line })
}

/// The sagas that are picked now.
async fn ids(remote: &Remote, which: &Which) -> Result<Vec<Uuid>, Failure> {
    let sagas = page_through(remote, which, usize::MAX).await?.into_iter();
    let id = |saga: Value| serde_json::from_value(saga).map(|saga: Shown| saga.id);
    sagas.map(id).collect::<Result<_, _>>().map_err(not_understood)
}

async fn page_through(remote: &Remote, which: &Which, limit: usize) -> Result<Vec<Value>, Failure> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Page {
        sagas: Vec<Value>,
        next_cursor: Option<String>,
    }
    let mut all = Vec::new();
    let mut cursor: Option<String> = None;
    while all.len() < limit {
        let mut path = format!("/sagas?limit={}", PAGE.min(limit - all.len()));
        let given = [("status", &which.status), ("type", &which.saga_type), ("cursor", &cursor)];
        for (name, value) in given {
            if let Some(value) = value {
                write!(path, "&{name}={}", escaped(value)).expect("writing to a String");
            }
        }
        let page: Page =
            serde_json::from_value(remote.get(&path).await??).map_err(not_understood)?;
        let is_empty = page.sagas.is_empty();
        all.extend(page.sagas);
        cursor = page.next_cursor;
        if cursor.is_none() || is_empty {
            break;
        }
    }
    Ok(all)
}

/// One verb on the sagas of a node.
struct OnNode<'a> {
    remote: &'a Remote,
    verb: &'static str,
    reason: &'a str,
    /// By --all.
    picked: bool,
}

impl Sagas for OnNode<'_> {
    async fn operate(&self, id: Uuid) -> Result<Result<(), Refusal>, Failure> {
        let path = format!("/saga/{}/{id}", self.verb);
        let answer = self.remote.post(&path, &json!({ "reason": self.reason })).await?;
        Ok(answer.map(drop))
    }

    async fn look(&self, id: Uuid, wait_s: u64) -> Result<Shown, Failure> {
        // A saga that was told to pause is not waited for, nor what nobody carries out now.
        let wait_s = if self.verb == "pause" || self.remote.at_rest { 0 } else { wait_s };
        let path = format!("/sagas/{id}");
        let saga = match wait_s {
            0 => self.remote.get(&path).await??,
            seconds => self.remote.get_and_wait(&path, seconds).await??,
        };
        serde_json::from_value(saga).map_err(not_understood)
    }

    fn is_as_wanted(&self, saga: &Shown, waited: bool) -> bool {
        match self.verb {
            _ if self.remote.at_rest => true,
            "pause" => saga.paused,
            // What it was resumed to may take days.
            "resume" if waited => !saga.paused && saga.status != "parked",
            _ => ["completed", "compensated"].contains(&&*saga.status),
        }
    }

    fn passes_over(&self) -> bool {
        self.picked
    }
}
