//! The path: decoded once, and every sign that somebody else might read it differently.

use std::borrow::Cow;
use std::fmt;

/// Why a path has no single reading. Services, proxies and libraries disagree on each of these, so that a
/// rule met by one reading says nothing about what will be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ambiguity {
    /// `%2F`.
    EncodedSlash,
    /// `\` or `%5C`.
    Backslash,
    /// Nothing but dots as a segment (`.`, `..`, and what somebody takes for them), plain, encoded or before a
    /// `;`, `?` or `#`.
    DotSegment,
    /// An empty segment.
    DoubleSlash,
    /// NUL or another control character.
    Control,
    /// What is decoded could be decoded again.
    DoubleEncoding,
    /// Not UTF-8 (RFC 3986 section 2.5).
    InvalidUtf8,
    /// A `%` without two hexadecimal digits.
    BadEscape,
}

impl fmt::Display for Ambiguity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EncodedSlash => "an encoded slash",
            Self::Backslash => "a backslash",
            Self::DotSegment => "a dot segment",
            Self::DoubleSlash => "an empty segment",
            Self::Control => "a control character",
            Self::DoubleEncoding => "a second layer of percent-encoding",
            Self::InvalidUtf8 => "bytes that are not UTF-8",
            Self::BadEscape => "a broken percent-escape",
        })
    }
}

/// How a path reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reading {
    /// `None`: as it was sent.
    pub(super) decoded: Option<String>,
    pub(super) ambiguity: Option<Ambiguity>,
    /// Whether it has `;`, `?` or `#` in it, which some services cut.
    pub(super) special: bool,
    /// Of an ambiguous path: the length, in the raw path, of what all readings begin with.
    pub(super) certain: usize,
}

/// Reads a path of printable ASCII that begins with `/`.
pub(super) fn read(raw: &str) -> Reading {
    if is_plain(raw) {
        return Reading { decoded: None, ambiguity: None, special: false, certain: 0 };
    }
    let outcome = decode(raw).and_then(|path| check(&path).map_or(Ok(path), Err));
    match outcome {
        Ok(path) => Reading {
            special: path.bytes().any(|byte| matches!(byte, b';' | b'?' | b'#')),
            decoded: match path {
                Cow::Borrowed(_) => None,
                Cow::Owned(path) => Some(path),
            },
            ambiguity: None,
            certain: 0,
        },
        Err(why) => {
            Reading { decoded: None, ambiguity: Some(why), special: false, certain: certain_base(raw) }
        }
    }
}

/// Nearly every path: nothing to decode, nothing to cut, no segment that is empty or begins with a dot.
fn is_plain(raw: &str) -> bool {
    let mut slash = false;
    raw.bytes().all(|byte| {
        let odd = matches!(byte, b'%' | b'\\' | b';' | b'#') || (slash && matches!(byte, b'/' | b'.'));
        slash = byte == b'/';
        !odd
    })
}

/// The readings of services that strip `;`-parameters (servlet containers), or decode and then cut at `;`, `?` or
/// `#`. Rule paths hold none of these characters, so a rule met both with and without the parameters of all
/// segments is also met with those of some.
pub(super) fn other_readings(path: &str) -> Vec<String> {
    let cut = path.split(['?', '#']).next().unwrap_or(path);
    let mut readings = vec![without_parameters(path)];
    if cut.len() < path.len() {
        readings.push(cut.to_owned());
        readings.push(without_parameters(cut));
    }
    // Some take a `;` for the end of the path (Apache Shiro, CVE-2020-11989).
    let first = path.split([';', '?', '#']).next().unwrap_or(path);
    readings.push(first.to_owned());
    readings
}

fn without_parameters(path: &str) -> String {
    let bare = |segment: &str| segment.split(';').next().unwrap_or_default().to_owned();
    path.split('/').map(bare).collect::<Vec<_>>().join("/")
}

fn decode(raw: &str) -> Result<Cow<'_, str>, Ambiguity> {
    if !raw.contains('%') {
        return Ok(Cow::Borrowed(raw));
    }
    let mut bytes = Vec::with_capacity(raw.len());
    let mut rest = raw.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let (value, tail) = escape(tail).ok_or(Ambiguity::BadEscape)?;
        match value {
            b'/' => return Err(Ambiguity::EncodedSlash),
            b'\\' => return Err(Ambiguity::Backslash),
            _ => bytes.push(value),
        }
        rest = tail;
    }
    let path = String::from_utf8(bytes).map_err(|_| Ambiguity::InvalidUtf8)?;
    if path.chars().any(char::is_control) {
        return Err(Ambiguity::Control);
    }
    if path.match_indices('%').any(|(at, _)| {
        let tail = path.as_bytes().get(at + 1..).unwrap_or_default();
        escape(tail).is_some() || is_u_escape(tail)
    }) {
        return Err(Ambiguity::DoubleEncoding);
    }
    Ok(Cow::Owned(path))
}

/// The value of two hexadecimal digits, and what comes after them.
fn escape(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let (&[high, low], rest) = bytes.split_first_chunk::<2>()?;
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some((digit(high)? * 16 + digit(low)?, rest))
}

/// `u002F` after a `%`: never a standard, decoded by some all the same.
fn is_u_escape(bytes: &[u8]) -> bool {
    matches!(bytes, [b'u' | b'U', a, b, c, d, ..] if [a, b, c, d].iter().all(|byte| byte.is_ascii_hexdigit()))
}

fn check(path: &str) -> Option<Ambiguity> {
    let mut segments = path.strip_prefix('/').unwrap_or(path).split('/').peekable();
    while let Some(segment) = segments.next() {
        if segment.contains('\\') {
            return Some(Ambiguity::Backslash);
        }
        // What looks like a slash parts segments for some; so does what ends one.
        if segment.split([';', '?', '#']).next().unwrap_or_default().split(LIKE_A_SLASH).any(is_dots) {
            return Some(Ambiguity::DotSegment);
        }
        let last = segments.peek().is_none();
        if !last && segment.split(';').next().unwrap_or_default().is_empty() {
            return Some(Ambiguity::DoubleSlash);
        }
    }
    None
}

/// Letters that Unicode's compatibility mapping (NFKC) or a Windows code page turns into `/` or `\`.
const LIKE_A_SLASH: [char; 5] = ['\u{ff0f}', '\u{ff3c}', '\u{2215}', '\u{2044}', '\u{fe68}'];

/// Nothing but dots, or what is mapped to dots in the same way. Blanks beside them, and dots beyond two, are cut
/// off by Windows. No service names anything like that.
fn is_dots(segment: &str) -> bool {
    let dot = |c: char| matches!(c, '.' | '\u{ff0e}' | '\u{2024}' | '\u{2025}' | '\u{2026}' | '\u{fe52}');
    segment.contains(dot) && segment.chars().all(|c| dot(c) || c.is_whitespace())
}

/// How much of an ambiguous raw path is certain: the plain segments before the first one that is not, or
/// nothing when some reading could climb out of them.
fn certain_base(raw: &str) -> usize {
    if may_climb(raw) {
        return 0;
    }
    let mut length = 0;
    for segment in raw.strip_prefix('/').unwrap_or(raw).split('/') {
        if segment.is_empty() || segment.contains(['%', '\\', ';']) {
            break;
        }
        length += 1 + segment.len();
    }
    length
}

/// Whether any number of decodings can lead to a dot segment, or to something that cannot be foreseen.
fn may_climb(raw: &str) -> bool {
    // Each pass shortens what it changes; nothing that stacks more layers than this is worth an answer.
    const MAX_LAYERS: usize = 8;
    let mut bytes = raw.as_bytes().to_vec();
    for _ in 0..MAX_LAYERS {
        let mut decoded = Vec::with_capacity(bytes.len());
        let mut rest = bytes.as_slice();
        while let Some((&byte, tail)) = rest.split_first() {
            rest = tail;
            if byte == b'%' {
                let Some((value, tail)) = escape(tail) else { return true };
                decoded.push(value);
                rest = tail;
            } else {
                decoded.push(byte);
            }
        }
        let layers_left = decoded != bytes;
        bytes = decoded;
        if !layers_left {
            let Ok(path) = std::str::from_utf8(&bytes) else { return true };
            return path.chars().any(char::is_control)
                || path
                    .split(|c| matches!(c, '/' | '\\' | ';' | '?' | '#') || LIKE_A_SLASH.contains(&c))
                    .any(is_dots);
        }
    }
    true
}
