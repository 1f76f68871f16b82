//! What handlers may use: everything is made once, at start, and shared.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::bearers::Bearers;
use super::callers::Callers;
use super::identity_headers::IdentityHeaders;
use super::limits::Limits;
use super::login::return_to::ReturnRules;
use super::pages::Pages;
use super::tokens::Tokens;
use crate::audit::Audit;
use crate::clock::Clock;
use crate::config::Config;
use crate::identity::assertion::Assertions;
use crate::identity::ids::DecisionIds;
use crate::identity::provider::Providers;
use crate::identity::session::SessionCookies;
use crate::identity::user_id::UserIds;
use crate::policy::live::LivePolicy;
use crate::store::Store;
use crate::store::known::Known;
use crate::telemetry::metrics::Metrics;

/// See the module.
pub struct State {
    /// As it was loaded; never changes.
    pub config: Config,
    /// Read once a request.
    pub clock: Arc<dyn Clock>,
    /// Names of decisions and requests.
    pub ids: DecisionIds,
    /// Who may do what; replaced whole at a reload.
    pub policy: Arc<LivePolicy>,
    /// What is remembered.
    pub store: Arc<dyn Store>,
    /// What of that is known in the process.
    pub known: Arc<Known>,
    /// Seals and opens session cookies.
    pub cookies: Arc<SessionCookies>,
    /// Recognises callers by them.
    pub callers: Callers,
    /// Recognises callers by bearer token of another issuer.
    pub bearers: Bearers,
    /// How often who may.
    pub limits: Limits,
    /// Recognises callers by API token.
    pub tokens: Tokens,
    /// Who is who, across providers and issuers.
    pub user_ids: UserIds,
    /// Signs identity assertions.
    pub assertions: Assertions,
    /// Who vouches for people.
    pub providers: Providers,
    /// Where a sign-in may return to.
    pub login: ReturnRules,
    /// What people see.
    pub pages: Pages,
    /// What is written down.
    pub audit: Audit,
    /// What is counted.
    pub metrics: Metrics,
    /// The identity headers of nobody.
    pub nobody: IdentityHeaders,
    /// Set when the process was asked to stop.
    pub leaving: AtomicBool,
}

impl State {
    /// Whether the process is on its way out: it still answers, says "not ready", and asks every client to open
    /// its next connection elsewhere.
    #[must_use]
    pub fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::Relaxed)
    }

    /// The stable id of a person; see [`UserIds::of`].
    #[must_use]
    pub fn user_id(&self, provider: &str, subject: &str) -> Option<String> {
        self.user_ids.of(provider, subject)
    }
}
