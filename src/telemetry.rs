//! Logs: structured lines on stderr, as text for people or as JSON for machines. Set up once by the
//! binary; a library never touches the process's subscriber.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt;

use crate::settings::{LogFormat, TelemetrySettings};

/// Why logging could not be set up; one line for an operator.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("LOG_LEVEL {filter:?}: {cause}")]
pub struct TelemetryError {
    filter: String,
    cause: String,
}

/// Sends the log lines that `filter` lets through to stderr. May be called once in a process.
pub fn start(settings: &TelemetrySettings, filter: &str) -> Result<(), TelemetryError> {
    let refused = |cause: String| TelemetryError { filter: filter.to_owned(), cause };
    let levels = EnvFilter::try_new(filter).map_err(|error| refused(error.to_string()))?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(levels)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    let set = match settings.log_format {
        LogFormat::Text => lines.finish().try_init(),
        LogFormat::Json => {
            lines.json().flatten_event(true).with_span_list(false).finish().try_init()
        }
    };
    set.map_err(|error| refused(error.to_string()))
}
