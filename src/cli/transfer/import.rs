//! Reading lines into an empty log.

use std::io::BufRead;
use std::path::PathBuf;

use sagaline_storage::log::settings::CLAIMS_PER_APPEND_MAX;
use sagaline_storage::{
    AllQuery, AppendId, AppendRequest, Claim, ClaimChange, Direction, EventStore, Filter,
    GlobalPosition, NodeId, Shard, Timestamp,
};
use uuid::Uuid;

use super::super::event_line::EventLine;
use super::super::failure::{Exit, Failure};
use super::super::output::Output;
use super::group::Group;
use super::{ClaimLine, End, EpochLine, FORMAT, Head, Line, Transferred, hex};

/// Changes of ownership that a shard may have had: more is a damaged file.
const EPOCHS_MAX: u64 = 1_000_000;

/// `sagaline import`
#[derive(Debug, Clone, clap::Args)]
pub struct Import {
    /// The file to read; `-` is stdin.
    pub file: PathBuf,
    /// How the outcome is printed.
    #[command(flatten)]
    pub output: Output,
}

/// Reads lines into `log`, which must be empty and takes the time from `set_time`; `mark` is called before
/// anything is written, and `progress` told how far it is and where the end is.
/// After a failure behind `mark` the log holds a part.
pub async fn import<E: EventStore>(
    log: &E,
    node_id: NodeId,
    input: impl BufRead,
    set_time: impl Fn(Timestamp),
    mark: impl Fn() -> Result<(), Failure>,
    progress: impl FnMut(u64, u64),
) -> Result<Transferred, Failure> {
    if log.head().await? != GlobalPosition::START {
        return Err(wrong("the store is not empty: import into a data folder of its own"));
    }
    let mut importing = Importing {
        log,
        node_id,
        set_time,
        mark,
        progress,
        head: None,
        group: None,
        position: 0,
        claims: Vec::new(),
        claimed: 0,
        end: None,
    };
    for (number, line) in input.lines().enumerate() {
        let number = number + 1;
        let at = |failure: Failure| failure.at(&format!("line {number}"));
        let line = line.map_err(|error| at(wrong(error)))?;
        let line = serde_json::from_str(&line).map_err(|error| at(wrong(error)))?;
        importing.take(line).await.map_err(at)?;
    }
    importing.finish().await
}

struct Importing<'a, E, T, M, P> {
    log: &'a E,
    node_id: NodeId,
    set_time: T,
    mark: M,
    progress: P,
    head: Option<Head>,
    /// Events that are not appended yet.
    group: Option<Group>,
    /// Of the last event taken.
    position: u64,
    /// Claims that are not appended yet.
    claims: Vec<ClaimChange>,
    claimed: u64,
    end: Option<End>,
}

impl<E, T, M, P> Importing<'_, E, T, M, P>
where
    E: EventStore,
    T: Fn(Timestamp),
    M: Fn() -> Result<(), Failure>,
    P: FnMut(u64, u64),
{
    async fn take(&mut self, line: Line) -> Result<(), Failure> {
        if self.end.is_some() {
            return Err(wrong("there is a line behind the end"));
        }
        match line {
            Line::Head(head) => self.begin(head),
            _ if self.head.is_none() => Err(wrong("the first line wants to be a head")),
            Line::Event(event) => self.event(event).await,
            Line::Claim(claim) => self.claim(claim).await,
            Line::Epoch(epoch) => self.epoch(epoch).await,
            Line::End(end) => {
                self.end = Some(end);
                self.append_events().await?;
                self.append_claims().await
            }
        }
    }

    fn begin(&mut self, head: Head) -> Result<(), Failure> {
        if self.head.is_some() {
            return Err(wrong("there is a second head"));
        }
        if head.format != FORMAT {
            return Err(wrong(format!("format {}: wants {FORMAT}", head.format)));
        }
        (self.mark)()?;
        self.head = Some(head);
        Ok(())
    }

    async fn event(&mut self, line: EventLine) -> Result<(), Failure> {
        if line.position != self.position + 1 {
            let after = self.position;
            return Err(wrong(format!("position {} behind {after}", line.position)));
        }
        self.position = line.position;
        if let Some(group) = self.group.as_mut().filter(|group| group.takes(&line)) {
            return group.push(line).map_err(wrong);
        }
        self.append_events().await?;
        self.group = Some(Group::of(line).map_err(wrong)?);
        Ok(())
    }

    async fn append_events(&mut self) -> Result<(), Failure> {
        let Some(group) = self.group.take() else { return Ok(()) };
        let last = group.last_position;
        (self.set_time)(group.at);
        let appended = self.log.append(group.into_request()).await.map_err(wrong)?;
        if appended.position.0 != last {
            return Err(wrong(format!("event {last} came to position {}", appended.position)));
        }
        (self.progress)(last, self.head.map_or(last, |head| head.position));
        Ok(())
    }

    async fn claim(&mut self, line: ClaimLine) -> Result<(), Failure> {
        let claim = Claim::new(line.kind, line.key);
        let owner = line.owner;
        self.claims.push(ClaimChange::Take { claim: claim.clone(), owner: owner.clone() });
        if let Some(until) = line.until {
            self.claims.push(ClaimChange::ReleaseAt { claim, owner, at: Timestamp(until.0) });
        }
        self.claimed += 1;
        if self.claims.len() + 2 > CLAIMS_PER_APPEND_MAX {
            self.append_events().await?;
            self.append_claims().await?;
        }
        Ok(())
    }

    async fn append_claims(&mut self) -> Result<(), Failure> {
        let claims = std::mem::take(&mut self.claims);
        if claims.is_empty() {
            return Ok(());
        }
        // Different from every other of this import, and the same when it is done again.
        let append_id = AppendId(Uuid::from_u128(u128::from(self.claimed)));
        let (node_id, writes) = (self.node_id.clone(), Vec::new());
        let request = AppendRequest { append_id, node_id, fence: None, writes, claims };
        self.log.append(request).await.map(drop).map_err(wrong)
    }

    async fn epoch(&mut self, line: EpochLine) -> Result<(), Failure> {
        if line.epoch > EPOCHS_MAX {
            let (shard, epoch) = (line.shard, line.epoch);
            return Err(wrong(format!("shard {shard}: epoch {epoch} is over {EPOCHS_MAX}")));
        }
        let shard = Shard(line.shard);
        while self.log.epoch(shard).await?.0 < line.epoch {
            self.log.raise_epochs(&[shard]).await?;
        }
        Ok(())
    }

    /// Whether what is there now is what the file says.
    async fn finish(self) -> Result<Transferred, Failure> {
        let head = self.log.head().await?;
        let Some(end) = self.end else {
            return Err(wrong(format!("the file was cut off behind event {head}")));
        };
        let from = GlobalPosition(head.0 + 1);
        let (direction, filter) = (Direction::Backward, Filter::ALL);
        let query = AllQuery { from, direction, limit: 1, filter };
        let last = self.log.read_all(query).await?.events;
        let chain = hex(&last.first().map_or([0; 32], |event| event.chain));
        let made = End { events: head.0, claims: self.claimed, chain };
        if made != end || self.head.is_none_or(|head| head.position != end.events) {
            let line =
                format!("what was imported is not what the file ends with: {made:?}, {end:?}");
            return Err(Failure::new(Exit::StoreDamaged, line));
        }
        Ok(Transferred { verb: "imported", end: made })
    }
}

fn wrong(problem: impl std::fmt::Display) -> Failure {
    Failure::new(Exit::Failed, problem)
}
