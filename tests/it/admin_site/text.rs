//! What others wrote is text, wherever the site shows it (OWASP ASVS 5.0 1.2.1).

use std::collections::BTreeSet;
use std::time::Duration;

use doorward::identity::ids;
use doorward::store::SessionRecord;
use doorward::store::activity::Activity;
use doorward::store::token::TokenRecord;

use super::{Desk, Shown, pages, setup, token, unescaped};

const HOSTILE: [&str; 6] = [
    "<img src=x onerror=alert(1)>",
    "\"><script>alert(1)</script>",
    "' autofocus onfocus=alert(1) x='",
    "</script><script>alert(1)//",
    "{{7*7}}{% raw %}",
    "javascript:alert(1)",
];

/// Names of elements and of their attributes, as a browser would read them.
fn markup(html: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut elements, mut attributes) = (BTreeSet::new(), BTreeSet::new());
    for tag in html.split('<').skip(1).map(|tag| tag.split('>').next().unwrap()) {
        elements.insert(tag.split([' ', '/', '\n']).find(|part| !part.is_empty()).unwrap().to_owned());
        for piece in tag.split('"').step_by(2) {
            let names = piece.split_whitespace().filter_map(|word| word.strip_suffix('='));
            attributes.extend(names.map(str::to_owned));
        }
    }
    (elements, attributes)
}

async fn seed_hostile(desk: &Desk) {
    let state = desk.state();
    let now = desk.now();
    for (n, evil) in HOSTILE.iter().enumerate() {
        let n = n as u64;
        let id = format!("{n}{evil}");
        desk.person(&id, Some(&format!("{evil}@example.com")), Some(evil)).await;
        state.store.grant(&id, evil).await.unwrap();
        let session = SessionRecord {
            id: ids::session_id().unwrap(),
            user_id: id.clone(),
            provider: (*evil).into(),
            subject: (*evil).into(),
            provider_sid: None,
            created_at: now,
            last_seen_at: now,
            expires_at: now.plus(Duration::from_secs(3600)),
            address: Some((*evil).into()),
            agent: Some((*evil).into()),
            logout_hint: None,
        };
        state.store.open_session(&session).await.unwrap();
        let owner = n.is_multiple_of(2).then(|| id.clone());
        let record = TokenRecord {
            email: Some((*evil).into()),
            comment: Some((*evil).into()),
            hosts: vec![(*evil).into()],
            roles: vec![(*evil).into()],
            scopes: vec![(*evil).into()],
            owner,
            ..token(100 + n, Some(evil))
        };
        state.store.put_token(&record).await.unwrap();
        let line = |event: &str, more: serde_json::Value| {
            let mut line = serde_json::json!({ "event": event, "user_id": id, "user": evil, "client": evil, "reason": evil });
            for (name, value) in more.as_object().unwrap() {
                line[name] = value.clone();
            }
            line.to_string()
        };
        let events = [
            (
                "decision",
                "forbidden",
                serde_json::json!({ "method": "GET", "host": evil, "path": evil, "rule": evil, "shadow": evil }),
            ),
            ("decision", evil, serde_json::json!({ "method": evil })),
            ("session", "sign_in_refused", serde_json::json!({ "provider": evil })),
            ("admin", evil, serde_json::json!({ "actor": evil, "target": evil, "details": evil })),
            (evil, evil, serde_json::json!({})),
        ];
        let notes = events.map(|(event, what, more)| Activity {
            at: now,
            event: event.into(),
            what: what.into(),
            who: Some((*evil).into()),
            decision_id: Some(format!("d{n}{evil}")),
            line: line(event, more),
        });
        state.store.note(&notes).await.unwrap();
        // What is no JSON at all.
        let broken = Activity { line: (*evil).into(), ..notes[0].clone() };
        state.store.note(&[broken]).await.unwrap();
    }
}

#[actix_web::test]
async fn what_others_wrote_is_text_wherever_it_is_shown() {
    let benign = Desk::of(setup()).await;
    let mut allowed = (BTreeSet::new(), BTreeSet::new());
    for path in pages(&benign).await {
        let (elements, attributes) = markup(&benign.get(&path).await.body);
        allowed.0.extend(elements);
        allowed.1.extend(attributes);
    }
    let error = benign
        .post("/tokens/new", &[("csrf", &benign.csrf().await), ("hosts", "a b!"), ("limit", "x")])
        .await;
    let (elements, attributes) = markup(&error.body);
    allowed.0.extend(elements);
    allowed.1.extend(attributes);
    // Of the parts that a page has only when there is something to say.
    allowed.0.extend(["del", "noscript", "meta", "ol"].map(str::to_owned));
    benign.gateway.stop().await;

    let desk = Desk::of(setup()).await;
    seed_hostile(&desk).await;
    let mut paths = pages(&desk).await;
    let list = [
        desk.get("/users").await,
        desk.get("/sessions").await,
        desk.get("/tokens").await,
        desk.get("/activity").await,
    ];
    let linked = list
        .iter()
        .flat_map(Shown::links)
        .filter_map(|link| link.strip_prefix("/rbac/admin").map(str::to_owned));
    paths.extend(
        linked
            .filter(|link| link.contains("?id=") || link.contains("/tokens/") || link.contains("decision=")),
    );
    for (n, evil) in HOSTILE.iter().enumerate() {
        let evil: String = url::form_urlencoded::byte_serialize(evil.as_bytes()).collect();
        for list in ["users", "tokens", "sessions", "activity", "policy"] {
            paths.push(format!("/{list}?q={evil}"));
        }
        paths.push(format!("/activity?what={evil}&q={evil}"));
        paths.push(format!("/tokens?owner={evil}&sort={evil}&page={evil}"));
        paths.push(format!("/policy?role={evil}"));
        paths.push(format!("/policy/explain?as={evil}&who={evil}&url={evil}&method={evil}"));
        paths.push(format!("/policy/explain?as=user&who={evil}&url=https%3A%2F%2Fapp.example.test%2F"));
        paths.push(format!("/policy/explain?as=roles&who={evil}&url=https%3A%2F%2Fapp.example.test%2F"));
        paths.push(format!("/policy/explain?decision={evil}"));
        paths.push(format!("/users/one?id={evil}"));
        paths.push(format!("/users/one?id={n}{evil}&done={evil}"));
        for act in ["disable", "enable", "sign-out", "ungrant", "grant"] {
            paths.push(format!("/users/{act}?id={n}{evil}&role={evil}"));
        }
        paths.push(format!("/sessions/end?id={evil}"));
        for (number, act) in [(n, "revoke"), (n, "rotate")] {
            paths.push(format!("/tokens/{}/{act}", token(100 + number as u64, None).digest));
        }
    }
    let (mut seen, mut shows) = (0, BTreeSet::<&str>::new());
    for path in paths {
        let page = desk.get(&path).await;
        assert!(matches!(page.status, 200 | 302 | 400 | 404), "{path}: {} {}", page.status, page.body);
        check_is_text(&path, &page.body, &allowed);
        let text = unescaped(&page.body);
        shows.extend(HOSTILE.into_iter().filter(|evil| text.contains(evil)));
        seen += 1;
    }
    assert!(seen > 150, "only {seen} pages");
    assert_eq!(shows.len(), HOSTILE.len(), "shown as text: {shows:?}");
    // Forms come back with what was written in them.
    let csrf = desk.csrf().await;
    for evil in HOSTILE {
        let fields =
            ["name", "hosts", "roles", "email", "comment", "limit", "ttl_seconds"].map(|name| (name, evil));
        let page = desk.post("/tokens/new", &[&[("csrf", csrf.as_str())], fields.as_slice()].concat()).await;
        assert_eq!(page.status, 400, "{}", page.body);
        check_is_text("the form", &page.body, &allowed);
        let page = desk
            .post("/users/grant", &[("csrf", &csrf), ("id", &format!("0{}", HOSTILE[0])), ("role", evil)])
            .await;
        assert_eq!(page.status, 400, "{}", page.body);
        check_is_text("granting", &page.body, &allowed);
    }
    desk.gateway.stop().await;
}

fn check_is_text(path: &str, html: &str, allowed: &(BTreeSet<String>, BTreeSet<String>)) {
    for raw in ["<img", "<script>", "href=\"javascript:", " style=", "{{49"] {
        assert!(!html.contains(raw), "{path}: {raw} in {html}");
    }
    assert!(!html.contains(">49<") && !html.contains("49{%"), "{path}: evaluated");
    let (elements, attributes) = markup(html);
    assert!(elements.is_subset(&allowed.0), "{path}: {elements:?}");
    let more: Vec<&String> =
        attributes.difference(&allowed.1).filter(|name| !KNOWN.contains(&name.as_str())).collect();
    assert!(more.is_empty(), "{path}: {more:?} in {html}");
}

/// Attributes of what a page has only now and then.
const KNOWN: [&str; 9] = [
    "aria-describedby",
    "aria-invalid",
    "aria-sort",
    "colspan",
    "content",
    "data-live",
    "http-equiv",
    "rel",
    "role",
];
