//! What a load generator sends.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use doorward::clock::SystemClock;
use doorward::server;

use crate::{gateway, requests};

/// Writes a configuration into `dir` for a gateway at `listen`, signs `people` people in to its store, and leaves in
/// `dir` the files `one.requests` and `many.requests`: requests to `/auth` of the first of them, and of each.
///
/// # Errors
/// When a file cannot be written, or nobody can be signed in.
pub async fn write(dir: &Path, listen: &str, people: usize) -> anyhow::Result<()> {
    let config = gateway::configure(dir, listen, 10)?;
    let running = server::start(config, Arc::new(SystemClock)).await?;
    let state = &running.state;
    let cookies = gateway::sign_in(state.store.as_ref(), &state.cookies, people, state.clock.now()).await?;
    running.stop().await;

    let all: Vec<String> = cookies.iter().map(|cookie| requests::wire("/auth", cookie)).collect();
    fs::write(dir.join("one.requests"), all.first().context("nobody signed in")?)?;
    fs::write(dir.join("many.requests"), all.concat())?;
    Ok(())
}
