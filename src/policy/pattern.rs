//! The hosts and paths that rules speak of.

use std::fmt;

use super::target::Host;

/// Longest path of a rule with its prefix, in bytes.
pub(super) const MAX_PATH: usize = 4096;

/// What is wrong with a pattern, and what to write instead.
pub(super) type Advice = (String, String);

/// The hosts that a rule speaks of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum HostPattern {
    Exact(String),
    /// `*.example.com`, held without `*.`: every name below, at any depth, and not the name itself.
    Below(String),
    Any,
}

impl HostPattern {
    pub(super) fn parse(text: &str) -> Result<Self, Advice> {
        let advice = |problem: &str, instead: &str| Err((format!("'{text}': {problem}"), instead.to_owned()));
        if text == "*" {
            return advice("every host is not a host", "leave 'hosts' out to speak of every host");
        }
        if text.contains("://") || text.contains('/') {
            return advice(
                "a host has no scheme and no path",
                "write the bare name, as in 'app.example.com'",
            );
        }
        let (below, name) = match text.strip_prefix("*.") {
            Some(name) => (true, name),
            None => (false, text),
        };
        if name.contains('*') {
            return advice("a wildcard stands at the front only", "write '*.example.com'");
        }
        if !name.is_ascii() {
            return advice("hosts are compared in ASCII", "write the name in its 'xn--' form");
        }
        match Host::parse_with_port(name.as_bytes()) {
            Ok((host, None)) if below && host.is_address() => {
                advice("addresses have no names below them", "write the address without '*.'")
            }
            Ok((host, None)) if below => Ok(Self::Below(host.as_str().to_owned())),
            Ok((host, None)) => Ok(Self::Exact(host.as_str().to_owned())),
            Ok((_, Some(_))) => advice("a rule holds for every port", "leave the port out"),
            Err(_) if Host::parse(format!("[{name}]").as_bytes()).is_ok() => {
                advice("an IPv6 address needs brackets", "write '[::1]', in quotes")
            }
            Err(_) => advice("this is no host name", "write letters, digits, '-' and '.' only"),
        }
    }

    pub(super) fn covers(&self, host: &Host) -> bool {
        match self {
            Self::Exact(name) => host.as_str() == name,
            Self::Below(name) => below(host.as_str(), name) && !host.is_address(),
            Self::Any => true,
        }
    }

    /// Whether the two have a host in common on which `self` is at least as specific.
    pub(super) fn rivals(&self, other: &Self) -> bool {
        match (self, other) {
            (_, Self::Any) => true,
            (Self::Exact(mine), Self::Below(theirs)) => below(mine, theirs),
            (Self::Below(mine), Self::Below(theirs)) => mine == theirs || below(mine, theirs),
            (mine, theirs) => mine == theirs,
        }
    }
}

/// Whether `name` lies below `parent`, at a label's boundary.
fn below(name: &str, parent: &str) -> bool {
    name.strip_suffix(parent).is_some_and(|front| front.len() > 1 && front.ends_with('.'))
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => f.write_str(name),
            Self::Below(name) => write!(f, "*.{name}"),
            Self::Any => f.write_str("*"),
        }
    }
}

/// One segment of a rule's path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Segment {
    Literal(String),
    /// `{name}`: one non-empty segment.
    Param(String),
}

/// A rule's path: segments, and whether everything below is meant too.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Pattern {
    pub(super) segments: Vec<Segment>,
    /// `**`: this and everything below.
    pub(super) rest: bool,
}

impl Pattern {
    /// A prefix: literal segments, and everything below them. A slash at the end means nothing.
    pub(super) fn prefix(text: &str) -> Result<Self, Advice> {
        if text.contains(['{', '}', '*']) && looks_like_regex(text).is_none() {
            let instead = "write the literal beginning; what is below is meant too. {param} and ** go into an endpoint's path";
            return Err((format!("'{text}': a prefix is literal"), instead.to_owned()));
        }
        Ok(Self { segments: segments(text)?, rest: true })
    }

    /// An endpoint's path, below `prefix`.
    pub(super) fn endpoint(prefix: &Self, text: &str) -> Result<Self, Advice> {
        let (path, rest) = match text.strip_suffix("/**") {
            Some("") => ("/", true),
            Some(path) => (path, true),
            None => (text, false),
        };
        let mut all = prefix.segments.clone();
        all.extend(segments(path)?);
        let pattern = Self { segments: all, rest };
        if pattern.to_string().len() > MAX_PATH {
            return Err(too_long());
        }
        Ok(pattern)
    }

    /// Whether it meets this canonical path.
    pub(super) fn covers(&self, path: &str) -> bool {
        let mut asked = path.split('/').filter(|segment| !segment.is_empty());
        for segment in &self.segments {
            match (segment, asked.next()) {
                (Segment::Literal(literal), Some(asked)) if literal == asked => {}
                (Segment::Param(_), Some(_)) => {}
                _ => return false,
            }
        }
        self.rest || asked.next().is_none()
    }

    /// Whether some path below `prefix` could meet it.
    pub(super) fn reaches_below(&self, prefix: &Self) -> bool {
        let mut mine = self.segments.iter();
        for literal in &prefix.segments {
            match mine.next() {
                Some(Segment::Param(_)) => {}
                Some(segment) if segment == literal => {}
                Some(_) => return false,
                None => return self.rest,
            }
        }
        true
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for segment in &self.segments {
            match segment {
                Segment::Literal(text) => write!(f, "/{text}")?,
                Segment::Param(name) => write!(f, "/{{{name}}}")?,
            }
        }
        match (self.segments.is_empty(), self.rest) {
            (_, true) => f.write_str("/**"),
            (true, false) => f.write_str("/"),
            (false, false) => Ok(()),
        }
    }
}

fn too_long() -> Advice {
    ("the path is over 4 KiB".to_owned(), "use {param} or a final ** for long parts".to_owned())
}

fn segments(text: &str) -> Result<Vec<Segment>, Advice> {
    // Long or odd texts are not repeated in the message.
    let shown: String = text.chars().take(60).filter(|letter| !letter.is_control()).collect();
    let advice = |problem: &str, instead: &str| (format!("'{shown}': {problem}"), instead.to_owned());
    if text.len() > MAX_PATH {
        return Err(too_long());
    }
    if let Some(sign) = looks_like_regex(text) {
        let problem = format!("'{sign}' looks like a regular expression, and paths are none");
        return Err(advice(
            &problem,
            "write literal segments, {param} for one segment, /** at the end for all below",
        ));
    }
    let Some(path) = text.strip_prefix('/') else {
        return Err(advice("a path begins with a slash", &format!("write '/{shown}'")));
    };
    if text.contains('%') {
        return Err(advice(
            "paths are compared after decoding",
            "write the letter itself instead of its percent-escape",
        ));
    }
    if text.contains(['?', '#', ';', '\\']) || text.chars().any(char::is_control) {
        return Err(advice(
            "the query, fragments, parameters and control characters decide nothing",
            "leave out '?', '#', ';', '\\' and what follows",
        ));
    }
    let path = path.strip_suffix('/').unwrap_or(path);
    if path.is_empty() {
        return Ok(Vec::new());
    }
    path.split('/')
        .map(|segment| match segment {
            "" => Err(advice("an empty segment can never be asked for", "write single slashes")),
            "." | ".." => Err(advice("a dot segment can never be asked for", "write the path that is meant")),
            _ if segment.contains('*') => Err(advice(
                "a '*' stands for itself nowhere",
                "write {param} for one segment, or /** at the end for everything below",
            )),
            _ if segment.contains(['{', '}']) => match parameter(segment) {
                Some(name) => Ok(Segment::Param(name.to_owned())),
                None => Err(advice("a parameter is a whole segment with a plain name", "write '/{id}/'")),
            },
            _ => Ok(Segment::Literal(segment.to_owned())),
        })
        .collect()
}

fn parameter(segment: &str) -> Option<&str> {
    let name = segment.strip_prefix('{')?.strip_suffix('}')?;
    let plain = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-');
    (!name.is_empty() && name.chars().all(plain)).then_some(name)
}

fn looks_like_regex(text: &str) -> Option<&'static str> {
    const SIGNS: [&str; 12] = ["^", "$", ".*", ".+", "(", ")", "[", "]", "|", "\\d", "\\w", "\\."];
    SIGNS.into_iter().find(|sign| text.contains(sign))
}
