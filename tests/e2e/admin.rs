//! What an administrator does on the site, in a real browser, and what comes of it behind the real proxy.

use reqwest::Method;

use super::support::{Answer, Chrome, Person, Setup, Stack, api, until};

/// The demo, with Ada as its administrator.
async fn stack() -> Stack {
    let admin = "version: 1\ndefault: deny\nassign: [{ role: doorward-admin, email: ada@example.com }]";
    Setup::demo().replacing("version: 1\ndefault: deny", admin).start().await
}

async fn signed_in_at(stack: &Stack, path: &str) -> Chrome {
    let chrome = Chrome::start().await;
    chrome.goto(&stack.at(path)).await;
    chrome.choose_account("ada@example.com").await;
    chrome.arrives_at(&stack.at(path)).await;
    chrome
}

async fn write(chrome: &Chrome, css: &str, text: &str) {
    chrome.find(css).await.send_keys(text).await.unwrap();
}

/// A program that holds a token.
async fn with_token(stack: &Stack, token: &str) -> Answer {
    let mut headers = api();
    headers.push(("authorization", format!("Bearer {token}")));
    Person::new(stack).send(Method::GET, "/foo/api/whoami", &headers, None).await
}

#[tokio::test]
async fn a_token_is_made_used_and_revoked() {
    let stack = stack().await;
    let chrome = signed_in_at(&stack, "/rbac/admin").await;
    chrome.reads("Decisions a minute").await;
    chrome.picture("admin-overview").await;
    chrome.press("Tokens").await;
    chrome.reads("No tokens yet").await;
    chrome.press("New token").await;
    write(&chrome, "#name", "nightly <b>backup</b>").await;
    write(&chrome, "#hosts", "not a host!").await;
    write(&chrome, "#roles", "staff").await;
    chrome.press("Make the token").await;
    chrome.reads("The token was not made").await;
    chrome.picture("admin-token-wrong").await;
    let hosts = chrome.find("#hosts[aria-invalid]").await;
    hosts.clear().await.unwrap();
    hosts.send_keys("localhost").await.unwrap();
    chrome.press("Make the token").await;
    chrome.reads("Copy it now").await;
    chrome.picture("admin-token-made").await;
    let token = chrome.find("#token").await.text().await.unwrap();
    assert!(token.starts_with("dw_"), "{token}");

    let used = with_token(&stack, &token).await;
    assert_eq!(used.status, 200, "{used:?}");
    assert_eq!(used.json()["user"], "nightly <b>backup</b>", "{used:?}");

    chrome.press("I have copied it").await;
    let page = chrome.reads("What it may do").await;
    assert!(page.contains("nightly <b>backup</b>") && !page.contains(&token), "{page}");
    chrome.press("Revoke").await;
    chrome.reads("Revoke this token?").await;
    chrome.picture("admin-token-revoke").await;
    chrome.press("Revoke the token").await;
    chrome.reads("The token is revoked").await;
    until("the token refused", async || (with_token(&stack, &token).await.status == 401).then_some(())).await;
    chrome.close().await;
}

#[tokio::test]
async fn a_granted_role_opens_a_page_without_a_new_sign_in() {
    let stack = stack().await;
    let mut grace = Person::signed_in(&stack, "grace@example.com").await;
    assert_eq!(grace.fetch("/foo/admin").await.status, 403);
    let chrome = signed_in_at(&stack, "/rbac/admin/users").await;
    chrome.picture("admin-users").await;
    write(&chrome, "#q", "grace").await;
    chrome.press("Search").await;
    chrome.reads("1 to 1 of 1").await;
    chrome.press("Grace Hopper").await;
    chrome.reads("Grant a role").await;
    write(&chrome, "#role", "admin-role").await;
    chrome.press("Grant").await;
    chrome.reads("The role is granted").await;
    chrome.picture("admin-user").await;
    let opened = until("her page opens", async || {
        let answer = grace.fetch("/foo/admin").await;
        (answer.status == 200).then_some(answer)
    });
    opened.await;

    chrome.press("Take back").await;
    chrome.reads("Take back a role?").await;
    chrome.press("Take the role back").await;
    chrome.reads("The role is taken back").await;
    until("and closes", async || (grace.fetch("/foo/admin").await.status == 403).then_some(())).await;
    chrome.goto(&stack.at("/rbac/admin/policy")).await;
    chrome.reads("/foo/admin").await;
    chrome.picture("admin-policy").await;
    chrome.close().await;
}

#[tokio::test]
async fn the_site_is_not_for_everybody() {
    let stack = stack().await;
    let chrome = Chrome::start().await;
    chrome.goto(&stack.at("/rbac/admin/tokens")).await;
    chrome.choose_account("grace@example.com").await;
    let page = chrome.reads("doorward-admin").await;
    assert!(!page.contains("New token"), "{page}");
    chrome.close().await;
}
