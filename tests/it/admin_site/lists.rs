//! Lists: searched, sorted, turned over, empty, and long.

use std::time::{Duration, Instant};

use reqwest::Method;

use super::{Desk, PASS, Shown, setup, shown, token, unescaped};

#[actix_web::test]
async fn lists_are_turned_over_with_their_search_and_order() {
    let desk = Desk::of(setup()).await;
    for number in 0..120 {
        desk.state().store.put_token(&token(number, Some(&format!("job {number:03} é&b")))).await.unwrap();
    }
    desk.state().store.put_token(&token(500, Some("other"))).await.unwrap();
    let first = desk.get("/tokens?q=%C3%A9%26b&sort=name").await;
    assert!(first.body.contains("1 to 50 of <strong>120</strong>"), "{}", first.body);
    assert!(
        first.body.contains("job 000") && !first.body.contains("job 050") && !first.body.contains(">other<")
    );
    let step = |page: &Shown, word: &str| {
        let at = page.body.split("<a ").find(|link| link.contains(&format!(">{word}<"))).map(str::to_owned);
        at.map(|link| unescaped(link.split("href=\"").nth(1).unwrap().split('"').next().unwrap()))
    };
    assert_eq!(step(&first, "Previous"), None);
    let next = step(&first, "Next").unwrap();
    let second = desk.get(next.strip_prefix("/rbac/admin").unwrap()).await;
    assert!(
        second.body.contains("51 to 100 of <strong>120</strong>") && second.body.contains("job 050"),
        "{}",
        second.body
    );
    // The search is still in its field, and the order marked.
    assert!(
        second.body.contains("value=\"é&amp;b\"") && second.body.contains("aria-sort=\"ascending\""),
        "{}",
        second.body
    );
    let last = desk.get(step(&second, "Last").unwrap().strip_prefix("/rbac/admin").unwrap()).await;
    assert!(last.body.contains("101 to 120 of") && step(&last, "Next").is_none());
    assert_eq!(step(&last, "Previous"), Some(next));
    assert!(
        unescaped(&last.body).contains("q=%C3%A9%26b\"")
            || last
                .links()
                .iter()
                .any(|link| link.contains("q=%C3%A9%26b&") || link.ends_with("q=%C3%A9%26b"))
    );
    // Beyond the end is the end; nothing found says so, and what to do.
    let beyond = desk.get("/tokens?q=job&page=77").await;
    assert_eq!((beyond.status, beyond.header("location")), (302, "/rbac/admin/tokens?q=job&page=3"));
    let nothing = desk.get("/tokens?q=nothing-of-this-kind").await;
    assert!(nothing.body.contains("Nothing fits") && nothing.body.contains("Show all"));
    for (list, words) in [("/activity?what=admin", "Nothing fits"), ("/users?q=zz", "Nothing fits")] {
        assert!(desk.get(list).await.body.contains(words), "{list}");
    }
    for wrong in [
        "/tokens?page=0",
        "/tokens?page=-1",
        "/tokens?page=x",
        "/tokens?page=99999999999999999999",
        "/tokens?sort=x",
    ] {
        let page = desk.get(wrong).await;
        assert!(matches!(page.status, 200 | 302), "{wrong}: {}", page.status);
    }
    assert_eq!(desk.get("/tokens?q=a&q=b").await.status, 400);
    desk.gateway.stop().await;
}

#[actix_web::test]
async fn an_empty_place_says_what_to_do_next() {
    let gateway = setup().start().await;
    for (path, words) in [
        ("/tokens", "Make the first token"),
        ("/users", "Nobody has signed in yet"),
        ("/sessions", "Nobody is signed in"),
    ] {
        let page = gateway.page(Method::GET, &format!("/admin{path}")).basic_auth("root", Some(PASS));
        let page = shown(page).await;
        assert!(page.status == 200 && page.body.contains(words), "{path}: {}", page.body);
    }
    gateway.stop().await;
}

/// How long a page takes: the median of several.
async fn time_of(desk: &Desk, path: &str) -> Duration {
    let mut times = Vec::new();
    for _ in 0..7 {
        let began = Instant::now();
        let page = desk.get(path).await;
        assert_eq!(page.status, 200, "{path}: {}", page.body);
        times.push(began.elapsed());
    }
    times.sort();
    times[3]
}

#[actix_web::test]
async fn a_hundred_thousand_people_are_no_trouble() {
    const MANY: i64 = 100_000;
    let paths = [
        "/users",
        "/users?sort=seen",
        "/users?page=1500",
        "/users?q=user-99999%40",
        "/users/one?id=id-77777",
        "/",
    ];
    let small = Desk::of(setup()).await;
    small.person("id-77777", Some("user-77777@example.com"), None).await;
    let mut before = Vec::new();
    for path in paths {
        let path = if path.contains("page=") || path.contains("q=") { "/users" } else { path };
        before.push(time_of(&small, path).await);
    }
    small.gateway.stop().await;

    let big = Desk::of(setup()).await;
    let mut file = rusqlite::Connection::open(big.gateway.dir.join("doorward.db")).unwrap();
    file.busy_timeout(Duration::from_secs(10)).unwrap();
    let transaction = file.transaction().unwrap();
    {
        let mut insert =
            transaction.prepare("INSERT INTO users VALUES (?1, 'p0', ?1, ?2, ?3, 0, ?4, ?4)").unwrap();
        for n in 0..MANY {
            let email = format!("user-{n}@example.com");
            insert.execute(rusqlite::params![format!("id-{n}"), email, format!("Person {n}"), n]).unwrap();
        }
    }
    transaction.commit().unwrap();
    drop(file);
    // So much at once keeps a busy machine's disk for a while.
    for _ in 0..20 {
        if big.get("/users?q=user").await.status == 200 {
            break;
        }
    }
    let list = big.get("/users").await;
    assert!(list.body.contains("1 to 50 of <strong>100,001</strong> users"), "{}", list.body);
    let found = big.get("/users?q=user-99999%40").await;
    assert!(
        found.body.contains("1 to 1 of") && found.body.contains("user-99999@example.com"),
        "{}",
        found.body
    );
    for (path, before) in paths.iter().zip(before) {
        let took = time_of(&big, path).await;
        let ratio = took.as_secs_f64() / before.max(Duration::from_millis(5)).as_secs_f64();
        // A page comes from an index and counts the rest; a far one passes over those before it; a search reads all.
        let most = match path {
            path if path.contains("q=") => 400.0,
            path if path.contains("page=") => 100.0,
            _ => 30.0,
        };
        assert!(ratio < most, "{path}: {took:?}, {ratio:.1} times a small store's {before:?}");
    }
    big.gateway.stop().await;
}
