//! The sample service behind Doorward: greets whoever asks by name, and verifies the identity assertion the way
//! that every service behind the gateway should.
//!
//! Layout: `config` what it is told · `assertion` **the part to copy** · `identity` the headers · `page` the
//! greeting and a report · `may` asking the gateway what somebody may do · `echo` the request as it arrived, for tests.
//!
//! It believes its headers for greeting people, so it must be reachable only through the proxy.

mod assertion;
mod config;
mod echo;
mod identity;
mod may;
mod page;
#[cfg(test)]
mod tests;

use std::{
    io::Write,
    net::{SocketAddr, TcpListener},
    process::ExitCode,
    time::Duration,
};

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, dev::Server, web};

use crate::{
    assertion::Verifier,
    config::{Config, USAGE},
    identity::{Caller, values},
    page::Pages,
};

/// Unknown keys are asked for at most this often.
const COOL_DOWN: Duration = Duration::from_secs(10);

struct Foo {
    verifier: Option<Verifier>,
    pages: Pages,
    gateway: Option<may::Gateway>,
    prefix: String,
}

#[actix_web::main]
async fn main() -> ExitCode {
    match Config::read(std::env::args().skip(1), |name| std::env::var(name).ok()) {
        Ok(None) => {
            say(&mut std::io::stdout(), USAGE);
            ExitCode::SUCCESS
        }
        Err(why) => {
            say(&mut std::io::stderr(), &format!("foo: {why}\n\n{USAGE}"));
            ExitCode::from(2)
        }
        Ok(Some(config)) if config.health => match health(&config.listen).await {
            Ok(()) => ExitCode::SUCCESS,
            Err(why) => {
                say(&mut std::io::stderr(), &format!("foo: {why}"));
                ExitCode::FAILURE
            }
        },
        Ok(Some(config)) => match run(&config).await {
            Ok(()) => ExitCode::SUCCESS,
            Err(why) => {
                say(&mut std::io::stderr(), &format!("foo: {why}"));
                ExitCode::FAILURE
            }
        },
    }
}

/// Writes a line. Nobody listening is no reason to stop.
fn say(to: &mut dyn Write, line: &str) {
    let _ = writeln!(to, "{line}").and_then(|()| to.flush());
}

async fn run(config: &Config) -> Result<(), String> {
    let (server, address) = serve(config)?;
    say(&mut std::io::stdout(), &format!("listening on {address}"));
    if !config.port_file.is_empty() {
        // Under another name first, so that whoever waits for the file never reads half of it.
        let part = format!("{}.part", config.port_file);
        std::fs::write(&part, address.port().to_string())
            .and_then(|()| std::fs::rename(&part, &config.port_file))
            .map_err(|e| format!("{}: {e}", config.port_file))?;
    }
    server.await.map_err(|e| e.to_string())
}

/// Whether the one that listens at `listen` (on this machine) is well. Container images have no curl to ask with.
async fn health(listen: &str) -> Result<(), String> {
    let listen: SocketAddr = listen.parse().map_err(|e| format!("{listen}: {e}"))?;
    let url = format!("http://127.0.0.1:{}/healthz", listen.port());
    let client = reqwest::Client::builder().timeout(Duration::from_secs(2)).no_proxy().build();
    let asked = client.map_err(|e| e.to_string())?.get(url).send().await;
    asked.and_then(reqwest::Response::error_for_status).map(drop).map_err(|e| e.to_string())
}

/// A server that is bound and runs once awaited; SIGTERM ends it after the requests in flight (at most 5 s).
fn serve(config: &Config) -> Result<(Server, SocketAddr), String> {
    let listener = TcpListener::bind(&config.listen).map_err(|e| format!("{}: {e}", config.listen))?;
    let address = listener.local_addr().map_err(|e| e.to_string())?;
    let verifier = match config.jwks_url.as_str() {
        "" => None,
        url => {
            Some(Verifier::new(url, &config.issuer, &config.audience, COOL_DOWN).map_err(|e| e.to_string())?)
        }
    };
    let pages = Pages::new(config.prefix.clone(), config.logout_url.clone(), config.account_url.clone())
        .map_err(|e| e.to_string())?;
    let gateway = match config.authorize_url.as_str() {
        "" => None,
        url => Some(may::Gateway::new(url).map_err(|e| e.to_string())?),
    };
    let prefix = config.prefix.clone();
    let service = web::Data::new(Foo { verifier, pages, gateway, prefix: prefix.clone() });
    let server = HttpServer::new(move || {
        let app = App::new().app_data(service.clone());
        let app = match prefix.as_str() {
            "" => app,
            prefix => app.route(prefix, web::get().to(hello)).service(web::scope(prefix).configure(routes)),
        };
        app.configure(routes).default_service(web::to(echo::nowhere))
    })
    .workers(2)
    .shutdown_timeout(5)
    .listen(listener)
    .map_err(|e| e.to_string())?
    .run();
    Ok((server, address))
}

fn routes(app: &mut web::ServiceConfig) {
    // Three greetings, so that a policy can treat them differently: for people signed in, for all, for some.
    app.route("/", web::get().to(hello))
        .route("/public", web::get().to(hello))
        .route("/admin", web::get().to(hello))
        .route("/healthz", web::get().to(|| async { HttpResponse::Ok().body("ok") }))
        .route("/api/whoami", web::get().to(whoami))
        .route("/reports/{id:[A-Za-z0-9_-]+}", web::get().to(report))
        .route("/reports/{id:[A-Za-z0-9_-]+}/approve", web::post().to(approve))
        .route("/api/reports/{id:[A-Za-z0-9_-]+}", web::get().to(report_json))
        .route("/api/echo", web::to(echo::echo))
        .route("/api/echo/{rest:.*}", web::to(echo::echo));
}

async fn hello(service: web::Data<Foo>, req: HttpRequest) -> actix_web::Result<HttpResponse> {
    let caller = Caller::of(&req, service.verifier.as_ref()).await;
    service
        .pages
        .hello(&caller, |name| values(req.headers(), name))
        .map_err(actix_web::error::ErrorInternalServerError)
}

async fn whoami(service: web::Data<Foo>, req: HttpRequest) -> HttpResponse {
    HttpResponse::Ok().json(Caller::of(&req, service.verifier.as_ref()).await.json(&req))
}

impl Foo {
    async fn report(&self, id: &str, req: &HttpRequest) -> may::Report {
        may::Report::read(self.gateway.as_ref(), &self.prefix, id, req).await
    }
}

async fn report_json(service: web::Data<Foo>, req: HttpRequest, id: web::Path<String>) -> HttpResponse {
    service.report(&id, &req).await.json()
}

async fn report(
    service: web::Data<Foo>,
    req: HttpRequest,
    id: web::Path<String>,
) -> actix_web::Result<HttpResponse> {
    let report = service.report(&id, &req).await;
    service.pages.report(&report, false).map_err(actix_web::error::ErrorInternalServerError)
}

/// Who gets here may: the gateway lets nobody else through. Nothing is kept; this is a sample.
async fn approve(
    service: web::Data<Foo>,
    req: HttpRequest,
    id: web::Path<String>,
) -> actix_web::Result<HttpResponse> {
    let report = service.report(&id, &req).await;
    service.pages.report(&report, true).map_err(actix_web::error::ErrorInternalServerError)
}
