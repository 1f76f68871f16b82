//! What a proxy asks: forwarding headers from a trusted peer, read in one dialect, into one question.
//!
//! Strict on purpose. Each header of the dialect must be there exactly once; there is no fallback to `Host`,
//! to the request's own line, or to GET, because every one of those is the client's to choose. All headers
//! are looked at in one pass; nothing here asks twice.

use std::net::IpAddr;

use actix_web::http::header::{HeaderMap, HeaderValue};
use ipnet::IpNet;

use crate::policy::Upgrade;
use crate::policy::target::{Host, Target, TargetError};

/// Which proxy speaks. The route says so, never the request: a client can send any header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Traefik `forwardAuth` and Caddy `forward_auth`: `X-Forwarded-{Method,Proto,Host,Uri}`.
    Forwarded,
    /// nginx `auth_request`: `X-Original-URL` and `X-Original-Method`, and nothing else.
    Original,
}

/// What is asked.
#[derive(Debug)]
pub enum Question {
    /// May this request pass?
    Route(Target),
    /// May every request to this host pass? (`X-Forwarded-Host` alone.)
    WholeHost(Host),
}

/// One request of a proxy, as far as a decision needs it.
#[derive(Debug)]
pub struct Asked<'a> {
    /// What is asked.
    pub question: Question,
    /// All headers, for what a service may see of them.
    pub headers: &'a HeaderMap,
    /// The `Authorization` header.
    pub authorization: Presence<'a>,
    /// A person's browser going to a page: the only kind of request that is ever redirected.
    pub navigation: bool,
    /// A person's browser waits for a page: that, or a form that it sends.
    pub page: bool,
    /// A CORS preflight (Fetch standard: OPTIONS, `Origin`, `Access-Control-Request-Method`).
    pub preflight: bool,
    /// Whether it opens a WebSocket, and from which page.
    pub upgrade: Upgrade<'a>,
    /// The client's address: the rightmost that is not a trusted proxy.
    pub client: IpAddr,
    /// The proxy's `X-Request-Id`, when it is fit to be repeated.
    pub request_id: Option<&'a HeaderValue>,
}

/// How often a header is there.
#[derive(Clone, Copy, Debug, Default)]
pub enum Presence<'a> {
    /// Not at all.
    #[default]
    Absent,
    /// Exactly once.
    Once(&'a HeaderValue),
    /// More than once.
    Repeated,
}

impl<'a> Presence<'a> {
    fn add(&mut self, value: &'a HeaderValue) {
        *self = match self {
            Self::Absent => Self::Once(value),
            _ => Self::Repeated,
        };
    }

    /// Whether it is there at all.
    #[must_use]
    pub const fn is_present(&self) -> bool {
        !matches!(self, Self::Absent)
    }

    fn required(self, name: &'static str) -> Result<&'a [u8], BadQuestion> {
        match self {
            Self::Absent => Err(BadQuestion::Missing(name)),
            Self::Repeated => Err(BadQuestion::Repeated(name)),
            Self::Once(value) => Ok(value.as_bytes()),
        }
    }

    fn bytes(self) -> Option<&'a [u8]> {
        match self {
            Self::Once(value) => Some(value.as_bytes()),
            _ => None,
        }
    }
}

/// Why a question cannot be read. The messages repeat nothing of what was sent.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BadQuestion {
    /// The peer is not in `server.trusted_proxies`.
    #[error("this address may not ask for decisions; list the proxy in server.trusted_proxies")]
    Untrusted,
    /// A forwarding header is missing.
    #[error("the header {0} is missing")]
    Missing(&'static str),
    /// A forwarding header is there twice.
    #[error("the header {0} is there more than once")]
    Repeated(&'static str),
    /// A header that differs from a protected one only by `_`, `.` or another sign in place of `-`.
    #[error("a header is spelt like a protected one, with another sign for `-`")]
    Alias,
    /// Plain http, where sessions exist on https only.
    #[error("the request came over plain http; redirect http to https at the proxy")]
    PlainHttp,
    /// `X-HTTP-Method-Override` and its like, naming another method than the request's.
    #[error("a method override names another method")]
    MethodOverride,
    /// The target itself.
    #[error("{0}")]
    Target(#[from] TargetError),
}

#[derive(Default)]
struct Lines<'a> {
    method: Presence<'a>,
    proto: Presence<'a>,
    host: Presence<'a>,
    uri: Presence<'a>,
    original_url: Presence<'a>,
    original_method: Presence<'a>,
    authorization: Presence<'a>,
    accept: Vec<&'a HeaderValue>,
    fetch_mode: Presence<'a>,
    fetch_dest: Presence<'a>,
    origin: Presence<'a>,
    preflight_method: Presence<'a>,
    scripted: bool,
    websocket: bool,
    overrides: Vec<&'a HeaderValue>,
    forwarded_for: Vec<&'a HeaderValue>,
    request_id: Presence<'a>,
}

impl<'a> Lines<'a> {
    fn read(headers: &'a HeaderMap) -> Result<Self, BadQuestion> {
        let mut lines = Self::default();
        for (name, value) in headers {
            match name.as_str() {
                "x-forwarded-method" => lines.method.add(value),
                "x-forwarded-proto" => {
                    lines.proto.add(value);
                    if [b"ws".as_slice(), b"wss"].iter().any(|ws| value.as_bytes().eq_ignore_ascii_case(ws)) {
                        lines.opens_websocket();
                    }
                }
                "x-forwarded-host" => lines.host.add(value),
                "x-forwarded-uri" => lines.uri.add(value),
                "x-forwarded-for" => lines.forwarded_for.push(value),
                "x-original-url" => lines.original_url.add(value),
                "x-original-method" => lines.original_method.add(value),
                "authorization" => lines.authorization.add(value),
                "accept" => lines.accept.push(value),
                "sec-fetch-mode" => lines.fetch_mode.add(value),
                "sec-fetch-dest" => lines.fetch_dest.add(value),
                "origin" => lines.origin.add(value),
                "access-control-request-method" => lines.preflight_method.add(value),
                "x-requested-with" => lines.scripted = true,
                "upgrade" => {
                    lines.scripted = true;
                    lines.websocket |= value.as_bytes().eq_ignore_ascii_case(b"websocket");
                }
                // `Upgrade` is for one hop, and proxies do not repeat it to us: Traefik says `ws` as the scheme,
                // Caddy nothing. The handshake's own headers (RFC 6455, 4.1) come through.
                "sec-websocket-key" | "sec-websocket-version" => lines.opens_websocket(),
                "x-http-method-override" | "x-http-method" | "x-method-override" => {
                    lines.overrides.push(value);
                }
                "x-request-id" => lines.request_id.add(value),
                other if is_alias(other) => return Err(BadQuestion::Alias),
                _ => {}
            }
        }
        Ok(lines)
    }

    /// Old browsers say neither mode nor destination, and neither do programs: of those only a GET is taken for a
    /// person's.
    fn page(&self, method: &str) -> bool {
        let reads = is_read(method);
        let is = |presence: Presence<'_>, word: &[u8]| match presence {
            Presence::Absent => reads,
            Presence::Once(value) => value.as_bytes() == word,
            Presence::Repeated => false,
        };
        !self.scripted
            && !self.authorization.is_present()
            && is(self.fetch_mode, b"navigate")
            && is(self.fetch_dest, b"document")
            && self.accept.iter().any(|value| accepts_html(value))
    }

    fn opens_websocket(&mut self) {
        self.scripted = true;
        self.websocket = true;
    }

    fn upgrade(&self) -> Upgrade<'a> {
        if !self.websocket {
            return Upgrade::No;
        }
        Upgrade::WebSocket(self.origin.bytes().and_then(|origin| std::str::from_utf8(origin).ok()))
    }

    fn preflight(&self, method: &str) -> bool {
        let filled = |presence: Presence<'_>| presence.bytes().is_some_and(|value| !value.is_empty());
        method == "OPTIONS" && filled(self.origin) && filled(self.preflight_method)
    }
}

/// Reads one request of a proxy.
///
/// # Errors
/// [`BadQuestion`]: the peer may not ask, or what it asks cannot be read in exactly one way.
pub fn read<'a>(
    headers: &'a HeaderMap,
    dialect: Dialect,
    peer: IpAddr,
    trusted: &[IpNet],
) -> Result<Asked<'a>, BadQuestion> {
    if !is_trusted(peer, trusted) {
        return Err(BadQuestion::Untrusted);
    }
    let lines = Lines::read(headers)?;
    let question = match dialect {
        Dialect::Forwarded => forwarded_question(&lines)?,
        Dialect::Original => original_question(&lines)?,
    };
    let method = match &question {
        Question::Route(target) => target.method(),
        Question::WholeHost(_) => "GET",
    };
    // A service that obeys an override would do something else than what was decided on.
    if lines.overrides.iter().any(|value| value.as_bytes() != method.as_bytes()) {
        return Err(BadQuestion::MethodOverride);
    }
    Ok(Asked {
        authorization: lines.authorization,
        navigation: is_read(method) && lines.page(method),
        page: lines.page(method),
        preflight: lines.preflight(method),
        upgrade: lines.upgrade(),
        client: client_address(&lines.forwarded_for, peer, trusted),
        request_id: request_id(lines.request_id),
        question,
        headers,
    })
}

fn is_read(method: &str) -> bool {
    matches!(method, "GET" | "HEAD")
}

fn forwarded_question(lines: &Lines<'_>) -> Result<Question, BadQuestion> {
    let host = lines.host.required("X-Forwarded-Host")?;
    let alone = !lines.method.is_present() && !lines.proto.is_present() && !lines.uri.is_present();
    if alone {
        return Ok(Question::WholeHost(Host::parse_with_port(host)?.0));
    }
    let method = lines.method.required("X-Forwarded-Method")?;
    let proto = lines.proto.required("X-Forwarded-Proto")?;
    let uri = lines.uri.required("X-Forwarded-Uri")?;
    Ok(Question::Route(Target::parse(method, proto, host, uri)?))
}

fn original_question(lines: &Lines<'_>) -> Result<Question, BadQuestion> {
    let url = lines.original_url.required("X-Original-URL")?;
    let method = lines.original_method.required("X-Original-Method")?;
    // `$scheme://$http_host$request_uri`, cut by hand: a URL library would repair it.
    let (scheme, rest) = split_before(url, b"://").ok_or(TargetError::Scheme)?;
    let rest = rest.get(3..).unwrap_or_default();
    let (host, uri) = split_before(rest, b"/").ok_or(TargetError::Relative)?;
    Ok(Question::Route(Target::parse(method, scheme, host, uri)?))
}

fn split_before<'a>(text: &'a [u8], needle: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = text.windows(needle.len()).position(|window| window == needle)?;
    text.split_at_checked(at)
}

/// Whether this address may ask.
#[must_use]
pub fn is_trusted(address: IpAddr, trusted: &[IpNet]) -> bool {
    let address = address.to_canonical();
    trusted.iter().any(|net| net.contains(&address))
}

/// A name that a careless server would read as one of the protected headers (`X_Auth_User`, `X.Forwarded.Host`,
/// `X!Auth!User`): CGI (RFC 3875 §4.1.18) and its heirs fold whatever is neither letter nor digit into one.
fn is_alias(name: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
    // Names are lower-case by now, and all protected ones begin with an `x`.
    if !name.starts_with('x') || name.chars().all(is_plain) {
        return false;
    }
    let plain: String = name.chars().map(|c| if is_plain(c) { c } else { '-' }).collect();
    ["x-forwarded-", "x-auth-", "x-original-"].iter().any(|prefix| plain.starts_with(prefix))
        || matches!(plain.as_str(), "x-user-id" | "x-real-ip" | "x-request-id")
}

fn accepts_html(accept: &HeaderValue) -> bool {
    let ranges = if accept.as_bytes().is_ascii() { accept.as_bytes() } else { b"" };
    ranges.split(|byte| *byte == b',').any(|range| {
        let mut parts = range.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
        let kind = parts.next().unwrap_or_default();
        let wanted = !parts.any(|part| matches!(part, b"q=0" | b"q=0.0" | b"q=0.00" | b"q=0.000"));
        wanted
            && (kind.eq_ignore_ascii_case(b"text/html")
                || kind.eq_ignore_ascii_case(b"application/xhtml+xml"))
    })
}

/// The client's address for the gateway's own pages.
#[must_use]
pub fn client(headers: &HeaderMap, peer: IpAddr, trusted: &[IpNet]) -> IpAddr {
    if !is_trusted(peer, trusted) {
        return peer.to_canonical();
    }
    let lines: Vec<&HeaderValue> = headers.get_all("x-forwarded-for").collect();
    client_address(&lines, peer, trusted)
}

/// The rightmost address of `X-Forwarded-For` that is not a trusted proxy. What cannot be read counts against
/// the hop that sent it.
fn client_address(lines: &[&HeaderValue], peer: IpAddr, trusted: &[IpNet]) -> IpAddr {
    let mut nearest = peer.to_canonical();
    let hops = lines.iter().rev().flat_map(|line| line.to_str().unwrap_or("?").rsplit(','));
    // No chain of real proxies is longer.
    for hop in hops.take(32) {
        let Ok(address) = hop.trim().parse::<IpAddr>() else { return nearest };
        nearest = address.to_canonical();
        if !is_trusted(nearest, trusted) {
            return nearest;
        }
    }
    nearest
}

fn request_id(header: Presence<'_>) -> Option<&HeaderValue> {
    let Presence::Once(value) = header else { return None };
    let fit = (1..=64).contains(&value.len())
        && value.as_bytes().iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    fit.then_some(value)
}

#[cfg(test)]
mod tests;
