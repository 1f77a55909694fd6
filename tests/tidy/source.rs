//! A Rust file as the rules see it: its text, and its tokens without comments and literals.

/// One Rust file.
pub(crate) struct Source {
    /// From the workspace's root, with `/`.
    pub(crate) path: String,
    /// As it is.
    pub(crate) text: String,
    /// The same lines with the insides of literals blanked, comments kept.
    pub(crate) prose: String,
    /// The words and signs outside comments and literals.
    pub(crate) tokens: Vec<Token>,
}

/// A word, `::`, or one sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    /// Its text.
    pub(crate) text: String,
    /// Counted from 1.
    pub(crate) line: usize,
}

impl Source {
    pub(crate) fn new(path: impl Into<String>, text: impl Into<String>) -> Self {
        let text = text.into();
        let prose = blank(&text, false);
        let tokens = tokens(&blank(&text, true));
        Self { path: path.into(), text, prose, tokens }
    }

    /// The text of the token at `i`; empty behind the end.
    pub(crate) fn at(&self, i: usize) -> &str {
        self.tokens.get(i).map_or("", |token| &token.text)
    }

    /// Whether the whole file is a test, a bench, a fuzz target or a suite of promises.
    pub(crate) fn is_test(&self) -> bool {
        let folders = ["tests/", "benches/", "fuzz/"];
        let outside = folders.iter().any(|folder| self.path.starts_with(folder));
        let inside = ["/tests/", "/conformance/"].iter().any(|folder| self.path.contains(folder));
        outside || inside || self.path.ends_with("_tests.rs")
    }

    /// The index behind the block that opens at `open`, which must be a bracket.
    pub(crate) fn behind_block(&self, open: usize) -> usize {
        let mut depth = 0_usize;
        for i in open..self.tokens.len() {
            match self.at(i) {
                "{" | "(" | "[" => depth += 1,
                "}" | ")" | "]" => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return i + 1;
            }
        }
        self.tokens.len()
    }

    /// Which tokens stand in a `#[cfg(test)]` item.
    pub(crate) fn in_tests(&self) -> Vec<bool> {
        let mut marks = vec![self.is_test(); self.tokens.len()];
        for i in 0..self.tokens.len() {
            let is_cfg_test = ["#", "[", "cfg", "(", "test", ")", "]"]
                .iter()
                .enumerate()
                .all(|(offset, text)| self.at(i + offset) == *text);
            if is_cfg_test {
                let open = (i + 7..self.tokens.len()).find(|&j| matches!(self.at(j), "{" | ";"));
                let end = open.map_or(self.tokens.len(), |open| match self.at(open) {
                    "{" => self.behind_block(open),
                    _ => open,
                });
                marks[i..end].fill(true);
            }
        }
        marks
    }
}

fn tokens(code: &str) -> Vec<Token> {
    let mut out: Vec<Token> = Vec::new();
    for (number, line) in code.lines().enumerate() {
        let mut rest = line;
        while let Some(first) = rest.chars().next() {
            let is_word = |c: char| c.is_alphanumeric() || c == '_';
            let length = if is_word(first) {
                rest.find(|c| !is_word(c)).unwrap_or(rest.len())
            } else if rest.starts_with("::") {
                2
            } else {
                first.len_utf8()
            };
            let (text, behind) = rest.split_at(length);
            if !first.is_whitespace() {
                out.push(Token { text: text.to_owned(), line: number + 1 });
            }
            rest = behind;
        }
    }
    out
}

/// Replaces literals' insides (and comments) by blanks; line ends stay where they are.
fn blank(text: &str, comments_too: bool) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut i = 0;
    while i < chars.len() {
        let (end, hide) = match piece(&chars, i) {
            Piece::Comment(end) => (end, comments_too),
            Piece::Literal(end) => (end, true),
            Piece::Code => (i + 1, false),
        };
        let shown = |c: &char| if hide && *c != '\n' { ' ' } else { *c };
        out.extend(chars[i..end].iter().map(shown));
        i = end;
    }
    out
}

enum Piece {
    Comment(usize),
    Literal(usize),
    Code,
}

fn piece(chars: &[char], i: usize) -> Piece {
    let at = |j: usize| chars.get(j).copied().unwrap_or('\0');
    let inside_word = i > 0 && (at(i - 1).is_alphanumeric() || at(i - 1) == '_');
    match (at(i), at(i + 1)) {
        ('/', '/') => Piece::Comment(find(chars, i, '\n')),
        ('/', '*') => Piece::Comment(behind_block_comment(chars, i)),
        ('"', _) => Piece::Literal(behind_string(chars, i)),
        ('r', '"' | '#') if !inside_word || is_raw_prefix(chars, i) => {
            behind_raw_string(chars, i + 1).map_or(Piece::Code, Piece::Literal)
        }
        ('\'', '\\') => Piece::Literal(find(chars, i + 3, '\'') + 1),
        ('\'', _) if at(i + 2) == '\'' => Piece::Literal(i + 3),
        _ => Piece::Code,
    }
}

/// `br"…"` and `cr"…"`: the letter before belongs to the literal.
fn is_raw_prefix(chars: &[char], i: usize) -> bool {
    let letter = i.checked_sub(1).map(|before| chars[before]);
    let word_before = i
        .checked_sub(2)
        .is_some_and(|before| chars[before].is_alphanumeric() || chars[before] == '_');
    matches!(letter, Some('b' | 'c')) && !word_before
}

fn find(chars: &[char], from: usize, wanted: char) -> usize {
    (from..chars.len()).find(|&j| chars[j] == wanted).unwrap_or(chars.len())
}

fn behind_string(chars: &[char], open: usize) -> usize {
    let mut i = open + 1;
    while i < chars.len() && chars[i] != '"' {
        i += if chars[i] == '\\' { 2 } else { 1 };
    }
    (i + 1).min(chars.len())
}

/// `from` is behind the `r`. None when it is a raw identifier.
fn behind_raw_string(chars: &[char], from: usize) -> Option<usize> {
    let hashes = chars[from..].iter().take_while(|c| **c == '#').count();
    if chars.get(from + hashes) != Some(&'"') {
        return None;
    }
    let closes = |j: &usize| {
        chars[*j] == '"'
            && chars[j + 1..].iter().take(hashes).filter(|c| **c == '#').count() == hashes
    };
    let close = (from + hashes + 1..chars.len()).find(closes);
    Some(close.map_or(chars.len(), |close| close + 1 + hashes))
}

fn behind_block_comment(chars: &[char], open: usize) -> usize {
    let mut depth = 0_usize;
    let mut i = open;
    while i < chars.len() {
        match (chars[i], chars.get(i + 1)) {
            ('/', Some('*')) => (depth, i) = (depth + 1, i + 2),
            ('*', Some('/')) => (depth, i) = (depth - 1, i + 2),
            _ => i += 1,
        }
        if depth == 0 {
            return i;
        }
    }
    chars.len()
}

#[test]
fn comments_and_literals_are_no_code() {
    let text =
        "a // b\n\"c \\\" d\" /* e /* f */ g */ h 'i' '\\'' r#\"j \" k\"# br\"l\" b\"m\" n<'o>";
    let words: Vec<_> = tokens(&blank(text, true)).into_iter().map(|token| token.text).collect();
    assert_eq!(words, ["a", "h", "b", "b", "n", "<", "'", "o", ">"]);
    assert!(blank(text, false).contains("// b") && !blank(text, false).contains('c'));
}

#[test]
fn lines_are_kept() {
    let source = Source::new("x.rs", "\"a\nb\"\n/*\n*/ fn x::y");
    let lines: Vec<_> =
        source.tokens.iter().map(|token| (token.text.as_str(), token.line)).collect();
    assert_eq!(lines, [("fn", 4), ("x", 4), ("::", 4), ("y", 4)]);
}

#[test]
fn raw_identifiers_are_words() {
    assert_eq!(tokens(&blank("r#type + for_r#type", true))[2].text, "type");
}

#[test]
fn test_items_are_known() {
    let source =
        Source::new("src/x.rs", "fn a() {}\n#[cfg(test)]\nmod tests { fn b() { {} } }\nfn c() {}");
    let marks = source.in_tests();
    let marked = |name: &str| marks[source.tokens.iter().position(|t| t.text == name).unwrap()];
    assert_eq!([marked("a"), marked("b"), marked("c")], [false, true, false]);
}
