//! Tables for people.

/// The longest cell; an agent's name may be longer.
const WIDEST: usize = 60;

/// Columns under each other. What a terminal would obey (other people's names may have anything in them) is shown as
/// `?`.
pub(super) fn aligned(head: &[&str], rows: &[Vec<String>]) -> String {
    let head: Vec<String> = head.iter().map(|cell| (*cell).to_owned()).collect();
    let all: Vec<Vec<String>> =
        std::iter::once(&head).chain(rows).map(|row| row.iter().map(|cell| plain(cell)).collect()).collect();
    let width =
        |column: usize| all.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..head.len()).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for row in &all {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}", width = *width)).collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

fn plain(text: &str) -> String {
    let mut cell: String = plain_line(text).chars().take(WIDEST).collect();
    if text.chars().nth(WIDEST).is_some() {
        cell.pop();
        cell.push('…');
    }
    cell
}

/// One line, without anything that a terminal would obey: control characters and those that turn the direction.
pub(super) fn plain_line(text: &str) -> String {
    let turns = |c| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().map(|c| if c.is_control() || turns(c) { '?' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_under_each_other_and_nothing_is_obeyed() {
        let rows = [vec!["a".into(), "\x1b[2Jü\n".into()], vec!["long".into(), "x".repeat(100)]];
        let text = aligned(&["NAME", "TEXT"], &rows);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(&lines[..2], ["NAME  TEXT", "a     ?[2Jü?"]);
        assert_eq!(lines[2].chars().count(), 6 + WIDEST);
        assert!(lines[2].ends_with('…'));
    }
}
