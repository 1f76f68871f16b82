//! `doorward doctor`: a look at a running set-up, from outside and, with its configuration, from inside.
//!
//! In this order: is Doorward asked about the address at all (`asked`)? Can people sign in and come back (`login`, `session`)?
//! What of a client does the proxy believe (`claims`), and what of it reaches services (`echo`)? What is open that should
//! not be (`exposed`)? Do provider, clock and gateway work (`provider`, `clock`, `inside`)?
//!
//! Nothing is claimed that was not seen: `report::Outcome` has three values. No answer is trusted: what comes back is read as
//! far as it says something about the set-up, nothing is followed, and only hosts that the operator named are asked.

mod ask;
mod asked;
mod change;
mod claims;
mod clock;
mod cookie;
mod echo;
mod exposed;
mod inside;
mod login;
mod provider;
mod report;
mod said;
mod session;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, anyhow, ensure};
use clap::Args;
use openidconnect::http::HeaderValue;
use url::Url;

use self::ask::{Asker, Credential, Question};
use self::change::{Change, Proxy, Topic, change};
use self::report::Report;
use super::ConfigFile;
use crate::cli;
use crate::config::Config;
use crate::identity::outgoing::{Outgoing, is_loopback};

/// The end of `doctor --help`.
pub(super) const MORE: &str = "\
Examples:
  doorward doctor https://app.example.com/
  doorward doctor https://app.example.com/ --echo https://app.example.com/public/headers
  doorward doctor https://app.example.com/ --config doorward.yaml --json | jq '.checks[] | select(.outcome == \"finding\")'

URL is a protected address: one that nobody may see without signing in. Run it from where your users are, as it can only \
say what is seen from where it runs.

What it cannot see it calls \"unchecked\", and says what to give:
  --echo URL           an address behind the proxy whose answer shows the headers that the service got (a whoami): whether \
a client's X-Auth-User, and aliases of it, reach services
  --config FILE        the gateway's configuration: its provider, clock, store and settings
  --inside URL         where the gateway itself answers, if that is not server.listen on this machine
  --external-url URL   where people sign in, if that is another host than URL's
  --issuer URL         the provider, where there is no configuration at hand
  --cookie-file, --token-file   a credential: whether it is accepted, and kept from services

It asks some eighty times, changes nothing and signs nobody in. It begins one sign-in for each provider and cancels it: a \
line `sign_in_refused` in the audit log. Credentials are sent to URL's own host alone, and no redirect is followed.

docs/doctor.md has every check, and the form of the JSON.

Exit status: 0 nothing is wrong (something may be unchecked), 1 findings, 2 bad usage or configuration.";

#[derive(Debug, Args)]
pub(super) struct Doctor {
    /// A protected address of a service, as browsers ask for it.
    url: String,
    /// The gateway's configuration, to look at the inside too.
    #[arg(long, short, value_name = "FILE", env = "DOORWARD_CONFIG")]
    config: Option<PathBuf>,
    /// The proxy, where it is not recognised: whose lines are told.
    #[arg(long, value_enum, value_name = "NAME")]
    proxy: Option<Proxy>,
    /// An address behind the proxy whose answer shows the headers that the service got.
    #[arg(long, value_name = "URL")]
    echo: Option<String>,
    /// Where people sign in, if that is another host.
    #[arg(long, value_name = "URL")]
    external_url: Option<String>,
    /// An OpenID provider's issuer, beside those of the configuration.
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,
    /// Where the gateway itself answers; with --config on server.listen, on this machine.
    #[arg(long, value_name = "URL")]
    inside: Option<String>,
    /// A file with the text of a `Cookie` header (`__Host-doorward=...`).
    #[arg(long, value_name = "FILE", conflicts_with = "token_file")]
    cookie_file: Option<PathBuf>,
    /// A file with a bearer or API token.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Send the credential without TLS to another machine.
    #[arg(long)]
    insecure_http: bool,
    /// Connect to this address for URL's host, the sign-in's and the echo's, whatever their names lead to.
    #[arg(long, value_name = "IP:PORT")]
    connect: Option<SocketAddr>,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

/// What is examined, and with what.
struct Case {
    url: Url,
    asker: Asker,
    proxy: Option<Proxy>,
    config: Option<Config>,
    /// Where people sign in, as the operator says it.
    external: Option<Url>,
    echo: Option<Url>,
    inside: Option<Url>,
    issuer: Option<String>,
    /// For providers, which `--connect` does not lead to.
    outgoing: Outgoing,
}

pub(super) fn run(doctor: &Doctor) -> ExitCode {
    // As for the other commands: an empty DOORWARD_CONFIG is an unset one.
    let file = doctor.config.clone().filter(|path| path != Path::new(""));
    let config = match file.map(|path| ConfigFile { config: Some(path) }.load()).transpose() {
        Ok(config) => config,
        Err(faults) => return cli::refuse(&faults),
    };
    let case = match Case::new(doctor, config) {
        Ok(case) => case,
        Err(error) => return usage(&error),
    };
    let report = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(case.examine()),
        Err(error) => return cli::fail(&anyhow!(error).context("no runtime")),
    };
    let text = if doctor.json {
        format!("{:#}", serde_json::to_value(&report).unwrap_or_default())
    } else {
        report.text()
    };
    cli::put(&text, if report.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What is wrong with how it was asked.
fn usage(error: &anyhow::Error) -> ExitCode {
    cli::fail(error);
    ExitCode::from(2)
}

impl Case {
    fn new(doctor: &Doctor, config: Option<Config>) -> anyhow::Result<Self> {
        let url = address("URL", &doctor.url)?;
        let given = |name, text: &Option<String>| text.as_deref().map(|text| address(name, text)).transpose();
        let external = given("--external-url", &doctor.external_url)?
            .or_else(|| config.as_ref()?.server.external_url.clone());
        let echo = given("--echo", &doctor.echo)?;
        let inside =
            given("--inside", &doctor.inside)?.or_else(|| config.as_ref().and_then(inside::of_config));
        let credential = credential(doctor)?;
        let stays_here = is_loopback(&url) && doctor.connect.is_none_or(|address| address.ip().is_loopback());
        ensure!(
            credential.is_none() || url.scheme() == "https" || stays_here || doctor.insecure_http,
            "{}: it must begin with https://, as a credential goes there (--insecure-http sends it all the same)",
            doctor.url
        );
        let outgoing = Outgoing::new().map_err(|error| anyhow!(error))?;
        let to_site = match doctor.connect {
            // A proxy of the environment would be asked about this machine, too.
            None if is_loopback(&url) => Outgoing::direct().map_err(|error| anyhow!(error))?,
            None => outgoing.clone(),
            Some(address) => {
                let sites = [Some(&url), external.as_ref(), echo.as_ref()];
                let hosts: Vec<&str> = sites.into_iter().flatten().filter_map(Url::host_str).collect();
                Outgoing::connecting(&hosts, address).map_err(|error| anyhow!(error))?
            }
        };
        Ok(Self {
            asker: Asker::new(to_site, url.clone(), credential),
            url,
            proxy: doctor.proxy,
            config,
            external,
            echo,
            inside,
            issuer: doctor.issuer.clone(),
            outgoing,
        })
    }

    async fn examine(mut self) -> Report {
        let mut checks = Vec::new();
        let proxy_by = self.recognise_proxy().await;
        let seen = asked::look(&self, &mut checks).await;
        let mut gateway_ahead = None;
        if let Some(seen) = &seen {
            let providers = provider::look(&self, &mut checks).await;
            if let Some(login) = &seen.login {
                gateway_ahead = login::look(&self, login, &providers, &mut checks).await;
                claims::look(&self, seen, &mut checks).await;
            }
            echo::look(&self, seen, &mut checks).await;
            exposed::look(&self, seen, &mut checks).await;
            let inside_ahead = inside::look(&self, &mut checks).await;
            checks.push(clock::judge(inside_ahead.or(gateway_ahead), &providers));
        }
        Report::new(self.url.as_str(), self.proxy, &proxy_by, self.config.is_some(), checks)
    }

    /// Who answers, by its own word or by its manner. Returns how it was found out.
    async fn recognise_proxy(&mut self) -> String {
        if self.proxy.is_some() {
            return "--proxy".to_owned();
        }
        // Doorward itself answers this wherever it is asked, and it says nothing about who carries its answers.
        let question = Question::program(&self.url).with("x-http-method-override", "PATCH");
        let Ok(answer) = self.asker.ask(question).await else {
            return "nothing answers".to_owned();
        };
        let word = |name: &str| answer.header(name).unwrap_or_default().to_owned();
        for (name, says) in [("Server", word("server")), ("Via", word("via"))] {
            let small = says.to_ascii_lowercase();
            let known = [Proxy::Nginx, Proxy::Caddy, Proxy::Envoy, Proxy::Traefik];
            self.proxy = known.into_iter().find(|proxy| small.contains(proxy.name()));
            if self.proxy.is_some() {
                return format!("{name}: {says}");
            }
        }
        // Of the four, Traefik alone says nothing about itself.
        if answer.header("server").is_none() && said::Said::of(&answer).is_doorwards() {
            self.proxy = Some(Proxy::Traefik);
            return "it says nothing about itself, as Traefik does; --proxy NAME says otherwise".to_owned();
        }
        // Its router's own words, where no rule fits.
        let nowhere = said::own_page(&self.url, "", &format!("/{}", random_name()));
        let stray = Question::program(&nowhere).with("host", "doorward-doctor.invalid");
        if let Ok(answer) = self.asker.ask(stray).await
            && answer.status == 404
            && answer.text() == "404 page not found\n"
            && answer.header("server").is_none()
        {
            self.proxy = Some(Proxy::Traefik);
            return "its 404 is Traefik's; --proxy NAME says otherwise".to_owned();
        }
        "--proxy NAME says which lines to tell".to_owned()
    }

    fn change(&self, topic: &Topic<'_>) -> Change {
        change(self.proxy, topic)
    }

    /// Whether the operator named this host and port: as the address, as where people sign in, or as the echo.
    fn is_named(&self, url: &Url) -> bool {
        let named = [Some(&self.url), self.external.as_ref(), self.echo.as_ref()];
        named.into_iter().flatten().any(|named| authority(named) == authority(url))
    }
}

/// Host and port as they are written in an address, without a port that the scheme implies.
fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// An address that can be asked.
fn address(name: &str, text: &str) -> anyhow::Result<Url> {
    let mut url = Url::parse(text)
        .with_context(|| format!("{name} {text:?}: write it whole, like https://app.example.com/"))?;
    ensure!(
        matches!(url.scheme(), "http" | "https") && url.host().is_some(),
        "{name} {text:?}: it must begin with https:// or http://"
    );
    ensure!(
        url.username().is_empty() && url.password().is_none(),
        "{name}: no password goes into an address; --cookie-file and --token-file take credentials"
    );
    url.set_fragment(None);
    Ok(url)
}

fn credential(doctor: &Doctor) -> anyhow::Result<Option<Credential>> {
    let read = |name: &str, file: &Path, before: &str| {
        let text = std::fs::read_to_string(file).with_context(|| format!("{name} {}", file.display()))?;
        let text = text.trim().trim_start_matches("Cookie:").trim_start();
        ensure!(!text.is_empty(), "{name} {}: it is empty", file.display());
        let mut value = HeaderValue::from_str(&format!("{before}{text}"))
            .map_err(|_| anyhow!("{name} {}: it must be one line, as a header has it", file.display()))?;
        value.set_sensitive(true);
        Ok(value)
    };
    match (&doctor.cookie_file, &doctor.token_file) {
        (Some(file), _) => read("--cookie-file", file, "").map(|value| Some(Credential::Cookie(value))),
        (None, Some(file)) => {
            read("--token-file", file, "Bearer ").map(|value| Some(Credential::Token(value)))
        }
        (None, None) => Ok(None),
    }
}

/// A name that nobody else has.
fn random_name() -> String {
    crate::identity::ids::random::<16>().unwrap_or_else(|_| "doorward-doctor-probe".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_help_teaches() {
        let mut cli = crate::cli::Cli::command();
        let help = cli.find_subcommand_mut("doctor").unwrap().render_long_help().to_string();
        for word in [
            "--echo URL",
            "--config FILE",
            "--cookie-file",
            "DOORWARD_CONFIG",
            "from where your users are",
            "unchecked",
            "sign_in_refused",
            "docs/doctor.md",
            "Exit status",
        ] {
            assert!(help.contains(word), "{word} is not in\n{help}");
        }
    }
}
