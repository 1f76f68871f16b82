//! From values as written to the [`Config`]: each checked on its own, then against each other. Every fault is
//! reported; what is wrong gets a stand-in that never leaves this module, because a load with faults returns no
//! [`Config`].

use std::fs;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::fault::{Fault, Faults, shown};
use super::raw::Raw;
use super::table::{Table, Value};
use super::{
    Audit, AuditDecisions, Config, ForwardAuth, LogFormat, Login, Ops, Pages, Policy, Server, Session,
    UserHeaderFormat, bearer, parse, provider, secret, store, tokens,
};

const HOUR: Duration = Duration::from_secs(3600);

/// Browsers keep no cookie longer than 400 days (RFC 6265bis section 5.5).
const LONGEST: Duration = Duration::from_secs(400 * 24 * 3600);

/// Half a million lines or so.
const AUDIT_SIZE: u64 = 100 * 1024 * 1024;

/// A logo is sent with every page.
const LOGO_LIMIT: u64 = 64 * 1024;

/// Checks everything; faults go to `faults`.
pub(super) fn config(mut raw: Raw, faults: &mut Faults) -> Config {
    let mut warnings = Vec::new();
    let entries = std::mem::take(&mut raw.providers);
    let bearer = std::mem::take(&mut raw.issuers);
    let mut section = |name: &str| raw.section(name).map(std::mem::take).unwrap_or_default();

    let data_dir =
        section("").text("data_dir").map_or_else(|| PathBuf::from("/var/lib/doorward"), PathBuf::from);
    let table = section("server");
    let server = server(&table, faults, &mut warnings);
    let providers = provider::all(&entries, faults, &mut warnings);
    let issuers = bearer::all(&bearer, &providers, faults, &mut warnings);
    if !entries.is_empty() && table.written("external_url").is_none() {
        let message = "is missing; people can sign in only where browsers can reach the gateway: write its origin, \
            such as `https://auth.example.com`";
        table.fault("external_url", message, faults);
    }
    let session = session(&section("session"), server.external_url.as_ref(), faults);
    let store = store::store(&section("store"), &data_dir, faults, &mut warnings);
    let token_table = section("tokens");
    if store.is_redis() && token_table.written("pepper").or(token_table.written("pepper_file")).is_none() {
        let message = "is missing; where Redis is the store every gateway must digest tokens alike: write \
            `tokens.pepper_file` (or set `PEPPER`), with what `doorward keys new` makes";
        token_table.fault("pepper", message, faults);
    }
    Config {
        session,
        server,
        ops: ops(&section("ops"), faults),
        login: login(&section("login"), faults),
        providers,
        issuers,
        policy: policy(&section("policy"), faults, &mut warnings),
        store,
        forward_auth: forward_auth(&section("forward_auth"), faults),
        audit: audit(&section("audit"), faults),
        tokens: tokens::tokens(&token_table, faults),
        rate_limit: tokens::rate_limit(&section("rate_limit"), faults),
        admin: tokens::admin(&section("admin"), faults),
        pages: pages(&section("pages"), faults),
        log: log(&section("log"), faults),
        data_dir,
        warnings,
    }
}

/// With nothing configured at all: names what is still needed for the shortest way to a running gateway.
pub(super) fn shortest_way(raw: &mut Raw, faults: &mut Faults) {
    let has_url = raw.section("server").is_some_and(|table| table.written("external_url").is_some());
    if !has_url {
        let message = "is not set; write the origin where browsers reach the gateway, such as \
            `https://auth.example.com` (`http://localhost:8000` to try it out)";
        faults.push(Fault::new("DOORWARD_SERVER_EXTERNAL_URL", None, message));
    }
    let message = "is not set; write the id of an OAuth client of type \"web application\" from the Google Cloud \
        console (APIs & Services, Credentials)";
    faults.push(Fault::new("GOOGLE_CLIENT_ID", None, message));
    let message = "is not set; write that client's secret, or its file's path into `GOOGLE_CLIENT_SECRET_FILE` \
        (these three variables are enough; everything else goes into a file: `--config doorward.yaml`)";
    faults.push(Fault::new("GOOGLE_CLIENT_SECRET", None, message));
}

fn server(table: &Table, faults: &mut Faults, warnings: &mut Vec<String>) -> Server {
    let external_url = table.parse("external_url", faults, parse::origin);
    if let Some(url) = &external_url
        && url.scheme() == "http"
        && !parse::is_loopback(url)
    {
        if table.flag("insecure_http_external_url") {
            warnings.push(
                "server.external_url is plain http: sessions and sign-ins can be read on the way".to_owned(),
            );
        } else {
            let message = "is plain http, so sessions could be read on the way; write `https://…` \
                (or set `server.insecure_http_external_url: true`)";
            table.fault("external_url", message, faults);
        }
    }
    let trusted_proxies = table.each("trusted_proxies", faults, parse::network).unwrap_or_else(|| {
        vec![
            IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8)),
            IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::LOCALHOST, 128)),
        ]
    });
    if let Some(wide) = trusted_proxies.iter().find(|net| parse::is_everyone(net)) {
        if table.flag("insecure_trust_everyone") {
            warnings.push(format!(
                "server.trusted_proxies has {wide}: whoever reaches the listener can claim to be the proxy"
            ));
        } else {
            let message = format!(
                "{wide} trusts everyone to be the proxy; list the proxy's own network, like `172.20.0.0/16` \
                 (or set `server.insecure_trust_everyone: true`)"
            );
            table.fault("trusted_proxies", message, faults);
        }
    }
    Server {
        listen: table
            .parse("listen", faults, parse::listen)
            .unwrap_or(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 8000))),
        external_url,
        base_path: table.parse("base_path", faults, parse::base_path).unwrap_or_else(|| "/rbac".to_owned()),
        drain: table.parse("drain", faults, parse::duration).unwrap_or(Duration::from_secs(2)),
        workers: table.parse("workers", faults, parse::workers).unwrap_or_else(parse::cores),
        trusted_proxies,
    }
}

fn ops(table: &Table, faults: &mut Faults) -> Ops {
    let off = table.get("listen").is_some_and(|setting| match &setting.value {
        Value::Null => true,
        Value::Text(text) => text == "none",
        _ => false,
    });
    let listen = if off { None } else { table.parse("listen", faults, parse::listen) };
    let default = (!off).then_some(SocketAddr::from((Ipv4Addr::LOCALHOST, 9000)));
    Ops { listen: listen.or(default) }
}

fn session(table: &Table, external: Option<&Url>, faults: &mut Faults) -> Session {
    let lifetime = table.parse("lifetime", faults, |text| match parse::duration(text)? {
        span if span < Duration::from_secs(1) => {
            Err("must be at least `1s`: a session without a limit cannot be had".to_owned())
        }
        span if span > LONGEST => Err("must be at most `400d`: browsers keep no cookie longer".to_owned()),
        span => Ok(span),
    });
    let idle = table.parse("idle", faults, parse::duration).unwrap_or(HOUR);
    Session {
        lifetime: lifetime.unwrap_or(8 * HOUR),
        idle: Some(idle).filter(|idle| !idle.is_zero()),
        cookie_domain: table.parse("cookie_domain", faults, |text| parse::cookie_domain(text, external)),
        keys: session_keys(table, faults),
        store_grace: table.parse("store_grace", faults, parse::duration).unwrap_or(Duration::from_secs(60)),
    }
}

fn session_keys(table: &Table, faults: &mut Faults) -> Option<Vec<SecretString>> {
    let text = table.parse("keys_file", faults, |path| secret::read(path.as_ref()));
    let (key, written): (_, Vec<SecretString>) = match &text {
        Some(text) => ("keys_file", secret::lines(text.expose_secret()).map(SecretString::from).collect()),
        None => ("keys", table.list("keys")?.iter().map(|key| SecretString::from(key.as_str())).collect()),
    };
    if written.is_empty() {
        table.fault(key, "has no key; `doorward keys new` makes one", faults);
    }
    let mut keys: Vec<SecretString> = Vec::new();
    for (n, text) in written.iter().enumerate() {
        match secret::session_key(text.expose_secret()) {
            Ok(new) if keys.iter().any(|old| old.expose_secret() == new.expose_secret()) => {
                table.fault(key, format!("key {} is there twice; keep the newer place", n + 1), faults);
            }
            Ok(new) => keys.push(new),
            Err(message) => table.fault(key, format!("key {} {message}", n + 1), faults),
        }
    }
    Some(keys)
}

fn login(table: &Table, faults: &mut Faults) -> Login {
    Login { return_hosts: table.each("return_hosts", faults, parse::return_host).unwrap_or_default() }
}

fn policy(table: &Table, faults: &mut Faults, warnings: &mut Vec<String>) -> Policy {
    let public = table.each("public", faults, parse::path_prefix).unwrap_or_default();
    if public.iter().any(|prefix| prefix == "/") {
        warnings.push("policy.public has `/`: every path of every service is open to everybody".to_owned());
    }
    Policy { file: table.parse("file", faults, readable), public }
}

/// A file that can be read now, so that a slip in its name is among the other faults.
fn readable(text: &str) -> Result<PathBuf, String> {
    match fs::File::open(text).and_then(|file| file.metadata()) {
        Ok(meta) if meta.is_file() => Ok(PathBuf::from(text)),
        Ok(_) => Err(format!("{} is no file", shown(text))),
        Err(error) => Err(format!("cannot read {}: {error}", shown(text))),
    }
}

fn forward_auth(table: &Table, faults: &mut Faults) -> ForwardAuth {
    let words = [("plain", UserHeaderFormat::Plain), ("json", UserHeaderFormat::Json)];
    ForwardAuth {
        user_header_format: table
            .parse("user_header_format", faults, |text| parse::one_of(text, &words))
            .unwrap_or(UserHeaderFormat::Plain),
        strip_credentials: table.flag("strip_credentials"),
    }
}

fn audit(table: &Table, faults: &mut Faults) -> Audit {
    let words = [
        ("all", AuditDecisions::All),
        ("denied", AuditDecisions::Denied),
        ("sampled", AuditDecisions::Sampled),
    ];
    Audit {
        decisions: table
            .parse("decisions", faults, |text| parse::one_of(text, &words))
            .unwrap_or(AuditDecisions::Denied),
        file: table.text("file").map(PathBuf::from),
        max_size: match table.parse("max_size", faults, parse::size) {
            Some(0) => None,
            Some(size) => Some(size),
            None => Some(AUDIT_SIZE),
        },
        keep: table.parse("keep", faults, parse::kept).unwrap_or(5),
    }
}

fn pages(table: &Table, faults: &mut Faults) -> Pages {
    Pages {
        name: table
            .parse("name", faults, |text| parse::line(text, 64))
            .unwrap_or_else(|| "Doorward".to_owned()),
        accent: table.parse("accent", faults, |text| {
            let hex = text.strip_prefix('#').unwrap_or_default();
            if hex.len() == 6 && hex.bytes().all(|b| b.is_ascii_hexdigit()) {
                Ok(text.to_ascii_lowercase())
            } else {
                Err(format!("{} is no colour; write one like \"#2f6fed\", in quotes", shown(text)))
            }
        }),
        logo_file: table.parse("logo_file", faults, logo),
        support_url: table.parse("support_url", faults, |text| {
            let web = parse::web_address(text).is_some_and(|url| url.scheme() == "https");
            let mail = text.strip_prefix("mailto:").is_some_and(|to| {
                to.contains('@') && !to.contains(|c: char| c.is_whitespace() || c.is_control())
            });
            if web || mail {
                Ok(text.to_owned())
            } else {
                Err("must be `https://…` or `mailto:help@example.com`".to_owned())
            }
        }),
        templates_dir: table.parse("templates_dir", faults, |text| match fs::read_dir(text) {
            Ok(_) => Ok(PathBuf::from(text)),
            Err(error) => Err(format!("cannot read the folder {}: {error}", shown(text))),
        }),
    }
}

fn logo(text: &str) -> Result<PathBuf, String> {
    let path = readable(text)?;
    let kind = path.extension().map(|kind| kind.to_ascii_lowercase());
    if !kind.is_some_and(|kind| kind == "svg" || kind == "png") {
        return Err(format!("{} must be an SVG or PNG file, by its name", shown(text)));
    }
    match fs::metadata(&path) {
        Ok(meta) if meta.len() <= LOGO_LIMIT => Ok(path),
        Ok(_) => Err(format!("{} is larger than 64 KiB", shown(text))),
        Err(error) => Err(format!("cannot read {}: {error}", shown(text))),
    }
}

fn log(table: &Table, faults: &mut Faults) -> LogFormat {
    let words = [("json", LogFormat::Json), ("human", LogFormat::Human)];
    table.parse("format", faults, |text| parse::one_of(text, &words)).unwrap_or(LogFormat::Json)
}
