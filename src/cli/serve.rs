//! `doorward serve`.

use std::process::ExitCode;

use crate::config::Config;
use crate::server::manager::Handed;
use crate::{cli, server, telemetry};

/// The beginning of `serve --help`.
pub(super) const ABOUT: &str = "\
Run the gateway.

It listens for a reverse proxy, which asks at /auth about every request, and for browsers, which sign in below /rbac. \
The configuration is a YAML file, variables, or both: every key can be set by a variable (session.lifetime is \
DOORWARD_SESSION_LIFETIME), which wins over the file. Every fault is reported at once, by its key.";

/// The end of `serve --help`.
pub(super) const MORE: &str = "\
The shortest way, without a file:
  export DOORWARD_SERVER_EXTERNAL_URL=https://auth.example.com  # where browsers reach the gateway
  export GOOGLE_CLIENT_ID=...      # an OAuth client of type \"web application\", from the Google Cloud console,
  export GOOGLE_CLIENT_SECRET=...  # with the redirect URI https://auth.example.com/rbac/callback
  doorward serve

With a file:
  doorward serve --config doorward.yaml

What to look at:
  logs      on standard error, one JSON object a line (`log.format: human` for people); RUST_LOG sets the level
  audit     on standard output, or in `audit.file`
  metrics   http://127.0.0.1:9000/metrics, or where `ops.listen` says
  health    /healthz and /readyz on the main listener (0.0.0.0:8000)
  traces    sent by OTLP/HTTP when OTEL_EXPORTER_OTLP_ENDPOINT is set
SIGTERM and SIGINT stop it gracefully; SIGHUP reloads the policy. systemd is told when it serves, reloads and stops \
(Type=notify), may hand over the listener (LISTEN_FDS, instead of `server.listen`), and gets logs with priorities.

Exit status: 0 stopped as asked, 1 could not run, 2 bad usage or configuration.";

/// Runs until told to stop.
pub(super) fn run(config: Config) -> ExitCode {
    // First of all, while there is but one thread.
    let handed = match Handed::take() {
        Ok(handed) => handed,
        Err(error) => {
            cli::fail(&error);
            return ExitCode::from(2);
        }
    };
    let guard = match telemetry::init(config.log) {
        Ok(guard) => guard,
        Err(error) => {
            // Its variables are configuration too.
            cli::fail(&error);
            return ExitCode::from(2);
        }
    };
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let served = actix_web::rt::System::new().block_on(server::run(config, handed));
    // After the last request: what is left of the traces goes out now.
    drop(guard);
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => cli::fail(&error),
    }
}
