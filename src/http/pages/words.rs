//! Numbers, times and browsers as people say them.

use std::time::Duration;

use minijinja::{Value, context};

use crate::clock::Timestamp;

/// Pages must stay small enough to pass through a proxy's limit on answers: beyond this many, a list says
/// how many more there are.
pub(super) const SHOWN: usize = 12;
/// Longer values are cut on display; identity claims have no limit of their own on their width.
pub(super) const LONGEST: usize = 80;

/// For a `<time>` element: words to read, the exact time to look up.
pub(in crate::http) fn moment(then: Timestamp, words: String) -> Value {
    let iso = then.rfc3339();
    let exact = iso.replace('T', " ").replace('Z', " UTC");
    context! { iso, exact, words }
}

/// How long ago `then` was: "just now" below a minute and for times in the future, a date after 30 days.
#[must_use]
pub fn ago(now: Timestamp, then: Timestamp) -> String {
    let span = now.since(then);
    match span.as_secs() {
        0..60 => "just now".into(),
        60..2_592_000 => format!("{} ago", coarse(span)),
        _ => date(then),
    }
}

/// How far off `then` is: "now" when it is over, "in less than a minute", a date after 30 days.
#[must_use]
pub fn until(now: Timestamp, then: Timestamp) -> String {
    let span = then.since(now);
    match span.as_secs() {
        0 => "now".into(),
        1..60 => "in less than a minute".into(),
        60..2_592_000 => format!("in {}", coarse(span)),
        _ => format!("on {}", date(then)),
    }
}

/// A span as a setting is said: "30 seconds", "1 hour", "90 minutes".
#[must_use]
pub fn span_in_words(span: Duration) -> String {
    let secs = span.as_secs();
    match secs {
        86_400.. if secs.is_multiple_of(86_400) => count(secs / 86_400, "day"),
        3600.. if secs.is_multiple_of(3600) => count(secs / 3600, "hour"),
        60.. => count(secs / 60, "minute"),
        _ => count(secs, "second"),
    }
}

/// "1 session", "2 sessions".
#[must_use]
pub fn count(number: u64, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// The device behind a `User-Agent`, in words: "Firefox on Linux". Made of words known here alone, so
/// nothing that a client sent is repeated.
#[must_use]
pub fn device_in_words(agent: Option<&str>) -> String {
    let Some(agent) = agent.filter(|agent| !agent.trim().is_empty()) else {
        return "Unknown device".into();
    };
    // Browsers name their ancestors too (Edge says Chrome and Safari): the most particular name comes first.
    const BROWSERS: [(&str, &str); 13] = [
        ("Edg", "Edge"),
        ("OPR/", "Opera"),
        ("Vivaldi/", "Vivaldi"),
        ("SamsungBrowser/", "Samsung Internet"),
        ("FxiOS/", "Firefox"),
        ("Firefox/", "Firefox"),
        ("CriOS/", "Chrome"),
        ("HeadlessChrome/", "Chrome"),
        ("Chromium/", "Chromium"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
        ("curl/", "curl"),
        ("Wget/", "Wget"),
    ];
    const SYSTEMS: [(&str, &str); 8] = [
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Android", "Android"),
        ("Windows", "Windows"),
        ("CrOS", "ChromeOS"),
        ("Macintosh", "macOS"),
        ("Mac OS X", "macOS"),
        ("Linux", "Linux"),
    ];
    let named = |names: &[(&str, &'static str)]| {
        names.iter().find(|(mark, _)| agent.contains(mark)).map(|(_, name)| *name)
    };
    match (named(&BROWSERS), named(&SYSTEMS)) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(browser), None) => browser.into(),
        (None, Some(system)) => format!("A browser on {system}"),
        (None, None) => "Unknown device".into(),
    }
}

/// At most `max` characters of `text`, with an ellipsis where something was left out.
pub(in crate::http) fn clip(text: &str, max: usize) -> String {
    match text.char_indices().nth(max) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

// To the largest unit, rounded: 7 h 58 min is "8 hours", and 59 min 50 s is "1 hour".
fn coarse(span: Duration) -> String {
    let minutes = (span.as_secs() + 30) / 60;
    let hours = (minutes + 30) / 60;
    match () {
        () if minutes < 60 => count(minutes, "minute"),
        () if hours < 24 => count(hours, "hour"),
        () => count((hours + 12) / 24, "day"),
    }
}

fn date(then: Timestamp) -> String {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let iso = then.rfc3339();
    let day = iso.split('T').next().unwrap_or_default();
    let mut parts = day.rsplitn(3, '-').map(|part| part.parse::<usize>().ok());
    let (Some(Some(day)), Some(Some(month)), Some(Some(year))) = (parts.next(), parts.next(), parts.next())
    else {
        return day.to_owned();
    };
    match MONTHS.get(month.wrapping_sub(1)) {
        Some(month) => format!("{day} {month} {year}"),
        None => iso,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_past_is_told_as_people_tell_it() {
        let now = Timestamp::from_secs(1_795_599_999); // 2026-11-25 09:46:39
        let said = |secs| ago(now, now.minus(Duration::from_secs(secs)));
        assert_eq!(said(0), "just now");
        assert_eq!(said(59), "just now");
        assert_eq!(said(60), "1 minute ago");
        assert_eq!(said(185), "3 minutes ago");
        assert_eq!(said(3599), "1 hour ago");
        assert_eq!(said(86_400), "1 day ago");
        assert_eq!(said(2_592_000), "26 Oct 2026");
        assert_eq!(ago(now, now.plus(Duration::from_secs(90))), "just now");
    }

    #[test]
    fn the_future_is_rounded() {
        let now = Timestamp::from_secs(1_795_599_999);
        let said = |secs| until(now, now.plus(Duration::from_secs(secs)));
        assert_eq!(said(0), "now");
        assert_eq!(said(20), "in less than a minute");
        assert_eq!(said(7 * 3600 + 58 * 60), "in 8 hours");
        assert_eq!(said(40 * 86_400), "on 4 Jan 2027");
        assert_eq!(until(now, now.minus(Duration::from_secs(5))), "now");
    }

    #[test]
    fn spans_and_counts() {
        assert_eq!(span_in_words(Duration::from_secs(3600)), "1 hour");
        assert_eq!(span_in_words(Duration::from_secs(5400)), "90 minutes");
        assert_eq!(span_in_words(Duration::from_secs(30)), "30 seconds");
        assert_eq!(count(1, "session"), "1 session");
        assert_eq!(clip("Jürgen", 2), "Jü…");
        assert_eq!(clip("Jürgen", 6), "Jürgen");
    }

    #[test]
    fn devices_are_named_by_their_most_particular_name() {
        for (agent, device) in [
            ("Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0", "Firefox on Linux"),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) \
                 Chrome/131.0.0.0 Safari/537.36 Edg/131.0.0.0",
                "Edge on Windows",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like \
                 Gecko) Version/18.1 Mobile/15E148 Safari/604.1",
                "Safari on iPhone",
            ),
            (
                "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) \
                 Chrome/131.0.0.0 Mobile Safari/537.36",
                "Chrome on Android",
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) \
                 Version/18.1 Safari/605.1.15",
                "Safari on macOS",
            ),
            ("curl/8.10.1", "curl"),
            ("<script>alert(1)</script>", "Unknown device"),
            ("  ", "Unknown device"),
        ] {
            assert_eq!(device_in_words(Some(agent)), device, "{agent}");
        }
        assert_eq!(device_in_words(None), "Unknown device");
    }
}
