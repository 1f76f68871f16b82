//! `doorward backup`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{bail, ensure};
use clap::Args;

use super::ConfigFile;
use crate::cli;
use crate::config::{Config, StoreUrl};
use crate::store::sqlite::SqliteStore;

/// The end of `backup --help`.
pub(super) const MORE: &str = "\
Example:
  doorward backup --config doorward.yaml /var/backups/doorward-$(date +%F).db

To restore, stop every gateway that uses the store, put the copy in the place of the store's file, and start again. The \
keys beside it (`keys` in `data_dir`) are not in the copy: without the pepper among them no API token works any more.

Exit status: 0 copied, 1 not copied, 2 bad usage or configuration.";

#[derive(Debug, Args)]
pub(super) struct Backup {
    #[command(flatten)]
    config: ConfigFile,
    /// A file that is not there yet.
    file: PathBuf,
}

/// Copies the embedded store; what goes wrong is said on standard error.
pub(super) fn run(backup: &Backup) -> ExitCode {
    let config = match backup.config.load() {
        Ok(config) => config,
        Err(faults) => return cli::refuse(&faults),
    };
    match copy(&config, &backup.file) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => cli::fail(&error),
    }
}

fn copy(config: &Config, to: &Path) -> anyhow::Result<()> {
    let StoreUrl::Sqlite(path) = &config.store else {
        bail!("only the embedded store is copied so; Redis has its own ways (docs/store.md)");
    };
    let from = config.data_dir.join(path);
    ensure!(from.exists(), "there is no store yet: {} is not there", from.display());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async { Ok(SqliteStore::open(&from).await?.backup(to).await?) })
}
