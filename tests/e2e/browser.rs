//! What a person does, in a real browser.

use super::support::{Chrome, Person, Setup, Stack};

#[tokio::test]
async fn somebody_opens_a_page_signs_in_and_is_there() {
    let stack = Stack::shared().await;
    let chrome = Chrome::start().await;
    let asked = stack.at("/foo/?report=7&range=a%20b%2Fc");
    chrome.goto(&asked).await;
    chrome.find("button[name=account]").await;
    assert!(chrome.url().await.starts_with("http://127.0.0.1:"), "at the provider");
    chrome.picture("provider").await;
    chrome.choose_account("ada@example.com").await;
    chrome.arrives_at(&asked).await;
    let text = chrome.reads("Hello, I am service foo!").await;
    assert!(text.contains("Ada Lovelace") && text.contains("Identity verified."), "{text}");
    chrome.picture("foo").await;
    chrome.goto(&stack.at("/foo/admin")).await;
    chrome.reads("Hello, I am service foo!").await;
    chrome.close().await;
}

#[tokio::test]
async fn two_tabs_at_once_end_each_at_its_own_address() {
    let stack = Stack::shared().await;
    let chrome = Chrome::start().await;
    let (first_url, second_url) = (stack.at("/foo/?tab=first&x=1"), stack.at("/foo/api/whoami?tab=second"));
    let first = chrome.tab().await;
    chrome.goto(&first_url).await;
    chrome.find("button[name=account]").await;
    let second = chrome.open_tab().await;
    chrome.goto(&second_url).await;
    chrome.find("button[name=account]").await;

    chrome.show(&first).await;
    chrome.choose_account("ada@example.com").await;
    chrome.arrives_at(&first_url).await;
    chrome.show(&second).await;
    chrome.choose_account("ada@example.com").await;
    chrome.arrives_at(&second_url).await;
    chrome.reads("ada@example.com").await;
    chrome.close().await;
}

#[tokio::test]
async fn signing_out_and_in_as_somebody_else() {
    let stack = Stack::shared().await;
    let chrome = Chrome::start().await;
    chrome.goto(&stack.at("/foo/")).await;
    chrome.choose_account("ada@example.com").await;
    chrome.reads("Hello, I am service foo!").await;
    chrome.press("Sign out").await;
    chrome.reads("Sign out?").await;
    chrome.picture("sign-out").await;
    chrome.press("Sign out").await;
    chrome.reads("You are signed out").await;
    chrome.picture("signed-out").await;

    chrome.goto(&stack.at("/foo/")).await;
    chrome.choose_account("grace@example.com").await;
    let text = chrome.reads("Hello, I am service foo!").await;
    assert!(text.contains("Grace Hopper") && !text.contains("Ada"), "{text}");
    chrome.goto(&stack.at("/foo/admin")).await;
    chrome.reads("admin-role").await;
    chrome.picture("not-allowed").await;
    chrome.close().await;
}

#[tokio::test]
async fn using_another_account_after_a_refusal() {
    let stack = Stack::shared().await;
    let chrome = Chrome::start().await;
    chrome.goto(&stack.at("/foo/admin?x=1")).await;
    chrome.choose_account("grace@example.com").await;
    chrome.reads("admin-role").await;
    chrome.press("another account").await;
    chrome.press("Sign out").await;
    chrome.reads("You are signed out").await;
    chrome.goto(&stack.at("/foo/admin?x=1")).await;
    chrome.choose_account("ada@example.com").await;
    chrome.arrives_at(&stack.at("/foo/admin?x=1")).await;
    chrome.reads("Ada Lovelace").await;
    chrome.close().await;
}

#[tokio::test]
async fn saying_no_at_the_provider_ends_on_a_page_that_says_so() {
    let stack = Stack::shared().await;
    let chrome = Chrome::start().await;
    chrome.goto(&stack.at("/foo/")).await;
    chrome.press("Cancel").await;
    // A button that the provider's page has not, which has a heading too.
    chrome.find("main a.button").await;
    assert!(chrome.url().await.starts_with(&stack.at("/rbac/callback")), "{}", chrome.url().await);
    chrome.picture("refused-at-provider").await;
    chrome.find("main a.button").await.click().await.unwrap();
    chrome.choose_account("ada@example.com").await;
    chrome.arrives_at(&stack.at("/foo/")).await;
    chrome.close().await;
}

#[tokio::test]
async fn choosing_between_two_providers() {
    let stack = Setup::demo().two_providers().start().await;
    let chrome = Chrome::start().await;
    let asked = stack.at("/foo/?deep=link");
    chrome.goto(&asked).await;
    chrome.reads("to continue to localhost").await;
    chrome.picture("chooser").await;
    chrome.press("Continue with Provider 1").await;
    chrome.choose_account("grace@example.com").await;
    chrome.arrives_at(&asked).await;
    chrome.goto(&stack.at("/rbac/")).await;
    let text = chrome.reads("This session").await;
    assert!(text.contains("Provider 1") && text.contains("grace@example.com"), "{text}");
    chrome.close().await;
}

#[tokio::test]
async fn signing_out_everywhere_from_the_account_page() {
    let stack = Setup::demo().start().await;
    let mut elsewhere = Person::signed_in(&stack, "ada@example.com").await;
    let mut grace = Person::signed_in(&stack, "grace@example.com").await;
    let chrome = Chrome::start().await;
    chrome.goto(&stack.at("/rbac/")).await;
    chrome.choose_account("ada@example.com").await;
    chrome.arrives_at(&stack.at("/rbac/")).await;
    chrome.reads("Where you are signed in").await;
    chrome.picture("account").await;
    chrome.press("Sign out everywhere").await;
    chrome.reads("Sign out everywhere?").await;
    chrome.press("Sign out everywhere").await;
    chrome.reads("signed out").await;

    assert_eq!(elsewhere.fetch("/foo/api/whoami").await.status, 401);
    assert_eq!(grace.fetch("/foo/api/whoami").await.status, 200, "somebody else's session goes on");
    chrome.goto(&stack.at("/foo/")).await;
    chrome.find("button[name=account]").await;
    chrome.close().await;
}
