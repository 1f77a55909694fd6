//! `RESULTS.md`: the machine, the bars, one table per measure.

use std::fmt::Write;

use crate::bar::Bar;
use crate::report::machine::Machine;
use crate::report::row::{AppendRow, GrowthRow, ReadRow, Row, SagaRow, SingleRow};
use crate::run::Findings;
use crate::run::profile::Profile;

const HEAD: &str = "\
# Results

Written by `make bench` (`sagaline-load run`); every figure is of one run on one machine. Ratios are \
taken round by round, both sides in turns with the same bytes and the same durability; the median of \
the rounds counts.
";

/// The whole document.
pub(crate) fn render(
    machine: &Machine,
    profile: Profile,
    findings: &Findings,
    picture: bool,
) -> String {
    let mut text = String::from(HEAD);
    let Machine { processor, cores, memory_gib, kernel } = machine;
    line(
        &mut text,
        format_args!(
            "\nMachine: {processor}, {cores} cores, {memory_gib} GiB, Linux {kernel}. Load, participant and system under test share it. Profile: `{profile}` ({} s warm-up, {} s measured, {} rounds).",
            profile.warmup_s(),
            profile.measured_s(),
            profile.rounds()
        ),
    );
    if picture {
        text.push_str("\n![throughput and p50 over clients](results.svg)\n");
    }
    table(
        &mut text,
        "Bars",
        "| bar | figure | unit | wants | |\n|---|---|---|---|---|",
        &bars(&findings.bars),
    );
    let rows = &findings.rows;
    table(&mut text, SAGAS, SAGA_COLUMNS, &pick(rows, saga));
    table(
        &mut text,
        FLOOR,
        "| fdatasync p50 µs | HTTP round trip p50 µs | floor of a saga µs |\n|---|---|---|",
        &pick(rows, floor),
    );
    table(&mut text, APPENDS, APPEND_COLUMNS, &pick(rows, append));
    table(
        &mut text,
        READS,
        "| events | Sagaline /s | raw iterator /s | ratio |\n|---|---|---|---|",
        &pick(rows, read),
    );
    table(
        &mut text,
        GROWTH,
        "| events in the log | µs per append |\n|---|---|",
        &pick(rows, growth),
    );
    table(
        &mut text,
        "By themselves",
        "| what | figure | unit |\n|---|---|---|",
        &pick(rows, single),
    );
    text
}

const SAGAS: &str = "Sagas: three remote HTTP calls, closed loop, start to end";
const SAGA_COLUMNS: &str = "\
| system | third call | clients | sagas/s | p50 ms | p95 ms | p99 ms | errors | writes each | syncs each | CPU ms each | resident MiB | fdatasync p50 µs |
|---|---|---|---|---|---|---|---|---|---|---|---|---|";
const FLOOR: &str = "The floor of a saga at one client, round by round";
const APPENDS: &str =
    "Appends: one event of 300 B and about 100 B of metadata, one of 10,000 streams, synced";
const APPEND_COLUMNS: &str = "\
| writers | Sagaline /s | p50 µs | CPU µs each | raw, one gathering appender /s | p50 µs | CPU µs each | raw, each its own batch /s | p50 µs | CPU µs each | ratio to the better |
|---|---|---|---|---|---|---|---|---|---|---|";
const READS: &str = "Reading everything";
const GROWTH: &str = "Cost per append while the log grows, 64 writers";

fn table(text: &mut String, title: &str, columns: &str, rows: &[String]) {
    if !rows.is_empty() {
        line(text, format_args!("\n## {title}\n\n{columns}\n{}", rows.join("\n")));
    }
}

fn line(text: &mut String, content: std::fmt::Arguments<'_>) {
    writeln!(text, "{content}").expect("writing to a String cannot fail");
}

fn pick(rows: &[Row], cells: fn(&Row) -> Option<String>) -> Vec<String> {
    rows.iter().filter_map(cells).collect()
}

fn bars(bars: &[Bar]) -> Vec<String> {
    let cells = |bar: &Bar| {
        let verdict = if bar.holds() { "ok" } else { "**short**" };
        format!("| {} | {:.3} | {} | {} | {verdict} |", bar.name, bar.figure, bar.unit, bar.bound)
    };
    bars.iter().map(cells).collect()
}

fn saga(row: &Row) -> Option<String> {
    let Row::Saga(row) = row else { return None };
    let SagaRow { clients, per_second, errors, writes_each, syncs_each, cpu_ms_each, .. } = row;
    let third = if row.kind == "declined-saga" { "declined" } else { "succeeds" };
    let [p50, p95, p99] = [row.latency.p50_us, row.latency.p95_us, row.latency.p99_us].map(millis);
    let (name, resident, sync) = (row.system.name(), row.resident_mib, row.fdatasync_us);
    Some(format!(
        "| {name} | {third} | {clients} | {per_second:.0} | {p50} | {p95} | {p99} | {errors} | \
         {writes_each:.2} | {syncs_each:.2} | {cpu_ms_each:.3} | {resident:.0} | {sync:.0} |"
    ))
}

fn floor(row: &Row) -> Option<String> {
    let Row::Floor(floor) = row else { return None };
    let (sync, http, whole) = (floor.sync_p50_us, floor.http_p50_us, floor.of_saga_us(3));
    Some(format!("| {sync:.0} | {http:.0} | {whole:.0} |"))
}

fn append(row: &Row) -> Option<String> {
    let Row::Append(row) = row else { return None };
    let AppendRow { writers, ours, gather, own, ratio } = row;
    let [ours, gather, own] = [ours, gather, own]
        .map(|way| format!("{:.0} | {:.0} | {:.1}", way.per_second, way.p50_us, way.cpu_us_each));
    Some(format!("| {writers} | {ours} | {gather} | {own} | {ratio:.2} |"))
}

fn read(row: &Row) -> Option<String> {
    let Row::Read(row) = row else { return None };
    let ReadRow { events, ours_per_second, raw_per_second, ratio } = row;
    Some(format!("| {events} | {ours_per_second:.0} | {raw_per_second:.0} | {ratio:.2} |"))
}

fn growth(row: &Row) -> Option<String> {
    let Row::Growth(GrowthRow { events, append_us }) = row else { return None };
    Some(format!("| {events} | {append_us:.1} |"))
}

fn single(row: &Row) -> Option<String> {
    let Row::Single(SingleRow { what, figure, unit }) = row else { return None };
    Some(format!("| {what} | {figure:.1} | {unit} |"))
}

fn millis(micros: f64) -> String {
    format!("{:.2}", micros / 1_000.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bar::Bound;

    #[test]
    fn what_was_measured_stands_in_a_table_and_what_was_not_has_none() {
        let findings = Findings {
            rows: vec![Row::Growth(GrowthRow { events: 1_000, append_us: 12.34 })],
            bars: vec![Bar::new("append_growth", 2.0, "x", Bound::AtMost(1.5))],
        };
        let machine = crate::report::machine::describe();
        let text = render(&machine, Profile::Quick, &findings, false);
        assert!(text.contains("| 1000 | 12.3 |"), "{text}");
        assert!(text.contains("| append_growth | 2.000 | x | <=1.5 | **short** |"), "{text}");
        assert!(!text.contains(SAGAS) && !text.contains("results.svg"), "{text}");
    }
}
