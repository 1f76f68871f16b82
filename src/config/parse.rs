//! What the texts of a configuration stand for. Pure: text in; the value, or what to write instead, out.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use ipnet::{IpNet, Ipv4Net};
use url::{Host, Url};

use super::fault::shown;

/// `8h`, `30m`, `90s`, `1h30m`, `500ms`, `2d`, or `0`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    const UNITS: [(&str, u64); 5] =
        [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];
    let wrong = || {
        format!("{} is no length of time; write one like `8h`, `30m`, `90s`, `1h30m`, `500ms`", shown(text))
    };
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let (mut rest, mut total, mut smallest) = (text, 0_u64, u64::MAX);
    while !rest.is_empty() {
        let (digits, tail) = split_while(rest, |c| c.is_ascii_digit());
        let (name, tail) = split_while(tail, |c| c.is_ascii_alphabetic());
        let number: u64 = digits.parse().map_err(|_| wrong())?;
        let (_, unit) = UNITS.iter().find(|(unit, _)| *unit == name).ok_or_else(wrong)?;
        // Large units first and each once: `30m1h` and `1h1h` are slips.
        if *unit >= smallest {
            return Err(wrong());
        }
        total = number.checked_mul(*unit).and_then(|span| total.checked_add(span)).ok_or_else(wrong)?;
        (rest, smallest) = (tail, *unit);
    }
    if text.is_empty() { Err(wrong()) } else { Ok(Duration::from_millis(total)) }
}

/// `100MB`, `512KB`, `1GB`, or `0`; in multiples of 1024.
pub(super) fn size(text: &str) -> Result<u64, String> {
    const UNITS: [(&str, u64); 3] = [("KB", 1 << 10), ("MB", 1 << 20), ("GB", 1 << 30)];
    if text == "0" {
        return Ok(0);
    }
    let (digits, unit) = split_while(text, |c| c.is_ascii_digit());
    let number: Option<u64> = digits.parse().ok().filter(|number| *number > 0);
    let unit = UNITS.iter().find(|(name, _)| unit.eq_ignore_ascii_case(name));
    number
        .zip(unit)
        .and_then(|(number, (_, unit))| number.checked_mul(*unit))
        .ok_or_else(|| format!("{} is no size; write one like `100MB`, `512KB`, `1GB`, or `0`", shown(text)))
}

/// How many files are kept.
pub(super) fn kept(text: &str) -> Result<u32, String> {
    let number = text.parse().ok().filter(|number| *number <= 1000);
    number.ok_or_else(|| format!("{} is no number of files; write one from 0 to 1000", shown(text)))
}

fn split_while(text: &str, keep: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !keep(c)).unwrap_or(text.len()))
}

/// `0.0.0.0:8000`.
pub(super) fn listen(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        format!("{} is no address to listen on; write one like `0.0.0.0:8000` or `[::1]:8000`", shown(text))
    })
}

/// A number of worker threads.
pub(super) fn workers(text: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|count| (1..=256).contains(count))
        .ok_or_else(|| format!("{} is no number of threads; write one from 1 to 256", shown(text)))
}

/// One worker thread a processor, as far as the system tells.
pub(super) fn cores() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from)
}

/// An address or a range; an IPv4-mapped range becomes the IPv4 range it is.
pub(super) fn network(text: &str) -> Result<IpNet, String> {
    let wrong = || format!("{} is no network; write one like `172.20.0.0/16` or `10.0.0.7`", shown(text));
    let net = match text.parse::<IpNet>() {
        Ok(net) => net,
        Err(_) => IpNet::from(text.parse::<IpAddr>().map_err(|_| wrong())?),
    };
    if let IpNet::V6(v6) = net
        && let Some(v4) = v6.addr().to_ipv4_mapped()
        && let Some(length) = v6.prefix_len().checked_sub(96)
    {
        return Ipv4Net::new(v4, length).map(|net| IpNet::V4(net.trunc())).map_err(|_| wrong());
    }
    Ok(net.trunc())
}

/// Whether a range is so wide that it is no list of proxies any more: v4 under /8, v6 under /16.
pub(super) fn is_everyone(net: &IpNet) -> bool {
    match net {
        IpNet::V4(net) => net.prefix_len() < 8,
        IpNet::V6(net) => net.prefix_len() < 16,
    }
}

/// An origin: scheme, host, perhaps a port. The value is not shown: an address may carry a password.
pub(super) fn origin(text: &str) -> Result<Url, String> {
    let wrong = "must be an origin such as `https://auth.example.com`: scheme, host and port alone";
    let url = web_address(text).ok_or(wrong)?;
    if url.path() != "/" || text.contains('?') || text.contains('#') || text.contains('@') {
        return Err(format!("{wrong}; no path (that is `server.base_path`), query or user name"));
    }
    Ok(url)
}

/// An http or https address with a host, written in the way it will be used: the URL parser would repair a backslash,
/// a blank or a missing slash, and the address would then be another than the one that stands here.
pub(super) fn web_address(text: &str) -> Option<Url> {
    let (scheme, rest) = text.split_once("://")?;
    let plain = ["http", "https"].contains(&scheme)
        && !rest.starts_with('/')
        && !text.contains(|c: char| c.is_whitespace() || c.is_control() || c == '\\');
    let url = Url::parse(text).ok().filter(|_| plain)?;
    let named = url.host_str().is_some_and(|host| !host.is_empty() && !host.ends_with('.'));
    (named && url.port() != Some(0)).then_some(url)
}

/// Whether plain http to this host stays on the machine (RFC 6761 section 6.3 for `localhost`).
pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address == Ipv6Addr::LOCALHOST,
        None => false,
    }
}

/// The prefix of the gateway's own pages: `/rbac`.
pub(super) fn base_path(text: &str) -> Result<String, String> {
    const TAKEN: [&str; 7] = ["auth", "authenticate", "authorize", "access", "healthz", "readyz", "metrics"];
    let wrong = || {
        format!(
            "{} is no prefix; write one like `/rbac`: it starts with `/` and does not end with it",
            shown(text)
        )
    };
    let rest = text.strip_prefix('/').filter(|rest| rest.len() <= 128).ok_or_else(wrong)?;
    let fine = |segment: &str| {
        !segment.is_empty()
            && !segment.trim_matches('.').is_empty()
            && segment.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.~".contains(&b))
    };
    if !rest.split('/').all(fine) {
        return Err(wrong());
    }
    if rest.split('/').next().is_some_and(|first| TAKEN.contains(&first)) {
        return Err(format!(
            "{} is taken by an address for proxies; write another, like `/rbac`",
            shown(text)
        ));
    }
    Ok(text.to_owned())
}

/// A path prefix of the policy.
pub(super) fn path_prefix(text: &str) -> Result<String, String> {
    let wrong = |what: &str| Err(format!("{} {what}; write a path prefix like `/docs`", shown(text)));
    let Some(rest) = text.strip_prefix('/') else { return wrong("does not start with `/`") };
    if text.contains(['*', '{', '}']) {
        return wrong("has a wildcard (a prefix covers everything below it)");
    }
    if text.contains(|c: char| c.is_control() || "?#%\\;".contains(c)) {
        return wrong("has a character that stands for itself in no path");
    }
    let segments = rest.strip_suffix('/').unwrap_or(rest);
    if !segments.is_empty() && segments.split('/').any(|s| s.is_empty() || s == "." || s == "..") {
        return wrong("has an empty or a dot segment");
    }
    Ok(format!("/{segments}"))
}

/// A host name in its canonical form: lower-case A-labels. Addresses are not names.
#[must_use]
pub fn host_name(text: &str) -> Option<String> {
    let ascii = idna::domain_to_ascii_strict(text).ok().filter(|name| !name.is_empty())?;
    matches!(Host::parse(&ascii), Ok(Host::Domain(_))).then_some(ascii)
}

/// A host name or address (`10.0.0.7`, `[::1]`) without a port, in its canonical form.
#[must_use]
pub fn host(text: &str) -> Option<String> {
    match text.strip_prefix('[') {
        Some(rest) => Some(format!("[{}]", rest.strip_suffix(']')?.parse::<Ipv6Addr>().ok()?)),
        None => match text.parse::<Ipv4Addr>() {
            Ok(address) => Some(address.to_string()),
            Err(_) => host_name(text),
        },
    }
}

/// `host`, `host:port`, `*.host`: a host beside the gateway's own, canonical.
pub(super) fn return_host(text: &str) -> Result<String, String> {
    let wrong = || {
        format!(
            "{} is no host; write one like `app.example.com`, `app.example.com:8443` or `*.example.com`",
            shown(text)
        )
    };
    if text == "*" || text == "*.*" {
        return Err(format!(
            "{} would let a sign-in return anywhere; list the hosts, or `*.example.com`",
            shown(text)
        ));
    }
    match text.strip_prefix("*.") {
        Some(parent) => {
            let host = host_port(parent).ok_or_else(wrong)?;
            if !host.contains('.') || host.starts_with('[') || is_address(&host) {
                return Err(format!("{} covers too much; write one like `*.example.com`", shown(text)));
            }
            Ok(format!("*.{host}"))
        }
        None => host_port(text).ok_or_else(wrong),
    }
}

fn is_address(host: &str) -> bool {
    host.parse::<IpAddr>().is_ok() || host.parse::<SocketAddr>().is_ok()
}

/// `host` or `host:port`, canonical.
pub(super) fn host_port(text: &str) -> Option<String> {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    };
    let host = self::host(host)?;
    let Some(port) = port else { return Some(host) };
    let digits = port.bytes().all(|b| b.is_ascii_digit());
    let port = port.parse::<u16>().ok().filter(|port| digits && *port > 0)?;
    Some(format!("{host}:{port}"))
}

/// The domain of e-mail addresses that may sign in.
pub(super) fn email_domain(text: &str) -> Result<String, String> {
    host_name(text).filter(|name| name.contains('.') || name == "localhost").ok_or_else(|| {
        format!("{} is no domain; write what stands behind the `@`, like `example.com`", shown(text))
    })
}

/// The parent domain that a cookie is for; without a leading dot.
pub(super) fn cookie_domain(text: &str, external: Option<&Url>) -> Result<String, String> {
    let domain = host_name(text.strip_prefix('.').unwrap_or(text))
        .ok_or_else(|| format!("{} is no domain; write one like `example.com`", shown(text)))?;
    if !domain.contains('.') {
        return Err(format!(
            "{} has one label, and browsers refuse such a cookie; write one like `example.com`",
            shown(text)
        ));
    }
    let host = external.and_then(Url::host_str).unwrap_or_default();
    if host != domain && !host.strip_suffix(domain.as_str()).is_some_and(|head| head.ends_with('.')) {
        return Err(format!(
            "{} is no parent of the host of `server.external_url` ({}); the cookie could not be set",
            shown(text),
            if host.is_empty() { "which is not set" } else { host }
        ));
    }
    Ok(domain)
}

/// One of a few words.
pub(super) fn one_of<T: Copy>(text: &str, words: &[(&str, T)]) -> Result<T, String> {
    words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value).ok_or_else(|| {
        let words: Vec<String> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
        format!("{} is none of {}", shown(text), words.join(", "))
    })
}

/// A short text for people: one line, at most `limit` characters.
pub(super) fn line(text: &str, limit: usize) -> Result<String, String> {
    if text.chars().count() > limit || text.chars().any(char::is_control) {
        return Err(format!("{} must be one line of at most {limit} characters", shown(text)));
    }
    Ok(text.to_owned())
}
