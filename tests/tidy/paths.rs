//! The paths a file names (`use` trees written out, and paths in expressions), from the crate's root.

use super::source::Source;

/// A path that a file names.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Named {
    /// `["crate", "saga", "state"]` for the file's own crate, else the other crate's name first.
    pub(crate) path: Vec<String>,
    /// Counted from 1.
    pub(crate) line: usize,
    /// Whether it stands in test code.
    pub(crate) in_test: bool,
}

/// Every path of at least two parts, and what `use` names.
pub(crate) fn named(source: &Source) -> Vec<Named> {
    let in_tests = source.in_tests();
    let mut out = Vec::new();
    let mut inside = module_of(&source.path);
    let mut inline: Vec<usize> = Vec::new();
    let mut i = 0;
    while i < source.tokens.len() {
        if inline.last() == Some(&i) {
            inline.pop();
            inside.pop();
        }
        if source.at(i) == "mod" && source.at(i + 2) == "{" {
            inside.push(source.at(i + 1).to_owned());
            inline.push(source.behind_block(i + 2) - 1);
            i += 3;
            continue;
        }
        let end = path_end(source, i);
        if let Some(end) = end {
            let mut paths = Vec::new();
            expand(source, i, &mut Vec::new(), &mut paths);
            out.extend(paths.into_iter().map(|path| Named {
                path: absolute(&inside, path),
                line: source.tokens[i].line,
                in_test: in_tests[i],
            }));
            i = end;
        } else {
            i += 1;
        }
    }
    out
}

/// The module a file is: `src/saga/state.rs` is `["crate", "saga", "state"]`.
pub(crate) fn module_of(path: &str) -> Vec<String> {
    let inner = path.split_once("src/").map_or(path, |(_, inner)| inner);
    let inner = inner.trim_end_matches(".rs").trim_end_matches("/mod");
    let root = matches!(inner, "lib" | "main" | "mod");
    let parts = inner.split('/').filter(|_| !root).map(str::to_owned);
    std::iter::once("crate".to_owned()).chain(parts).collect()
}

/// Where the path that begins at `i` ends, when one begins there.
fn path_end(source: &Source, i: usize) -> Option<usize> {
    let before = if i == 0 { "" } else { source.at(i - 1) };
    let begins = is_word(source.at(i)) && !matches!(before, "::" | ".");
    let is_path = source.at(i + 1) == "::" || before == "use";
    (begins && is_path).then(|| end_of_tree(source, i))
}

fn end_of_tree(source: &Source, i: usize) -> usize {
    match (source.at(i), source.at(i + 1)) {
        ("{", _) => source.behind_block(i),
        (word, "::") if is_word(word) => end_of_tree(source, i + 2),
        _ => i + 1,
    }
}

/// Writes out the tree that begins at `i`, each path behind `prefix`.
fn expand(source: &Source, i: usize, prefix: &mut Vec<String>, out: &mut Vec<Vec<String>>) {
    match source.at(i) {
        "{" => {
            let mut branch = i + 1;
            let end = source.behind_block(i) - 1;
            while branch < end {
                expand(source, branch, prefix, out);
                branch = end_of_tree(source, branch);
                while branch < end && source.at(branch - 1) != "," {
                    branch += 1;
                }
            }
        }
        word if is_word(word) => {
            prefix.push(word.to_owned());
            if source.at(i + 1) == "::" {
                expand(source, i + 2, prefix, out);
            } else {
                out.push(prefix.clone());
            }
            prefix.pop();
        }
        // `*`, or the `<` of a generic argument: the path ends before it.
        _ => out.push(prefix.clone()),
    }
}

fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// The path from the crate's root: `super` and `self` resolved in module `inside`.
fn absolute(inside: &[String], path: Vec<String>) -> Vec<String> {
    let ups = path.iter().take_while(|part| *part == "super").count();
    let selves = usize::from(path.first().is_some_and(|part| part == "self"));
    if ups + selves == 0 {
        return path;
    }
    let kept = inside.len().saturating_sub(ups).max(1);
    inside[..kept].iter().cloned().chain(path.into_iter().skip(ups + selves)).collect()
}

#[cfg(test)]
fn all(path: &str, text: &str) -> Vec<String> {
    let named = named(&Source::new(path, text));
    named.into_iter().map(|named| named.path.join("::")).collect()
}

#[test]
fn use_trees_are_written_out() {
    let text = "use crate::{saga::{state, event::Kind as K}, limits, self, codec::*};\nuse tokio;";
    let expected = [
        "crate::saga::state",
        "crate::saga::event::Kind",
        "crate::limits",
        "crate::self",
        "crate::codec",
        "tokio",
    ];
    assert_eq!(all("src/http/mod.rs", text), expected);
}

#[test]
fn paths_in_code_are_found() {
    let text = "fn f() -> a::B<c::D> { x.y(); e::<f::G>(); h::i!() }";
    assert_eq!(all("src/x.rs", text), ["a::B", "c::D", "e", "f::G", "h::i"]);
}

#[test]
fn super_is_resolved_through_files_and_inline_modules() {
    let text = "use super::super::engine;\nmod tests { use super::super::state; use super::*; }\nuse super::x;";
    let expected = ["crate::engine", "crate::saga::state", "crate::saga::decide", "crate::saga::x"];
    assert_eq!(all("src/saga/decide.rs", text), expected);
    assert_eq!(
        all("src/saga/mod.rs", "use super::engine; use self::state;"),
        ["crate::engine", "crate::saga::state"]
    );
    assert_eq!(all("src/lib.rs", "use self::saga::x;"), ["crate::saga::x"]);
}
