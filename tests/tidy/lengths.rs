//! How long a file and a function may be.

use super::Finding;
use super::source::Source;

const FILE_LINES_WANTED: usize = 400;
const FILE_LINES_MAX: usize = 600;
const FUNCTION_LINES_MAX: usize = 70;

/// Files and functions beyond the hard limits.
pub(crate) fn too_long(source: &Source) -> Vec<Finding> {
    let lines = source.text.lines().count();
    let file = (lines > FILE_LINES_MAX)
        .then(|| Finding::new(source, 1, format!("{lines} lines, at most {FILE_LINES_MAX}")));
    let too_long = |(name, first, last): (String, usize, usize)| {
        let lines = last + 1 - first;
        let what = format!("{name} has {lines} lines, at most {FUNCTION_LINES_MAX}");
        (lines > FUNCTION_LINES_MAX).then(|| Finding::new(source, first, what))
    };
    file.into_iter().chain(functions(source).into_iter().filter_map(too_long)).collect()
}

/// A line about a file that is allowed and longer than it should be.
pub(crate) fn long_file(source: &Source) -> Option<String> {
    let lines = source.text.lines().count();
    (lines > FILE_LINES_WANTED)
        .then(|| format!("{}: {lines} lines, better at most {FILE_LINES_WANTED}", source.path))
}

/// Name, first and last line of every function with a body.
fn functions(source: &Source) -> Vec<(String, usize, usize)> {
    let body = |i: usize| {
        let mut j = i + 2;
        loop {
            match source.at(j) {
                "{" => return Some(j),
                ";" | "" => return None,
                "(" | "[" => j = source.behind_block(j),
                _ => j += 1,
            }
        }
    };
    let is_function = |i: &usize| {
        source.at(*i) == "fn"
            && source.at(i + 1).starts_with(|c: char| c.is_alphabetic() || c == '_')
    };
    let describe = |i: usize| {
        let last = source.behind_block(body(i)?) - 1;
        Some((source.at(i + 1).to_owned(), source.tokens[i].line, source.tokens[last].line))
    };
    (0..source.tokens.len()).filter(is_function).filter_map(describe).collect()
}

#[test]
fn functions_are_measured_with_their_signature() {
    let text = "fn a();\nfn b(\n    f: fn(u8) -> [u8; 2],\n) -> u8 {\n    match 1 { _ => 2 }\n}\nfn c() {}";
    let found = functions(&Source::new("x.rs", text));
    assert_eq!(found, [("b".to_owned(), 2, 6), ("c".to_owned(), 7, 7)]);
}

#[test]
fn the_line_beyond_the_limit_is_the_first_that_fails() {
    let function = |inner: usize| format!("fn f() {{\n{}}}\n", "x;\n".repeat(inner));
    assert!(too_long(&Source::new("x.rs", function(FUNCTION_LINES_MAX - 2))).is_empty());
    assert_eq!(too_long(&Source::new("x.rs", function(FUNCTION_LINES_MAX - 1))).len(), 1);
    assert!(too_long(&Source::new("x.rs", "\n".repeat(FILE_LINES_MAX))).is_empty());
    assert_eq!(too_long(&Source::new("x.rs", "\n".repeat(FILE_LINES_MAX + 1))).len(), 1);
    assert!(long_file(&Source::new("x.rs", "\n".repeat(FILE_LINES_WANTED + 1))).is_some());
    assert!(long_file(&Source::new("x.rs", "\n".repeat(FILE_LINES_WANTED))).is_none());
}
