//! Host names and addresses, in one spelling each.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::TargetError;

/// Longest name in DNS without its root dot (RFC 1035 section 2.3.4).
const MAX_NAME: usize = 253;
const MAX_LABEL: usize = 63;

/// A host: lower-case name without a trailing dot, dotted IPv4 address, or `[IPv6]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Host(String);

impl Host {
    /// Reads a host without a port.
    ///
    /// Letters become lower-case and one trailing dot is cut; nothing else is mapped. A-labels (`xn--`) must
    /// be valid as they stand.
    ///
    /// # Errors
    /// [`TargetError::Host`].
    pub fn parse(host: &[u8]) -> Result<Self, TargetError> {
        if host.first() == Some(&b'[') {
            return v6(host);
        }
        let host = host.strip_suffix(b".").unwrap_or(host);
        if host.is_empty() || host.len() > MAX_NAME {
            return Err(TargetError::Host);
        }
        if !host.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.')) {
            return Err(TargetError::Host);
        }
        let name = String::from_utf8(host.to_ascii_lowercase()).map_err(|_| TargetError::Host)?;
        let mut last = "";
        let mut a_label = false;
        for label in name.split('.') {
            if label.is_empty() || label.len() > MAX_LABEL {
                return Err(TargetError::Host);
            }
            a_label |= label.starts_with("xn--");
            last = label;
        }
        if looks_numeric(last) && name.parse::<Ipv4Addr>().is_err() {
            return Err(TargetError::Host);
        }
        if a_label && !is_mapped_to_itself(&name) {
            return Err(TargetError::Host);
        }
        Ok(Self(name))
    }

    /// Reads `host` or `host:port`.
    ///
    /// # Errors
    /// [`TargetError::Host`] or [`TargetError::Port`].
    pub fn parse_with_port(authority: &[u8]) -> Result<(Self, Option<u16>), TargetError> {
        // The colons of an IPv6 address are inside its brackets.
        let after = authority.iter().rposition(|byte| *byte == b']').map_or(0, |at| at + 1);
        let colon = authority.iter().skip(after).position(|byte| *byte == b':').map(|at| after + at);
        let Some((host, port)) = colon.and_then(|at| authority.split_at_checked(at)) else {
            return Ok((Self::parse(authority)?, None));
        };
        Ok((Self::parse(host)?, Some(parse_port(port.get(1..).unwrap_or_default())?)))
    }

    /// The canonical spelling.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is an address and no name.
    #[must_use]
    pub fn is_address(&self) -> bool {
        self.0.starts_with('[')
            || self.0.bytes().next_back().is_some_and(|byte| byte.is_ascii_digit())
                && self.0.parse::<Ipv4Addr>().is_ok()
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether the A-labels in it are valid and in their own spelling (RFC 5891 section 5.3, by UTS 46).
fn is_mapped_to_itself(name: &str) -> bool {
    idna::domain_to_ascii_cow(name.as_bytes(), idna::AsciiDenyList::URL).is_ok_and(|mapped| mapped == name)
}

/// What browsers take for (a part of) an IPv4 address, `0x7f` included; those must be plain dotted ones.
fn looks_numeric(label: &str) -> bool {
    label.bytes().all(|byte| byte.is_ascii_digit())
        || label.strip_prefix("0x").is_some_and(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

fn v6(host: &[u8]) -> Result<Host, TargetError> {
    let inner = host.strip_prefix(b"[").and_then(|rest| rest.strip_suffix(b"]"));
    let text = inner.and_then(|inner| std::str::from_utf8(inner).ok());
    let address = text.and_then(|text| text.parse::<Ipv6Addr>().ok());
    address.map(|address| Host(format!("[{address}]"))).ok_or(TargetError::Host)
}

fn parse_port(digits: &[u8]) -> Result<u16, TargetError> {
    let plain = digits.iter().all(u8::is_ascii_digit) && digits.first() != Some(&b'0');
    let text = if plain { std::str::from_utf8(digits).unwrap_or_default() } else { "" };
    text.parse().map_err(|_| TargetError::Port)
}
