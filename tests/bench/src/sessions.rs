//! What a load generator sends to a gateway that knows everybody: sessions, an API token, and what a JWT would be in.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use doorward::clock::SystemClock;
use doorward::server;

use crate::requests::{Credential, wire};
use crate::{gateway, tokens};

/// Writes a configuration into `dir` for a gateway at `listen`, which takes bearer tokens of `issuer`, signs `people`
/// people in to its store, and leaves in `dir` the files `one.requests` and `many.requests`: requests to `/auth` of the
/// first of them, and of each. `token.requests` is one with an API token.
///
/// # Errors
/// When a file cannot be written, or nobody can be signed in.
pub async fn write(dir: &Path, listen: &str, people: usize, issuer: Option<&str>) -> anyhow::Result<()> {
    let bearer = issuer.map(|issuer| {
        format!(
            "bearer:\n  issuers:\n    - {{ issuer: \"{issuer}\", audiences: [bench], roles_claims: [roles] }}\n"
        )
    });
    let config = gateway::configure(dir, listen, 10, &bearer.unwrap_or_default())?;
    let running = server::start(config, Arc::new(SystemClock)).await?;
    let state = &running.state;
    let now = state.clock.now();
    let cookies = gateway::sign_in(state.store.as_ref(), &state.cookies, people, now).await?;
    let token = tokens::make(state, now).await?;
    running.stop().await;

    let all: Vec<String> = cookies.iter().map(|cookie| wire("/auth", Credential::Session(cookie))).collect();
    fs::write(dir.join("one.requests"), all.first().context("nobody signed in")?)?;
    fs::write(dir.join("many.requests"), all.concat())?;
    fs::write(dir.join("token.requests"), wire("/auth", Credential::Bearer(&token)))?;
    Ok(())
}
