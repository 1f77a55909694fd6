//! Writing a log as lines.

use std::io::Write;
use std::path::PathBuf;

use sagaline_storage::kv::Kv;
use sagaline_storage::{AllQuery, Clock, EventStore, GlobalPosition, Log};

use super::super::event_line::EventLine;
use super::super::failure::{Exit, Failure};
use super::super::output::Output;
use super::super::said;
use super::{ClaimLine, End, EpochLine, FORMAT, Head, Line, Transferred, hex};
use crate::domain::WallTime;

/// Events or claims read at a time.
const PAGE: usize = 1_000;

/// `sagaline export`
#[derive(Debug, Clone, clap::Args)]
pub struct Export {
    /// The file to write, which must not exist yet; `-` is stdout.
    #[arg(default_value = "-")]
    pub file: PathBuf,
    /// How the outcome is printed: on stderr, since stdout may be the file.
    #[command(flatten)]
    pub output: Output,
}

/// Writes everything that a log holds; `progress` is told how far it is and where the end is.
pub async fn export<K: Kv, C: Clock>(
    log: &Log<K, C>,
    out: &mut impl Write,
    mut progress: impl FnMut(u64, u64),
) -> Result<Transferred, Failure> {
    let head = log.head().await?;
    put(out, &Line::Head(Head { format: FORMAT, position: head.0 }))?;
    let (mut from, mut chain) = (GlobalPosition::START, [0; 32]);
    while from < head {
        let page = log.read_all(AllQuery::after(from, PAGE)).await?;
        if page.events.is_empty() {
            let line = format!("nothing to read behind position {from}, though the head is {head}");
            return Err(Failure::new(Exit::StoreDamaged, line));
        }
        for event in page.events.iter().filter(|event| event.position <= head) {
            let line = EventLine::of(event).map_err(|error| Failure::new(Exit::Failed, error))?;
            put(out, &Line::Event(line))?;
            chain = event.chain;
        }
        from = page.next;
        progress(from.0.min(head.0), head.0);
    }
    let claims = export_claims(log, out).await?;
    for (shard, epoch) in log.every_epoch().await? {
        put(out, &Line::Epoch(EpochLine { shard: shard.0, epoch: epoch.0 }))?;
    }
    let end = End { events: head.0, claims, chain: hex(&chain) };
    put(out, &Line::End(end.clone()))?;
    said(out.flush())?;
    Ok(Transferred { verb: "exported", end })
}

async fn export_claims<K: Kv, C: Clock>(
    log: &Log<K, C>,
    out: &mut impl Write,
) -> Result<u64, Failure> {
    let (mut after, mut claims) = (None, 0);
    loop {
        let page = log.every_claim(after.as_ref(), PAGE).await?;
        for holder in &page {
            let (kind, key) = (holder.claim.kind.to_string(), holder.claim.key.to_string());
            let until = holder.until.map(|until| WallTime(until.0));
            let owner = holder.owner.clone();
            put(out, &Line::Claim(ClaimLine { kind, key, owner, until }))?;
            claims += 1;
        }
        match page.into_iter().last() {
            Some(last) => after = Some(last.claim),
            None => return Ok(claims),
        }
    }
}

fn put(out: &mut impl Write, line: &Line) -> Result<(), Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::new(Exit::Failed, error);
    let line = serde_json::to_string(line).map_err(|error| failed(&error))?;
    said(writeln!(out, "{line}"))
}
