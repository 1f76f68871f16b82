//! A `Set-Cookie` line, as browsers read it (RFC 6265bis): would they keep the cookie, and is it as Doorward made it?

use url::Url;

use crate::identity::outgoing::is_loopback;

/// One line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SetCookie<'a> {
    pub(super) name: &'a str,
    pub(super) value: &'a str,
    secure: bool,
    http_only: bool,
    same_site: Option<&'a str>,
    path: Option<&'a str>,
    domain: Option<&'a str>,
}

impl<'a> SetCookie<'a> {
    pub(super) fn parse(line: &'a str) -> Option<Self> {
        let (pair, attributes) = line.split_once(';').unwrap_or((line, ""));
        let (name, value) = pair.split_once('=')?;
        let mut cookie = Self {
            name: name.trim(),
            value: value.trim(),
            secure: false,
            http_only: false,
            same_site: None,
            path: None,
            domain: None,
        };
        for attribute in attributes.split(';') {
            let (name, value) = attribute.split_once('=').unwrap_or((attribute, ""));
            let value = value.trim();
            match name.trim().to_ascii_lowercase().as_str() {
                "secure" => cookie.secure = true,
                "httponly" => cookie.http_only = true,
                "samesite" => cookie.same_site = Some(value),
                "path" => cookie.path = Some(value),
                "domain" => {
                    cookie.domain = Some(value.trim_start_matches('.')).filter(|domain| !domain.is_empty())
                }
                _ => {}
            }
        }
        Some(cookie)
    }

    /// Whether browsers send it to this host.
    pub(super) fn is_sent_to(&self, host: &str, set_by: &str) -> bool {
        match self.domain {
            None => host == set_by,
            Some(domain) => is_within(host, domain),
        }
    }

    pub(super) const fn domain(&self) -> Option<&'a str> {
        self.domain
    }

    /// Why a browser that got it from `from` would not keep it, or not keep it safe.
    pub(super) fn faults(&self, from: &Url) -> Vec<String> {
        let mut faults = Vec::new();
        let mut add = |fault: &str| faults.push(fault.to_owned());
        let host = from.host_str().unwrap_or_default();
        // Browsers take loopback for safe without TLS.
        if self.secure && from.scheme() == "http" && !is_loopback(from) {
            add("it is Secure and comes over plain http: browsers drop it");
        }
        if !self.secure && from.scheme() == "https" {
            add("it is not Secure: it is sent over plain http too");
        }
        if self.name.starts_with("__Host-")
            && (!self.secure || self.domain.is_some() || self.path != Some("/"))
        {
            add(
                "its name begins with __Host-, which browsers accept with Secure, Path=/ and no Domain alone",
            );
        }
        if self.name.starts_with("__Secure-") && !self.secure {
            add("its name begins with __Secure-, which browsers accept with Secure alone");
        }
        if self.domain.is_some_and(|domain| !is_within(host, domain)) {
            add("its Domain is not one of the host that set it: browsers drop it");
        }
        if !self.http_only {
            add("it is not HttpOnly: scripts can read it");
        }
        match self.same_site {
            Some(word) if word.eq_ignore_ascii_case("lax") => {}
            Some(word) if word.eq_ignore_ascii_case("strict") => {
                add("it is SameSite=Strict: it is not sent when the provider sends the browser back");
            }
            _ => add("it is not SameSite=Lax: other sites' forms are sent with it"),
        }
        if self.path != Some("/") {
            add("its Path is not /: it is sent to some addresses only");
        }
        faults
    }
}

fn is_within(host: &str, domain: &str) -> bool {
    let (host, domain) = (host.to_ascii_lowercase(), domain.to_ascii_lowercase());
    host == domain || host.strip_suffix(&domain).is_some_and(|front| front.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::cookie::{Keep, set};

    fn faults(line: &str, from: &str) -> Vec<String> {
        SetCookie::parse(line).unwrap().faults(&Url::parse(from).unwrap())
    }

    #[test]
    fn what_doorward_sets_is_without_fault() {
        for (name, domain, from) in [
            ("__Host-doorward", None, "https://auth.example.com/"),
            ("__Secure-doorward", Some("example.com"), "https://auth.example.com/"),
            ("doorward", None, "http://localhost:8080/"),
        ] {
            assert_eq!(faults(&set(name, "v", domain, Keep::Secs(9)), from), Vec::<String>::new());
        }
    }

    #[test]
    fn what_somebody_changed_on_the_way_is_told() {
        for (line, from, part) in [
            (
                "__Host-d=v; Path=/; HttpOnly; SameSite=Lax; Secure; Domain=example.com",
                "https://a.example.com/",
                "__Host-",
            ),
            ("__Host-d=v; Path=/rbac; HttpOnly; SameSite=Lax; Secure", "https://a.example.com/", "Path"),
            ("__Host-d=v; Path=/; HttpOnly; SameSite=Lax", "https://a.example.com/", "not Secure"),
            (
                "__Secure-d=v; Path=/; HttpOnly; SameSite=Lax; Secure; Domain=example.org",
                "https://a.example.com/",
                "Domain",
            ),
            ("__Host-d=v; Path=/; HttpOnly; SameSite=Lax; Secure", "http://a.example.com/", "plain http"),
            ("__Host-d=v; Path=/; SameSite=Lax; Secure", "https://a.example.com/", "scripts"),
            ("__Host-d=v; Path=/; HttpOnly; Secure", "https://a.example.com/", "SameSite"),
            ("__Host-d=v; Path=/; HttpOnly; Secure; samesite=none", "https://a.example.com/", "SameSite"),
            ("__Host-d=v; Path=/; HttpOnly; Secure; SameSite=strict", "https://a.example.com/", "Strict"),
        ] {
            let faults = faults(line, from);
            assert!(faults.iter().any(|fault| fault.contains(part)), "{line}: {faults:?}");
        }
    }

    #[test]
    fn a_domain_covers_whole_labels() {
        let cookie = SetCookie::parse("a=b; Domain=.Example.com").unwrap();
        for (host, sent) in [("example.com", true), ("a.b.EXAMPLE.com", true), ("notexample.com", false)] {
            assert_eq!(cookie.is_sent_to(host, "auth.example.com"), sent, "{host}");
        }
        let bound = SetCookie::parse("a=b").unwrap();
        assert!(bound.is_sent_to("a.test", "a.test") && !bound.is_sent_to("b.a.test", "a.test"));
    }
}
