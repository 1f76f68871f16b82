//! The entries of `providers`: defaults by kind, and what would weaken a sign-in refused.

use url::Url;

use super::fault::{Faults, shown};
use super::table::Table;
use super::{Provider, ProviderKind, parse, tenants};

/// Asymmetric signatures that ID tokens may have (RFC 7518 section 3.1, RFC 8037).
const ALGORITHMS: [&str; 9] =
    ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"];

const KINDS: [(&str, ProviderKind); 3] =
    [("google", ProviderKind::Google), ("oidc", ProviderKind::Oidc), ("github", ProviderKind::Github)];

/// What a kind brings along.
struct Defaults {
    label: Option<&'static str>,
    issuer: Option<&'static str>,
    scopes: &'static [&'static str],
}

impl ProviderKind {
    fn defaults(self) -> Defaults {
        match self {
            Self::Google => Defaults {
                label: Some("Google"),
                issuer: Some("https://accounts.google.com"),
                scopes: &["openid", "email", "profile"],
            },
            Self::Oidc => Defaults { label: None, issuer: None, scopes: &["openid", "email", "profile"] },
            Self::Github => Defaults {
                label: Some("GitHub"),
                issuer: Some("https://github.com"),
                scopes: &["read:user", "user:email"],
            },
        }
    }
}

/// Checks every entry, and that their ids differ. Where there is a real provider, no stand-in stays beside it: a
/// stand-in believes everybody, so one left over would let anybody in.
pub(super) fn all(tables: &[Table], faults: &mut Faults, warnings: &mut Vec<String>) -> Vec<Provider> {
    let mut seen: Vec<&str> = Vec::new();
    let mut providers: Vec<(bool, Provider)> = Vec::new();
    for table in tables {
        if let Some(id) = table.text("id") {
            if seen.contains(&id) {
                table.fault(
                    "id",
                    format!("{} is taken by an earlier provider; write another", shown(id)),
                    faults,
                );
            }
            seen.push(id);
        }
        if let Some(provider) = one(table, faults, warnings) {
            providers.push((table.flag("stand_in"), provider));
        }
    }
    let real = tables.iter().any(|table| !table.flag("stand_in"));
    providers.retain(|(stand_in, provider)| {
        if *stand_in {
            let id = &provider.id;
            warnings.push(if real {
                format!("providers.{id}.stand_in: left out, as there is another provider")
            } else {
                format!("providers.{id}.stand_in: a provider for demos, which may let anybody in")
            });
        }
        !(*stand_in && real)
    });
    providers.into_iter().map(|(_, provider)| provider).collect()
}

fn one(table: &Table, faults: &mut Faults, warnings: &mut Vec<String>) -> Option<Provider> {
    let id = required(table, "id", "write a short name such as `google`", faults, id);
    let kind = required(table, "kind", "write `google`, `oidc` or `github`", faults, |text| {
        parse::one_of(text, &KINDS)
    });
    let client_id = required(
        table,
        "client_id",
        "write the OAuth client id that the provider gave out",
        faults,
        |text| parse::line(text, 512),
    );
    let secret_was_set = table.written("client_secret").or(table.written("client_secret_file")).is_some();
    let client_secret = table.secret("client_secret", faults);
    let insecure_http = table.flag("insecure_http");
    let label = table.parse("label", faults, |text| parse::line(text, 64));
    let scopes = table.each("scopes", faults, scope);
    let roles_claim = table.parse("roles_claim", faults, claim);
    let groups_claim = table.parse("groups_claim", faults, claim);
    let email_verified_claim = table.parse("email_verified_claim", faults, claim);
    let email_optional = table.flag("email_optional");
    let allowed_domains = table.each("allowed_domains", faults, parse::email_domain);
    let endpoint_hosts = table.each("endpoint_hosts", faults, endpoint_host);
    let algorithms = table.each("algorithms", faults, algorithm);
    if table.list("algorithms").is_some_and(<[_]>::is_empty) {
        table.fault("algorithms", "is empty; write `[RS256]`, or take it out", faults);
    }

    let (id, kind) = (id?, kind?);
    let defaults = kind.defaults();
    if kind != ProviderKind::Oidc && !secret_was_set {
        let also = if kind == ProviderKind::Google { ", or set `GOOGLE_CLIENT_SECRET`" } else { "" };
        table.fault("client_secret", format!("is missing; write it or `client_secret_file`{also}"), faults);
    }
    let issuer = match table.text("issuer").or(defaults.issuer) {
        Some(text) => address(table, "issuer", text, insecure_http, faults).map(|_| text.to_owned()),
        None => {
            let message = "is missing; write the provider's issuer, such as \
                `https://login.example.com/realms/main`";
            table.fault("issuer", message, faults);
            None
        }
    };
    let tenants = tenants::read(table, issuer.as_deref(), faults);
    let api_url = api_url(table, kind, insecure_http, faults);
    if kind != ProviderKind::Github
        && scopes.as_ref().is_some_and(|scopes| !scopes.iter().any(|scope| scope == "openid"))
    {
        table.fault("scopes", "must have `openid`: without it the provider says nothing about who", faults);
    }
    meaningless(table, kind, faults);
    if email_optional && allowed_domains.as_ref().is_some_and(|domains| !domains.is_empty()) {
        let message =
            "says nothing beside `allowed_domains`, which lets in by the e-mail; take one of them out";
        table.fault("email_optional", message, faults);
    }
    if insecure_http {
        warnings.push(format!("providers.{id}.insecure_http: secrets and tokens can be read on the way"));
    }
    Some(Provider {
        label: label.or(defaults.label.map(str::to_owned)).unwrap_or_else(|| id.clone()),
        id,
        kind,
        issuer: issuer?,
        api_url,
        client_id: client_id?,
        client_secret,
        scopes: scopes.unwrap_or_else(|| defaults.scopes.iter().map(|scope| (*scope).to_owned()).collect()),
        roles_claim,
        groups_claim,
        email_verified_claim: email_verified_claim.unwrap_or_else(|| "email_verified".to_owned()),
        email_optional,
        allowed_domains: allowed_domains.unwrap_or_default(),
        tenants,
        endpoint_hosts: endpoint_hosts.unwrap_or_default(),
        algorithms: algorithms.unwrap_or_else(|| vec!["RS256".to_owned()]),
        insecure_http,
    })
}

/// Keys that a kind does not heed: whoever writes one relies on something that would not happen.
fn meaningless(table: &Table, kind: ProviderKind, faults: &mut Faults) {
    const CLAIMS: [&str; 4] = ["email_verified_claim", "email_optional", "allowed_tenants", "tenant_claim"];
    let (more, why): (&[&str], &str) = match kind {
        ProviderKind::Oidc => return,
        ProviderKind::Google => {
            (&[], "has no meaning for Google, whose claims are known; take it out, or write `kind: oidc`")
        }
        ProviderKind::Github => (
            &["algorithms", "roles_claim", "groups_claim"],
            "has no meaning for GitHub, which issues no ID token; take it out",
        ),
    };
    for key in CLAIMS.iter().chain(more) {
        if table.written(key).is_some() {
            table.fault(key, why, faults);
        }
    }
}

/// A key that must be there.
pub(super) fn required<T>(
    table: &Table,
    key: &str,
    hint: &str,
    faults: &mut Faults,
    parse: impl FnOnce(&str) -> Result<T, String>,
) -> Option<T> {
    if table.text(key).is_none() && !faults.iter().any(|fault| fault.key() == format!("{}.{key}", table.path))
    {
        table.fault(key, format!("is missing; {hint}"), faults);
    }
    table.parse(key, faults, parse)
}

pub(super) fn id(text: &str) -> Result<String, String> {
    let fine = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if text == "token" {
        // `token/…` is the user id of an API token.
        return Err("\"token\" is taken by API tokens; write another name".to_owned());
    }
    if (1..=32).contains(&text.len()) && text.bytes().all(fine) {
        return Ok(text.to_owned());
    }
    Err(format!("{} must be 1 to 32 lower-case letters, digits and `-`", shown(text)))
}

/// An issuer's or API's address: https; http on loopback, or where it was asked for.
pub(super) fn address(
    table: &Table,
    key: &str,
    text: &str,
    insecure: bool,
    faults: &mut Faults,
) -> Option<Url> {
    let Some(url) = parse::web_address(text).filter(|_| !text.contains(['?', '#', '@'])) else {
        // Not shown: an address may carry a password.
        table.fault(
            key,
            "must be an address such as `https://login.example.com`, without query or user name",
            faults,
        );
        return None;
    };
    if text.contains(['{', '}', '<', '>']) {
        let message = "has a placeholder in it; write what it stands for, such as your tenant's id";
        table.fault(key, message, faults);
        return None;
    }
    if url.scheme() == "http" && !insecure && !parse::is_loopback(&url) {
        let message = "is plain http, so tokens could be read and changed on the way; write `https://…` \
            (or set `insecure_http: true` there)";
        table.fault(key, message, faults);
        return None;
    }
    Some(url)
}

fn api_url(table: &Table, kind: ProviderKind, insecure: bool, faults: &mut Faults) -> Option<Url> {
    match (kind, table.text("api_url"), table.text("issuer")) {
        (ProviderKind::Github, Some(text), _) => address(table, "api_url", text, insecure, faults),
        (ProviderKind::Github, None, Some(issuer)) if issuer != "https://github.com" => {
            let message = "is missing; with an issuer of your own, write where its API is, such as \
                `https://github.example.com/api/v3`";
            table.fault("api_url", message, faults);
            None
        }
        (ProviderKind::Github, None, _) => Url::parse("https://api.github.com").ok(),
        (_, Some(_), _) => {
            table.fault("api_url", "has a meaning for kind github alone; take it out", faults);
            None
        }
        (_, None, _) => None,
    }
}

/// A host that endpoints may be on.
pub(super) fn endpoint_host(text: &str) -> Result<String, String> {
    parse::host_port(text)
        .ok_or_else(|| format!("{} is no host; write one like `login.example.com`", shown(text)))
}

/// A scope token (RFC 6749 section 3.3).
fn scope(text: &str) -> Result<String, String> {
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\') {
        return Ok(text.to_owned());
    }
    Err(format!("{} is no scope; write one like `email`", shown(text)))
}

pub(super) fn claim(text: &str) -> Result<String, String> {
    if text.len() <= 256 && !text.chars().any(char::is_control) && !text.split('.').any(str::is_empty) {
        return Ok(text.to_owned());
    }
    Err(format!("{} is no path of a claim; write one like `realm_access.roles`", shown(text)))
}

pub(super) fn algorithm(text: &str) -> Result<String, String> {
    if ALGORITHMS.contains(&text) {
        return Ok(text.to_owned());
    }
    let why = match text {
        "none" => "an unsigned token can be written by anybody",
        "HS256" | "HS384" | "HS512" => {
            "its key is the client secret, so whoever knows that can write tokens for anybody"
        }
        _ => "it is not known here",
    };
    Err(format!("{} is refused: {why}; write one of {}", shown(text), ALGORITHMS.join(", ")))
}
