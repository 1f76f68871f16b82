//! Where a sign-in may return to: the one judge of return addresses, for login, logout and hand-over alike.
//!
//! What comes in is looked at raw before any URL library sees it, because libraries repair (`\` becomes `/`,
//! tabs vanish, `/\evil` joins into another host). What passes is parsed once, compared exactly, and goes out
//! re-serialised, never as it came in.

use url::{Host as UrlHost, Url};

use crate::config::Config;
use crate::policy::target::Host;

/// Longest return address that is kept: it has to fit into the pending login's cookie.
const MAX_BYTES: usize = 2048;

/// An address that a browser may be sent to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReturnTo(Url);

impl ReturnTo {
    /// The absolute address.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Host, and port unless it is the scheme's default.
    #[must_use]
    pub fn authority(&self) -> String {
        authority(&self.0)
    }

    /// The host alone.
    #[must_use]
    pub fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default()
    }

    /// `scheme://authority`.
    #[must_use]
    pub fn origin(&self) -> String {
        format!("{}://{}", self.0.scheme(), self.authority())
    }
}

/// What the configuration allows.
#[derive(Debug)]
pub struct ReturnRules {
    external: Option<Url>,
    base_path: String,
    cookie_domain: Option<String>,
    hosts: Vec<String>,
}

impl ReturnRules {
    /// From the configuration.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        Self {
            external: config.server.external_url.clone(),
            base_path: config.server.base_path.clone(),
            cookie_domain: config.session.cookie_domain.clone(),
            hosts: config.login.return_hosts.iter().map(|host| host.to_ascii_lowercase()).collect(),
        }
    }

    /// Whether sessions exist on https only.
    #[must_use]
    pub fn wants_https(&self) -> bool {
        self.external.as_ref().is_some_and(|url| url.scheme() == "https")
    }

    /// The external URL's own host, which the account pages and their cookie belong to.
    #[must_use]
    pub fn own_host(&self) -> Option<&str> {
        self.external.as_ref().and_then(Url::host_str)
    }

    /// The external URL's `host[:port]`.
    #[must_use]
    pub fn own_authority(&self) -> Option<String> {
        self.external.as_ref().map(authority)
    }

    /// The gateway's own page at `path` below the base path, absolute; `None` without an external URL.
    #[must_use]
    pub fn page(&self, path: &str) -> Option<String> {
        self.external.as_ref().map(|url| format!("{}{}{path}", origin(url), self.base_path))
    }

    /// The address to return to; `None` for everything that is not allowed, which then becomes the account
    /// page and is never followed.
    #[must_use]
    pub fn check(&self, raw: &str) -> Option<ReturnTo> {
        let external = self.external.as_ref()?;
        let plain = !raw.is_empty()
            && raw.len() <= MAX_BYTES
            && raw.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
        if !plain {
            return None;
        }
        let absolute = if raw.starts_with('/') {
            if !is_plain_path(raw) {
                return None;
            }
            format!("{}{raw}", origin(external))
        } else {
            let rest = strip_scheme(raw)?;
            let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
            let (authority, _) = rest.split_at_checked(end)?;
            if authority.is_empty() || authority.contains(['@', '%']) {
                return None;
            }
            raw.to_owned()
        };
        let mut url = Url::parse(&absolute).ok()?;
        url.set_fragment(None);
        let same_scheme = url.scheme() == external.scheme() || url.scheme() == "https";
        let clean = url.username().is_empty() && url.password().is_none() && same_scheme;
        (clean && self.host_allowed(&url) && self.path_allowed(&url)).then_some(ReturnTo(url))
    }

    /// Whether a host is one that sign-ins may return to on some port.
    #[must_use]
    pub fn knows_host(&self, host: &str) -> bool {
        self.own_host() == Some(host)
            || self.in_cookie_domain(host)
            || self.hosts.iter().any(|entry| {
                let name = entry.rsplit_once(':').map_or(entry.as_str(), |(name, _)| name);
                matches_host(name, host)
            })
    }

    /// Whether the external URL's host shares its cookie with this one.
    #[must_use]
    pub fn shares_cookie(&self, host: &str) -> bool {
        self.own_host() == Some(host) || (self.in_cookie_domain(host))
    }

    fn in_cookie_domain(&self, host: &str) -> bool {
        self.cookie_domain.as_deref().is_some_and(|domain| {
            host == domain || host.strip_suffix(domain).is_some_and(|front| front.ends_with('.'))
        })
    }

    fn host_allowed(&self, url: &Url) -> bool {
        let Some(host) = url.host_str() else { return false };
        if host.ends_with('.') {
            return false;
        }
        let authority = authority(url);
        if self.own_authority().as_deref() == Some(&authority) {
            return true;
        }
        // The URL library takes more for a name (`..;x.example.com`) than anybody can be asked for by.
        let is_name = |name: &str| Host::parse(name.as_bytes()).is_ok_and(|host| host.as_str() == name);
        if matches!(url.host(), Some(UrlHost::Domain(name)) if !is_name(name)) {
            return false;
        }
        let by_domain = matches!(url.host(), Some(UrlHost::Domain(_)))
            && url.port().is_none()
            && self.in_cookie_domain(host);
        by_domain || self.hosts.iter().any(|entry| matches_host(entry, &authority))
    }

    /// Of the gateway's own pages, on whatever host, only the account and admin pages.
    fn path_allowed(&self, url: &Url) -> bool {
        let path = url.path();
        // Cut off from its host by anybody on the way, that would name another one.
        if path.starts_with("//") {
            return false;
        }
        match path.strip_prefix(self.base_path.as_str()) {
            Some(rest) if rest.is_empty() || rest.starts_with('/') => {
                matches!(rest, "" | "/" | "/admin") || rest.starts_with("/admin/")
            }
            _ => {
                path != "/auth" && !path.starts_with("/auth/") || self.own_authority() != Some(authority(url))
            }
        }
    }
}

/// Whether a path without a host can be read in one way only: no `//`, no dot segments, and nothing encoded that
/// is a separator or a control character once it is decoded.
fn is_plain_path(raw: &str) -> bool {
    let path = raw.split(['?', '#']).next().unwrap_or_default().to_ascii_lowercase();
    let decoded = path.replace("%2e", ".");
    let dots = |segment: &str| matches!(segment.split(';').next(), Some("." | ".."));
    let encoded = path.split('%').skip(1).any(|rest| {
        matches!(rest.as_bytes(), [b'0' | b'1', ..] | [b'2', b'f', ..] | [b'5', b'c', ..] | [b'7', b'f', ..])
    });
    !path.contains("//") && !decoded.split('/').any(dots) && !encoded
}

fn matches_host(entry: &str, authority: &str) -> bool {
    match entry.strip_prefix("*.") {
        Some(parent) => authority
            .strip_suffix(parent)
            .and_then(|front| front.strip_suffix('.'))
            .is_some_and(|label| !label.is_empty() && !label.ends_with('.')),
        None => entry == authority,
    }
}

fn strip_scheme(raw: &str) -> Option<&str> {
    ["https://", "http://"].iter().find_map(|scheme| {
        let (head, rest) = raw.split_at_checked(scheme.len())?;
        head.eq_ignore_ascii_case(scheme).then_some(rest)
    })
}

fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

fn origin(url: &Url) -> String {
    format!("{}://{}", url.scheme(), authority(url))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> ReturnRules {
        ReturnRules {
            external: Some(Url::parse("https://auth.example.test").unwrap()),
            base_path: "/rbac".into(),
            cookie_domain: None,
            hosts: ["app.example.test", "api.example.test", "*.apps.example.test", "odd.example.test:8443"]
                .map(String::from)
                .to_vec(),
        }
    }

    #[test]
    fn allowed_addresses_come_back_as_they_were() {
        for good in [
            "https://app.example.test/foo/?a=1&b=%2F%20c&d=x+y",
            "https://x.apps.example.test/",
            "https://odd.example.test:8443/a",
            "https://auth.example.test/rbac/",
            "https://auth.example.test/rbac/admin/users",
            "https://auth.example.test/rbacx",
        ] {
            assert_eq!(rules().check(good).map(|to| to.as_str().to_owned()), Some(good.to_owned()));
        }
        assert_eq!(rules().check("/foo?x=1").unwrap().as_str(), "https://auth.example.test/foo?x=1");
        assert_eq!(
            rules().check("HTTPS://APP.example.test:443/").unwrap().as_str(),
            "https://app.example.test/"
        );
    }

    #[test]
    fn everything_else_is_refused() {
        for bad in [
            "",
            "//evil.test",
            "///evil.test",
            "/\\evil.test",
            "\\\\evil.test",
            "/\t/evil.test",
            "/%09/evil.test",
            "/%5cevil.test",
            "/%2fevil.test",
            "/\n/evil.test",
            "https:evil.test",
            "https:/evil.test",
            "https:///evil.test",
            "https://app.example.test@evil.test/",
            "https://app.example.test\\@evil.test/",
            "https://evil.test\\.app.example.test/",
            "https://evil.test#@app.example.test/",
            "https://evil.test?@app.example.test/",
            "https://user:pw@app.example.test/",
            "https://evil-example.test/",
            "https://app.example.test.evil.test/",
            "https://appexample.test/",
            "https://xapp.example.test/",
            "https://apps.example.test/",
            "https://evilapps.example.test/",
            "https://appxexample.test/",
            "https://x.appsXexample.test/",
            "https://x..apps.example.test/",
            "https://..;x.apps.example.test/",
            "https://.y.x.apps.example.test/",
            "https://a_b.apps.example.test/",
            "https://x!.apps.example.test/",
            "javascript:alert(1)",
            "JaVaScRiPt:alert(1)",
            "data:text/html,x",
            "ftp://app.example.test/",
            "http://app.example.test/",
            "wss://app.example.test/",
            "app.example.test/x",
            "https://app.example.test./",
            "https://app.example.test:8443/",
            "https://odd.example.test/",
            "https://app.example.test%2eevil.test/",
            "https://auth.example.test/rbac/login?rd=x",
            "https://auth.example.test/rbac/logout",
            "https://app.example.test/rbac/callback",
            "https://[::1]/",
            "https://ａpp.example.test/",
            "/rbac/login",
            "/rbac/continue?ticket=x",
            "/auth",
        ] {
            assert_eq!(rules().check(bad), None, "{bad:?}");
        }
        // Dot segments are resolved before the path is judged, and stay on the allowed host.
        let dots = rules().check("/..//evil.test").map(|to| to.as_str().to_owned());
        assert!(dots.is_none_or(|to| to.starts_with("https://auth.example.test/")));
        assert_eq!(rules().check("/x/../rbac/login"), None);
        assert_eq!(rules().check("/x/%2e%2e/rbac/login"), None);
    }

    #[test]
    fn a_cookie_domain_opens_its_hosts_on_the_default_port() {
        let mut rules = rules();
        rules.cookie_domain = Some("example.test".into());
        assert!(rules.check("https://deep.er.example.test/").is_some());
        assert!(rules.check("https://example.test/").is_some());
        assert!(rules.check("https://evilexample.test/").is_none());
        assert!(rules.check("https://x.example.test:8443/").is_none());
    }
}
