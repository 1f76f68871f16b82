//! API tokens in a store, and requests with each of them.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::sync::Arc;

use anyhow::anyhow;
use doorward::clock::{SystemClock, Timestamp};
use doorward::http::state::State;
use doorward::identity::api_token::{Asked, NewToken};
use doorward::server;

use crate::gateway;
use crate::requests::{Credential, HOST, wire};

/// Requests a second that no measurement reaches: the limit is counted, and never met.
const UNREACHED: i64 = 1_000_000;

/// Writes a configuration into `dir` for a gateway at `listen` with the store at `store`, `count` tokens into that
/// store, and the file `tokens.requests` with a request to `/auth` of each.
///
/// # Errors
/// When a file cannot be written, or the store does not take a token.
pub async fn write(dir: &Path, listen: &str, store: &str, count: usize) -> anyhow::Result<()> {
    let more = format!("store: {{ url: \"{store}\" }}\ntokens: {{ pepper: a-pepper-of-no-worth-at-all }}\n");
    let config = gateway::configure(dir, listen, 10, &more)?;
    let running = server::start(config, Arc::new(SystemClock)).await?;
    let state = &running.state;
    let now = state.clock.now();
    let mut file = BufWriter::new(File::create(dir.join("tokens.requests"))?);
    for _ in 0..count {
        let token = make(state, now).await?;
        file.write_all(wire("/auth", Credential::Bearer(&token)).as_bytes())?;
    }
    file.flush()?;
    running.stop().await;
    Ok(())
}

/// Makes a token that may do what the requests ask for, and keeps it; its text.
///
/// # Errors
/// When the store does not take it.
pub async fn make(state: &State, now: Timestamp) -> anyhow::Result<String> {
    let asked = Asked {
        name: Some("reports of the month".to_owned()),
        email: Some("ada@example.test".to_owned()),
        comment: Some("made for a measurement".to_owned()),
        hosts: vec![HOST.to_owned(), "*.example.test".to_owned()],
        roles: vec!["staff".to_owned()],
        limit: Some(UNREACHED),
        ..Asked::default()
    };
    let new = NewToken::new(&asked, None, &state.config.tokens, |_| true)
        .map_err(|faults| anyhow!("{faults:?}"))?;
    let (plain, record) = new.mint(state.tokens.peppers(), now)?;
    state.store.put_token(&record).await?;
    Ok(plain.expose().to_owned())
}
