//! What is wrong with a configuration: every fault at once, each naming its key, where it was written, and what to
//! write instead. Values are shown only where no secret can stand in them.

use std::fmt;

/// One thing to put right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    key: String,
    origin: Option<String>,
    message: String,
}

impl Fault {
    /// About `key` (`session.lifetime`, or a variable's name), written at `origin` (`doorward.yaml:3`, or a variable).
    pub(super) fn new(key: impl Into<String>, origin: Option<&str>, message: impl Into<String>) -> Self {
        let key = one_line(&key.into());
        let origin = origin.filter(|origin| *origin != key).map(one_line);
        Self { key, origin, message: one_line(&message.into()) }
    }

    /// The key or variable at fault.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Where it was written: file and line, or a variable; `None` where nothing was.
    #[must_use]
    pub fn origin(&self) -> Option<&str> {
        self.origin.as_deref()
    }

    /// What is wrong, and what to write instead.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Some(origin) => write!(f, "`{}` ({origin}): {}", self.key, self.message),
            None => write!(f, "`{}`: {}", self.key, self.message),
        }
    }
}

/// Every fault that was found, one line each when displayed. Never empty when it is an error.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults(Vec<Fault>);

impl Faults {
    pub(super) fn push(&mut self, fault: Fault) {
        self.0.push(fault);
    }

    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// One after the other, in the order they were found.
    pub fn iter(&self) -> impl Iterator<Item = &Fault> {
        self.0.iter()
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, fault) in self.0.iter().enumerate() {
            if n > 0 {
                f.write_str("\n")?;
            }
            fault.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}

/// A fault stays on its line, whatever its key is called.
fn one_line(text: &str) -> String {
    text.replace(|c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}'), " ")
}

/// A value as it can be shown in a fault: escaped, and cut to a readable length.
pub(super) fn shown(value: &str) -> String {
    let mut short: String = value.chars().take(60).flat_map(char::escape_debug).collect();
    if value.chars().nth(60).is_some() {
        short.push('…');
    }
    format!("\"{short}\"")
}

/// "; did you mean `x`?" when one of `candidates` is near to what was written, else nothing.
pub(super) fn did_you_mean<'a>(written: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    candidates
        .into_iter()
        .map(|candidate| (distance(written, candidate), candidate))
        .filter(|(far, candidate)| *far <= 1.max(candidate.len() / 3))
        .min()
        .map_or_else(String::new, |(_, nearest)| format!("; did you mean `{nearest}`?"))
}

/// Levenshtein's distance, in bytes.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        let mut next = vec![left];
        for (y, above) in b.bytes().zip(row.iter().skip(1)) {
            left = (diagonal + usize::from(x != y)).min(left + 1).min(above + 1);
            diagonal = *above;
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}
