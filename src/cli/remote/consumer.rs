//! `sagaline consumer …`: the consumer groups of a node, and what they have parked.

use std::fmt::Write as _;

use serde::Deserialize;
use serde_json::{Value, json};

use super::super::failure::{Exit, Failure};
use super::{Remote, escaped, not_understood};

/// Entries of one page of the API.
const PAGE: usize = 100;

/// `sagaline consumer …`
#[derive(Debug, Clone, clap::Subcommand)]
pub enum ConsumerCommand {
    /// List the groups and how far each has come.
    List(List),
    /// List what a group has parked, in the order of the log.
    Parked(Parked),
    /// Have parked events delivered again, and those held behind them.
    Replay(Replay),
    /// Have a key's parked event taken for done, so that those held behind it go on.
    Skip(Skip),
}

/// `sagaline consumer list`
#[derive(Debug, Clone, clap::Args)]
pub struct List {
    /// Print each as a JSON object on a line of its own.
    #[arg(long)]
    pub json: bool,
}

/// `sagaline consumer parked`
#[derive(Debug, Clone, clap::Args)]
pub struct Parked {
    /// The group.
    pub name: String,
    /// At most so many.
    #[arg(long, default_value_t = 20)]
    pub limit: usize,
    /// Print each as a JSON object on a line of its own.
    #[arg(long)]
    pub json: bool,
}

/// `sagaline consumer replay`
#[derive(Debug, Clone, clap::Args)]
pub struct Replay {
    /// The group.
    pub name: String,
    /// What is parked under this key.
    #[arg(long, required_unless_present = "all")]
    pub key: Option<String>,
    /// Everything that is parked.
    #[arg(long, conflicts_with = "key")]
    pub all: bool,
    /// Why; it stays in the log.
    #[arg(long)]
    pub reason: String,
    /// Print the group, as it was before, as JSON.
    #[arg(long)]
    pub json: bool,
}

/// `sagaline consumer skip`
#[derive(Debug, Clone, clap::Args)]
pub struct Skip {
    /// The group.
    pub name: String,
    /// Whose parked event is taken for done.
    #[arg(long)]
    pub key: String,
    /// Why; it stays in the log.
    #[arg(long)]
    pub reason: String,
    /// Print the group, as it was before, as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Does it, and returns what is to be printed.
pub async fn run(remote: &Remote, command: &ConsumerCommand) -> Result<String, Failure> {
    match command {
        ConsumerCommand::List(list) => listed(remote, list).await,
        ConsumerCommand::Parked(parked) => shown(remote, parked).await,
        ConsumerCommand::Replay(Replay { name, key, reason, json: as_json, .. }) => {
            let mut body = json!({ "reason": reason });
            if let Some(key) = key {
                body["key"] = json!(key);
            }
            let group = ask(remote, name, "replay", &body).await?;
            requested("replay", group, *as_json)
        }
        ConsumerCommand::Skip(Skip { name, key, reason, json: as_json }) => {
            let body = json!({ "reason": reason, "key": key });
            requested("skip", ask(remote, name, "skip", &body).await?, *as_json)
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Group {
    name: String,
    position: u64,
    lag: u64,
    waiting_keys: u64,
    parked_keys: u64,
    letters: u64,
}

impl Group {
    fn line(&self) -> String {
        let Self { name, position, lag, waiting_keys, parked_keys, letters } = self;
        format!(
            "{name:<24}  at {position}  behind {lag}  waiting {waiting_keys}  parked {parked_keys}  letters {letters}"
        )
    }
}

async fn listed(remote: &Remote, list: &List) -> Result<String, Failure> {
    #[derive(Deserialize)]
    struct Groups {
        consumers: Vec<Value>,
    }
    let answer = remote.get("/consumers").await??;
    let Groups { consumers } = serde_json::from_value(answer).map_err(not_understood)?;
    let line = |group: Value| match list.json {
        true => Ok(group.to_string()),
        false => serde_json::from_value(group).map(|group: Group| group.line()),
    };
    let lines: Result<Vec<_>, _> = consumers.into_iter().map(line).collect();
    Ok(lines.map_err(not_understood)?.join("\n"))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Letter {
    key: String,
    position: u64,
    event_type: String,
    parked_at: String,
    attempts: u32,
    held: u64,
    reason: String,
}

async fn shown(remote: &Remote, parked: &Parked) -> Result<String, Failure> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Page {
        parked: Vec<Value>,
        next_cursor: Option<String>,
    }
    let (mut lines, mut left, mut cursor) = (Vec::new(), parked.limit, None);
    while left > 0 {
        let name = escaped(&parked.name);
        let mut path = format!("/consumers/{name}/parked?limit={}", PAGE.min(left));
        if let Some(cursor) = &cursor {
            write!(path, "&cursor={cursor}").expect("writing to a String cannot fail");
        }
        let page: Page =
            serde_json::from_value(remote.get(&path).await??).map_err(not_understood)?;
        left = left.saturating_sub(page.parked.len());
        for letter in page.parked {
            lines.push(match parked.json {
                true => letter.to_string(),
                false => line(&serde_json::from_value(letter).map_err(not_understood)?),
            });
        }
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    Ok(lines.join("\n"))
}

fn line(letter: &Letter) -> String {
    let Letter { key, position, event_type, parked_at, attempts, held, reason } = letter;
    format!(
        "{position}  {parked_at}  {key}  {event_type}  attempts {attempts}  held {held}  {reason}"
    )
}

async fn ask(remote: &Remote, name: &str, verb: &str, body: &Value) -> Result<Value, Failure> {
    if name.is_empty() {
        return Err(Failure::new(Exit::Usage, "NAME: wants the name of a consumer group"));
    }
    let path = format!("/consumers/{}/{verb}", escaped(name));
    Ok(remote.post(&path, body).await??)
}

fn requested(verb: &str, group: Value, as_json: bool) -> Result<String, Failure> {
    if as_json {
        return Ok(group.to_string());
    }
    let group: Group = serde_json::from_value(group).map_err(not_understood)?;
    Ok(format!("{verb} is requested; before: {}", group.line()))
}
