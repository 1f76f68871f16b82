//! What the tests speak with: the programs, a person with cookies, raw bytes, a browser.

mod chrome;
mod person;
mod process;
mod raw;
mod stack;

use std::time::{Duration, Instant};

pub(crate) use chrome::Chrome;
pub(crate) use person::{Answer, Person, api, client, navigation};
pub(crate) use process::Process;
pub(crate) use raw::{Raw, raw};
pub(crate) use stack::{Setup, Stack};

/// How long anything may take to come about. Generous: the machine may be busy with other things.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Asks again and again until there is an answer; panics with `what` when there is none in time.
pub(crate) async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = ask().await {
            return found;
        }
        assert!(Instant::now() < deadline, "never came about: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
