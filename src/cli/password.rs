//! Where the passwords of a command come from: at a terminal they are asked for and not shown, otherwise each
//! is a line of stdin. Called by the commands that log in or make an account.

use std::io::{IsTerminal, stdin};

use super::failure::{Exit, Failure};

/// The passwords of a command, in the order in which it wants them.
#[derive(Debug)]
pub struct Passwords {
    /// Somebody types them.
    typed: bool,
}

impl Passwords {
    /// From the stdin of this process.
    pub fn of_stdin() -> Self {
        Self { typed: stdin().is_terminal() }
    }

    /// The next one. `of`: whose it is, for who types it.
    pub fn next(&mut self, of: &str) -> Result<String, Failure> {
        let read = if self.typed {
            eprint!("Password of {of}: ");
            rpassword::read_password()
        } else {
            line()
        };
        read.map_err(|error| {
            Failure::new(Exit::Failed, format!("cannot read the password of {of}: {error}"))
        })
    }
}

fn line() -> std::io::Result<String> {
    let mut line = String::new();
    stdin().read_line(&mut line)?;
    Ok(line.trim_end_matches(['\n', '\r']).to_owned())
}
