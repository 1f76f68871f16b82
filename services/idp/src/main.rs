//! A stand-in OpenID provider for demos and tests: small, real over HTTP, and able to misbehave on demand.
//!
//! Layout: `config` what it is told · `account` who can sign in · `keys` signing · `state` what it knows ·
//! `authorize` → `token` → `provider` the flow in its order · `github` the same in GitHub's manner ·
//! `backchannel` logout tokens · `control` + `fault` misbehaviour · `page` what people see.

mod account;
mod authorize;
mod backchannel;
mod config;
mod control;
mod fault;
mod github;
mod keys;
mod page;
mod provider;
mod state;
#[cfg(test)]
mod tests;
mod token;

use std::{
    io::Write,
    net::{SocketAddr, TcpListener},
    process::ExitCode,
};

use actix_web::{App, HttpResponse, HttpServer, dev::Server, middleware::from_fn, web};

use crate::{
    config::{Config, Stop, USAGE},
    state::Idp,
};

#[actix_web::main]
async fn main() -> ExitCode {
    let (tied, args): (Vec<_>, Vec<_>) = std::env::args().skip(1).partition(|arg| arg == UNTIL_STDIN_CLOSES);
    if !tied.is_empty() {
        end_with_stdin();
    }
    match Config::read(args.into_iter(), |name| std::env::var(name).ok()) {
        Err(Stop::Help) => {
            say(&mut std::io::stdout(), USAGE);
            ExitCode::SUCCESS
        }
        Err(Stop::Bad(why)) => {
            say(&mut std::io::stderr(), &format!("idp: {why}\n\n{USAGE}"));
            ExitCode::from(2)
        }
        Ok(config) if config.health => match health(&config.listen).await {
            Ok(()) => ExitCode::SUCCESS,
            Err(why) => {
                say(&mut std::io::stderr(), &format!("idp: {why}"));
                ExitCode::FAILURE
            }
        },
        Ok(config) => match run(config).await {
            Ok(()) => ExitCode::SUCCESS,
            Err(why) => {
                say(&mut std::io::stderr(), &format!("idp: {why}"));
                ExitCode::FAILURE
            }
        },
    }
}

/// For whoever starts it as a helper: it ends when its standard input does, so it never outlives them.
const UNTIL_STDIN_CLOSES: &str = "--until-stdin-closes";

fn end_with_stdin() {
    std::thread::spawn(|| {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        std::process::exit(0);
    });
}

/// Writes a line. Nobody listening is no reason to stop.
fn say(to: &mut dyn Write, line: &str) {
    let _ = writeln!(to, "{line}").and_then(|()| to.flush());
}

async fn run(config: Config) -> Result<(), String> {
    let port_file = config.port_file.clone();
    let (server, address) = serve(config)?;
    say(&mut std::io::stdout(), &format!("listening on {address}"));
    if let Some(file) = port_file {
        // Under another name first, so that whoever waits for the file never reads half of it.
        let part = file.with_extension("part");
        std::fs::write(&part, address.port().to_string())
            .and_then(|()| std::fs::rename(&part, &file))
            .map_err(|e| format!("{}: {e}", file.display()))?;
    }
    server.await.map_err(|e| e.to_string())
}

/// Whether the one that listens at `listen` (on this machine) is well. Container images have no curl to ask with.
async fn health(listen: &str) -> Result<(), String> {
    let listen: SocketAddr = listen.parse().map_err(|e| format!("{listen}: {e}"))?;
    let url = format!("http://127.0.0.1:{}/healthz", listen.port());
    let client = reqwest::Client::builder().timeout(std::time::Duration::from_secs(2)).no_proxy().build();
    let asked = client.map_err(|e| e.to_string())?.get(url).send().await;
    asked.and_then(reqwest::Response::error_for_status).map(drop).map_err(|e| e.to_string())
}

/// A server that is bound and runs once awaited; SIGTERM ends it in at most 2 seconds.
fn serve(config: Config) -> Result<(Server, SocketAddr), String> {
    let listener = TcpListener::bind(&config.listen).map_err(|e| format!("{}: {e}", config.listen))?;
    let address = listener.local_addr().map_err(|e| e.to_string())?;
    let idp = web::Data::new(Idp::new(config, &address.to_string())?);
    let server = HttpServer::new(move || {
        App::new().app_data(idp.clone()).wrap(from_fn(fault::faults)).configure(|app| routes(app, &idp))
    })
    .workers(2)
    .shutdown_timeout(2)
    .listen(listener)
    .map_err(|e| e.to_string())?
    .run();
    Ok((server, address))
}

/// Every address: the provider's own at the root and below each prefix, the test controls at the root only.
fn routes(app: &mut web::ServiceConfig, idp: &Idp) {
    app.route("/healthz", web::get().to(|| async { HttpResponse::Ok().body("ok") }));
    if idp.control {
        app.service(
            web::resource("/control")
                .route(web::get().to(control::show))
                .route(web::post().to(control::set))
                .route(web::put().to(control::replace))
                .route(web::delete().to(control::reset)),
        )
        .route("/control/mint", web::post().to(control::mint))
        .route("/control/backchannel", web::post().to(control::send_logout));
    }
    for prefix in idp.prefixes() {
        app.service(web::scope(&prefix).configure(provider_routes));
    }
    app.configure(provider_routes);
}

fn provider_routes(app: &mut web::ServiceConfig) {
    app.route("/.well-known/openid-configuration", web::get().to(provider::discovery))
        .route("/jwks", web::get().to(provider::jwks))
        .route("/authorize", web::get().to(authorize::start))
        .route("/authorize", web::post().to(authorize::pick))
        .route("/token", web::post().to(token::token))
        .route("/userinfo", web::get().to(provider::userinfo))
        .route("/userinfo", web::post().to(provider::userinfo))
        .route("/end_session", web::get().to(provider::end_session))
        .route("/end_session", web::post().to(provider::end_session))
        .route("/login/oauth/authorize", web::get().to(authorize::start))
        .route("/login/oauth/authorize", web::post().to(authorize::pick))
        .route("/login/oauth/access_token", web::post().to(github::access_token))
        .route("/api/user", web::get().to(github::user))
        .route("/api/user/emails", web::get().to(github::emails));
}
