//! Words that are the same for every failure of one kind: texts of others without their ids and numbers.

/// Long enough to say what and where.
const CHARS_MAX: usize = 120;

/// The first line of a text, every word with a digit in it replaced.
pub(super) fn stable(text: &str) -> String {
    let line = without_uuids(text.lines().next().unwrap_or(""));
    let mut words = String::with_capacity(line.len());
    let mut word = String::new();
    for c in line.chars().chain(std::iter::once(' ')) {
        if c.is_alphanumeric() {
            word.push(c);
            continue;
        }
        let is_id = word.chars().any(|c| c.is_ascii_digit());
        words.push_str(if is_id { "#" } else { &word });
        word.clear();
        words.push(c);
    }
    // An id with hyphens is one id.
    while words.contains("#-#") {
        words = words.replace("#-#", "#");
    }
    words.trim().chars().take(CHARS_MAX).collect()
}

/// A UUID may have a group without any digit: its groups are no words.
fn without_uuids(line: &str) -> String {
    const CHARS: usize = 36;
    let is_uuid = |text: &str| {
        text.char_indices().all(|(at, c)| match at {
            8 | 13 | 18 | 23 => c == '-',
            _ => c.is_ascii_hexdigit(),
        })
    };
    let (mut left, mut words) = (line, String::with_capacity(line.len()));
    while let Some(c) = left.chars().next() {
        let uuid = left.get(..CHARS).filter(|text| is_uuid(text));
        let taken = uuid.map_or_else(|| c.len_utf8(), str::len);
        words.push_str(if uuid.is_some() { "0" } else { &left[..taken] });
        left = &left[taken..];
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_numbers_and_places_are_taken_out() {
        let id = "01930000-0000-7000-8000-00000000a001";
        assert_eq!(stable(&format!("saga {id} is started\nsince 7 s")), "saga # is started");
        let wordy = "saga-01a29f31-1018-7d40-baec-2b3d86850775";
        assert_eq!(stable(&format!("{wordy} is started")), "saga-# is started");
        assert_eq!(
            stable("node-1 panicked at src/engine/actor.rs:120:9: no epoch"),
            "node-# panicked at src/engine/actor.rs:#:#: no epoch"
        );
        assert_eq!(stable(&"long ".repeat(100)).chars().count(), CHARS_MAX);
    }
}
