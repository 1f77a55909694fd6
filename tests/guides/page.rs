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

    /// One shell for the whole page; whatever it started is ended with it.
    pub(crate) fn script(&self) -> String {
        let mut script =
            "set -uo pipefail\ntrap 'kill -9 $(jobs -p) 2>/dev/null || true' EXIT\n".to_owned();
        for (number, block) in self.0.iter().enumerate() {
            script += &format!("echo; echo '{MARK} {number}'\n{}\n", block.commands);
        }
        script + "exit 0\n"
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

/// What stands behind the first place where all parts of a shown line follow each other.
fn behind<'a>(output: &'a str, shown: &str) -> Option<&'a str> {
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
