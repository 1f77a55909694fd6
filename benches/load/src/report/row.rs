//! The rows of the tables: what each measure tells.
//!
//! A measure that is a process of its own prints them as `ROW <json>`; the collector reads them back.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::failure::{Context, Failure};
use crate::floor::Floor;
use crate::load::figures::LoadFigures;
use crate::samples::{Quantiles, median};

/// One row of one table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Row {
    /// A saga load.
    Saga(SagaRow),
    /// The floor under a saga.
    Floor(Floor),
    /// Appends of one event.
    Append(AppendRow),
    /// Reading everything.
    Read(ReadRow),
    /// Cost per append at one length of the log.
    Growth(GrowthRow),
    /// A figure that stands by itself.
    Single(SingleRow),
}

/// A system that runs sagas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum System {
    /// The node under test.
    Sagaline,
    /// The hand-made twin.
    Twin,
}

/// A saga load: the median of its rounds, each figure by itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct SagaRow {
    /// What ran the sagas.
    pub(crate) system: System,
    /// `saga`, or `declined-saga`: the third call is declined and two steps are undone.
    pub(crate) kind: String,
    /// Clients in the closed loop.
    pub(crate) clients: usize,
    /// Sagas that reached their end a second.
    pub(crate) per_second: f64,
    /// From sending the request to the saga's end.
    pub(crate) latency: Quantiles,
    /// Unexpected ends.
    pub(crate) errors: u64,
    /// Appends a saga, by the store's own counter.
    pub(crate) writes_each: f64,
    /// Syncs a saga, by the store's own counter: group commit shares them.
    pub(crate) syncs_each: f64,
    /// CPU time a saga, of the system alone.
    pub(crate) cpu_ms_each: f64,
    /// Resident memory at the end.
    pub(crate) resident_mib: f64,
    /// The disk's own fdatasync before the load, p50.
    pub(crate) fdatasync_us: f64,
}

/// Appends of one event by our log and by raw RocksDB in both ways.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct AppendRow {
    /// Concurrent writers.
    pub(crate) writers: usize,
    /// Our log.
    pub(crate) ours: AppendFigures,
    /// Raw, one gathering appender.
    pub(crate) gather: AppendFigures,
    /// Raw, each writer its own batch.
    pub(crate) own: AppendFigures,
    /// Ours over the better raw way: the median of the rounds' ratios.
    pub(crate) ratio: f64,
}

/// What one way of appending did: the median of its rounds, each figure by itself.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct AppendFigures {
    /// Appends a second.
    pub(crate) per_second: f64,
    /// From handing an append over to its answer.
    pub(crate) p50_us: f64,
    /// CPU time an append, of the whole process: flushes and compactions count.
    pub(crate) cpu_us_each: f64,
}

/// Reading everything by our log and by a raw iterator over the same store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ReadRow {
    /// Events read.
    pub(crate) events: u64,
    /// Ours, events a second.
    pub(crate) ours_per_second: f64,
    /// The raw iterator's, events a second.
    pub(crate) raw_per_second: f64,
    /// The median of the rounds' ratios.
    pub(crate) ratio: f64,
}

/// Cost per append at one length of the log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct GrowthRow {
    /// Events in the log when the measure began.
    pub(crate) events: u64,
    /// Wall time per append, the median of the parts.
    pub(crate) append_us: f64,
}

/// A figure that stands by itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct SingleRow {
    /// What it is, for people.
    pub(crate) what: String,
    /// The figure.
    pub(crate) figure: f64,
    /// Its unit.
    pub(crate) unit: String,
}

impl Row {
    /// A figure that stands by itself.
    pub(crate) fn single(what: &str, figure: f64, unit: &str) -> Self {
        Self::Single(SingleRow { what: what.to_owned(), figure, unit: unit.to_owned() })
    }

    /// Reads a line back; `None` for a line that is no row's.
    pub(crate) fn parse(line: &str) -> Option<Result<Self, Failure>> {
        let json = line.strip_prefix("ROW ")?;
        Some(serde_json::from_str(json).context(format!("row {json}")))
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let json = serde_json::to_string(self).map_err(|_| fmt::Error)?;
        write!(f, "ROW {json}")
    }
}

impl System {
    /// Its name in tables and picture.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sagaline => "Sagaline",
            Self::Twin => "hand-made twin",
        }
    }
}

impl SagaRow {
    /// The row of one round.
    pub(crate) fn of(
        system: System,
        kind: &str,
        figures: &LoadFigures,
        writes_each: f64,
        syncs_each: f64,
    ) -> Self {
        let resident = figures.resident_bytes.first().copied().unwrap_or_default();
        Self {
            system,
            kind: kind.to_owned(),
            clients: figures.clients,
            per_second: figures.per_second,
            latency: figures.latency,
            errors: figures.errors,
            writes_each,
            syncs_each,
            cpu_ms_each: figures.cpu_ms_each(0).unwrap_or(f64::NAN),
            resident_mib: resident as f64 / 1_048_576.0,
            fdatasync_us: figures.fdatasync.p50_us,
        }
    }

    /// The median of rounds of one load: each figure by itself, errors summed.
    pub(crate) fn median_of(rounds: &[Self]) -> Option<Self> {
        let first = rounds.first()?;
        let of = |figure: fn(&Self) -> f64| median(&rounds.iter().map(figure).collect::<Vec<_>>());
        Some(Self {
            per_second: of(|row| row.per_second),
            latency: Quantiles {
                p50_us: of(|row| row.latency.p50_us),
                p95_us: of(|row| row.latency.p95_us),
                p99_us: of(|row| row.latency.p99_us),
            },
            errors: rounds.iter().map(|row| row.errors).sum(),
            writes_each: of(|row| row.writes_each),
            syncs_each: of(|row| row.syncs_each),
            cpu_ms_each: of(|row| row.cpu_ms_each),
            resident_mib: of(|row| row.resident_mib),
            fdatasync_us: of(|row| row.fdatasync_us),
            ..first.clone()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_printed_row_reads_back() {
        let row = Row::Growth(GrowthRow { events: 1_000, append_us: 12.5 });
        let read = Row::parse(&row.to_string()).expect("a row's line").expect("a good one");
        assert_eq!(read, row);
        assert!(Row::parse("anything else").is_none());
        assert!(Row::parse("ROW {}").expect("meant as one").is_err());
    }

    #[test]
    fn the_median_of_rounds_is_taken_per_figure_and_errors_add_up() {
        let round = |per_second, errors| {
            let figures = LoadFigures { clients: 16, per_second, errors, ..Default::default() };
            SagaRow::of(System::Twin, "saga", &figures, 4.0, 1.0)
        };
        let row = SagaRow::median_of(&[round(9.0, 1), round(1.0, 0), round(5.0, 2)]);
        let row = row.expect("there are rounds");
        assert_eq!((row.per_second, row.errors, row.clients), (5.0, 3, 16));
        assert!(SagaRow::median_of(&[]).is_none());
    }
}
