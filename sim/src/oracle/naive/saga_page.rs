//! How the API shows the steps of a saga, read by the oracles' own fold.

use serde_json::Value;

use super::json::{list, text};
use super::saga::{Progress, Saga};

/// Whether a word tells how far the doing, or the undoing, of a step is. Of what is under way it also
/// tells whether the next attempt waits; that is left open here.
pub fn is_word_for(word: Option<&str>, progress: Progress) -> bool {
    match progress {
        Progress::New => word == Some("notStarted"),
        Progress::Open => matches!(word, Some("started" | "waiting")),
        Progress::Done => word == Some("succeeded"),
        Progress::Rejected => word == Some("rejected"),
        Progress::Skipped => word == Some("skipped"),
    }
}

/// Whether a saga is shown with all its steps, each as far as it has come.
pub fn is_as_far_as_shown(saga: &Saga<'_>, page: &Value) -> bool {
    let shown = list(page, "steps");
    shown.len() == saga.steps.len()
        && shown.iter().zip(&saga.steps).all(|(shown, step)| {
            let words = ["action", "compensation"].map(|field| text(shown, field));
            words.into_iter().zip(step.progress).all(|(word, progress)| is_word_for(word, progress))
        })
}
