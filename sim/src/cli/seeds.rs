//! A range of seeds as it is written on the command line.

use std::fmt;
use std::str::FromStr;

use crate::seed::Seed;

/// From and to, the last one not included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seeds {
    pub(super) from: u64,
    pub(super) to: u64,
}

impl Seeds {
    /// How many.
    pub(super) fn count(self) -> u64 {
        self.to.saturating_sub(self.from)
    }

    /// The one at this place.
    pub(super) fn at(self, index: u64) -> Seed {
        Seed(self.from + index)
    }

    /// One of so many parts of nearly the same length.
    pub(super) fn part(self, which: u64, of: u64) -> Self {
        let border = |part: u64| self.from + self.count() * part / of.max(1);
        Self { from: border(which), to: border(which + 1) }
    }
}

impl fmt::Display for Seeds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.from, self.to)
    }
}

impl FromStr for Seeds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wants =
            || format!("seeds {text:?}: wants FROM..TO or a count, decimal, such as 0..200");
        let (from, to) = text.split_once("..").unwrap_or(("0", text));
        let number = |part: &str| part.trim().parse::<u64>().map_err(|_| wants());
        let (from, to) = (number(from)?, number(to)?);
        if from < to { Ok(Self { from, to }) } else { Err(wants()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_together_are_the_whole() {
        let whole = Seeds { from: 5, to: 12 };
        let parts: Vec<_> = (0..3).map(|part| whole.part(part, 3)).collect();
        assert_eq!(
            parts.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["5..7", "7..9", "9..12"]
        );
        assert_eq!(whole.part(0, 1), whole);
    }

    #[test]
    fn a_range_or_a_count_is_read() {
        assert_eq!("5..8".parse(), Ok(Seeds { from: 5, to: 8 }));
        assert_eq!("200".parse(), Ok(Seeds { from: 0, to: 200 }));
        assert_eq!(Seeds { from: 5, to: 8 }.at(2), Seed(7));
        for wrong in ["8..5", "x", "1..", ""] {
            assert!(wrong.parse::<Seeds>().is_err(), "{wrong}");
        }
    }
}
