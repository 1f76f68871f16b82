//! One visit to the gateway's own pages: when, from where, to which host, by whom, and how to answer.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use serde_json::json;

use super::callers::{Recognised, SignedIn};
use super::forwarded;
use super::identity_headers::percent_encode;
use super::limits::Refused;
use super::pages::{Action, Forbidden, Href, Page, Pages, Problem, Trouble};
use super::state::State;
use crate::audit::SignInEvent;
use crate::clock::Timestamp;
use crate::identity::ids::DecisionId;
use crate::policy::decision::Reason;
use crate::policy::target::Host;

/// The request id of every answer.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Where the one button of a problem's page leads.
#[derive(Clone, Copy, Debug)]
pub enum Then<'a> {
    /// To the account page.
    Home,
    /// To signing in, for this address (empty: for the account page).
    SignIn(&'a str),
}

/// What every page handler starts with.
pub struct Visit<'a> {
    /// What handlers may use.
    pub state: &'a State,
    /// The request.
    pub request: &'a HttpRequest,
    /// Read once.
    pub now: Timestamp,
    /// Shown at the foot of pages and in the log.
    pub id: DecisionId,
    /// The client's address.
    pub client: IpAddr,
}

/// Whether a path is one of the REST API, and not the page about it.
fn is_of_the_api(path: &str) -> bool {
    path.strip_prefix("/api/v1/").is_some_and(|rest| !rest.is_empty())
}

impl<'a> Visit<'a> {
    /// Reads clock and address, once.
    #[must_use]
    pub fn new(request: &'a HttpRequest, state: &'a State) -> Self {
        let peer = request.peer_addr().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |address| address.ip());
        let client = forwarded::client(request.headers(), peer, &state.config.server.trusted_proxies);
        Self { state, request, now: state.clock.now(), id: state.ids.next(), client }
    }

    /// The host, and port unless it is the scheme's default, that the browser asked: the proxy's word when a
    /// trusted one forwarded it, else the `Host` header. `None` when that makes no sense.
    #[must_use]
    pub fn authority(&self) -> Option<String> {
        let headers = self.request.headers();
        let peer = self.request.peer_addr()?.ip();
        let mut forwarded = headers.get_all("x-forwarded-host");
        let named = match (forwarded.next(), forwarded.next()) {
            (Some(host), None) if forwarded::is_trusted(peer, &self.state.config.server.trusted_proxies) => {
                host
            }
            _ => headers.get(header::HOST)?,
        };
        let (host, port) = Host::parse_with_port(named.as_bytes()).ok()?;
        let default = if self.state.login.wants_https() { 443 } else { 80 };
        let port = port.filter(|port| *port != default);
        Some(port.map_or_else(|| host.as_str().to_owned(), |port| format!("{}:{port}", host.as_str())))
    }

    /// `scheme://authority` of one of our hosts.
    #[must_use]
    pub fn scheme_and(&self, authority: &str) -> String {
        let scheme = if self.state.login.wants_https() { "https" } else { "http" };
        format!("{scheme}://{authority}")
    }

    /// Whether this is another host than the gateway's own, and one that sign-ins are handed over to. The
    /// gateway's pages live on its own host only; there, a cookie of their own would mean nothing.
    #[must_use]
    pub fn elsewhere(&self) -> Option<String> {
        let authority = self.authority()?;
        if self.state.login.own_authority().as_deref() == Some(&authority) {
            return None;
        }
        self.state.login.check(&format!("{}/", self.scheme_and(&authority))).map(|to| to.authority())
    }

    /// Who is signed in here, by the cookie of the gateway's own host.
    pub async fn who(&self) -> Recognised {
        match self.state.login.own_host() {
            Some(host) => {
                let policy = self.state.policy.load();
                self.state.callers.recognise(self.request.headers(), host, &policy, self.now).await
            }
            None => Recognised::Nobody,
        }
    }

    /// The signed-in person, when that is certain.
    pub async fn signed_in(&self) -> Option<Arc<SignedIn>> {
        match self.who().await {
            Recognised::SignedIn(who) => Some(who),
            Recognised::Nobody | Recognised::Unchecked => None,
        }
    }

    /// Whether a program asks rather than a person. Outside the pages there is little else, and few programs say
    /// what they accept.
    #[must_use]
    pub fn wants_json(&self) -> bool {
        let below = self.request.path().strip_prefix(self.state.config.server.base_path.as_str());
        if below.is_some_and(is_of_the_api) {
            return true;
        }
        let accepts = |kind| {
            let mut lines = self.request.headers().get_all(header::ACCEPT);
            lines.any(|accept| accept.to_str().unwrap_or_default().contains(kind))
        };
        (accepts("application/json") || below.is_none()) && !accepts("text/html")
    }

    /// An answer with the headers that every answer of these pages carries (OWASP secure headers; RFC 9700
    /// §4.16 for framing, §4.2.4 for the referrer).
    #[must_use]
    pub fn respond(&self, status: StatusCode) -> HttpResponseBuilder {
        let mut builder = HttpResponse::build(status);
        if self.state.is_leaving() {
            builder.force_close();
        }
        builder
            .insert_header((header::CACHE_CONTROL, HeaderValue::from_static("no-store")))
            .insert_header((header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")))
            .insert_header((header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")))
            .insert_header(("Cross-Origin-Opener-Policy", "same-origin"))
            .insert_header((header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")))
            .insert_header((REQUEST_ID, self.id.as_str()));
        if self.state.login.wants_https() {
            builder.insert_header((
                header::STRICT_TRANSPORT_SECURITY,
                HeaderValue::from_static("max-age=31536000"),
            ));
        }
        builder
    }

    /// A page. Its forms may lead to `form_target` beside the gateway itself: a browser holds redirects after a
    /// form to the same list.
    #[must_use]
    pub fn page(&self, page: &Page<'_>, form_target: Option<&str>) -> HttpResponse {
        let csp = match form_target {
            Some(target) => self.state.pages.csp_with_form_action(target),
            None if page.has_script() => self.state.pages.csp_with_script(),
            None => self.state.pages.csp().to_owned(),
        };
        let status = StatusCode::from_u16(page.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let html = self.state.pages.render(page);
        self.respond(Pages::status_of(&html, status))
            .insert_header((header::CONTENT_SECURITY_POLICY, csp))
            .content_type("text/html; charset=utf-8")
            .body(html)
    }

    /// A redirect: 302, so that a form is never posted on.
    #[must_use]
    pub fn redirect(&self, to: &str) -> HttpResponse {
        self.redirecting(to).finish()
    }

    /// A redirect to which cookies can be added.
    #[must_use]
    pub fn redirecting(&self, to: &str) -> HttpResponseBuilder {
        let mut builder = self.respond(StatusCode::FOUND);
        builder.insert_header((header::LOCATION, to));
        builder
    }

    /// What went wrong and what to do, for people or for programs.
    #[must_use]
    pub fn trouble(&self, trouble: Trouble, then: Then<'_>) -> HttpResponse {
        self.trouble_with(trouble, then, None)
    }

    /// The same, naming the provider.
    #[must_use]
    pub fn trouble_with(&self, trouble: Trouble, then: Then<'_>, provider: Option<&str>) -> HttpResponse {
        let status = StatusCode::from_u16(trouble.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        tracing::info!(
            request_id = self.id.as_str(),
            status = status.as_u16(),
            trouble = trouble.as_str(),
            "answered with a page about a problem"
        );
        let mut response = if self.wants_json() {
            let body = json!({
                "error": trouble.as_str().replace('-', "_"), "message": trouble.title(),
                "request_id": self.id.as_str(),
            });
            self.respond(status).json(body)
        } else {
            let href = Href::new(self.address_of(then));
            let problem = Problem {
                kind: trouble,
                action: Action { label: trouble.button(), href },
                reference: Some(self.id.as_str()),
                provider_label: provider,
                domain: None,
            };
            self.page(&Page::Problem(problem), None)
        };
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
        }
        response
    }

    /// 403 for somebody who is known and lacks one of these roles.
    #[must_use]
    pub fn forbidden(&self, who: &SignedIn, roles: &[&str]) -> HttpResponse {
        let missing = Reason::MissingRole(roles.iter().map(|role| (*role).to_owned()).collect());
        if self.wants_json() {
            return self.respond(StatusCode::FORBIDDEN).json(json!({
                "error": "forbidden", "message": format!("forbidden: {missing}"),
                "request_id": self.id.as_str(),
            }));
        }
        // "Use another account": sign out first, or the provider would answer with the same one.
        let switch = self.state.login.page("/logout").map(Href::new);
        let page = Forbidden {
            who: Some(who.caller.display_name()),
            missing: &missing,
            target_host: self.state.login.own_host().unwrap_or_default(),
            switch_account_href: switch,
            decision_id: self.id.as_str(),
        };
        self.page(&Page::Forbidden(page), None)
    }

    /// 429, for people or for programs, with when to try again.
    #[must_use]
    pub fn too_many(&self, over: &Refused, then: Then<'_>) -> HttpResponse {
        let mut response = self.trouble(Trouble::TooManyRequests(over.secs()), then);
        for (name, value) in over.headers() {
            response.headers_mut().insert(name, value);
        }
        response
    }

    fn address_of(&self, then: Then<'_>) -> String {
        let login = &self.state.login;
        let address = match then {
            Then::Home => login.page("/"),
            Then::SignIn("") => login.page("/login"),
            Then::SignIn(to) => login.page("/login").map(|page| format!("{page}?rd={}", percent_encode(to))),
        };
        address.unwrap_or_else(|| "/".to_owned())
    }

    /// Writes what happened with a sign-in or session down.
    pub fn audit(&self, action: &'static str, reason: Option<String>, who: Option<&SignedIn>) {
        let event = SignInEvent {
            action,
            reason,
            provider: who.map(|who| who.payload.provider.as_str()),
            subject: who.map(|who| who.payload.subject.as_str()),
            user_id: who.map(|who| who.payload.user_id.as_str()),
            user: who.map(|who| who.payload.email.as_deref().unwrap_or(&who.payload.subject)),
            session: who.map(|who| who.payload.sid.short()),
            client: Some(self.client),
            request_id: self.id.as_str(),
        };
        self.state.audit.sign_in(&event, self.now);
    }
}
