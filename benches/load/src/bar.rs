//! A figure with its bound: the line `BAR <name> <figure> <unit> wants <bound> ok|short`.
//!
//! Every measure that has a bar prints one; the collector reads the lines of all programs back,
//! `decide`'s among them, and fails when one is short. The word at the end is derived from figure and
//! bound in both directions, so a program cannot print `ok` for what is short.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::failure::Failure;

/// What a figure must be.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) enum Bound {
    /// This or more.
    AtLeast(f64),
    /// This or less.
    AtMost(f64),
    /// Less than this.
    Below(f64),
}

/// A measured figure and what it must be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Bar {
    /// Without spaces: `append_embedded_64`.
    pub(crate) name: String,
    /// What was measured.
    pub(crate) figure: f64,
    /// Without spaces: `x`, `ns`, `MiB`.
    pub(crate) unit: String,
    /// What it must be.
    pub(crate) bound: Bound,
}

impl Bound {
    fn admits(self, figure: f64) -> bool {
        match self {
            Self::AtLeast(bound) => figure >= bound,
            Self::AtMost(bound) => figure <= bound,
            Self::Below(bound) => figure < bound,
        }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtLeast(bound) => write!(f, ">={bound}"),
            Self::AtMost(bound) => write!(f, "<={bound}"),
            Self::Below(bound) => write!(f, "<{bound}"),
        }
    }
}

impl FromStr for Bound {
    type Err = Failure;

    fn from_str(text: &str) -> Result<Self, Failure> {
        let number = |digits: &str| {
            digits.parse().map_err(|_| Failure::new(format!("bound {text:?} is not a number")))
        };
        if let Some(digits) = text.strip_prefix(">=") {
            Ok(Self::AtLeast(number(digits)?))
        } else if let Some(digits) = text.strip_prefix("<=") {
            Ok(Self::AtMost(number(digits)?))
        } else if let Some(digits) = text.strip_prefix('<') {
            Ok(Self::Below(number(digits)?))
        } else {
            Err(Failure::new(format!("bound {text:?}: wants >=N, <=N or <N")))
        }
    }
}

impl Bar {
    /// A figure with its bound, kept to the three decimals that are printed, so that the printed line
    /// and the verdict agree.
    pub(crate) fn new(name: impl Into<String>, figure: f64, unit: &str, bound: Bound) -> Self {
        let figure = (figure * 1_000.0).round() / 1_000.0;
        Self { name: name.into(), figure, unit: unit.to_owned(), bound }
    }

    /// Whether the figure is as wanted. One that is no number never is.
    pub(crate) fn holds(&self) -> bool {
        self.bound.admits(self.figure)
    }

    /// Reads a line back; `None` for a line that is no bar's.
    pub(crate) fn parse(line: &str) -> Option<Result<Self, Failure>> {
        let rest = line.trim().strip_prefix("BAR ")?;
        Some(Self::parse_words(&rest.split_whitespace().collect::<Vec<_>>()).map_err(|cause| {
            Failure::new(format!(
                "{line:?} is not `BAR name figure unit wants bound ok|short`: {cause}"
            ))
        }))
    }

    fn parse_words(words: &[&str]) -> Result<Self, Failure> {
        let [name, figure, unit, "wants", bound, verdict] = words else {
            return Err(Failure::new("the words are others"));
        };
        let figure = figure.parse().map_err(|_| Failure::new("the figure is not a number"))?;
        let bar = Self {
            name: (*name).to_owned(),
            figure,
            unit: (*unit).to_owned(),
            bound: bound.parse()?,
        };
        if *verdict == bar.verdict() {
            Ok(bar)
        } else {
            Err(Failure::new(format!("figure and bound say {}", bar.verdict())))
        }
    }

    fn verdict(&self) -> &'static str {
        if self.holds() { "ok" } else { "short" }
    }
}

impl fmt::Display for Bar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, figure, unit, bound } = self;
        write!(f, "BAR {name} {figure:.3} {unit} wants {bound} {}", self.verdict())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_printed_bar_reads_back() {
        for (figure, bound, verdict) in [
            (0.81, Bound::AtLeast(0.8), "ok"),
            (0.79, Bound::AtLeast(0.8), "short"),
            (60.0, Bound::Below(60.0), "short"),
            (1.5, Bound::AtMost(1.5), "ok"),
            (f64::NAN, Bound::AtMost(1.5), "short"),
        ] {
            let bar = Bar::new("append_embedded_1", figure, "x", bound);
            let line = bar.to_string();
            assert!(line.ends_with(verdict), "{line}");
            let read = Bar::parse(&line).expect("a bar's line").expect("a good one");
            assert_eq!(read.to_string(), line);
        }
    }

    #[test]
    fn a_line_that_claims_ok_for_a_short_figure_is_refused() {
        let read = Bar::parse("BAR append_embedded_1 0.5 x wants >=0.8 ok").expect("a bar's line");
        assert!(read.expect_err("a lie").to_string().contains("say short"));
    }

    #[test]
    fn other_lines_are_no_bars_and_broken_bars_are_refused() {
        assert!(Bar::parse("round 1: 0.9").is_none());
        assert!(Bar::parse("BAR name 1 x").expect("meant as one").is_err());
        assert!(Bar::parse("BAR name one x wants >=1 ok").expect("meant as one").is_err());
        assert!(Bar::parse("BAR name 1 x wants 1 ok").expect("meant as one").is_err());
    }
}
