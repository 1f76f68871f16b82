//! Logins that were started in this browser and are not finished: a list in one short-lived encrypted cookie.
//!
//! A list, so that parallel tabs work; at most five, so that cookies do not pile up; with its limits inside,
//! because a browser's `Max-Age` binds nobody. A finished login leaves its return address behind for a while:
//! a callback that is loaded again (back button, double click) can then go on to where the person wanted to be.

use std::time::Duration;

use actix_session::Session;
use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::identity::provider::PendingAuth;

/// How long a sign-in may take.
pub const LIFETIME: Duration = Duration::from_secs(10 * 60);
/// Parallel logins of one browser; the oldest goes first.
const MAX_OPEN: usize = 5;
/// Finished ones remembered.
const MAX_DONE: usize = 5;
/// The list as JSON: with sealing and encoding, browsers keep about 2.9 KB (see the module above for why).
const MAX_JSON: usize = 2600;
/// Sign-ins for the same address within [`BOUNCE_WINDOW`] that count as a loop.
const BOUNCES: usize = 3;
const BOUNCE_WINDOW: Duration = Duration::from_secs(60);

const KEY: &str = "logins";

/// One login on its way.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PendingLogin {
    /// State, nonce and PKCE verifier.
    #[serde(rename = "a")]
    pub auth: PendingAuth,
    /// The provider it was started at; the callback must come to that one's address.
    #[serde(rename = "p")]
    pub provider: String,
    /// Where to go afterwards; empty for the account page.
    #[serde(rename = "r")]
    pub return_to: String,
    #[serde(rename = "t")]
    started: i64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Done {
    #[serde(rename = "s")]
    state: String,
    #[serde(rename = "r")]
    return_to: String,
    #[serde(rename = "t")]
    at: i64,
}

/// The list.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct PendingLogins {
    #[serde(rename = "o")]
    open: Vec<PendingLogin>,
    #[serde(rename = "d")]
    done: Vec<Done>,
}

/// What the list knows of a callback's state.
#[derive(Debug)]
pub enum Found {
    /// A login on its way; it is out of the list now.
    Open(Box<PendingLogin>),
    /// One that was finished before, and where it led.
    Done(String),
    /// Started too long ago.
    TooOld,
    /// Not from this browser, or long gone.
    Unknown,
}

impl PendingLogins {
    /// The list of this browser; an unreadable one is empty.
    pub fn load(session: &Session) -> Self {
        session.get(KEY).ok().flatten().unwrap_or_default()
    }

    /// Writes it back; an empty list takes the cookie away.
    ///
    /// # Errors
    /// When it cannot be encoded.
    pub fn save(&self, session: &Session) -> Result<(), actix_session::SessionInsertError> {
        if self.is_empty() {
            session.purge();
            return Ok(());
        }
        session.insert(KEY, self)
    }

    /// Whether any login is on its way; tells "cookie not stored" from "link too old".
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.open.is_empty() && self.done.is_empty()
    }

    /// Adds a login, and drops what is too old or too much.
    pub fn start(&mut self, auth: PendingAuth, provider: &str, return_to: &str, now: Timestamp) {
        self.forget(now);
        self.open.push(PendingLogin {
            auth,
            provider: provider.to_owned(),
            return_to: return_to.to_owned(),
            started: now.secs(),
        });
        while self.open.len() > MAX_OPEN {
            self.open.remove(0);
        }
        self.shrink();
    }

    /// Takes the login of this state out of the list. States are compared in constant time.
    pub fn take(&mut self, state: &str, now: Timestamp) -> Found {
        let same = |other: &str| {
            aws_lc_rs::constant_time::verify_slices_are_equal(state.as_bytes(), other.as_bytes()).is_ok()
        };
        if let Some(at) = self.open.iter().position(|login| same(&login.auth.state)) {
            let login = self.open.remove(at);
            return if fresh(login.started, now) { Found::Open(Box::new(login)) } else { Found::TooOld };
        }
        self.done
            .iter()
            .find(|done| same(&done.state))
            .map_or(Found::Unknown, |done| Found::Done(done.return_to.clone()))
    }

    /// Remembers where a login led.
    pub fn finish(&mut self, login: &PendingLogin, now: Timestamp) {
        let (state, return_to) = (login.auth.state.clone(), login.return_to.clone());
        self.remember(Done { state, return_to, at: now.secs() }, now);
    }

    fn remember(&mut self, done: Done, now: Timestamp) {
        self.forget(now);
        self.done.push(done);
        while self.done.len() > MAX_DONE {
            self.done.remove(0);
        }
        self.shrink();
    }

    /// Counts a hand-over to `return_to`, for [`Self::is_bouncing`].
    pub fn note_arrival(&mut self, return_to: &str, now: Timestamp) {
        self.remember(Done { state: String::new(), return_to: return_to.to_owned(), at: now.secs() }, now);
    }

    /// Whether this address was signed in for again and again within a minute: the service never sees the
    /// cookie, and one more round would end no better.
    #[must_use]
    pub fn is_bouncing(&self, return_to: &str, now: Timestamp) -> bool {
        let recent = |done: &&Done| {
            done.return_to == return_to && now.since(Timestamp::from_secs(done.at)) < BOUNCE_WINDOW
        };
        !return_to.is_empty() && self.done.iter().filter(recent).count() >= BOUNCES
    }

    /// Starts counting anew: the person signed out, or was told.
    pub fn forget_bounces(&mut self) {
        self.done.clear();
    }

    fn forget(&mut self, now: Timestamp) {
        self.open.retain(|login| fresh(login.started, now));
        self.done.retain(|done| fresh(done.at, now));
    }

    fn shrink(&mut self) {
        while serde_json::to_string(self).is_ok_and(|json| json.len() > MAX_JSON) {
            if !self.done.is_empty() {
                self.done.remove(0);
            } else if self.open.len() > 1 {
                self.open.remove(0);
            } else {
                break;
            }
        }
    }
}

fn fresh(started: i64, now: Timestamp) -> bool {
    let started = Timestamp::from_secs(started);
    started <= now.plus(Duration::from_secs(60)) && now.since(started) < LIFETIME
}

#[cfg(test)]
mod tests {
    use super::*;

    fn auth(n: usize) -> PendingAuth {
        PendingAuth {
            state: format!("{n:043}"),
            nonce: "n".repeat(43),
            verifier: "v".repeat(43),
            proof_since: None,
        }
    }

    #[test]
    fn five_at_most_and_each_once() {
        let (mut list, now) = (PendingLogins::default(), Timestamp::from_secs(1000));
        for n in 0..100 {
            list.start(auth(n), "google", "https://app.example.test/", now);
        }
        assert!(matches!(list.take(&auth(94).state, now), Found::Unknown));
        assert!(matches!(list.take(&auth(99).state, now), Found::Open(_)));
        assert!(matches!(list.take(&auth(99).state, now), Found::Unknown));
        assert!(serde_json::to_string(&list).unwrap().len() <= MAX_JSON);
    }

    #[test]
    fn limits_are_inside() {
        let (mut list, now) = (PendingLogins::default(), Timestamp::from_secs(1000));
        list.start(auth(1), "google", "", now);
        list.start(auth(2), "google", "", now);
        let late = now.plus(LIFETIME);
        assert!(matches!(list.take(&auth(1).state, late), Found::TooOld));
        assert!(matches!(list.take(&auth(2).state, late.minus(Duration::from_secs(1))), Found::Open(_)));
    }

    #[test]
    fn three_rounds_for_one_address_are_a_loop() {
        let (mut list, now) = (PendingLogins::default(), Timestamp::from_secs(1000));
        for n in 0..3 {
            assert!(!list.is_bouncing("https://app.example.test/a", now));
            list.start(auth(n), "google", "https://app.example.test/a", now);
            let Found::Open(login) = list.take(&auth(n).state, now) else { panic!("not open") };
            list.finish(&login, now);
        }
        assert!(list.is_bouncing("https://app.example.test/a", now));
        assert!(!list.is_bouncing("https://app.example.test/b", now));
        assert!(!list.is_bouncing("https://app.example.test/a", now.plus(BOUNCE_WINDOW)));
        assert!(matches!(list.take(&auth(1).state, now), Found::Done(to) if to.ends_with("/a")));
    }

    #[test]
    fn long_addresses_push_out_old_logins_not_the_cookie() {
        let (mut list, now) = (PendingLogins::default(), Timestamp::from_secs(1000));
        for n in 0..5 {
            list.start(auth(n), "google", &format!("https://app.example.test/{}", "x".repeat(1900)), now);
        }
        assert!(serde_json::to_string(&list).unwrap().len() <= MAX_JSON);
        assert!(matches!(list.take(&auth(4).state, now), Found::Open(_)));
    }
}
