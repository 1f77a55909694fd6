//! The standard saga load: the node under test beside the hand-made twin and the floor, in turns.

use crate::bar::{Bar, Bound};
use crate::failure::Failure;
use crate::floor::Floor;
use crate::report::row::{Row, SagaRow, System};
use crate::run::saga_bench::SagaBench;
use crate::run::{Findings, RunArgs};
use crate::samples::median;

/// Clients in the closed loop, one measure each.
const CLIENTS: [usize; 4] = [1, 16, 64, 256];
/// Calls of the standard saga.
const CALLS: u32 = 3;
/// Durable writes of one saga: calls + 1.
const WRITES: f64 = 4.0;

/// One round of both systems, and the floor just before it.
struct Round {
    node: SagaRow,
    twin: SagaRow,
    floor: Floor,
}

/// Takes all rounds and says which bars hold.
pub(crate) async fn measure(args: &RunArgs, findings: &mut Findings) -> Result<(), Failure> {
    let bench = SagaBench::start(args).await?;
    let mut errors = 0;
    for clients in CLIENTS {
        let rounds = take(&bench, args.profile.rounds(), "saga", clients).await?;
        errors += tell(&rounds, findings);
        judge(clients, &rounds, findings);
    }
    let declined = take(&bench, args.profile.rounds(), "declined-saga", 16).await?;
    errors += tell(&declined, findings);
    findings.bar(Bar::new("saga_errors", errors as f64, "errors", Bound::AtMost(0.0)));
    Ok(())
}

/// Rounds that alternate which system goes first.
async fn take(
    bench: &SagaBench<'_>,
    rounds: usize,
    kind: &str,
    clients: usize,
) -> Result<Vec<Round>, Failure> {
    let mut taken = Vec::new();
    for number in 0..rounds {
        let floor = bench.floor().await?;
        let round = if number % 2 == 0 {
            let node = bench.load(System::Sagaline, kind, clients).await?;
            Round { node, twin: bench.load(System::Twin, kind, clients).await?, floor }
        } else {
            let twin = bench.load(System::Twin, kind, clients).await?;
            Round { node: bench.load(System::Sagaline, kind, clients).await?, twin, floor }
        };
        let (node, twin) = (round.node.per_second, round.twin.per_second);
        println!("{kind}, {clients} clients, round {number}: {node:.0}/s, twin {twin:.0}/s");
        taken.push(round);
    }
    Ok(taken)
}

fn tell(rounds: &[Round], findings: &mut Findings) -> u64 {
    let node: Vec<_> = rounds.iter().map(|round| round.node.clone()).collect();
    let twin: Vec<_> = rounds.iter().map(|round| round.twin.clone()).collect();
    for row in [SagaRow::median_of(&node), SagaRow::median_of(&twin)].into_iter().flatten() {
        findings.row(Row::Saga(row));
    }
    node.iter().chain(&twin).map(|row| row.errors).sum()
}

fn judge(clients: usize, rounds: &[Round], findings: &mut Findings) {
    let middle = |ratio: fn(&Round) -> f64| median(&rounds.iter().map(ratio).collect::<Vec<_>>());
    if clients > 1 {
        let ratio = middle(|round| round.node.per_second / round.twin.per_second);
        let name = format!("saga_beside_twin_{clients}");
        findings.bar(Bar::new(name, ratio, "x", Bound::AtLeast(0.7)));
        return;
    }
    let ratio = middle(|round| round.node.latency.p50_us / round.floor.of_saga_us(CALLS));
    findings.bar(Bar::new("saga_p50_over_floor_1", ratio, "x", Bound::AtMost(1.5)));
    // With one client nothing is gathered: every append is a sync of its own.
    let writes = middle(|round| round.node.writes_each.max(round.node.syncs_each));
    findings.bar(Bar::new("saga_durable_writes", writes, "writes", Bound::AtMost(WRITES)));
    for round in rounds {
        findings.row(Row::Floor(round.floor));
    }
}
