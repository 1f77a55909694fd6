//! What a page shows of other files: a block, behind words that name the file. The file must have it, so that
//! what is read here is what is compiled there.

/// Stands in a block where the file goes on with something else.
const LEFT_OUT: &str = "// …";

/// A block, and the file that it is from.
pub(crate) struct Region {
    /// From the root of the checkout.
    pub(crate) file: String,
    lines: Vec<String>,
}

/// What stands below a heading, up to the next one of its rank.
pub(crate) fn section<'a>(text: &'a str, heading: &str) -> &'a str {
    let behind = text.split_once(&format!("\n{heading}\n")).map(|(_, behind)| behind);
    let behind = behind.unwrap_or_else(|| panic!("there is no {heading:?}"));
    let rank = heading.split(' ').next().unwrap_or_default();
    behind.split(&format!("\n{rank} ")).next().unwrap_or_default()
}

/// The documentation with which a file of Rust begins.
pub(crate) fn documentation(text: &str) -> String {
    let lines = text.lines().map_while(|line| line.strip_prefix("//!"));
    lines.map(|line| format!("{}\n", line.strip_prefix(' ').unwrap_or(line))).collect()
}

/// The blocks of a language, each from the file that was named last.
pub(crate) fn regions(text: &str, language: &str) -> Vec<Region> {
    let mut regions = Vec::new();
    let mut named = None;
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some(of) = line.strip_prefix("```") else {
            named = file_in(line).or(named);
            continue;
        };
        let inside = lines.by_ref().take_while(|line| *line != "```");
        let inside: Vec<_> = inside.map(|line| line.trim().to_owned()).collect();
        if of == language {
            let file = named.take();
            let file = file.unwrap_or_else(|| panic!("no file is named before\n{inside:?}"));
            regions.push(Region { file, lines: inside });
        }
    }
    regions
}

/// The last file that a line of prose names, in backticks and with its folder.
fn file_in(line: &str) -> Option<String> {
    let quoted = line.split('`').skip(1).step_by(2);
    let is_file =
        |name: &&str| name.contains('/') && (name.ends_with(".rs") || name.ends_with(".md"));
    quoted.filter(is_file).last().map(str::to_owned)
}

impl Region {
    /// The pieces that the file has not, line by line; how far they are indented is no matter.
    pub(crate) fn missing(&self, file: &str) -> Vec<String> {
        let file: Vec<&str> = file.lines().map(str::trim).collect();
        let pieces = self.lines.split(|line| line == LEFT_OUT);
        let missing = pieces.filter(|piece| {
            piece.is_empty() || !file.windows(piece.len()).any(|lines| lines == *piece)
        });
        missing.map(|piece| piece.join("\n")).collect()
    }
}

#[test]
fn a_piece_is_found_whatever_its_indentation_and_nowhere_else() {
    let page = "From `a/b.rs`, not `c.rs`:\n\n```rust\nfn f() {\n}\n// …\n    g();\n```\n";
    let regions = regions(page, "rust");
    assert_eq!((regions.len(), regions[0].file.as_str()), (1, "a/b.rs"));
    assert!(regions[0].missing("    fn f() {\n    }\nx\ng();").is_empty());
    assert_eq!(regions[0].missing("fn f() {\nx\n}\ng()"), ["fn f() {\n}", "g();"]);
}

#[test]
fn a_section_ends_with_the_next_heading_of_its_rank() {
    assert_eq!(section("x\n## A\na\n### B\nb\n## C\nc\n", "## A"), "a\n### B\nb");
    assert_eq!(documentation("//! # A\n//!\n//! a\n\npub mod a;\n//! b\n"), "# A\n\na\n");
}
