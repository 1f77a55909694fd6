//! Words that are the same for every failure of one kind: texts of others without their ids and numbers.

/// Long enough to say what and where.
const CHARS_MAX: usize = 120;

/// The first line of a text, every word with a digit in it replaced.
pub(super) fn stable(text: &str) -> String {
    let line = text.lines().next().unwrap_or("");
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_numbers_and_places_are_taken_out() {
        let id = "01930000-0000-7000-8000-00000000a001";
        assert_eq!(stable(&format!("saga {id} is started\nsince 7 s")), "saga # is started");
        assert_eq!(
            stable("node-1 panicked at src/engine/actor.rs:120:9: no epoch"),
            "node-# panicked at src/engine/actor.rs:#:#: no epoch"
        );
        assert_eq!(stable(&"long ".repeat(100)).chars().count(), CHARS_MAX);
    }
}
