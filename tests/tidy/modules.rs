//! That every module says what it is, is part of a crate, and stands in the code map.

use std::collections::BTreeSet;

use super::Finding;
use super::source::Source;

/// A file that does not begin with `//!`.
pub(crate) fn undocumented(source: &Source) -> Vec<Finding> {
    let first =
        source.text.lines().find(|line| !line.trim().is_empty() && !line.starts_with("#!["));
    let said = first.and_then(|line| line.strip_prefix("//!")).map(str::trim);
    match said {
        Some(said) if said.len() > 3 => Vec::new(),
        _ => vec![Finding::new(source, 1, "no `//!` that says what this module is")],
    }
}

/// Files that no `mod` line reaches from a crate's root. `manifests` are paths and texts of Cargo.toml files.
pub(crate) fn unreached(sources: &[Source], manifests: &[(String, String)]) -> Vec<Finding> {
    let mut reached: BTreeSet<&str> = BTreeSet::new();
    let declared: Vec<String> =
        manifests.iter().flat_map(|(path, text)| targets(path, text)).collect();
    let is_root = |path: &str| is_target(path) || declared.iter().any(|target| target == path);
    let mut next: Vec<&Source> = sources.iter().filter(|source| is_root(&source.path)).collect();
    while let Some(source) = next.pop() {
        if reached.insert(&source.path) {
            let children = children(source, is_root(&source.path));
            next.extend(sources.iter().filter(|other| children.contains(&other.path)));
        }
    }
    let lost = sources.iter().filter(|source| !reached.contains(source.path.as_str()));
    lost.map(|source| Finding::new(source, 1, "no `mod` line reaches this file")).collect()
}

/// Files that cargo takes as roots by their place.
fn is_target(path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').collect();
    let inner: &[&str] = match parts[..] {
        ["storage" | "sim", ..] | ["fuzz", "src", ..] => &parts[1..],
        ["benches", "load", ..] | ["examples", _, _, ..] => &parts[2..],
        _ => &parts,
    };
    matches!(
        inner,
        ["src", "lib.rs" | "main.rs"]
            | ["src", "bin", _]
            | ["build.rs"]
            | ["tests" | "benches" | "examples", _]
            | ["tests" | "benches" | "examples", _, "main.rs"]
            | ["fuzz", "fuzz_targets", _]
            // Programs that a test compiles one by one.
            | ["tests", "compile", _]
    )
}

/// The files a manifest names as targets.
fn targets(manifest: &str, text: &str) -> Vec<String> {
    let folder = manifest.trim_end_matches("Cargo.toml");
    let path = |line: &str| {
        let file = line.trim().strip_prefix("path = \"")?.strip_suffix('"')?;
        file.ends_with(".rs").then(|| format!("{folder}{file}"))
    };
    text.lines().filter_map(path).collect()
}

/// The files that a source's `mod` lines may mean.
fn children(source: &Source, is_root: bool) -> Vec<String> {
    let (folder, file) = source.path.rsplit_once('/').unwrap_or(("", &source.path));
    let stem = file.trim_end_matches(".rs");
    let own = if is_root || stem == "mod" { folder.to_owned() } else { format!("{folder}/{stem}") };
    let mut children = Vec::new();
    let mut path_attribute: Option<String> = None;
    for line in source.text.lines().map(str::trim) {
        if let Some(path) = line.strip_prefix("#[path = \"") {
            path_attribute = path.split('"').next().map(|path| format!("{folder}/{path}"));
        } else if let Some(name) = mod_name(line) {
            match path_attribute.take() {
                Some(path) => children.push(path),
                None => {
                    children.extend([format!("{own}/{name}.rs"), format!("{own}/{name}/mod.rs")])
                }
            }
        }
    }
    children
}

/// `name` of a line `pub(crate) mod name;`.
fn mod_name(line: &str) -> Option<&str> {
    let (before, name) = line.strip_suffix(';')?.rsplit_once("mod ")?;
    let is_name = name.chars().all(|c| c.is_alphanumeric() || c == '_');
    (is_name && (before.is_empty() || before.starts_with("pub") || before.starts_with("#[")))
        .then_some(name)
}

/// Top-level modules of the root package and of the store that the README's code map leaves out.
pub(crate) fn unmapped(sources: &[Source], readme: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut seen = BTreeSet::new();
    for source in sources.iter().filter(|source| !source.is_test()) {
        let Some(module) = top_level(&source.path) else { continue };
        let mapped = ["/", ".rs"].iter().any(|end| readme.contains(&format!("`{module}{end}`")));
        if seen.insert(module.clone()) && !mapped {
            findings.push(Finding::new(source, 1, format!("README.md does not map `{module}`")));
        }
    }
    findings
}

/// `src/http/orders.rs` belongs to `src/http`, `src/limits.rs` is `src/limits`; crate roots are nobody's.
fn top_level(path: &str) -> Option<String> {
    let folder = ["src/", "storage/src/"].into_iter().find(|folder| path.starts_with(folder))?;
    let module = path[folder.len()..].split('/').next()?.trim_end_matches(".rs");
    (module != "lib").then(|| format!("{folder}{module}"))
}

#[test]
fn a_module_without_words_is_found() {
    let found = |text: &str| undocumented(&Source::new("x.rs", text)).len();
    assert_eq!(found("//! Says what it is.\n"), 0);
    assert_eq!(found("#![allow(x)]\n\n//! Says what it is.\n"), 0);
    assert_eq!(found("//! x\n"), 1);
    assert_eq!(found("// Says what it is.\n"), 1);
    assert_eq!(found(""), 1);
}

#[test]
fn dead_files_are_found() {
    let files = [
        ("src/lib.rs", "pub mod a;\n#[cfg(test)]\n#[path = \"a_tests.rs\"]\nmod tests;"),
        ("src/a.rs", "mod b;"),
        ("src/a/b.rs", "// mod c;"),
        ("src/a/c.rs", ""),
        ("src/b.rs", ""),
        ("src/a_tests.rs", ""),
        ("tests/kill/main.rs", "mod client;"),
        ("tests/kill/client.rs", ""),
        ("benches/load/src/bin/twin.rs", ""),
        ("benches/odd/x.rs", ""),
    ];
    let sources: Vec<_> = files.iter().map(|(path, text)| Source::new(*path, *text)).collect();
    let lost = |manifests: &[(String, String)]| -> Vec<String> {
        unreached(&sources, manifests).into_iter().map(|finding| finding.path).collect()
    };
    assert_eq!(lost(&[]), ["src/a/c.rs", "src/b.rs", "benches/odd/x.rs"]);
    let manifest = ("Cargo.toml".to_owned(), "[[bench]]\npath = \"benches/odd/x.rs\"".to_owned());
    assert_eq!(lost(&[manifest]), ["src/a/c.rs", "src/b.rs"]);
}

#[test]
fn modules_the_code_map_leaves_out_are_found() {
    let paths = [
        "src/lib.rs",
        "src/http/mod.rs",
        "src/http/orders.rs",
        "src/limits.rs",
        "storage/src/log/mod.rs",
    ];
    let sources: Vec<_> = paths.iter().map(|path| Source::new(*path, "")).collect();
    assert_eq!(unmapped(&sources, "`src/http/` `src/limits.rs` `storage/src/log/`"), []);
    let findings = unmapped(&sources, "src/http and `src/limits.rs`");
    let places: Vec<_> = findings.iter().map(|finding| finding.path.as_str()).collect();
    assert_eq!(places, ["src/http/mod.rs", "storage/src/log/mod.rs"]);
}
