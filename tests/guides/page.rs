//! A page of the guides: its shell blocks, and the output that it shows behind some of them.

/// Stands in the output before that of each block.
const MARK: &str = "=== block";

/// What is run, and what must come out: parts of lines, in this order, with anything at `…`.
struct Block {
    commands: String,
    shown: Vec<String>,
}

/// The blocks of a page.
pub(crate) struct Page(Vec<Block>);

impl Page {
    pub(crate) fn read(text: &str) -> Self {
        let mut blocks: Vec<Block> = Vec::new();
        let mut lines = text.lines();
        // Output belongs to the commands right before it.
        let mut is_behind_commands = false;
        while let Some(line) = lines.next() {
            let Some(language) = line.strip_prefix("```") else {
                is_behind_commands &= line.is_empty();
                continue;
            };
            let inside: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            match (language, is_behind_commands) {
                ("sh", _) => {
                    blocks.push(Block { commands: inside.join("\n"), shown: Vec::new() });
                }
                ("text", true) => {
                    let last = blocks.last_mut().expect("commands stand before output");
                    last.shown = inside.iter().map(|line| (*line).to_owned()).collect();
                }
                _ => {}
            }
            is_behind_commands = language == "sh";
        }
        assert!(!blocks.is_empty(), "a page without commands");
        Self(blocks)
    }

    /// One shell for the whole page, which says everything in one place and ends at the first command that
    /// fails; whatever it started is ended with it.
    pub(crate) fn script(&self) -> String {
        let mut script = "set -euo pipefail\nexec 2>&1\n".to_owned();
        script += "trap 'kill -9 $(jobs -p) 2>/dev/null || true' EXIT\n";
        for (number, block) in self.0.iter().enumerate() {
            script += &format!("echo; echo '{MARK} {number}'\n{}\n", block.commands);
        }
        script
    }

    /// What the page shows and the output has not.
    pub(crate) fn wrong(&self, output: &str) -> Vec<String> {
        let mut wrong = Vec::new();
        for (number, block) in self.0.iter().enumerate() {
            let own = output.split(&format!("{MARK} {number}\n")).nth(1).unwrap_or_default();
            let own = own.split(MARK).next().unwrap_or_default();
            let mut rest = own;
            for shown in &block.shown {
                match behind(rest, shown) {
                    Some(next) => rest = next,
                    None => wrong.push(format!("no {shown:?} behind\n{}\n{own}", block.commands)),
                }
            }
        }
        wrong
    }
}

/// What stands behind the first place where all parts of a shown line follow each other. A number is a line
/// of its own: 2 is no part of 12.
fn behind<'a>(output: &'a str, shown: &str) -> Option<&'a str> {
    if !shown.is_empty() && shown.bytes().all(|byte| byte.is_ascii_digit()) {
        let mut rest = output;
        while !rest.is_empty() {
            let (line, next) = rest.split_once('\n').unwrap_or((rest, ""));
            if line.trim() == shown {
                return Some(next);
            }
            rest = next;
        }
        return None;
    }
    shown.split('…').try_fold(output, |rest, part| rest.split_once(part).map(|(_, next)| next))
}

#[test]
fn output_is_held_against_the_block_before_it() {
    let page =
        Page::read("```sh\na\n```\n\n```text\nx…z\ny\n```\n\nwords\n\n```text\nno output\n```\n");
    assert_eq!(page.0.len(), 1);
    assert!(page.wrong("=== block 0\nx1z\ny\n").is_empty());
    assert_eq!(page.wrong("=== block 0\ny\nx1z\n").len(), 1);
    assert_eq!(page.wrong("").len(), 2);
}

#[test]
fn a_number_is_held_against_whole_lines() {
    let page = Page::read("```sh\na\n```\n\n```text\nx…z\n2\n```\n");
    let wrong = |said: &str| page.wrong(&format!("=== block 0\n{said}")).len();
    assert_eq!((wrong("x1z\n2\n"), wrong("x1z\n   2"), wrong("x1z\n12\n2 or 3\n")), (0, 0, 1));
}

#[test]
fn a_script_ends_at_the_first_command_that_fails() {
    let page = Page::read("```sh\na | b\n```\n");
    assert!(page.script().starts_with("set -euo pipefail\n"));
}
