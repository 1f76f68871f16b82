use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use super::*;
use crate::clock::Timestamp;
use crate::config::ProviderKind;
use crate::identity::api_token::FieldFault;
use crate::policy::decision::Reason;

const IMG: &str = "<img src=x onerror=alert(1)>";
const BREAK: &str = "\"'><script>alert(2)</script>";
const BRACES: &str = "{{7*7}}{% raw %}";

const HOME: &str = "https://auth.example.com/rbac/";
const ASSETS: &str = "https://auth.example.com/rbac/assets";

fn config() -> config::Pages {
    config::Pages {
        name: "Doorward".into(),
        accent: None,
        logo_file: None,
        support_url: None,
        templates_dir: None,
    }
}

fn pages(config: &config::Pages) -> Pages {
    Pages::new(config, ASSETS.into(), HOME.into()).unwrap()
}

/// Words for pages: as they should be, or as an enemy would have them.
struct Words<'a> {
    who: &'a str,
    name: &'a str,
    host: &'a str,
    id: &'a str,
    label: &'a str,
    agent: &'a str,
    href: &'a str,
    roles: Vec<String>,
    many: usize,
}

impl Words<'_> {
    fn kind() -> Words<'static> {
        Words {
            who: "ada@example.com",
            name: "Ada Lovelace",
            host: "grafana.example.com",
            id: "104857291637502918374",
            label: "Google",
            agent: "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0",
            href: "https://auth.example.com/rbac/login?idp=google&rd=https%3A%2F%2Fgrafana.example.com%2F",
            roles: ["auditflow-role", "billing-reader", "staff"].map(String::from).to_vec(),
            many: 3,
        }
    }
}

/// Every page, every cause and every kind of refusal.
fn each_page(words: &Words<'_>, mut see: impl FnMut(String, Page<'_>)) {
    let now = Timestamp::from_secs(1_795_599_999);
    let earlier = |secs| now.minus(Duration::from_secs(secs));
    let choice = |kind, label| ProviderChoice { id: words.id, label, kind, href: Href::new(words.href) };
    let providers = vec![
        choice(ProviderKind::Google, words.label),
        choice(ProviderKind::Github, "GitHub"),
        choice(ProviderKind::Oidc, "Keycloak"),
    ];
    see("choose".into(), Page::Choose(Choose { going_to: Some(words.host), providers, note: None }));
    let (providers, note) = (vec![choice(ProviderKind::Google, words.label)], Some(words.who));
    see("choose-note".into(), Page::Choose(Choose { going_to: None, providers, note }));
    see("choose-none".into(), Page::Choose(Choose { going_to: None, providers: Vec::new(), note: None }));

    let sessions = (0..words.many)
        .map(|n| Session {
            id: words.id,
            agent: [Some(words.agent), Some("Safari/605 iPhone"), None].get(n % 3).copied().flatten(),
            address: (n % 3 != 1).then_some(if words.many == 3 { "203.0.113.24" } else { words.host }),
            first_seen: earlier(n as u64 * 90_000 + 700),
            last_seen: earlier(n as u64 * 7_000),
            current: n == 0,
            provider: words.label,
        })
        .collect();
    // People's own have hosts that were read into their one spelling.
    let hosts: Vec<String> = (0..3).map(|n| format!("*.{n}{}.example.test", "x".repeat(60))).collect();
    let token = |n: usize| OwnToken {
        digest: "0123456789abcdef".repeat(4),
        name: words.name,
        hosts: hosts.get(..n % 4).unwrap_or_default(),
        roles: &words.roles,
        expires_at: (n != 1).then(|| now.plus(Duration::from_secs(n as u64 * 900_000 + 700))),
        last_used: (n != 2).then(|| earlier(n as u64 * 7_000)),
    };
    let account = Account {
        name: Some(words.name),
        email: Some(words.who),
        user_id: words.id,
        provider_label: words.label,
        roles: &words.roles,
        signed_in_at: earlier(700),
        expires_at: now.plus(Duration::from_secs(8 * 3600 - 700)),
        idle: Some(Duration::from_secs(3600)),
        now,
        sessions,
        own: Some(OwnTokens { tokens: (0..words.many).map(token).collect(), may_make: true, now }),
        csrf: words.id,
        note: Some(words.who),
    };
    see("account".into(), Page::Account(account));
    let bare = Account {
        name: None,
        email: None,
        user_id: words.id,
        provider_label: words.label,
        roles: &[],
        signed_in_at: now,
        expires_at: now,
        idle: None,
        now,
        sessions: Vec::new(),
        own: Some(OwnTokens { tokens: Vec::new(), may_make: true, now }),
        csrf: "",
        note: None,
    };
    see("account-bare".into(), Page::Account(bare));
    let fault = |field| FieldFault { field, problem: words.name.to_owned() };
    let faults = ["name", "hosts", "roles", "ttl_seconds"].map(fault);
    for (n, faults) in [&faults[..], &[]].into_iter().enumerate() {
        let choice =
            |label: &str| Choice { value: "1".into(), label: label.into(), chosen: label == "never" };
        let form = NewTokenForm {
            name: words.name,
            hosts: words.host.to_owned(),
            roles: &words.roles,
            chosen: if n == 0 { &words.roles } else { &[] },
            ends: ["after 30 days", "never"].map(choice).into(),
            faults,
            csrf: words.id,
        };
        see(format!("token-new-{n}"), Page::NewToken(form));
        let made = TokenMade {
            name: words.name,
            token: "dw_0123456789abcdefghijklmnopqrstuvw",
            curl: (n == 0).then(|| {
                format!(
                    "curl -H 'Authorization: Bearer dw_0123456789abcdefghijklmnopqrstuvw' https://{}/",
                    words.host
                )
            }),
            expires_at: (n == 0).then(|| now.plus(Duration::from_secs(2_500_000))),
            now,
        };
        see(format!("token-made-{n}"), Page::TokenMade(made));
        see(
            format!("token-revoke-{n}"),
            Page::RevokeToken(RevokeToken {
                token: OwnToken { hosts: &words.roles, ..token(n + 1) },
                csrf: words.id,
                now,
            }),
        );
    }
    let everywhere = SignOutEverywhere { who: words.who, count: words.many, csrf: words.id };
    see("sign-out-everywhere".into(), Page::SignOutEverywhere(everywhere));

    let reasons = [
        Reason::NoRule,
        Reason::MissingRole(words.roles.iter().take(1).cloned().collect()),
        Reason::MissingRole(words.roles.clone()),
        Reason::MissingRole(Vec::new()),
        Reason::MissingPermission(words.name.to_owned()),
    ];
    for (n, missing) in reasons.iter().enumerate() {
        let switch_account_href = (n != 0).then(|| Href::new(words.href));
        let (who, decision_id) = (Some(words.who), if n == 1 { "d-7f3k2m9qxv4t1c8w" } else { words.id });
        let page = Forbidden { who, missing, target_host: words.host, switch_account_href, decision_id };
        see(format!("forbidden-{n}"), Page::Forbidden(page));
    }
    for kind in Trouble::ALL {
        let problem = |provider_label, domain, reference| {
            let action = Action { label: kind.button(), href: Href::new(words.href) };
            Page::Problem(Problem { kind, action, reference, provider_label, domain })
        };
        let id = kind.as_str();
        see(
            format!("problem-{id}"),
            problem(Some(words.label), Some(words.host), Some("d-7f3k2m9qxv4t1c8w")),
        );
        see(format!("problem-{id}-bare"), problem(None, None, None));
    }

    see("sign-out".into(), Page::SignOut(SignOut { who: words.who, csrf: words.id }));
    let place = || Destination { host: words.host, href: Href::new(words.href) };
    for (n, where_to, provider_label, provider_ended) in [
        (0, Some(place()), Some(words.label), false),
        (1, None, Some(words.label), true),
        (2, None, None, false),
    ] {
        see(
            format!("signed-out-{n}"),
            Page::SignedOut(SignedOut { where_to, provider_label, provider_ended }),
        );
    }
}

#[test]
fn the_script_may_run_on_its_page_alone() {
    let pages = pages(&config());
    assert_eq!(pages.csp_with_script(), format!("{}; script-src https://auth.example.com", pages.csp()));
    let script = pages.asset(pages.assets.script().rsplit('/').next().unwrap()).unwrap();
    assert_eq!(script.content_type, "text/javascript; charset=utf-8");
}

fn stylesheet(pages: &Pages) -> Asset {
    pages.asset(pages.assets.stylesheet().rsplit('/').next().unwrap()).unwrap()
}

/// What every page must be, whatever is on it.
fn assert_well_made(name: &str, html: &str, pages: &Pages) {
    assert!(html.starts_with("<!doctype html>\n<html lang=\"en\">"), "{name}: {html}");
    let count = |text: &str| html.matches(text).count();
    for once in
        ["<h1", "<main", "<header", "<footer", "<title>", "rel=\"icon\"", "rel=\"stylesheet\"", "</html>"]
    {
        assert_eq!(count(once), 1, "{name}: {once} in {html}");
    }
    assert!(!html.contains("<title> ·") && !html.contains("<h1></h1>"), "{name}: {html}");
    let size = html.len() + stylesheet(pages).bytes.len();
    assert!(size < 30 * 1024, "{name} has {size} bytes with its stylesheet");
}

/// Names of elements, and of their attributes, as a browser would read them.
fn markup(html: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut elements, mut attributes) = (BTreeSet::new(), BTreeSet::new());
    for tag in html.split('<').skip(1) {
        let tag = tag.split('>').next().unwrap();
        elements.insert(tag.split([' ', '/']).find(|part| !part.is_empty()).unwrap().to_owned());
        // Outside of quoted values: every other piece.
        for piece in tag.split('"').step_by(2) {
            for word in piece.split_whitespace().filter(|word| word.ends_with('=')) {
                attributes.insert(word.trim_end_matches('=').to_owned());
            }
        }
    }
    (elements, attributes)
}

#[test]
fn every_page_is_well_made() {
    let pages = pages(&config());
    let (mut elements, mut attributes) = (BTreeSet::new(), BTreeSet::new());
    each_page(&Words::kind(), |name, page| {
        let html = pages.render(&page);
        assert_well_made(&name, &html, &pages);
        assert!(!html.contains(LAST_RESORT), "{name}");
        // One page has a script, by its address and with nothing in it.
        let script =
            format!("<script src=\"{}\" defer></script>", pages.assets.script().replace('/', "&#x2f;"));
        assert_eq!(html.contains(&script), page.has_script(), "{name}: {html}");
        let html = html.replace(&script, "");
        let (more_elements, more_attributes) = markup(&html);
        elements.extend(more_elements);
        attributes.extend(more_attributes);
        if let Ok(folder) = std::env::var("DOORWARD_PAGES_OUT") {
            fs::write(format!("{folder}/{name}.html"), html).unwrap();
        }
    });
    if let Ok(folder) = std::env::var("DOORWARD_PAGES_OUT") {
        fs::write(format!("{folder}/doorward.css"), &stylesheet(&pages).bytes).unwrap();
    }
    assert!(!elements.contains("script") && !elements.contains("style"), "{elements:?}");
    assert!(!attributes.iter().any(|name| name == "style" || name.starts_with("on")), "{attributes:?}");
    assert!(attributes.contains("href") && elements.contains("form"), "the test reads markup");
}

fn short(text: &str, max: usize) -> &str {
    text.get(..max).unwrap_or(text)
}

#[test]
fn what_others_wrote_stays_text() {
    let long = format!("{IMG}{BREAK}{BRACES}").repeat(200);
    let everything = format!("{BREAK}{IMG}{BRACES}");
    for hostile in [IMG, BREAK, BRACES, &everything, &long] {
        let words = Words {
            who: hostile,
            name: hostile,
            host: short(hostile, 300),
            id: short(hostile, 64),
            label: short(hostile, 60),
            agent: hostile,
            href: "javascript:alert(3)",
            roles: (0..400).map(|n| format!("{n}{hostile}")).collect(),
            many: 60,
        };
        let config = config::Pages {
            name: short(hostile, 60).to_owned(),
            support_url: Some("javascript:alert(4)".into()),
            ..config()
        };
        let (pages, plain) = (pages(&config), pages(&self::config()));
        let (mut allowed, mut names) = ((BTreeSet::new(), BTreeSet::new()), 0);
        each_page(&Words::kind(), |_, page| {
            let (elements, attributes) = markup(&plain.render(&page));
            allowed.0.extend(elements);
            allowed.1.extend(attributes);
        });
        each_page(&words, |name, page| {
            let html = pages.render(&page);
            assert_well_made(&name, &html, &pages);
            for raw in ["<img", "<script>", "alert(2)</", "javascript:", "style=", "{{49"] {
                assert!(!html.contains(raw), "{name}: {raw} in {html}");
            }
            assert!(!html.contains(">49<") && !html.contains("49{%"), "{name}: evaluated");
            let (elements, attributes) = markup(&html);
            assert!(elements.is_subset(&allowed.0), "{name}: {elements:?}");
            assert!(attributes.is_subset(&allowed.1), "{name}: {attributes:?}");
            names += 1;
        });
        assert!(names > 40, "{names} pages");
    }
}

#[test]
fn a_refusal_says_what_is_missing_and_names_the_decision() {
    let pages = pages(&config::Pages { support_url: Some("mailto:help@example.com".into()), ..config() });
    let missing = Reason::MissingRole(vec!["auditflow-role".into()]);
    let html = pages.render(&Page::Forbidden(Forbidden {
        who: Some("ada@example.com"),
        missing: &missing,
        target_host: "app.example.com",
        switch_account_href: Some(Href::new("https://auth.example.com/rbac/login")),
        decision_id: "d-1",
    }));
    assert!(html.contains("Your account is missing the role <strong class=\"name\">auditflow-role</strong>"));
    assert!(html.contains("href=\"mailto:help@example.com\"") && html.contains("<code>d-1</code>"), "{html}");
    assert!(html.contains("Use another account") && html.contains("Status 403"));
}

#[test]
fn assets_are_named_by_content_and_follow_the_brand() {
    let folder = tempfile::tempdir().unwrap();
    let logo_file = folder.path().join("logo.svg");
    fs::write(&logo_file, "<svg xmlns=\"http://www.w3.org/2000/svg\"/>").unwrap();
    let ours = pages(&config());
    let branded =
        config::Pages { accent: Some("#ff6600".into()), logo_file: Some(logo_file.clone()), ..config() };
    let theirs = pages(&branded);
    assert_ne!(ours.assets.stylesheet(), theirs.assets.stylesheet());
    let css = stylesheet(&theirs);
    assert_eq!(css.content_type, "text/css; charset=utf-8");
    assert!(String::from_utf8_lossy(&css.bytes).contains("--on-accent:"));
    assert!(css.etag.len() > 10 && css.etag.starts_with('"') && css.etag.ends_with('"'));
    assert!(theirs.asset("doorward.css").is_none() && theirs.asset("../doorward.css").is_none());

    let html = theirs.render(&Page::SignOut(SignOut { who: "ada", csrf: "x" }));
    let logo = theirs.assets.logo().unwrap();
    assert!(html.contains(&logo.replace('/', "&#x2f;")), "{html}");
    assert_eq!(theirs.asset(logo.rsplit('/').next().unwrap()).unwrap().content_type, "image/svg+xml");

    fs::write(&logo_file, "GIF89a").unwrap();
    assert!(matches!(Pages::new(&branded, ASSETS.into(), HOME.into()), Err(PagesError::Logo { .. })));
    fs::write(&logo_file, vec![b' '; 65 * 1024]).unwrap();
    assert!(matches!(Pages::new(&branded, ASSETS.into(), HOME.into()), Err(PagesError::Logo { .. })));
    let colour = config::Pages { accent: Some("red;}body{display:none".into()), ..config() };
    assert!(matches!(Pages::new(&colour, ASSETS.into(), HOME.into()), Err(PagesError::Accent(_))));
}

#[test]
fn the_content_policy_names_the_assets_origin_and_nothing_else() {
    let pages = pages(&config());
    assert_eq!(
        pages.csp(),
        "default-src 'none'; style-src https://auth.example.com; img-src https://auth.example.com; \
         form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    );
    let more = pages.csp_with_form_action("https://kc.example.com:8443/realms/main/logout?a=b");
    assert!(more.contains("form-action 'self' https://kc.example.com:8443;"), "{more}");
    assert_eq!(pages.csp_with_form_action("javascript:alert(1)"), pages.csp());

    let local = Pages::new(&config(), "/rbac/assets".into(), "/rbac/".into()).unwrap();
    assert!(local.csp().starts_with("default-src 'none'; style-src 'self'; img-src 'self';"));
    let html = local.render(&Page::SignOut(SignOut { who: "ada", csrf: "x" }));
    assert!(html.contains("action=\"&#x2f;rbac/logout\"") || html.contains("&#x2f;rbac/logout"), "{html}");
}

fn with_template(name: &str, source: &str) -> (tempfile::TempDir, config::Pages) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(name), source).unwrap();
    let templates_dir = Some(folder.path().to_owned());
    (folder, config::Pages { templates_dir, ..config() })
}

#[test]
fn an_operators_template_takes_the_place_of_ours() {
    let sign_out = || Page::SignOut(SignOut { who: "<b>", csrf: "x" });
    let (folder, config) = with_template(
        "sign-out.html",
        "{% extends \"layout.html\" %}{% block main %}{% include \"_own.html\" %}{% endblock %}",
    );
    fs::write(folder.path().join("_own.html"), "Bye {{ page.who }}").unwrap();
    fs::write(folder.path().join("README.md"), "{% not a template").unwrap();
    let html = pages(&config).render(&sign_out());
    assert!(html.contains("Bye &lt;b&gt;") && html.contains("</footer>"), "{html}");
}

#[test]
fn a_mistake_in_an_operators_template_is_found_at_start() {
    let fault = |name, source: &str| {
        let (_folder, config) = with_template(name, source);
        Pages::new(&config, ASSETS.into(), HOME.into()).unwrap_err().to_string()
    };
    let wrong = fault("problem.html", "<h1>\n{% if page.title %}\n{{ page. }}");
    assert!(wrong.contains("problem.html line 3: "), "{wrong}");
    assert!(fault("acount.html", "hello").contains("acount.html replaces no page"));
    assert!(fault("problem.html", &" ".repeat(70_000)).contains("larger than 64 KiB"));
    let nowhere = config::Pages { templates_dir: Some("/nowhere/at/all".into()), ..config() };
    let Err(PagesError::Read { path, .. }) = Pages::new(&nowhere, ASSETS.into(), HOME.into()) else {
        panic!("read a folder that is not there")
    };
    assert_eq!(path, Path::new("/nowhere/at/all"));
}

#[test]
fn a_template_that_fails_later_ends_in_the_built_in_page() {
    let page = || Page::SignOut(SignOut { who: "ada@example.com", csrf: "x" });
    let ours = pages(&config()).render(&page());
    assert!(ours.contains("Sign out?"));
    for failing in [
        "{{ page.no_such_value }}",
        "{% for a in range(9999) %}{% for b in range(9999) %}{{ b }}{% endfor %}{% endfor %}",
        "{% include \"sign-out.html\" %}",
        "{{ 1 / 0 }}",
        "{% extends \"nothing.html\" %}",
    ] {
        let (_folder, config) = with_template("sign-out.html", failing);
        assert_eq!(pages(&config).render(&page()), ours, "{failing}");
    }
}

#[test]
fn fuel_is_ample() {
    let mut pages = pages(&config());
    pages.built_in.set_fuel(Some(FUEL / 4));
    let words = Words { many: 60, roles: vec!["r".repeat(200); 400], ..Words::kind() };
    each_page(&words, |name, page| assert_ne!(pages.render(&page), LAST_RESORT, "{name}"));
}

#[test]
fn a_page_that_cannot_be_shown_is_no_success() {
    let mut pages = pages(&config());
    pages.built_in.set_fuel(Some(1));
    let html = pages.render(&Page::SignOut(SignOut { who: "ada", csrf: "x" }));
    assert_eq!(html, LAST_RESORT);
    assert_eq!(Pages::status_of(&html, StatusCode::OK), StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(
        Pages::status_of(&html, StatusCode::FORBIDDEN),
        StatusCode::FORBIDDEN,
        "what it is about stays"
    );
    assert_eq!(Pages::status_of("<p>", StatusCode::OK), StatusCode::OK);
    let html = pages.render_admin("admin-overview.html", context! {});
    assert_eq!(Pages::status_of(&html, StatusCode::OK), StatusCode::INTERNAL_SERVER_ERROR);
}
