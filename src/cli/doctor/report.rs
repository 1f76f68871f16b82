//! What was found, for people and for programs. The JSON is described in docs/doctor.md: members are added to it and never
//! taken away.

use serde::Serialize;

use super::change::{Change, Proxy};
use crate::cli::table::{aligned, plain_line};

/// The longest text of a peer's that is repeated.
const LONGEST: usize = 400;

/// Three outcomes, never two: what was not seen is claimed neither good nor bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Outcome {
    Ok,
    Finding,
    Unchecked,
}

/// One question about the set-up, and its answer.
#[derive(Debug, Serialize)]
pub(super) struct Check {
    /// What was asked; docs/doctor.md has the list.
    pub(super) id: &'static str,
    /// Of which provider, header or address, where a question is asked about several.
    pub(super) about: Option<String>,
    pub(super) outcome: Outcome,
    /// What is so, what is wrong, or why it could not be seen.
    pub(super) says: String,
    /// Of a finding: why it matters.
    pub(super) why: Option<String>,
    /// Of a finding: what to write where.
    pub(super) change: Option<Change>,
    /// Of what could not be checked: what to give, so that it can be.
    pub(super) give: Option<String>,
}

impl Check {
    pub(super) fn ok(id: &'static str, says: impl AsRef<str>) -> Self {
        Self::new(id, Outcome::Ok, says.as_ref())
    }

    pub(super) fn finding(id: &'static str, says: impl AsRef<str>, why: &str, change: Change) -> Self {
        Self {
            why: Some(why.to_owned()),
            change: Some(change),
            ..Self::new(id, Outcome::Finding, says.as_ref())
        }
    }

    pub(super) fn unchecked(id: &'static str, says: impl AsRef<str>, give: impl Into<String>) -> Self {
        Self { give: Some(give.into()), ..Self::new(id, Outcome::Unchecked, says.as_ref()) }
    }

    pub(super) fn about(mut self, what: &str) -> Self {
        self.about = Some(tame(what));
        self
    }

    fn new(id: &'static str, outcome: Outcome, says: &str) -> Self {
        Self { id, about: None, outcome, says: tame(says), why: None, change: None, give: None }
    }

    fn title(&self) -> String {
        self.about.as_ref().map_or_else(|| self.id.to_owned(), |about| format!("{} ({about})", self.id))
    }
}

/// Other people's words: one line, of bearable length, that no terminal obeys.
fn tame(text: &str) -> String {
    let mut line: String = plain_line(text).chars().take(LONGEST).collect();
    if text.chars().nth(LONGEST).is_some() {
        line.push('…');
    }
    line
}

/// All of them.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// Nothing is wrong. What could not be checked is not counted against it.
    ok: bool,
    url: String,
    proxy: Option<Proxy>,
    /// How the proxy was recognised.
    proxy_by: String,
    /// Whether a configuration was looked at too.
    inside: bool,
    findings: usize,
    unchecked: usize,
    checks: Vec<Check>,
}

impl Report {
    pub(super) fn new(
        url: &str,
        proxy: Option<Proxy>,
        proxy_by: &str,
        inside: bool,
        checks: Vec<Check>,
    ) -> Self {
        let count = |outcome| checks.iter().filter(|check| check.outcome == outcome).count();
        let findings = count(Outcome::Finding);
        Self {
            ok: findings == 0,
            url: tame(url),
            proxy,
            proxy_by: tame(proxy_by),
            inside,
            findings,
            unchecked: count(Outcome::Unchecked),
            checks,
        }
    }

    pub(super) const fn is_ok(&self) -> bool {
        self.ok
    }

    /// A table of everything, then each finding with what to do, then what is still to be looked at.
    pub(super) fn text(&self) -> String {
        let proxy = self.proxy.map_or("not recognised", Proxy::name);
        let mut text = format!("{}\nproxy: {proxy} ({})\n\n", self.url, self.proxy_by);
        let rows: Vec<Vec<String>> = self
            .checks
            .iter()
            .map(|check| {
                let outcome = match check.outcome {
                    Outcome::Ok => "ok",
                    Outcome::Finding => "FINDING",
                    Outcome::Unchecked => "unchecked",
                };
                vec![outcome.to_owned(), check.title(), check.says.clone()]
            })
            .collect();
        text += &aligned(&["", "CHECK", "SEEN"], &rows);
        let of = |outcome| self.checks.iter().filter(move |check| check.outcome == outcome);
        for (n, check) in of(Outcome::Finding).enumerate() {
            text += &format!("\n{}. {}: {}\n", n + 1, check.title(), check.says);
            if let Some(why) = &check.why {
                text += &format!("   why     {why}\n");
            }
            if let Some(change) = &check.change {
                text += &format!("   change  {}:\n", change.place);
                for line in change.lines.lines() {
                    text += &format!("             {line}\n");
                }
                text += &format!("   more    {}\n", change.page);
            }
        }
        if self.unchecked > 0 {
            text += "\ncould not be checked:\n";
            for check in of(Outcome::Unchecked) {
                let give = check.give.as_deref().unwrap_or_default();
                text += &format!("- {}: {}. {give}\n", check.title(), check.says);
            }
        }
        let plural = if self.findings == 1 { "" } else { "s" };
        text += &format!("\n{} finding{plural}, {} not checked", self.findings, self.unchecked);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::super::change::{Topic, change};
    use super::*;

    #[test]
    fn people_read_what_is_wrong_why_and_what_to_do_and_no_terminal_obeys_a_peer() {
        let change = change(Some(Proxy::Traefik), &Topic::NotAsked);
        let checks = vec![
            Check::ok("reachable", "answers"),
            Check::finding("asked", "served \x1b[2J to nobody", "anybody may", change).about("GET"),
            Check::unchecked("aliases", "no echo", "Give --echo URL."),
        ];
        let report = Report::new("https://a/", Some(Proxy::Traefik), "--proxy", false, checks);
        let text = report.text();
        for part in [
            "FINDING    asked (GET)",
            "1. asked (GET): served ?[2J to nobody",
            "why     anybody may",
            "middlewares: [doorward]",
            "docs/proxies/traefik.md",
            "- aliases: no echo. Give --echo URL.",
            "1 finding, 1 not checked",
        ] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
        assert!(!report.is_ok());
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(
            (&json["ok"], &json["findings"], &json["proxy"]),
            (&false.into(), &1.into(), &"traefik".into())
        );
        assert_eq!(json["checks"][1]["change"]["page"], "docs/proxies/traefik.md");
        assert_eq!(json["checks"][2]["outcome"], "unchecked");
    }
}
