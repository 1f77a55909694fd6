//! Words that must not be in the code: leftovers of work, names that say nothing, machine paths.

use super::Finding;
use super::source::Source;

const MACROS: &[&str] = &["todo", "unimplemented", "dbg"];
const MARKS: &[&str] = &["FIXME", "XXX", "TODO", "HACK"];
/// Folders of the machines this was written on.
const PLACES: &[&str] = &["/root/", "/home/"];

/// Unfinished work, switched-off tests, prints, machine paths.
pub(crate) fn leftovers(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    let prints = may_not_print(source);
    let in_tests = source.in_tests();
    for (i, token_in_tests) in in_tests.iter().enumerate() {
        let (word, line) = (source.at(i), source.tokens[i].line);
        let is_macro = source.at(i + 1) == "!";
        if is_macro && MACROS.contains(&word) {
            findings.push(Finding::new(source, line, format!("{word}!")));
        }
        if is_macro
            && prints
            && !token_in_tests
            && matches!(word, "println" | "eprintln" | "print" | "eprint")
        {
            findings.push(Finding::new(source, line, format!("{word}! where tracing is wanted")));
        }
        if word == "ignore" && source.at(i.wrapping_sub(1)) == "[" {
            findings.push(Finding::new(source, line, "a test that is switched off"));
        }
    }
    findings.extend(marks(source));
    findings
}

fn marks(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, line) in source.prose.lines().enumerate() {
        let words: Vec<_> = line.split(|c: char| !c.is_alphanumeric()).collect();
        let found = MARKS.iter().filter(|mark| words.contains(mark));
        findings.extend(found.map(|mark| Finding::new(source, number + 1, *mark)));
    }
    // This file has to name them.
    if source.path != "tests/tidy/words.rs" {
        for (number, line) in source.text.lines().enumerate() {
            let found = PLACES.iter().filter(|place| line.contains(**place));
            let what = |place| format!("a path of somebody's machine: {place}");
            findings.extend(found.map(|place| Finding::new(source, number + 1, what(place))));
        }
    }
    findings
}

/// Output belongs to the command line, the benches and the simulation's reports.
fn may_not_print(source: &Source) -> bool {
    let product = source.path.starts_with("src/") || source.path.starts_with("storage/src/");
    product
        && !source.is_test()
        && !source.path.starts_with("src/cli/")
        && source.path != "src/main.rs"
}

/// Names that fit everything.
pub(crate) fn empty_names(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    for i in 0..source.tokens.len() {
        let name = source.at(i + 1);
        let parts = |ends: &[&str]| ends.iter().any(|end| name.ends_with(end));
        let empty = match source.at(i) {
            "struct" | "enum" | "trait" | "type" => {
                parts(&["Manager", "Helper", "Helpers", "Util", "Utils", "Info"])
            }
            "mod" => matches!(
                name,
                "manager" | "helper" | "helpers" | "util" | "utils" | "common" | "misc"
            ),
            "fn" => matches!(name, "process" | "handle"),
            _ => false,
        };
        if empty {
            findings.push(Finding::new(
                source,
                source.tokens[i].line,
                format!("{name} says nothing"),
            ));
        }
    }
    findings
}

/// `select!` draws its branch order from outside the seed unless it is biased.
pub(crate) fn unbiased_selects(source: &Source) -> Vec<Finding> {
    let unbiased = |i: &usize| {
        source.at(*i) == "select"
            && source.at(i + 1) == "!"
            && (source.at(i + 3), source.at(i + 4)) != ("biased", ";")
    };
    let found = (0..source.tokens.len()).filter(unbiased);
    found
        .map(|i| Finding::new(source, source.tokens[i].line, "select! without `biased;`"))
        .collect()
}

#[test]
fn leftovers_are_found_in_code_and_comments_but_not_in_texts() {
    let found = |text: &str| leftovers(&Source::new("src/x.rs", text)).len();
    assert_eq!(found("fn f() { todo!() }"), 1);
    assert_eq!(found("fn f() { unimplemented!(\"later\"); dbg!(x); }"), 2);
    assert_eq!(found("// FIXME later\n/* XXX */"), 2);
    assert_eq!(found("#[ignore]\nfn f() {}\n#[ignore = \"slow\"]\nfn g() {}"), 2);
    assert_eq!(found("fn f() { println!(); }"), 1);
    assert_eq!(found("const A: &str = \"/root/x\";"), 1);
    assert_eq!(found("fn f() { g(\"todo!() FIXME\"); } // XXXL is a size, ignore it"), 0);
    assert_eq!(found("#[cfg(test)] mod tests { fn f() { println!(); } }"), 0);
    assert_eq!(leftovers(&Source::new("src/cli/log.rs", "fn f() { println!(); }")).len(), 0);
}

#[test]
fn empty_names_are_found() {
    let found = |text: &str| empty_names(&Source::new("src/x.rs", text)).len();
    assert_eq!(
        found(
            "struct OrderManager; enum RequestHelper {} mod utils; fn process() {} fn handle() {}"
        ),
        5
    );
    assert_eq!(found("struct Order; fn process_batch() {} mod settings; fn handle_of() {}"), 0);
}

#[test]
fn selects_without_bias_are_found() {
    let found = |text: &str| unbiased_selects(&Source::new("src/x.rs", text)).len();
    assert_eq!(found("fn f() { tokio::select! { a = b => {} } }"), 1);
    assert_eq!(found("fn f() { tokio::select! { biased; a = b => {} } }"), 0);
}
