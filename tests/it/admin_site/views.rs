//! The overview, the policy, and the front door.

use std::time::Duration;

use doorward::store::token::TokenRecord;

use super::{Desk, PASS, POLICY, setup, shown, token, unescaped};

#[actix_web::test]
async fn the_policy_is_shown_explained_and_told_when_it_is_refused() {
    let desk = Desk::of(setup()).await;
    let table = desk.get("/policy").await;
    for words in [
        "*.app.example.test",
        "/reports/{id}",
        "shadow",
        "anonymous",
        "reader",
        "needs the permission write",
        "title=\"no: needs the role reader\"",
        "title=\"yes: needs the role reader\"",
        "3 of 3 rules have not matched",
    ] {
        assert!(unescaped(&table.body).contains(words), "{words}: {}", table.body);
    }
    assert!(table.links().contains(&"/rbac/admin/policy/file#L13".to_owned()), "{:?}", table.links());
    let one = desk.get("/policy?role=reader&q=trial").await;
    assert!(one.body.contains("trial.example.test") && !one.body.contains("/reports/"), "{}", one.body);
    let file = desk.get("/policy/file").await;
    assert!(
        file.body.contains("id=\"L13\"") && file.body.contains("roles: { reader: [read]"),
        "{}",
        file.body
    );
    let tests = desk.get("/policy/tests").await;
    assert!(
        tests.body.matches(">passed<").count() == 2 && tests.body.contains("role reader"),
        "{}",
        tests.body
    );

    let url = "https%3A%2F%2Fapp.example.test%2Freports%2F7";
    let denied = desk.get(&format!("/policy/explain?as=roles&who=reader&method=POST&url={url}")).await;
    let text = unescaped(&denied.body);
    for words in [
        ">refused<",
        "app POST /reports/{id}",
        "the permission write",
        "more specific",
        "POST https://app.example.test/reports/7",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    let person =
        desk.get(&format!("/policy/explain?as=user&who=ada%40example.com&method=GET&url={url}")).await;
    assert!(person.body.contains("doorward-admin") && person.body.contains(">refused<"), "{}", person.body);
    for (query, field) in [
        ("as=user&url=https%3A%2F%2Fa.test%2F", "who"),
        ("as=anonymous&url=nonsense", "url"),
        ("decision=nosuch", "decision"),
    ] {
        let page = desk.get(&format!("/policy/explain?{query}")).await;
        assert!(
            page.status == 200 && page.body.contains(&format!("id=\"{field}-error\"")),
            "{query}: {}",
            page.body
        );
    }

    let broken = POLICY.replace("roles: [reader]\n", "role: [reader]\n");
    std::fs::write(desk.gateway.dir.join("policy.yaml"), broken).unwrap();
    desk.state().policy.reload();
    let refused = desk.get("/policy").await;
    let text = unescaped(&refused.body);
    assert!(
        text.contains("changed and refused")
            && text.contains("role: [reader]")
            && text.contains("did you mean"),
        "{text}"
    );
    assert!(text.contains("needs the role reader"), "the one before is in force");
    let file = desk.get("/policy/file?refused=1").await;
    assert!(
        file.body.contains("class=\"wrong\"") && file.body.contains("As it was refused"),
        "{}",
        file.body
    );
    assert!(!desk.get("/policy/file").await.body.contains("class=\"wrong\""));
    let overview = desk.get("").await;
    assert!(
        overview.body.contains("changed and refused") && overview.body.contains("does not work"),
        "{}",
        overview.body
    );
    desk.gateway.stop().await;
}

#[actix_web::test]
async fn the_overview_counts_what_happened_and_names_what_wants_attention() {
    let desk = Desk::of(setup().clock_stands_still()).await;
    let calm = desk.get("").await;
    assert!(
        calm.body.contains("Everything is well") && calm.body.contains("Sign-ins today"),
        "{}",
        calm.body
    );
    for (url, times) in [
        ("https://app.example.test/x", 3),
        ("https://nothing.example.test/", 2),
        ("https://trial.example.test/", 1),
    ] {
        for _ in 0..times {
            desk.gateway.ask("GET", url).header("accept", "text/html").send().await.unwrap();
        }
    }
    let soon = TokenRecord {
        expires_at: Some(desk.now().plus(Duration::from_secs(86_400))),
        ..token(1, Some("ending <i>"))
    };
    desk.state().store.put_token(&soon).await.unwrap();
    // Long enough for rules to have matched, with a look in between, as sessions end without use.
    for _ in 0..2 {
        desk.gateway.later(Duration::from_secs(3000));
        assert_eq!(desk.get("/tokens").await.status, 200);
    }
    let page = desk.get("").await;
    let text = unescaped(&page.body);
    for words in [
        "sent to sign in <strong>3</strong>",
        "refused <strong>3</strong>",
        "ending <i>",
        "ends in 22 hours",
        "never matched",
        "A token ends within 14 days.",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    assert!(
        page.body.contains("ending &lt;i&gt;") && page.body.contains("class=\"refused\" d=\"M"),
        "{}",
        page.body
    );
    assert!(!text.contains("app.example.test never"), "that rule did match");
    desk.gateway.stop().await;
}

#[actix_web::test]
async fn the_front_door_shows_the_tokens_to_whoever_brings_the_password() {
    let desk = Desk::of(setup()).await;
    let front = |user: &'static str, pass: &'static str| {
        let request = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        shown(request.get(desk.gateway.at("/")).basic_auth(user, Some(pass)))
    };
    let page = front("root", PASS).await;
    assert!(page.status == 200 && page.body.contains("<h1>API tokens</h1>"), "{}", page.body);
    assert_eq!(front("root", "wrong").await.status, 401);
    desk.gateway.stop().await;
}
