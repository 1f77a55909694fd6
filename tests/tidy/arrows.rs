//! Who may name whom: the arrows of the architecture.

use super::Finding;
use super::paths::{Named, module_of, named};
use super::source::Source;

/// What one top-level module of the root package may name.
struct Arrows {
    module: &'static str,
    /// Top-level modules of the root package, besides itself.
    ours: &'static [&'static str],
    /// Other crates it must not name.
    never: &'static [&'static str],
    /// Whether it may name the store's adapters.
    adapters: bool,
}

const EVERYTHING: &[&str] = &["*"];
const CLIENTS: &[&str] = &["rocksdb", "tokio_postgres", "redis", "rdkafka"];

const ARROWS: &[Arrows] = &[
    Arrows {
        module: "domain",
        ours: &[],
        never: &[
            "sagaline_storage",
            "tokio",
            "axum",
            "hyper",
            "bincode",
            "rocksdb",
            "redis",
            "rdkafka",
        ],
        adapters: false,
    },
    Arrows {
        module: "saga",
        ours: &["domain"],
        never: &[
            "sagaline_storage",
            "tokio",
            "axum",
            "hyper",
            "bincode",
            "rocksdb",
            "redis",
            "rdkafka",
        ],
        adapters: false,
    },
    Arrows {
        module: "codec",
        ours: &["domain", "saga", "limits"],
        never: &["tokio", "axum", "hyper", "rocksdb", "redis", "rdkafka"],
        adapters: false,
    },
    Arrows {
        module: "engine",
        ours: &["domain", "saga", "codec", "limits"],
        never: CLIENTS,
        adapters: false,
    },
    Arrows {
        module: "projections",
        ours: &["domain", "saga", "codec", "engine", "limits"],
        never: &["tokio", "axum", "hyper", "rocksdb", "tokio_postgres", "redis", "rdkafka"],
        adapters: false,
    },
    Arrows {
        module: "app",
        ours: &["domain", "saga", "engine", "projections", "limits", "prelude"],
        never: CLIENTS,
        adapters: false,
    },
    Arrows { module: "http", ours: EVERYTHING, never: CLIENTS, adapters: false },
    Arrows {
        module: "settings",
        ours: &["limits"],
        never: &["sagaline_storage", "tokio", "axum", "hyper"],
        adapters: false,
    },
    Arrows { module: "limits", ours: &[], never: &["sagaline_storage", "tokio"], adapters: false },
];

const ADAPTERS: &[&str] = &["rocksdb", "memory", "postgres", "redis", "kafka"];

/// The references of a file that go against an arrow. Test code may name any adapter.
pub(crate) fn broken(source: &Source) -> Vec<Finding> {
    let named = named(source);
    let mut findings = outside_the_simulation(source, &named);
    if let Some(inner) = source.path.strip_prefix("src/") {
        let module = module_of(&format!("src/{inner}")).into_iter().nth(1).unwrap_or_default();
        if let Some(arrows) = ARROWS.iter().find(|arrows| arrows.module == module) {
            let wrong =
                |n: &Named| against(arrows, n).map(|what| Finding::new(source, n.line, what));
            findings.extend(named.iter().filter_map(wrong));
        }
    }
    findings
}

/// Rules of every file: who knows of the simulation, and that the store knows nobody.
fn outside_the_simulation(source: &Source, named: &[Named]) -> Vec<Finding> {
    // An example proves its sagas as any user does: in its tests.
    let proves = source.path.starts_with("examples/") && source.path.contains("/tests/");
    if source.path.starts_with("sim/") || proves {
        return Vec::new();
    }
    let in_storage = source.path.starts_with("storage/");
    let wrong = |named: &&Named| {
        let first = named.path[0].as_str();
        first == "sagaline_sim" || (in_storage && first == "sagaline")
    };
    let mut findings: Vec<_> = named
        .iter()
        .filter(wrong)
        .map(|named| Finding::new(source, named.line, format!("must not name {}", named.path[0])))
        .collect();
    if !in_storage {
        let is_cfg = |i: &usize| source.at(*i) == "madsim" && source.at(i.wrapping_sub(1)) == "(";
        let what = "`madsim` is a matter of storage's and sim's edges alone";
        let cfgs = (1..source.tokens.len()).filter(is_cfg);
        findings.extend(cfgs.map(|i| Finding::new(source, source.tokens[i].line, what)));
    }
    findings
}

fn against(arrows: &Arrows, named: &Named) -> Option<String> {
    let parts: Vec<&str> = named.path.iter().map(String::as_str).collect();
    let shown = parts.join("::");
    match parts[..] {
        // A name of the crate's root itself: an item, or the module's own parent.
        ["crate"] => None,
        ["crate", module, ..] => {
            // A deliberate bug may stand anywhere; it is not compiled into the product.
            let allowed = module == arrows.module
                || module == "canary"
                || (module == "testing" && named.in_test)
                || arrows.ours == EVERYTHING
                || arrows.ours.contains(&module)
                || !module.starts_with(char::is_lowercase);
            (!allowed).then(|| format!("{} must not name {shown}", arrows.module))
        }
        ["sagaline_storage", adapter, ..]
            if ADAPTERS.contains(&adapter) && !arrows.adapters && !named.in_test =>
        {
            Some(format!("{} must not name an adapter: {shown}", arrows.module))
        }
        [first, ..] if arrows.never.contains(&first) && !named.in_test => {
            Some(format!("{} must not name {first}", arrows.module))
        }
        _ => None,
    }
}

/// Where tasks may be spawned and raced: the shell, the serve loop, the log's one appender, and the
/// worlds around the product.
const SHELL: &[&str] =
    &["src/engine/", "src/http/serve", "src/main.rs", "src/cli/", "storage/src/log/", "sim/"];

/// Spawns and selects outside the shell.
pub(crate) fn hidden_concurrency(source: &Source) -> Vec<Finding> {
    if source.is_test() || SHELL.iter().any(|shell| source.path.starts_with(shell)) {
        return Vec::new();
    }
    let wrong = |named: &Named| {
        let path = named.path.join("::");
        let hidden =
            ["tokio::spawn", "tokio::task::spawn", "tokio::select"].contains(&path.as_str());
        (hidden && !named.in_test)
            .then(|| Finding::new(source, named.line, format!("{path} outside the shell")))
    };
    named(source).iter().filter_map(wrong).collect()
}

#[cfg(test)]
fn found(path: &str, text: &str) -> usize {
    broken(&Source::new(path, text)).len()
}

#[test]
fn the_core_may_name_only_what_is_below_it() {
    assert_eq!(found("src/domain/order.rs", "use crate::domain::money; use super::ids;"), 0);
    assert_eq!(found("src/domain/order.rs", "use crate::saga::state;"), 1);
    assert_eq!(found("src/domain/order.rs", "fn f(_: sagaline_storage::Timestamp) {}"), 1);
    assert_eq!(found("src/saga/state.rs", "use crate::{domain::ids, engine::Node, codec};"), 2);
    assert_eq!(found("src/saga/state.rs", "use super::super::engine::Node;"), 1);
    assert_eq!(found("src/saga/state.rs", "async fn f() { tokio::task::yield_now().await }"), 1);
    assert_eq!(found("src/limits.rs", "use crate::http::x;"), 1);
}

#[test]
fn the_shell_names_no_adapter_except_in_its_tests() {
    let text = "use sagaline_storage::{rocksdb::RocksKv, EventStore};";
    assert_eq!(found("src/engine/node.rs", text), 1);
    assert_eq!(found("src/http/orders.rs", "use rocksdb::DB;"), 1);
    assert_eq!(found("src/engine/node.rs", &format!("#[cfg(test)] mod tests {{ {text} }}")), 0);
    assert_eq!(found("src/engine/node_tests.rs", text), 0);
    assert_eq!(found("src/main.rs", text), 0);
}

#[test]
fn nobody_names_the_simulation_and_the_store_names_nobody() {
    assert_eq!(found("src/main.rs", "use sagaline_sim::World;"), 1);
    assert_eq!(found("storage/src/lib.rs", "use sagaline::saga::state;"), 1);
    assert_eq!(found("examples/travel/src/lib.rs", "use sagaline_sim::check;"), 1);
    assert_eq!(found("examples/travel/tests/survives.rs", "use sagaline_sim::check;"), 0);
    assert_eq!(found("sim/src/lib.rs", "use sagaline::saga::state; #[cfg(madsim)] fn f() {}"), 0);
    assert_eq!(found("src/engine/node.rs", "#[cfg(madsim)] fn f() {}"), 1);
    assert_eq!(found("src/engine/node.rs", "#[cfg(not(madsim))] fn f() {}"), 1);
    assert_eq!(found("storage/src/clock.rs", "#[cfg(madsim)] fn f() {}"), 0);
}

#[test]
fn tasks_are_spawned_in_the_shell_only() {
    let found = |path, text| hidden_concurrency(&Source::new(path, text)).len();
    assert_eq!(found("src/projections/orders.rs", "fn f() { tokio::spawn(x); }"), 1);
    assert_eq!(found("src/http/orders.rs", "use tokio::{select, sync::mpsc};"), 1);
    assert_eq!(
        found("src/http/orders.rs", "#[cfg(test)] mod tests { fn f() { tokio::spawn(x); } }"),
        0
    );
    assert_eq!(found("src/engine/outbox.rs", "fn f() { tokio::spawn(x); }"), 0);
}
