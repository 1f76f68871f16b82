//! The command line: what can be asked, and with which exit status it is answered.

mod admin;
mod backup;
mod check;
mod doctor;
mod explain;
mod health;
mod keys;
mod manual;
mod serve;
mod table;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::{Args, Parser, Subcommand};

use crate::config::{Config, Faults};

/// A login gateway for microservices: it tells a reverse proxy, for every request, who is asking and whether they may.
#[derive(Debug, Parser)]
#[command(name = "doorward", version, arg_required_else_help = true, after_help = EXIT_STATUS)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXIT_STATUS: &str =
    "Exit status: 0 fine, 1 a negative answer or a failure, 2 bad usage or configuration.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the gateway.
    #[command(long_about = serve::ABOUT, after_long_help = serve::MORE)]
    Serve(ConfigFile),
    /// Say what is wrong with the configuration and the policy, run the policy's tests, and print who may what.
    #[command(after_long_help = check::MORE)]
    Check(check::Check),
    /// Explain how one request would be answered, by which rule, and what was missing.
    #[command(after_long_help = explain::MORE)]
    Explain(Box<explain::Explain>),
    /// Look at a running set-up from outside: is everything wired, closed and reachable as it must be? What is wrong, why it
    /// matters, and the line to change.
    #[command(after_long_help = doctor::MORE)]
    Doctor(Box<doctor::Doctor>),
    /// API tokens.
    #[command(subcommand)]
    Token(admin::token::Token),
    /// People who have signed in.
    #[command(subcommand, after_long_help = admin::user::MORE)]
    User(admin::user::User),
    /// Who is signed in where.
    #[command(subcommand)]
    Session(admin::session::Session),
    /// Copy the embedded store into a new file, while it is in use.
    #[command(after_long_help = backup::MORE)]
    Backup(backup::Backup),
    /// Print the OpenAPI description of the REST API for administrators.
    Openapi,
    /// Session keys.
    #[command(subcommand)]
    Keys(Keys),
    /// Ask a running gateway whether it is well: exit status 0 or 1, within two seconds. For container health checks.
    Health {
        /// An http address on this machine.
        #[arg(default_value = "http://127.0.0.1:8000/healthz")]
        url: String,
    },
    /// Print the completions of a shell, for its own folder of them.
    #[command(after_long_help = manual::MORE)]
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Write the manual pages, one a command, into a folder. For packages.
    #[command(hide = true)]
    Man {
        /// A folder that is there.
        folder: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
enum Keys {
    /// Print a new session key: 32 random bytes in base64, one line for `session.keys_file`.
    ///
    /// The first key of the file encrypts and all of them decrypt. To change keys and sign nobody out, put the new
    /// one first and take the old one out once `session.lifetime` has passed.
    New,
}

#[derive(Debug, Args)]
struct ConfigFile {
    /// The configuration, a YAML file; without one the variables alone count.
    // Not clap's parser of paths, which refuses an empty one.
    #[arg(long, short, value_name = "FILE", env = "DOORWARD_CONFIG", value_parser = OsStringValueParser::new().map(PathBuf::from))]
    config: Option<PathBuf>,
}

impl ConfigFile {
    /// The configuration of this file and the process's environment.
    fn load(&self) -> Result<Config, Faults> {
        let text = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
        let env: BTreeMap<String, String> =
            std::env::vars_os().map(|(name, value)| (text(name), text(value))).collect();
        // An empty DOORWARD_CONFIG is an unset one, as every empty variable is.
        let file = self.config.as_deref().filter(|path| *path != Path::new(""));
        Config::load(file, &env)
    }
}

/// Does what was asked. What goes wrong is said on standard error.
#[must_use]
pub fn run(cli: Cli) -> ExitCode {
    match cli.command {
        Command::Serve(file) => match file.load() {
            Ok(config) => serve::run(config),
            Err(faults) => refuse(&faults),
        },
        Command::Check(check) => check::run(&check),
        Command::Explain(explain) => explain::run(&explain),
        Command::Doctor(doctor) => doctor::run(&doctor),
        Command::Token(command) => admin::token::run(command),
        Command::User(command) => admin::user::run(command),
        Command::Session(command) => admin::session::run(command),
        Command::Backup(backup) => backup::run(&backup),
        Command::Openapi => openapi(),
        Command::Keys(Keys::New) => keys::new(),
        Command::Health { url } => health::run(&url),
        Command::Completions { shell } => manual::completions(shell),
        Command::Man { folder } => manual::pages(&folder),
    }
}

fn openapi() -> ExitCode {
    put(&format!("{:#}", crate::http::admin::api::openapi::description("/rbac")), ExitCode::SUCCESS)
}

/// The answer of a command on standard output, and `then` its exit status. `println!` panics where nobody listens;
/// whoever hung up (`| head`) has read enough.
fn put(text: &str, then: ExitCode) -> ExitCode {
    match writeln!(std::io::stdout().lock(), "{text}") {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            fail(&anyhow::Error::new(error).context("the answer could not be written"))
        }
        _ => then,
    }
}

/// A configuration with faults: all of them, and status 2.
#[expect(clippy::print_stderr, reason = "the answer of a command; logging has not begun")]
fn refuse(faults: &Faults) -> ExitCode {
    let count = faults.len();
    eprintln!("doorward: {count} fault{} in the configuration", if count == 1 { "" } else { "s" });
    eprintln!("{faults}");
    eprintln!(
        "Every key is described in docs/configuration.md; `doorward serve --help` shows the shortest set-up."
    );
    ExitCode::from(2)
}

/// Something went wrong while running: why, in one line, and status 1.
#[expect(clippy::print_stderr, reason = "the answer of a command; logging may not have begun")]
fn fail(error: &anyhow::Error) -> ExitCode {
    eprintln!("doorward: {error:#}");
    ExitCode::FAILURE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commands_are_well_formed() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }

    #[test]
    fn serve_teaches() {
        use clap::CommandFactory;
        let mut cli = Cli::command();
        let help = cli.find_subcommand_mut("serve").unwrap().render_long_help().to_string();
        for word in [
            "DOORWARD_SERVER_EXTERNAL_URL",
            "GOOGLE_CLIENT_ID",
            "GOOGLE_CLIENT_SECRET",
            "RUST_LOG",
            "/metrics",
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "Exit status",
            "--config",
            "DOORWARD_CONFIG",
        ] {
            assert!(help.contains(word), "{word} is not in\n{help}");
        }
    }
}
