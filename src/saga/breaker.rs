//! Circuit breaker and retry budget of one participant: pure, driven by the shell.
