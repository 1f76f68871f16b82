//! A decision as an HTTP answer: status, headers, and a page or JSON. No error path here answers 2xx, and
//! only a [`Permit`] makes a 200.

use std::time::Instant;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::{HttpResponse, HttpResponseBuilder};
use serde_json::{Value, json};

use super::caller::{Caller, Unchecked};
use super::cookie;
use super::forwarded::Dialect;
use super::identity_headers::{ASSERTION, percent_encode};
use super::limits::Refused;
use super::pages::{Action, Forbidden, Href, Page, Problem, Trouble};
use super::state::State;
use super::visit::REQUEST_ID;
use super::who::Who;
use crate::clock::Timestamp;
use crate::config::StoreUrl;
use crate::identity::ids::DecisionId;
use crate::policy::decision::{Permit, Reason};
use crate::policy::target::Target;

/// The name of the decision, on every answer.
const DECISION_ID: HeaderName = HeaderName::from_static("x-auth-decision-id");
/// Where nginx finds the login address.
const AUTH_REDIRECT: HeaderName = HeaderName::from_static("x-auth-redirect");
/// What Envoy takes from the request before the service gets it
/// (`envoy.extensions.filters.http.ext_authz.v3.AuthorizationResponse`).
const ENVOY_REMOVE: HeaderName = HeaderName::from_static("x-envoy-auth-headers-to-remove");
/// Name prefixes of our own cookies: what no service needs to see.
const OWN_COOKIES: [&str; 3] = ["__Host-doorward", "__Secure-doorward", "doorward"];

/// One answer in the making.
pub struct Reply<'a> {
    /// What handlers may use.
    pub state: &'a State,
    /// The decision's name.
    pub id: DecisionId,
    /// The proxy's own request id, repeated when it sent one.
    pub request_id: Option<HeaderValue>,
    /// The time of the request.
    pub now: Timestamp,
    /// When its handling began, for the latency that is counted.
    pub began: Instant,
    dialect: Dialect,
}

impl<'a> Reply<'a> {
    /// For one request.
    #[must_use]
    pub fn new(state: &'a State, dialect: Dialect, id: DecisionId, now: Timestamp) -> Self {
        Self { state, id, request_id: None, now, began: Instant::now(), dialect }
    }

    /// 200 with every identity header; empty ones where nobody is known. `keeps_authorization`: the service reads
    /// `Authorization` itself, so that it is no credential of the gateway's.
    #[must_use]
    pub fn allowed(
        &self,
        _permit: &Permit,
        who: Option<&Caller>,
        assertion: Option<HeaderValue>,
        asked: &HeaderMap,
        keeps_authorization: bool,
    ) -> HttpResponse {
        if self.dialect == Dialect::Refusal {
            return self.changed();
        }
        let mut builder = self.start(StatusCode::OK);
        let identity = who.map_or(&self.state.nobody, |who| &who.headers);
        for (name, value) in identity.iter() {
            builder.insert_header((name, value));
        }
        builder.insert_header((ASSERTION, assertion.unwrap_or_else(|| HeaderValue::from_static(""))));
        if self.state.config.forward_auth.strip_credentials {
            let cookie = cookie::without(asked, &OWN_COOKIES);
            if self.dialect == Dialect::Envoy {
                // It keeps of the client's headers what it is not told to remove.
                let gone = match (keeps_authorization, cookie.is_some()) {
                    (false, false) => "authorization,cookie",
                    (false, true) => "authorization",
                    (true, false) => "cookie",
                    (true, true) => "",
                };
                builder.insert_header((ENVOY_REMOVE, HeaderValue::from_static(gone)));
            }
            if let Some(rest) = cookie {
                builder.insert_header((header::COOKIE, rest));
            }
        }
        builder.body("OK")
    }

    /// Nobody is signed in: a browser on its way to a page is sent to sign in, everything else is told so.
    #[must_use]
    pub fn challenge(&self, target: Option<&Target>, navigation: bool) -> HttpResponse {
        let login = target.and_then(|target| self.login_url(target));
        if self.dialect == Dialect::Original {
            let mut builder = self.start(StatusCode::UNAUTHORIZED);
            builder.insert_header((header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")));
            if let Some(login) = login {
                builder.insert_header((AUTH_REDIRECT, login));
            }
            return builder.finish();
        }
        match login {
            Some(login) if navigation => {
                let mut builder = self.start(StatusCode::FOUND);
                builder.insert_header((header::LOCATION, login));
                builder.finish()
            }
            login => {
                let mut body = self.error_body("unauthorized", "missing bearer token");
                if let (Some(login), Some(body)) = (login, body.as_object_mut()) {
                    body.insert("login_url".into(), json!(login));
                }
                self.start(StatusCode::UNAUTHORIZED)
                    .insert_header((header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")))
                    .json(body)
            }
        }
    }

    /// A credential was presented and is not valid: the same words for unknown, expired and revoked.
    #[must_use]
    pub fn invalid_credential(&self) -> HttpResponse {
        const CHALLENGE: HeaderValue = HeaderValue::from_static(r#"Bearer error="invalid_token""#);
        self.start(StatusCode::UNAUTHORIZED)
            .insert_header((header::WWW_AUTHENTICATE, CHALLENGE))
            .json(self.error_body("invalid_token", "invalid token"))
    }

    /// Known or not, this may not pass.
    #[must_use]
    pub fn forbidden(
        &self,
        target: Option<&Target>,
        reason: &Reason,
        who: Option<&Caller>,
        page: bool,
    ) -> HttpResponse {
        if page && self.dialect != Dialect::Original && self.state.login.own_host().is_some() {
            return self.forbidden_page(target, reason, who);
        }
        let message = match reason {
            Reason::NoRule => "forbidden: no rule allows this",
            Reason::MissingRole(_) => "forbidden: a role is missing",
            Reason::MissingPermission(_) => "forbidden: a permission is missing",
            Reason::WrongAudience => "forbidden: the token is not meant for this service",
            Reason::WrongHost => "forbidden for host",
            Reason::WrongOrigin => "forbidden: this origin may not open a WebSocket here",
        };
        self.start(StatusCode::FORBIDDEN).json(self.error_body("forbidden", message))
    }

    fn forbidden_page(&self, target: Option<&Target>, reason: &Reason, who: Option<&Caller>) -> HttpResponse {
        // "Use another account": sign out first, or the provider would answer with the same one.
        let switch = self.state.login.page("/logout").filter(|_| who.is_some());
        let page = Page::Forbidden(Forbidden {
            who: who.map(Caller::display_name),
            missing: reason,
            target_host: target.map(|target| target.host().as_str()).unwrap_or_default(),
            switch_account_href: switch.map(Href::new),
            decision_id: self.id.as_str(),
        });
        self.page(self.start(StatusCode::FORBIDDEN), &page)
    }

    fn page(&self, mut builder: HttpResponseBuilder, page: &Page<'_>) -> HttpResponse {
        builder
            .insert_header((header::CONTENT_SECURITY_POLICY, self.state.pages.csp()))
            .insert_header((header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")))
            .insert_header((header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")))
            .content_type("text/html; charset=utf-8")
            .body(self.state.pages.render(page))
    }

    /// 429: over a limit. Says when to try again.
    #[must_use]
    pub fn too_many(&self, target: Option<&Target>, over: &Refused, navigation: bool) -> HttpResponse {
        let mut builder = self.start(self.nginx_or(StatusCode::TOO_MANY_REQUESTS));
        for header in over.headers() {
            builder.insert_header(header);
        }
        let trouble = Trouble::TooManyRequests(over.secs());
        if !navigation || self.dialect == Dialect::Original || self.state.login.own_host().is_none() {
            let message = format!("too many requests; try again in {} s", over.secs());
            return builder.json(self.error_body("rate_limited", &message));
        }
        let again = target.map_or_else(|| "/".to_owned(), Target::url);
        let page = Page::Problem(Problem {
            kind: trouble,
            action: Action { label: trouble.button(), href: Href::new(again) },
            reference: Some(self.id.as_str()),
            provider_label: None,
            domain: None,
        });
        self.page(builder, &page)
    }

    /// 400: not a question that has one answer.
    #[must_use]
    pub fn bad_request(&self, message: &str) -> HttpResponse {
        self.start(self.nginx_or(StatusCode::BAD_REQUEST)).json(self.error_body("bad_request", message))
    }

    /// 403: this peer may not ask.
    #[must_use]
    pub fn untrusted(&self) -> HttpResponse {
        self.start(StatusCode::FORBIDDEN)
            .json(self.error_body("untrusted_peer", "this address may not ask for decisions"))
    }

    /// 503: could not be checked. No cookie is touched, so nobody is signed out by an outage.
    #[must_use]
    pub fn unavailable(&self, who: &Who) -> HttpResponse {
        let store_is_redis = !matches!(self.state.config.store, StoreUrl::Sqlite(_));
        let message = match who {
            Who::Unchecked(Unchecked::Store) if store_is_redis => {
                "redis unavailable: the credential cannot be checked right now"
            }
            _ => "the credential cannot be checked right now",
        };
        self.start(self.nginx_or(StatusCode::SERVICE_UNAVAILABLE))
            .insert_header((header::RETRY_AFTER, HeaderValue::from_static("2")))
            .json(self.error_body("unavailable", message))
    }

    /// 503: refused a moment ago, and not any more. What a client is shown instead of a page is never 2xx.
    fn changed(&self) -> HttpResponse {
        self.start(StatusCode::SERVICE_UNAVAILABLE)
            .insert_header((header::RETRY_AFTER, HeaderValue::from_static("1")))
            .json(self.error_body("unavailable", "the answer has changed; ask again"))
    }

    /// nginx's `auth_request` knows 200, 401 and 403 alone, and answers 500 to its client for anything else.
    fn nginx_or(&self, status: StatusCode) -> StatusCode {
        if self.dialect == Dialect::Original { StatusCode::FORBIDDEN } else { status }
    }

    /// An answer of this status with the headers that every answer carries.
    pub(super) fn start(&self, status: StatusCode) -> HttpResponseBuilder {
        let mut builder = HttpResponse::build(status);
        if self.state.is_leaving() {
            builder.force_close();
        }
        let id = HeaderValue::from_str(self.id.as_str()).unwrap_or_else(|_| HeaderValue::from_static(""));
        builder
            .insert_header((header::CACHE_CONTROL, HeaderValue::from_static("no-store")))
            .insert_header((REQUEST_ID, self.request_id.clone().unwrap_or_else(|| id.clone())))
            .insert_header((DECISION_ID, id));
        builder
    }

    /// What went wrong, for programs.
    pub(super) fn error_body(&self, error: &str, message: &str) -> Value {
        json!({ "error": error, "message": message, "decision_id": self.id.as_str() })
    }

    /// The login address with the exact URL asked for; `None` where no login is configured. A port that no
    /// sign-in may return to is not carried along.
    fn login_url(&self, target: &Target) -> Option<String> {
        let login = self.state.login.page("/login").filter(|_| !self.state.providers.is_empty())?;
        let url = target.url();
        let dead_end =
            self.state.login.knows_host(target.host().as_str()) && self.state.login.check(&url).is_none();
        Some(if dead_end { login } else { format!("{login}?rd={}", percent_encode(&url)) })
    }
}
