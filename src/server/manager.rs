//! What a service manager and this process have to say to each other, by systemd's protocols: a listener that it opened
//! for us (`LISTEN_FDS`), and in return when the process serves, reloads and stops (`NOTIFY_SOCKET`). Without a manager
//! none of it happens.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;

use anyhow::{Context as _, bail, ensure};
use listenfd::ListenFd;
use sd_notify::NotifyState;

/// The listener that the service manager handed over, if it did: it stands in for `server.listen`.
#[derive(Debug)]
pub struct Handed(Option<TcpListener>);

impl Handed {
    /// No manager, or one that leaves listening to us.
    #[must_use]
    pub fn nothing() -> Self {
        Self(None)
    }

    /// Takes what was handed over, and the variables that tell of it. To be called while the process has one thread:
    /// others could be reading the environment.
    ///
    /// # Errors
    /// When it is not one listening TCP socket. A gateway that listened elsewhere than its operator thinks would be
    /// worse than one that does not start.
    pub fn take() -> anyhow::Result<Self> {
        let mut handed = ListenFd::from_env();
        if handed.len() == 0 {
            return Ok(Self(None));
        }
        let count = handed.len();
        ensure!(
            count == 1,
            "LISTEN_FDS: {count} sockets were handed over, and there is a use for one (`server.listen`); keep one \
             ListenStream= in the socket unit"
        );
        let wrong = "LISTEN_FDS: what was handed over is no TCP socket; the socket unit needs ListenStream= with a port";
        let Some(listener) = handed.take_tcp_listener(0).context(wrong)? else { bail!(wrong) };
        // A connection looks the same, but for its other end.
        let stream = TcpStream::from(OwnedFd::from(listener));
        ensure!(
            stream.peer_addr().is_err(),
            "LISTEN_FDS: a single connection was handed over instead of a listener; the socket unit needs Accept=no"
        );
        Ok(Self(Some(TcpListener::from(OwnedFd::from(stream)))))
    }

    pub(super) fn listener(self) -> Option<TcpListener> {
        self.0
    }
}

/// The process answers requests at `address`: it is started.
pub(super) fn serves(address: SocketAddr) {
    tell(&[NotifyState::Ready, NotifyState::Status(&format!("serves at {address}"))]);
}

/// A reload was asked for and begins; [`reloaded`] ends it.
pub(super) fn reloads() {
    // The time tells a manager that asked for the reload from one that is told about another.
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => tracing::warn!(%error, "the service manager was not told of the reload"),
    }
}

/// The reload is over, whatever came of it.
pub(super) fn reloaded() {
    tell(&[NotifyState::Ready]);
}

/// What came of reading the policy again, asked for or not. A manager takes no "no" for an answer to a reload, so its
/// status is where an operator finds that the policy was refused.
pub(super) fn policy(accepted: bool) {
    tell(&[NotifyState::Status(if accepted {
        "serves, by the policy as it was read again"
    } else {
        "serves; the policy file was REFUSED, the policy before it stays in force"
    })]);
}

/// Stopping has begun.
pub(super) fn stops() {
    tell(&[NotifyState::Stopping, NotifyState::Status("stopping")]);
}

/// The work does not depend on the manager's hearing of it, and a manager that does not will say so itself.
fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(%error, "the service manager was not told (NOTIFY_SOCKET)");
    }
}
