//! First contact is short, and the README shows all of it.

const EXAMPLE: &str = include_str!("../src/main.rs");

#[test]
fn the_readme_shows_the_whole_of_it() {
    let readme = include_str!("../../../README.md");
    assert!(readme.contains(&format!("```rust\n{EXAMPLE}```\n")), "the README shows another text");
}

#[test]
fn it_has_as_many_lines_as_is_said() {
    assert!(EXAMPLE.lines().count() <= 60, "{} lines", EXAMPLE.lines().count());
}
