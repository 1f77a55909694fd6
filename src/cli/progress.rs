//! A bar on stderr for work that takes long; nothing where stderr is no terminal.

use indicatif::{ProgressBar, ProgressStyle};

/// A bar to be told how far the work is and where its end is.
pub fn bar(what: &'static str) -> impl FnMut(u64, u64) + Send {
    let bar = ProgressBar::new(0).with_message(what);
    let style = "{msg} {wide_bar} {human_pos}/{human_len}, {per_sec}, {eta}";
    if let Ok(style) = ProgressStyle::with_template(style) {
        bar.set_style(style);
    }
    move |done, all| {
        bar.set_length(all);
        bar.set_position(done);
        if done >= all {
            bar.finish_and_clear();
        }
    }
}
