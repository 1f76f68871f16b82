//! What an administrator does from a shell: on the machine with the store itself, or by `--server` with a gateway that
//! runs anywhere. What is done is in [`crate::admin`].

mod remote;
pub(super) mod session;
pub(super) mod token;
pub(super) mod user;

use std::future::Future;
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use serde::Serialize;

use self::remote::Remote;
use super::{ConfigFile, table};
use crate::admin::view::List;
use crate::admin::{Actor, Admin, Desk, Part};
use crate::clock::{Clock as _, SystemClock};
use crate::{cli, server};

/// How administrators' commands end, for their help.
pub(super) const WHERE: &str = "\
On the machine of a gateway this works with its store, whether the gateway runs or not: give the same --config (or \
DOORWARD_CONFIG, or variables) and run it as the same user. A gateway that runs knows within a second.

From elsewhere, --server URL asks a gateway, as whoever holds the API token (of the scope `admin`) in DOORWARD_TOKEN or \
--token-file.

Exit status: 0 done, 1 not done, 2 bad usage or configuration.";

/// With which store, or which gateway.
#[derive(Debug, Args)]
pub(super) struct Place {
    #[command(flatten)]
    file: ConfigFile,
    /// Ask the gateway at this address, and not the store on this machine.
    #[arg(long, value_name = "URL")]
    server: Option<String>,
    /// A file with an API token of the scope `admin`; otherwise DOORWARD_TOKEN has it.
    #[arg(long, value_name = "FILE", requires = "server")]
    token_file: Option<PathBuf>,
    /// Send the token without TLS to another machine.
    #[arg(long, requires = "server")]
    insecure_http: bool,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

/// Which part of a list.
#[derive(Debug, Args)]
pub(super) struct Shown {
    /// Only what has this in it.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    search: String,
    /// How many at most.
    #[arg(long, default_value_t = Part::default().limit, value_parser = clap::value_parser!(u32).range(1..=500))]
    limit: u32,
    /// How many are left out before them.
    #[arg(long, default_value_t = 0)]
    offset: u64,
}

impl Shown {
    const fn part(&self) -> Part {
        Part { offset: self.offset, limit: self.limit }
    }

    /// As the REST API has it.
    fn query(&self) -> [(&'static str, String); 3] {
        [
            ("search", self.search.clone()),
            ("limit", self.limit.to_string()),
            ("offset", self.offset.to_string()),
        ]
    }
}

/// Where actions go.
enum Office {
    Here(Box<Desk>),
    There(Remote),
}

impl Office {
    /// Whoever runs the command, at the desk.
    fn seat(desk: &Desk) -> Admin<'_> {
        desk.seat(Actor::Shell(whoever_runs_this()), SystemClock.now(), None, None)
    }
}

/// The name that the system has for who runs this, which nobody can choose, and the one they go by.
fn whoever_runs_this() -> String {
    let uid = std::fs::metadata("/proc/self").map_or_else(|_| "?".to_owned(), |own| own.uid().to_string());
    let name = ["SUDO_USER", "USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok());
    name.map_or_else(|| format!("uid {uid}"), |name| format!("{name} (uid {uid})"))
}

impl Place {
    /// Does something there; what goes wrong is said on standard error.
    fn act<F, W>(&self, work: W) -> ExitCode
    where
        W: FnOnce(Office) -> F,
        F: Future<Output = anyhow::Result<Office>>,
    {
        let done = if let Some(url) = &self.server {
            let remote = match Remote::new(url, self.token_file.as_deref(), self.insecure_http) {
                Ok(remote) => remote,
                Err(error) => return usage(&error),
            };
            run(async { work(Office::There(remote)).await })
        } else {
            let config = match self.file.load() {
                Ok(config) => config,
                Err(faults) => return cli::refuse(&faults),
            };
            run(async {
                let desk = server::desk(config).await?;
                work(Office::Here(Box::new(desk))).await
            })
        };
        match done {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => cli::fail(&error),
        }
    }
}

/// Runs to the end, and does not leave before what was done is noted.
fn run(work: impl Future<Output = anyhow::Result<Office>>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("no runtime")?;
    runtime.block_on(async {
        if let Office::Here(desk) = work.await?
            && let Some(notes) = desk.audit.notes()
        {
            notes.flush().await;
        }
        Ok(())
    })
}

/// What is wrong with how it was asked.
#[expect(clippy::print_stderr, reason = "the answer of a command")]
fn usage(error: &anyhow::Error) -> ExitCode {
    eprintln!("doorward: {error:#}");
    ExitCode::from(2)
}

/// The answer, on standard output. Whoever hung up (`| head`) has read enough.
fn answer(text: &str) -> anyhow::Result<()> {
    match writeln!(std::io::stdout().lock(), "{text}") {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(error).context("the answer could not be written")
        }
        _ => Ok(()),
    }
}

/// A word to the person, on standard error.
#[expect(clippy::print_stderr, reason = "the answer of a command")]
fn say(text: &str) {
    eprintln!("{text}");
}

fn answer_json(value: &impl Serialize) -> anyhow::Result<()> {
    answer(&serde_json::to_string_pretty(value)?)
}

/// A list as JSON, or as a table with a head.
fn answer_list<T: Serialize>(
    list: &List<T>,
    json: bool,
    head: &[&str],
    row: impl Fn(&T) -> Vec<String>,
) -> anyhow::Result<()> {
    if json {
        return answer_json(list);
    }
    let rows: Vec<Vec<String>> = list.items.iter().map(row).collect();
    answer(table::aligned(head, &rows).trim_end())?;
    let (shown, total) = (u64::try_from(list.items.len())?, list.total);
    if shown < total {
        say(&format!(
            "{shown} of {total}, from {}: --search, --offset and --limit show others",
            list.offset.saturating_add(1)
        ));
    }
    Ok(())
}

fn or_dash(text: Option<&String>) -> String {
    text.cloned().unwrap_or_else(|| "-".to_owned())
}

fn or_none(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(",") }
}
