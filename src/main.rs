//! The command line: parse, dispatch, exit status.

use std::process::ExitCode;

use clap::Parser;
use doorward::cli::{self, Cli};

fn main() -> ExitCode {
    // One cryptography for all of TLS. Only a second call can fail, and this is the first.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    cli::run(Cli::parse())
}
