//! The choices of a run as a list of numbers, so that a failing run shrinks.

pub(crate) struct Tape {
    choices: std::vec::IntoIter<u32>,
}

impl Tape {
    pub(crate) fn new(choices: Vec<u32>) -> Self {
        Self { choices: choices.into_iter() }
    }

    pub(crate) fn empty() -> Self {
        Self::new(Vec::new())
    }

    /// The next choice of `0..among`; none when the tape has run out.
    pub(crate) fn next(&mut self, among: usize) -> Option<usize> {
        let choice = self.choices.next()?;
        (among > 0).then(|| choice as usize % among)
    }

    /// The next choice, 0 when the tape has run out.
    pub(crate) fn or_zero(&mut self, among: usize) -> usize {
        self.next(among).unwrap_or(0)
    }

    pub(crate) fn one_in(&mut self, among: usize) -> bool {
        self.or_zero(among) + 1 == among
    }
}
