//! `doorward check`: is what is configured sound?

use std::process::ExitCode;

use crate::config::Config;

/// Says what a sound configuration amounts to.
#[expect(clippy::print_stdout, reason = "the answer of a command")]
pub(super) fn run(config: &Config) -> ExitCode {
    for warning in &config.warnings {
        println!("warning: {warning}");
    }
    let providers: Vec<&str> = config.providers.iter().map(|provider| provider.id.as_str()).collect();
    let providers = if providers.is_empty() { "no providers".to_owned() } else { providers.join(", ") };
    let policy = config.policy.file.as_deref().map_or_else(
        || "no policy file: every signed-in user may go everywhere".into(),
        |file| format!("policy {}", file.display()),
    );
    println!("the configuration is fine: {providers}; {policy}");
    ExitCode::SUCCESS
}
