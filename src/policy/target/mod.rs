//! What is asked for, read in exactly one way: the only normaliser. Everything that decides, logs or builds
//! an address takes a [`Target`], and this is the only place that makes one, from octets as they came.
//!
//! No URL library touches the input: they repair what must be refused (a `#` is cut, `\` becomes `/`).

mod host;
mod path;

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use thiserror::Error;

pub use host::Host;
pub use path::Ambiguity;

/// Longest path and query together, in bytes.
pub const MAX_URI: usize = 8 * 1024;
/// Longest method, in bytes.
const MAX_METHOD: usize = 32;

/// Why something is no target at all. The messages repeat nothing of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TargetError {
    /// Not 1 to 32 upper-case letters (`-` within).
    #[error("the method is not a name in upper-case letters")]
    Method,
    /// None of http, https, ws, wss.
    #[error("the scheme is not http, https, ws or wss")]
    Scheme,
    /// No host name and no IP literal.
    #[error("the host is not a valid name or address")]
    Host,
    /// Not 1 to 65535 in plain digits.
    #[error("the port is not a number from 1 to 65535")]
    Port,
    /// A control byte, a space, a byte beyond ASCII or a `#`.
    #[error("the path or query has a byte that no request target may have")]
    Byte,
    /// Not beginning with `/`.
    #[error("the path does not begin with a slash")]
    Relative,
    /// Over [`MAX_URI`].
    #[error("the path and query are too long")]
    TooLong,
}

/// How it is asked for. A WebSocket's `ws` and `wss` are the schemes of its handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// `http`, `ws`.
    Http,
    /// `https`, `wss`.
    Https,
}

impl Scheme {
    /// From the four names that proxies send, in any case.
    ///
    /// # Errors
    /// [`TargetError::Scheme`] for everything else.
    pub fn parse(scheme: &[u8]) -> Result<Self, TargetError> {
        let is = |name: &str| scheme.eq_ignore_ascii_case(name.as_bytes());
        if is("https") || is("wss") {
            Ok(Self::Https)
        } else if is("http") || is("ws") {
            Ok(Self::Http)
        } else {
            Err(TargetError::Scheme)
        }
    }

    /// `http` or `https`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// One request, as the policy sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    method: Cow<'static, str>,
    scheme: Scheme,
    host: Host,
    port: Option<u16>,
    // Path and query as asked; printable ASCII.
    raw: String,
    path_end: usize,
    reading: path::Reading,
}

impl Target {
    /// Reads the four parts of a request. `host` may carry a port.
    ///
    /// # Errors
    /// What cannot be a request at all; what could be read in two ways is no error but
    /// [`ambiguity`](Self::ambiguity).
    pub fn parse(method: &[u8], scheme: &[u8], host: &[u8], uri: &[u8]) -> Result<Self, TargetError> {
        let method = parse_method(method)?;
        let scheme = Scheme::parse(scheme)?;
        let (host, port) = Host::parse_with_port(host)?;
        let raw = parse_uri(uri)?.to_owned();
        let path_end = raw.find('?').unwrap_or(raw.len());
        let reading = path::read(raw.get(..path_end).unwrap_or("/"));
        let port = port.filter(|port| *port != scheme.default_port());
        Ok(Self { method, scheme, host, port, raw, path_end, reading })
    }

    /// Reads a method and a whole address, cut by hand: a URL library would repair it.
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    pub fn of_url(method: &str, url: &str) -> Result<Self, TargetError> {
        let (scheme, rest) = url.split_once("://").ok_or(TargetError::Scheme)?;
        let (host, uri) = rest.split_at_checked(rest.find('/').unwrap_or(rest.len())).unwrap_or((rest, ""));
        let uri = if uri.is_empty() { "/" } else { uri };
        Self::parse(method.as_bytes(), scheme.as_bytes(), host.as_bytes(), uri.as_bytes())
    }

    /// Upper-case.
    #[must_use]
    pub fn method(&self) -> &str {
        &self.method
    }

    /// http or https.
    #[must_use]
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Without the port.
    #[must_use]
    pub const fn host(&self) -> &Host {
        &self.host
    }

    /// `None` when absent or the scheme's own.
    #[must_use]
    pub const fn port(&self) -> Option<u16> {
        self.port
    }

    /// The path, percent-decoded once. Where [`ambiguity`](Self::ambiguity) says that it has no one reading:
    /// as asked for, printable ASCII.
    #[must_use]
    pub fn path(&self) -> &str {
        self.reading.decoded.as_deref().unwrap_or_else(|| self.raw_path())
    }

    /// Path and query, exactly as asked.
    #[must_use]
    pub fn raw_uri(&self) -> &str {
        &self.raw
    }

    /// The exact address asked for.
    #[must_use]
    pub fn url(&self) -> String {
        let (scheme, host) = (self.scheme.as_str(), self.host.as_str());
        match self.port {
            Some(port) => format!("{scheme}://{host}:{port}{}", self.raw),
            None => format!("{scheme}://{host}{}", self.raw),
        }
    }

    /// Why the path has no single reading; `None` when it has one.
    #[must_use]
    pub const fn ambiguity(&self) -> Option<Ambiguity> {
        self.reading.ambiguity
    }

    /// Other paths that a service might see in this one: without `;`-parameters, cut at an encoded `?` or
    /// `#`. Empty for nearly every request.
    pub(super) fn other_readings(&self) -> Vec<String> {
        if self.reading.special { path::other_readings(self.path()) } else { Vec::new() }
    }

    /// Of an ambiguous path: the leading segments that every reading begins with (`/` if there are none).
    pub(super) fn certain_base(&self) -> &str {
        match self.raw.get(..self.reading.certain) {
            Some(base) if !base.is_empty() => base,
            _ => "/",
        }
    }

    fn raw_path(&self) -> &str {
        self.raw.get(..self.path_end).unwrap_or("/")
    }
}

/// Methods are case-sensitive (RFC 9110 section 9.1) and nobody registers lower-case ones, so `get` is
/// refused and not repaired.
pub(super) fn parse_method(method: &[u8]) -> Result<Cow<'static, str>, TargetError> {
    const USUAL: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE"];
    if let Some(usual) = USUAL.iter().find(|usual| usual.as_bytes() == method) {
        return Ok(Cow::Borrowed(usual));
    }
    let well_formed = method.first().is_some_and(u8::is_ascii_uppercase)
        && method.len() <= MAX_METHOD
        && method.iter().all(|byte| byte.is_ascii_uppercase() || *byte == b'-');
    match std::str::from_utf8(method) {
        Ok(text) if well_formed => Ok(Cow::Owned(text.to_owned())),
        _ => Err(TargetError::Method),
    }
}

fn parse_uri(uri: &[u8]) -> Result<&str, TargetError> {
    if uri.len() > MAX_URI {
        return Err(TargetError::TooLong);
    }
    if uri.first() != Some(&b'/') {
        return Err(TargetError::Relative);
    }
    if !uri.iter().all(|byte| byte.is_ascii_graphic() && *byte != b'#') {
        return Err(TargetError::Byte);
    }
    std::str::from_utf8(uri).map_err(|_| TargetError::Byte)
}
