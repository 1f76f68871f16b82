//! The steps of a check, each by itself and all of them together. The criterion benches time them; `instructions`
//! counts what they execute.

use std::future::Future;
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use actix_web::HttpRequest;
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::test::TestRequest;
use actix_web::web::Data;
use anyhow::{Context as _, anyhow, ensure};
use doorward::clock::SystemClock;
use doorward::http::forwarded::{self, Dialect, Line};
use doorward::http::state::State;
use doorward::http::{callers::Recognised, forward_auth};
use doorward::policy::Policy;
use doorward::policy::decision::{Caller, Decision, Subject};
use doorward::policy::target::{Scheme, Target};
use doorward::server::{self, Running};

use crate::gateway;
use crate::requests::{ASKED, Credential, HOST, headers};

/// One step, to be done as often as wanted.
pub struct Step {
    /// What it is called in reports.
    pub name: &'static str,
    /// Does it once.
    pub once: Box<dyn FnMut()>,
}

/// All steps, and the gateway that they use.
pub struct Steps {
    /// In the order of a check.
    pub all: Vec<Step>,
    /// Serves nobody; holds the store and the tasks behind it.
    pub gateway: Running,
    _dir: tempfile::TempDir,
}

/// Makes a gateway and every step, or the one that is called `only`. Each was tried once and did what it should. To
/// be called on an actix runtime.
///
/// # Errors
/// When the gateway cannot be made, or a step does something else than it is for.
pub async fn steps(only: Option<&str>) -> anyhow::Result<Steps> {
    let dir = tempfile::tempdir()?;
    let config = gateway::configure(dir.path(), "127.0.0.1:0", 10, "")?;
    let gateway = server::start(config, Arc::new(SystemClock)).await?;
    let state = gateway.state.clone();
    let now = state.clock.now();
    let cookies = gateway::sign_in(state.store.as_ref(), &state.cookies, 1, now).await?;
    let cookie = cookies.into_iter().next().context("nobody signed in")?;
    // Once as any first request, so that what follows finds the session known.
    let request = request(&cookie)?;
    let first = forward_auth::forwarded(request.clone(), state.clone()).await;
    ensure!(first.status() == 200, "the check says {}", first.status());

    let mut all = vec![
        target(),
        read(&request),
        open(&state, &cookie)?,
        recognise(&state, &request)?,
        check(state, request),
    ];
    // The only ones that take long to make.
    for (name, rules) in [("policy of 10 rules", 10), ("policy of 10,000 rules", 10_000)] {
        if only.is_none_or(|only| only == name) {
            all.push(decide(name, rules)?);
        }
    }
    all.retain(|step| only.is_none_or(|only| only == step.name));
    Ok(Steps { all, gateway, _dir: dir })
}

fn request(cookie: &str) -> anyhow::Result<HttpRequest> {
    let mut request = TestRequest::get().uri("/auth").peer_addr((Ipv4Addr::LOCALHOST, 40_000).into());
    for (name, value) in headers(Credential::Session(cookie)) {
        let name = HeaderName::from_bytes(name.to_lowercase().as_bytes())?;
        request = request.insert_header((name, HeaderValue::from_str(&value)?));
    }
    Ok(request.to_http_request())
}

fn asked() -> anyhow::Result<Target> {
    let (method, proto, uri) = ASKED;
    Ok(Target::parse(method.as_bytes(), proto.as_bytes(), HOST.as_bytes(), uri.as_bytes())?)
}

fn target() -> Step {
    let once = || {
        let _ = black_box(asked());
    };
    Step { name: "target", once: Box::new(once) }
}

fn read(request: &HttpRequest) -> Step {
    let request = request.clone();
    let trusted: [ipnet::IpNet; 1] = [IpAddr::V4(Ipv4Addr::LOCALHOST).into()];
    let once = move || {
        let headers: &HeaderMap = request.headers();
        let _ = black_box(forwarded::read(
            black_box(headers),
            Line { method: "GET", target: "/auth", scheme: Scheme::Https },
            Dialect::Forwarded,
            IpAddr::V4(Ipv4Addr::LOCALHOST),
            &trusted,
        ));
    };
    Step { name: "forwarded", once: Box::new(once) }
}

fn decide(name: &'static str, rules: usize) -> anyhow::Result<Step> {
    let policy =
        Policy::parse("policy.yaml", &gateway::policy_of(rules)).map_err(|faults| anyhow!("{faults:?}"))?;
    let target = asked()?;
    let (roles, permissions) =
        (["staff".to_owned()], ["reports:read".to_owned(), "reports:write".to_owned()]);
    let subject = Subject { roles: &roles, permissions: &permissions, audiences: None };
    let decision = policy.find(&target).decide(Caller::Known(subject));
    ensure!(matches!(decision, Decision::Allow(_)), "{name}: {decision:?}");
    let once = move || {
        let subject = Subject { roles: &roles, permissions: &permissions, audiences: None };
        black_box(policy.find(black_box(&target)).decide(Caller::Known(subject)));
    };
    Ok(Step { name, once: Box::new(once) })
}

fn open(state: &Data<State>, cookie: &str) -> anyhow::Result<Step> {
    let (state, now) = (state.clone(), state.clock.now());
    let (_, value) = cookie.split_once('=').context("a cookie without a value")?;
    let value = value.to_owned();
    ensure!(state.cookies.open(&value, HOST, now).is_some(), "the cookie does not open");
    let once = move || {
        let _ = black_box(state.cookies.open(black_box(&value), HOST, now));
    };
    Ok(Step { name: "cookie opened", once: Box::new(once) })
}

fn recognise(state: &Data<State>, request: &HttpRequest) -> anyhow::Result<Step> {
    let (state, request) = (state.clone(), request.clone());
    let policy = Arc::clone(&state.policy.load());
    let known = move || {
        let now = state.clock.now();
        at_once(state.callers.recognise(request.headers(), HOST, &policy, now))
    };
    ensure!(matches!(known(), Some(Recognised::SignedIn(_))), "the caller is not recognised at once");
    let once = move || {
        black_box(known());
    };
    Ok(Step { name: "caller recognised", once: Box::new(once) })
}

fn check(state: Data<State>, request: HttpRequest) -> Step {
    let once = move || {
        black_box(at_once(forward_auth::forwarded(request.clone(), state.clone())));
    };
    Step { name: "check", once: Box::new(once) }
}

/// What is known in the process is told without waiting: no runtime has a part in what is measured.
fn at_once<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}
