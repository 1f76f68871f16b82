//! What the site does is done, and only by its own forms.

use std::time::Duration;

use reqwest::Method;

use super::{Desk, HOST, setup, shown, token, unescaped};
use crate::support::{Browser, HOME};

#[actix_web::test]
async fn a_token_is_made_shown_once_and_revoked() {
    let desk = Desk::of(setup()).await;
    let csrf = desk.csrf().await;
    // What is wrong is said at the field, and what was written is still there.
    let wrong = desk
        .post(
            "/tokens/new",
            &[
                ("csrf", &csrf),
                ("name", "keep me"),
                ("hosts", "bad_host!"),
                ("roles", "nosuchrole"),
                ("limit", "many"),
            ],
        )
        .await;
    assert_eq!(wrong.status, 400);
    for field in ["hosts", "roles", "limit"] {
        assert!(wrong.body.contains(&format!("id=\"{field}-error\"")), "{field}: {}", wrong.body);
        assert!(wrong.body.contains(&format!("aria-describedby=\"{field}-error")), "{field}");
        assert!(wrong.body.contains(&format!("href=\"#{field}\"")), "{field}");
    }
    assert!(wrong.body.contains("value=\"keep me\"") && wrong.body.contains("role=\"alert\""));
    let none = desk.get("/tokens").await;
    assert!(none.body.contains("Make the first token"), "nothing was made");

    let fields = [
        ("csrf", csrf.as_str()),
        ("name", "nightly <b>"),
        ("hosts", "app.example.test\n*.example.test"),
        ("roles", "reader"),
        ("ttl_seconds", "86400"),
        ("limit", "7"),
    ];
    let made = desk.post("/tokens/new", &fields).await;
    assert_eq!(made.status, 200, "{}", made.body);
    let start = made.body.find("dw_").unwrap();
    let secret: String =
        made.body[start..].chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
    assert!(
        unescaped(&made.body)
            .contains(&format!("curl -H 'Authorization: Bearer {secret}' https://app.example.test/"))
    );
    assert!(made.body.contains("nightly &lt;b&gt;") && made.header("cache-control") == "no-store");
    let list = desk.get("/tokens").await;
    let one = list.links().into_iter().find(|link| link.len() > 64 && link.contains("/tokens/")).unwrap();
    let one = one.strip_prefix("/rbac/admin").unwrap().to_owned();
    let page = desk.get(&one).await;
    for words in [
        "nightly &lt;b&gt;",
        "app.example.test",
        "*.example.test",
        "reader",
        "7 a second",
        "in 1 day",
        "an administrator",
    ] {
        assert!(page.body.contains(words), "{words}: {}", page.body);
    }
    for page in [&list, &page] {
        assert!(!page.body.contains(&secret[..20]), "shown once");
    }
    // Another in its place; the old one goes on for a while.
    let rotated = desk.confirm(&format!("{one}/rotate")).await;
    assert!(
        rotated.status == 200 && rotated.body.contains("dw_") && !rotated.body.contains(&secret),
        "{}",
        rotated.body
    );
    assert!(desk.get("/tokens").await.body.contains("1 to 2 of"));

    let asks = desk.get(&format!("{one}/revoke")).await;
    assert!(
        asks.body.contains("nightly &lt;b&gt;")
            && asks.body.contains("Keep it")
            && asks.body.contains("refused"),
        "{}",
        asks.body
    );
    let gone = desk.confirm(&format!("{one}/revoke")).await;
    assert_eq!((gone.status, gone.header("location")), (303, "/rbac/admin/tokens?done=revoked"));
    assert!(desk.get("/tokens?done=revoked").await.body.contains("The token is revoked"));
    assert_eq!(desk.get(&one).await.status, 404);
    assert_eq!(desk.post(&format!("{one}/revoke"), &[("csrf", &csrf)]).await.status, 404);
    desk.gateway.stop().await;
}

#[actix_web::test]
async fn a_persons_page_says_where_roles_come_from_and_changes_them() {
    let desk = Desk::of(setup()).await;
    let mut grace = Browser::new(&desk.gateway);
    assert_eq!(grace.sign_in(HOME, "grace@example.com").await.status, 200);
    let list = desk.get("/users?q=grace").await;
    assert!(list.body.contains("1 to 1 of <strong>1</strong>"), "{}", list.body);
    let one = list.links().into_iter().find(|link| link.contains("/users/one?")).unwrap();
    let one = one.strip_prefix("/rbac/admin").unwrap().to_owned();
    let id = one.split("id=").nth(1).unwrap().to_owned();
    let page = desk.get(&one).await;
    for words in [
        "Grace Hopper",
        "grace@example.com",
        "Provider 0",
        "Provider 0 says so",
        "assigned to everybody at example.com, line 7",
        "Firefox on Linux",
        "203.0.113.9",
    ] {
        assert!(unescaped(&page.body).contains(words), "{words}: {}", page.body);
    }
    assert!(page.links().contains(&"/rbac/admin/policy/file#L7".to_owned()), "{:?}", page.links());

    let csrf = page.hidden("csrf");
    assert_eq!(grace.get("https://app.example.test/x").await.status, 302, "no session there");
    let unknown = desk.post("/users/grant", &[("csrf", &csrf), ("id", &id), ("role", "nosuch")]).await;
    assert!(
        unknown.status == 400 && unknown.body.contains("aria-describedby=\"role-error\""),
        "{}",
        unknown.body
    );
    let granted = desk.post("/users/grant", &[("csrf", &csrf), ("id", &id), ("role", "reader")]).await;
    assert_eq!(
        (granted.status, granted.header("location")),
        (303, format!("/rbac/admin{one}&done=granted").as_str())
    );
    let page = desk.get(&format!("{one}&done=granted")).await;
    assert!(page.body.contains("granted here") && page.body.contains("The role is granted"), "{}", page.body);
    let info = grace.get("https://auth.example.test/rbac/userinfo").await.json();
    assert!(info["roles"].as_array().unwrap().contains(&"reader".into()), "{info}");

    let take = desk.get(&format!("/users/ungrant?id={id}&role=reader")).await;
    assert!(take.body.contains("reader") && take.body.contains("Grace Hopper"), "{}", take.body);
    assert_eq!(desk.confirm(&format!("/users/ungrant?id={id}&role=reader")).await.status, 303);
    assert!(!desk.get(&one).await.body.contains("granted here"));

    // One session, all sessions, the person.
    let end = desk.get(&one).await.links().into_iter().find(|link| link.contains("/sessions/end?")).unwrap();
    let end = end.strip_prefix("/rbac/admin").unwrap().to_owned();
    assert!(desk.get(&end).await.body.contains("grace@example.com"));
    assert_eq!(desk.confirm(&end).await.status, 303);
    assert_eq!(grace.get(HOME).await.status, 302);
    assert_eq!(desk.get(&end).await.status, 404);
    for _ in 0..2 {
        assert_eq!(grace.sign_in(HOME, "grace@example.com").await.status, 200);
        grace.jar.clear();
    }
    assert_eq!(grace.sign_in(HOME, "grace@example.com").await.status, 200);
    let asks = desk.get(&format!("/users/disable?id={id}")).await;
    assert!(asks.body.contains("Their 3 sessions end at once"), "{}", asks.body);
    assert_eq!(desk.confirm(&format!("/users/sign-out?id={id}")).await.status, 303);
    assert_eq!(grace.get(HOME).await.status, 302);
    assert_eq!(desk.confirm(&format!("/users/disable?id={id}")).await.status, 303);
    assert!(desk.get(&one).await.body.contains("<strong>Disabled.</strong>"));
    grace.jar.clear();
    let refused = grace.sign_in(HOME, "grace@example.com").await;
    assert!(refused.status == 403 && grace.session(HOST).is_none(), "{}", refused.body);
    assert_eq!(desk.confirm(&format!("/users/enable?id={id}")).await.status, 303);
    assert_eq!(grace.sign_in(HOME, "grace@example.com").await.status, 200);
    // Nobody locks themselves out.
    let own = desk
        .get("/users?q=ada%40")
        .await
        .links()
        .into_iter()
        .find(|link| link.contains("/users/one?"))
        .unwrap();
    let own = own.split("id=").nth(1).unwrap().to_owned();
    let refused = desk.confirm(&format!("/users/disable?id={own}")).await;
    assert!(refused.status == 400 && refused.body.contains("yourself"), "{}", refused.body);
    desk.gateway.stop().await;
}

#[actix_web::test]
async fn a_form_that_is_not_ours_changes_nothing() {
    let desk = Desk::of(setup()).await;
    desk.person("u1", Some("u1@example.com"), None).await;
    let (digest, csrf) = (token(1, None).digest, desk.csrf().await);
    desk.state().store.put_token(&token(1, Some("stays"))).await.unwrap();
    let forms = [
        (format!("/tokens/{digest}/revoke"), vec![]),
        (format!("/tokens/{digest}/rotate"), vec![]),
        ("/tokens/new".to_owned(), vec![("hosts", "*")]),
        ("/users/grant".to_owned(), vec![("id", "u1"), ("role", "reader")]),
        ("/users/disable".to_owned(), vec![("id", "u1")]),
        ("/users/sign-out".to_owned(), vec![("id", "u1")]),
    ];
    for (path, fields) in &forms {
        for (name, value, token) in [
            ("origin", "https://auth.example.test", ""),
            ("origin", "https://auth.example.test", "wrong"),
            ("origin", "https://evil.test", &csrf),
            ("origin", "https://app.auth.example.test", &csrf),
            ("sec-fetch-site", "cross-site", &csrf),
            ("sec-fetch-site", "same-site", &csrf),
        ] {
            let request = desk.gateway.page(Method::POST, &format!("/admin{path}"));
            let mut form = fields.clone();
            form.push(("csrf", token));
            let request = request.header("cookie", &desk.cookies).header(name, value).form(&form);
            assert_eq!(shown(request).await.status, 403, "{path} {name}: {value} {token:?}");
        }
        let get = desk.get(&format!("{path}?csrf={csrf}")).await;
        assert!(matches!(get.status, 200 | 400 | 404), "{path}: {}", get.status);
    }
    let left = desk.get("/tokens").await;
    assert!(left.body.contains("1 to 1 of") && left.body.contains("stays"), "{}", left.body);
    let user = desk.state().store.user("u1").await.unwrap().unwrap();
    assert!(user.granted.is_empty() && !user.disabled);
    desk.gateway.stop().await;
}

#[actix_web::test]
async fn a_change_after_a_quarter_of_an_hour_begins_with_a_sign_in() {
    let desk = Desk::of(setup().clock_stands_still()).await;
    let csrf = desk.csrf().await;
    desk.person("u1", Some("u1@example.com"), None).await;
    desk.gateway.later(Duration::from_secs(15 * 60 + 1));
    assert_eq!(desk.get("/users/one?id=u1").await.status, 200, "looking goes on");
    for (answer, back) in [
        (desk.get("/users/disable?id=u1").await, "admin%2Fusers%2Fdisable%3Fid%3Du1"),
        (
            desk.post("/users/disable", &[("csrf", &csrf), ("id", "u1")]).await,
            "admin%2Fusers%2Fdisable%3Fid%3Du1",
        ),
        (
            desk.post("/users/grant", &[("csrf", &csrf), ("id", "u1"), ("role", "reader")]).await,
            "admin%2Fusers%2Fgrant%3Fid%3Du1%26role%3Dreader",
        ),
    ] {
        let to = answer.header("location");
        assert!(
            answer.status == 303 && to.contains("/rbac/login?rd=") && to.contains(back),
            "{}: {to}",
            answer.status
        );
    }
    assert!(!desk.state().store.user("u1").await.unwrap().unwrap().disabled);
    desk.gateway.stop().await;
}
