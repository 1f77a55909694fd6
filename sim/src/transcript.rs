//! What a run did, as lines: every recorded event with all its fields, and what the clients saw. Two
//! runs of one seed must give the same lines.

use std::fmt::Write as _;

use sagaline_storage::RecordedEvent;

/// The lines of one run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Transcript(Vec<String>);

impl Transcript {
    /// Adds what a client saw, or any other fact of the run.
    pub fn note(&mut self, line: impl Into<String>) {
        let line = line.into();
        debug_assert!(!line.contains('\n'), "a note is one line: {line}");
        self.0.push(line);
    }

    /// Adds one event of the log, every field of it.
    pub fn event(&mut self, event: &RecordedEvent) {
        // Taken apart, so that a field that comes later cannot be forgotten here.
        let RecordedEvent {
            position,
            stream,
            version,
            id,
            event_type,
            schema_version,
            correlation_id,
            causation_id,
            node_id,
            recorded_at,
            payload,
            chain,
        } = event;
        let payload = payload.escape_ascii();
        let chain = chain.iter().fold(String::new(), |mut hex, byte| {
            write!(hex, "{byte:02x}").expect("writing to a String cannot fail");
            hex
        });
        self.note(format!(
            "event {position:?} {stream:?} {version:?} {id:?} {event_type:?} v{schema_version} \
             {correlation_id:?} {causation_id:?} {node_id:?} {recorded_at:?} {payload} {chain}"
        ));
    }

    /// How many lines there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing was noted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The lines.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// All lines in one text.
    pub fn text(&self) -> String {
        self.0.join("\n")
    }

    /// The inverse of [`Transcript::text`].
    pub fn of_text(text: &str) -> Self {
        Self(text.lines().map(str::to_owned).collect())
    }

    /// The first line in which two runs differ: its number from 1, this run's and the other's.
    pub fn first_difference(&self, other: &Self) -> Option<(usize, String, String)> {
        let line =
            |of: &Self, i: usize| of.0.get(i).cloned().unwrap_or_else(|| "(the end)".to_owned());
        let longest = self.len().max(other.len());
        let differs = |i: &usize| line(self, *i) != line(other, *i);
        (0..longest).find(differs).map(|i| (i + 1, line(self, i), line(other, i)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(lines: &[&str]) -> Transcript {
        Transcript(lines.iter().map(|line| (*line).to_owned()).collect())
    }

    #[test]
    fn the_first_different_line_is_named() {
        let run = of(&["a", "b", "c"]);
        assert_eq!(run.first_difference(&of(&["a", "b", "c"])), None);
        let named = run.first_difference(&of(&["a", "x", "y"]));
        assert_eq!(named, Some((2, "b".to_owned(), "x".to_owned())));
        let named = run.first_difference(&of(&["a", "b"]));
        assert_eq!(named, Some((3, "c".to_owned(), "(the end)".to_owned())));
    }

    #[test]
    fn a_transcript_survives_its_file() {
        let run = of(&["a b", "c"]);
        assert_eq!(Transcript::of_text(&run.text()), run);
    }
}
