//! `sagaline completions`: a script for a shell.

use clap::CommandFactory;
use clap_complete::Shell;

use super::Arguments;
use super::failure::Failure;
use super::said;

/// `sagaline completions`
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct Completions {
    /// The shell.
    pub shell: Shell,
}

/// The script, to be read by the shell at its start.
pub fn write(completions: Completions, out: &mut impl std::io::Write) -> Result<(), Failure> {
    let mut script = Vec::new();
    let mut command = Arguments::command();
    clap_complete::generate(completions.shell, &mut command, "sagaline", &mut script);
    said(out.write_all(&script).and_then(|()| out.flush()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shell_gets_a_script_that_knows_the_commands() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish, Shell::PowerShell, Shell::Elvish] {
            let mut script = Vec::new();
            write(Completions { shell }, &mut script).unwrap();
            let script = String::from_utf8(script).unwrap();
            assert!(script.contains("verify") && script.contains("export"), "{shell}");
        }
    }
}
