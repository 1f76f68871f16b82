//! What a search is to SQLite: whether a column contains it, ASCII letters in either case, nothing a wildcard.
//!
//! By `LIKE`, which is five times as fast over long lists as `instr(lower(…))`, which copies every value. For what
//! `LIKE` cannot be asked, by that. It does not see what stands behind a NUL in a value; nothing that is let into the
//! store by the gateway has one.

/// Longer patterns are an error to SQLite (`SQLITE_MAX_LIKE_PATTERN_LENGTH`).
const LONGEST: usize = 20_000;

/// The condition that one of the columns contains `search`, and the value of its parameter, which has this number.
pub(super) fn containing(search: &str, columns: &[&str], number: usize) -> (String, String) {
    // SQLite reads a pattern up to the first NUL.
    let by_like = search.len() <= LONGEST && !search.contains('\0');
    let each = columns.iter().map(|column| {
        if by_like {
            format!(r"{column} LIKE ?{number} ESCAPE '\'")
        } else {
            format!("instr(lower({column}), ?{number})")
        }
    });
    let condition = format!("({})", each.collect::<Vec<_>>().join(" OR "));
    (condition, if by_like { pattern(search) } else { search.to_ascii_lowercase() })
}

fn pattern(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 2);
    pattern.push('%');
    for letter in text.chars() {
        if matches!(letter, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(letter);
    }
    pattern.push('%');
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_a_wildcard() {
        let connection = rusqlite::Connection::open_in_memory().unwrap();
        let contains = |text: &str, search: &str| -> bool {
            let (condition, value) = containing(search, &["text"], 2);
            let query = format!("SELECT {condition} FROM (SELECT ?1 AS text)");
            connection.query_row(&query, [text, &value], |row| row.get(0)).unwrap()
        };
        let long = "a".repeat(100_000);
        for (text, search) in [
            ("a%b", "%"),
            ("a_b", "_"),
            ("a\\b", "\\"),
            ("a\\%b", "\\%"),
            ("AbC", "bc"),
            ("é東", "東"),
            ("a\0B", "\0b"),
            ("", ""),
            (&long, &long),
        ] {
            assert!(contains(text, search), "{search:?} in {text:?}");
        }
        for (text, search) in [
            ("ab", "%"),
            ("ab", "_"),
            ("ab", "\\"),
            ("ab", "a%b"),
            ("abc", "abc\0"),
            ("É", "é"),
            ("a", &long),
        ] {
            assert!(!contains(text, search), "{search:?} in {text:?}");
        }
    }
}
