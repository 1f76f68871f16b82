//! The request of a browser as Traefik forwards it to a `forwardAuth` address.

use std::fmt::Write as _;

/// Bytes that the `Cookie` header is filled up to: a session beside what other programs left there.
const COOKIE_BYTES: usize = 600;

/// The host asked about.
pub const HOST: &str = "app.example.test";
/// The method, scheme and address asked about.
pub const ASKED: (&str, &str, &str) = ("GET", "https", "/foo/reports/7?tab=figures&sort=-created_at");

/// What says who asks.
#[derive(Clone, Copy)]
pub enum Credential<'a> {
    /// A session cookie as `name=value`.
    Session(&'a str),
    /// A bearer token.
    Bearer(&'a str),
}

/// The headers of one request with this credential, in the order in which Traefik sends them.
#[must_use]
pub fn headers(credential: Credential<'_>) -> Vec<(&'static str, String)> {
    let (method, proto, uri) = ASKED;
    let text = [
        (
            "User-Agent",
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
        ),
        ("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"),
        ("Accept-Language", "en-GB,en;q=0.9,de;q=0.8"),
        ("Sec-Fetch-Dest", "document"),
        ("Sec-Fetch-Mode", "navigate"),
        ("Sec-Fetch-Site", "same-origin"),
        ("Upgrade-Insecure-Requests", "1"),
        ("X-Forwarded-For", "203.0.113.7"),
        ("X-Forwarded-Host", HOST),
        ("X-Forwarded-Method", method),
        ("X-Forwarded-Port", "443"),
        ("X-Forwarded-Proto", proto),
        ("X-Forwarded-Server", "5f1c2a7b9d3e"),
        ("X-Forwarded-Uri", uri),
        ("X-Real-Ip", "203.0.113.7"),
        ("Accept-Encoding", "gzip"),
    ];
    let mut headers: Vec<(&str, String)> = text.map(|(name, value)| (name, value.to_owned())).into();
    let credential = match credential {
        Credential::Session(cookie) => ("Cookie", cookies(cookie)),
        Credential::Bearer(token) => ("Authorization", format!("Bearer {token}")),
    };
    headers.insert(3, credential);
    headers
}

fn cookies(session: &str) -> String {
    let mut line = "theme=dark; _ga=GA1.1.1180457264.1763980000; ".to_owned();
    let rest = COOKIE_BYTES.saturating_sub(line.len() + session.len() + "; prefs=".len());
    let _ = write!(line, "{session}; prefs={}", "p".repeat(rest));
    line
}

/// The same as it stands on the wire.
#[must_use]
pub fn wire(path: &str, credential: Credential<'_>) -> String {
    let mut text = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n");
    for (name, value) in headers(credential) {
        let _ = write!(text, "{name}: {value}\r\n");
    }
    text + "\r\n"
}
