//! What is wrong with a policy file, and what to write instead. All faults are collected; nothing of a file
//! that has any is used.

use std::fmt;
use std::sync::Arc;

/// More than this many faults tell nobody anything new.
const MAX_FAULTS: usize = 200;

/// A place in a file; lines and columns count from 1, and 0 stands for the file as a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Line.
    pub line: u32,
    /// Column, in characters.
    pub column: u32,
}

/// Something in the file with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct At<T> {
    pub(super) value: T,
    pub(super) place: Place,
}

/// One fault: `policy.yaml:3:5: unknown key 'role'; did you mean 'roles'?`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The file, as it was named.
    pub file: Arc<str>,
    /// Where in it.
    pub place: Place,
    /// What is wrong.
    pub problem: String,
    /// What to write instead.
    pub instead: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.file)?;
        if self.place.line > 0 {
            write!(f, "{}:{}:", self.place.line, self.place.column)?;
        }
        write!(f, " {}; {}", self.problem, self.instead)
    }
}

impl std::error::Error for Fault {}

/// The faults of one file, in the making.
#[derive(Debug)]
pub(super) struct Faults {
    file: Arc<str>,
    list: Vec<Fault>,
}

impl Faults {
    pub(super) fn new(file: &str) -> Self {
        Self { file: Arc::from(file), list: Vec::new() }
    }

    pub(super) fn file(&self) -> &Arc<str> {
        &self.file
    }

    pub(super) fn add(&mut self, place: Place, problem: impl Into<String>, instead: impl Into<String>) {
        if self.list.len() < MAX_FAULTS {
            let (problem, instead) = (problem.into(), instead.into());
            self.list.push(Fault { file: Arc::clone(&self.file), place, problem, instead });
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// In the order of the file.
    pub(super) fn into_sorted(mut self) -> Vec<Fault> {
        self.list.sort_by_key(|fault| fault.place);
        self.list
    }
}

/// What `word` was probably meant to be, as advice; `otherwise` when nothing is near.
pub(super) fn did_you_mean<'a>(
    word: &str,
    known: impl IntoIterator<Item = &'a str>,
    otherwise: impl Into<String>,
) -> String {
    let near = known.into_iter().map(|name| (distance(word, name), name)).min();
    match near {
        Some((distance, name)) if distance <= 2 && distance < name.chars().count() => {
            format!("did you mean '{name}'?")
        }
        _ => otherwise.into(),
    }
}

/// Edits between two words: insert, delete, replace, or swap of neighbours (optimal string alignment).
pub(super) fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().take(64).collect(), b.chars().take(64).collect());
    let mut before: Vec<usize> = Vec::new();
    let mut previous: Vec<usize> = (0..=b.len()).collect();
    for (row, from) in a.iter().enumerate() {
        let mut current = vec![row + 1];
        for (column, to) in b.iter().enumerate() {
            let at = |line: &[usize], index: usize| line.get(index).copied().unwrap_or(usize::MAX - 1);
            let replace = at(&previous, column) + usize::from(from != to);
            let mut best = replace.min(at(&previous, column + 1) + 1).min(at(&current, column) + 1);
            let swapped =
                row > 0 && column > 0 && a.get(row - 1) == Some(to) && b.get(column - 1) == Some(from);
            if swapped {
                best = best.min(at(&before, column - 1) + 1);
            }
            current.push(best);
        }
        before = std::mem::replace(&mut previous, current);
    }
    previous.last().copied().unwrap_or(0)
}
