//! Host names: one spelling decides, one header says it, and a wildcard ends at a dot.

use super::support::world::{World, assert_allowed, assert_kept_out, assert_status};

#[actix_web::test]
async fn case_and_a_dot_at_the_end_make_no_difference() {
    let world = World::start().await;
    let (grace, ada) = (world.sign_in("grace").await, world.sign_in("ada").await);
    for (host, uri) in [
        ("SECRET.Apps.Example.Test", "/"),
        ("secret.APPS.example.test", "/"),
        ("secret.apps.example.test.", "/"),
        ("APP.example.test", "/admin/x"),
        ("app.example.test.", "/admin/x"),
        ("app.example.test.:443", "/admin/x"),
    ] {
        assert_status(&world.asks(uri).host(host).cookies(&grace).send().await, &[403], host);
        assert_allowed(
            &world.asks(uri).host(host).cookies(&ada).send().await,
            "ada@example.com",
            "admin,user",
            host,
        );
    }
    assert_status(&world.asks("/").host("app.example.test..").cookies(&grace).send().await, &[400], "..");
    world.ends_well().await;
}

#[actix_web::test]
async fn a_port_is_a_number_and_changes_no_rule() {
    let world = World::start().await;
    let grace = world.sign_in("grace").await;
    for port in [":443", ":8443", ":80"] {
        let ask = world.asks("/admin/x").host(&format!("app.example.test{port}"));
        assert_status(&ask.clone().cookies(&grace).send().await, &[403], port);
        let anonymous = ask.send().await;
        assert_status(&anonymous, &[302], port);
        if port != ":443" {
            // Nobody is sent back to a port that no sign-in may return to.
            assert!(!anonymous.location().contains(port.trim_start_matches(':')), "{}", anonymous.location());
        }
    }
    for port in [":0", ":99999", ":", ":443:443", ":0443", ":-1", ":4 4", ":44a"] {
        let ask = world.asks("/").host(&format!("app.example.test{port}")).cookies(&grace);
        assert_status(&ask.send().await, &[400], port);
    }
    world.ends_well().await;
}

#[actix_web::test]
async fn one_host_and_one_only() {
    let world = World::start().await;
    let grace = world.sign_in("grace").await;
    let (app, secret) = ("app.example.test", "secret.apps.example.test");
    for (first, second) in [(app, secret), (secret, app), (app, app)] {
        let ask = world.asks("/").host(first).with("x-forwarded-host", second).cookies(&grace);
        assert_status(&ask.send().await, &[400], &format!("{first} and {second}"));
    }
    for host in
        ["app.example.test, secret.apps.example.test", "app.example.test,", "", " ", "app example.test"]
    {
        assert_status(&world.asks("/").host(host).cookies(&grace).send().await, &[400], host);
    }
    for host in [
        "[fe80::1%25eth0]",
        "[::1].",
        "%61pp.example.test",
        "app%2eexample.test",
        "ａpp.example.test",
        "app。example.test",
        "xn--a.example.test",
        "0177.0.0.1",
        "app.example.test\\.evil.test",
    ] {
        assert_status(&world.asks("/").host(host).cookies(&grace).send().await, &[400], host);
    }
    for host in
        ["user@app.example.test", "app.example.test/x", "app.example.test?", "app_x.example.test", "[::1"]
    {
        assert_status(&world.asks("/").host(host).cookies(&grace).send().await, &[400], host);
    }
    world.ends_well().await;
}

#[actix_web::test]
async fn nothing_stands_in_for_what_is_missing() {
    let world = World::start().await;
    let grace = world.sign_in("grace").await;
    for name in ["x-forwarded-host", "x-forwarded-uri", "x-forwarded-method", "x-forwarded-proto"] {
        let ask = world.asks("/public/x").with("host", "app.example.test").cookies(&grace);
        assert_status(&ask.clone().without(name).send().await, &[400], name);
        assert_status(&ask.but(name, "").send().await, &[400], &format!("{name}, empty"));
    }
    world.ends_well().await;
}

#[actix_web::test]
async fn a_wildcard_ends_at_a_dot() {
    let world = World::start().await;
    let grace = world.sign_in("grace").await;
    for host in ["evilapps.example.test", "apps.example.test", "x.apps.example.test.evil.test"] {
        assert_status(&world.asks("/").host(host).cookies(&grace).send().await, &[403], host);
    }
    for host in [".apps.example.test", "x..apps.example.test", "*.apps.example.test"] {
        assert_status(&world.asks("/").host(host).cookies(&grace).send().await, &[400], host);
    }
    // Any name below, at any depth, as docs/policy.md says.
    for host in ["x.apps.example.test", "x.secret.apps.example.test"] {
        assert_allowed(
            &world.asks("/").host(host).cookies(&grace).send().await,
            "grace@example.com",
            "user",
            host,
        );
    }
    world.ends_well().await;
}

#[actix_web::test]
async fn nobody_is_sent_to_sign_in_for_a_host_that_no_rule_names() {
    let world = World::start().await;
    let grace = world.sign_in("grace").await;
    for host in ["nohost.example.test", "evil.test", "127.0.0.1", "[::1]", "example.test"] {
        assert_status(&world.asks("/").host(host).send().await, &[403], host);
        assert_status(&world.asks("/").host(host).cookies(&grace).send().await, &[403], host);
    }
    // Nor for a path that nobody may ask for.
    assert_status(&world.asks("/v2/x").host("api.example.test").send().await, &[403], "/v2");
    assert_kept_out(&world.asks("/").host("evil.test\u{e4}").send().await, "beyond ASCII");
    world.ends_well().await;
}
