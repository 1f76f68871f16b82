//! `doorward check`: is what is configured sound?

use std::process::ExitCode;

use crate::config::Config;
use crate::{cli, server};

/// Says what a sound configuration amounts to: the policy's own tests are run, and its table printed.
#[expect(clippy::print_stdout, reason = "the answer of a command")]
pub(super) fn run(config: &Config) -> ExitCode {
    for warning in &config.warnings {
        println!("warning: {warning}");
    }
    let live = match server::policy(config) {
        Ok(live) => live,
        Err(faults) => return cli::fail(&faults),
    };
    let policy = live.load();
    for warning in policy.warnings() {
        println!("warning: {warning}");
    }
    let providers: Vec<&str> = config.providers.iter().map(|provider| provider.id.as_str()).collect();
    let providers = if providers.is_empty() { "no providers".to_owned() } else { providers.join(", ") };
    let file = config.policy.file.as_deref().map_or_else(
        || "no policy file: every signed-in user may go everywhere".into(),
        |file| format!("policy {}", file.display()),
    );
    println!("the configuration is fine: {providers}; {file}");
    println!("\n{}", policy.table().trim_end());
    ExitCode::SUCCESS
}
