//! `doorward completions` and `doorward man`: what the command line can say of itself, for shells and for `man`.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::CommandFactory as _;
use clap_complete::Shell;

use super::Cli;
use crate::cli;

/// The end of `completions --help`.
pub(super) const MORE: &str = "\
Examples (packages and `make install` put them there already):
  doorward completions bash > ~/.local/share/bash-completion/completions/doorward
  doorward completions zsh > ~/.zfunc/_doorward
  doorward completions fish > ~/.config/fish/completions/doorward.fish";

/// Prints the completions for `shell`.
pub(super) fn completions(shell: Shell) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "doorward", &mut script);
    cli::put(String::from_utf8_lossy(&script).trim_end(), ExitCode::SUCCESS)
}

/// Writes `doorward.1`, `doorward-serve.1`, … into `folder`.
pub(super) fn pages(folder: &Path) -> ExitCode {
    let written = clap_mangen::generate_to(Cli::command(), folder);
    match written.with_context(|| format!("the manual pages could not be written into {}", folder.display()))
    {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => cli::fail(&error),
    }
}
