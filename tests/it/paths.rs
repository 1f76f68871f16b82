//! Paths that two programs read in two ways: nobody gets anywhere by them that a plain spelling would not lead to
//! (RFC 3986 §5.2.4, §6.2.2).

use super::support::world::{World, assert_allowed, assert_anonymous, assert_kept_out, assert_status};

const GRACE: &str = "grace@example.com";

/// Each as nobody and as grace, who is no admin: neither is let in.
async fn nobody_gets_in(world: &World, grace: &str, uris: &[&str]) {
    for uri in uris {
        assert_kept_out(&world.asks(uri).send().await, uri);
        let answer = world.asks(uri).cookies(grace).send().await;
        assert_status(&answer, &[400, 403], uri);
    }
}

#[actix_web::test]
async fn dot_segments_lead_nowhere() {
    let world = World::start().await;
    let grace = world.sign_in("grace").await;
    let plain = ["/public/../admin/secrets", "/public/./../admin", "/public/x/../../admin"];
    let encoded = [
        "/public/%2e%2e/admin",
        "/public/%2E%2E/admin",
        "/public/.%2e/admin",
        "/public/%2e./admin",
        "/public/%2e/../admin",
    ];
    let behind_a_slash = [
        "/public/..%2fadmin",
        "/public%2f..%2fadmin",
        "/public/%2e%2e%2Fadmin",
        "/public/x%2f..%2f..%2fadmin",
    ];
    let twice = ["/public/%252e%252e%252fadmin", "/public/..%252fadmin", "/%2561dmin/x"];
    for uris in [&plain[..], &encoded, &behind_a_slash, &twice] {
        nobody_gets_in(&world, &grace, uris).await;
    }
    world.ends_well().await;
}

#[actix_web::test]
async fn slashes_and_backslashes_hide_nothing() {
    let world = World::start().await;
    let grace = world.sign_in("grace").await;
    let slashes = ["//admin/x", "/public//..//admin", "///admin", "//app.example.test/public/x"];
    let backslashes =
        ["/public/..\\admin", "/public\\..\\admin", "/public/%5c..%5cadmin", "/public/..%5Cadmin", "\\admin"];
    nobody_gets_in(&world, &grace, &slashes).await;
    nobody_gets_in(&world, &grace, &backslashes).await;
    world.ends_well().await;
}

/// What Windows, a compatibility mapping of Unicode, old decoders and servlet containers make of a path.
#[actix_web::test]
async fn nothing_hides_behind_what_other_programs_make_of_a_path() {
    let world = World::start().await;
    let grace = world.sign_in("grace").await;
    let dots = [
        "/public/..%20/admin",
        "/public/.../admin",
        "/public/%EF%BC%8E%EF%BC%8E/admin",
        "/public/%E2%80%A5/admin",
    ];
    let slashes = [
        "/public/..%EF%BC%8Fadmin",
        "/public/..%E2%88%95admin",
        "/public%c0%afadmin",
        "/public%e0%80%afadmin",
    ];
    let parameters = [
        "/public/..;/admin",
        "/public/%2e%2e;/admin",
        "/public/x;/%2e%2e/admin",
        "/;/admin/x",
        "/%3b/admin/x",
        "/admin;/x",
    ];
    let layers =
        ["/public/%25%32%65%25%32%65/admin", "/public/%u002e%u002e/admin", "/public/%%32%65%%32%65/admin"];
    for uris in [&dots[..], &slashes, &parameters, &layers] {
        nobody_gets_in(&world, &grace, uris).await;
    }
    world.ends_well().await;
}

#[actix_web::test]
async fn fragments_and_queries_are_no_paths() {
    let world = World::start().await;
    let grace = world.sign_in("grace").await;
    for uri in ["/admin#/public/x", "/public/#/../../admin", "/public/x#"] {
        assert_status(&world.asks(uri).send().await, &[400], uri);
    }
    nobody_gets_in(&world, &grace, &["/public%23/../../admin", "/public/..%23/admin"]).await;
    nobody_gets_in(
        &world,
        &grace,
        &["/admin?x=/public/", "/admin?/public/a", "/admin%3f/public/a", "/admin?/../public/"],
    )
    .await;
    world.ends_well().await;
}

#[actix_web::test]
async fn a_rule_ends_at_a_segment() {
    let world = World::start().await;
    for uri in ["/publicity", "/public.evil", "/public-old/x", "/healthz/x", "/healthzX"] {
        let answer = world.asks(uri).send().await;
        assert_status(&answer, &[302], uri);
    }
    for uri in ["/healthz/../admin", "/healthz%2f..%2fadmin"] {
        assert_status(&world.asks(uri).send().await, &[302, 400], uri);
    }
    for uri in ["/public", "/public/", "/public/x/y", "/healthz", "/healthz?x=1"] {
        assert_anonymous(&world.asks(uri).send().await, uri);
    }
    world.ends_well().await;
}

#[actix_web::test]
async fn every_spelling_of_a_letter_meets_the_same_rule() {
    let world = World::start().await;
    let (grace, ada) = (world.sign_in("grace").await, world.sign_in("ada").await);
    for uri in ["/%61dmin/x", "/adm%69n/x", "/admin", "/admin/", "/admin?"] {
        assert_status(&world.asks(uri).cookies(&grace).send().await, &[403], uri);
        assert_allowed(&world.asks(uri).cookies(&ada).send().await, "ada@example.com", "admin,user", uri);
    }
    for uri in ["/admin/.", "/admin//"] {
        assert_status(&world.asks(uri).cookies(&grace).send().await, &[400, 403], uri);
    }
    // Case makes a difference, as docs/policy.md says: the escaped capital is the capital.
    for uri in ["/ADMIN/x", "/Admin/x", "/aDMIN/x", "/%41DMIN/x"] {
        assert_allowed(&world.asks(uri).cookies(&grace).send().await, GRACE, "user", uri);
    }
    world.ends_well().await;
}

#[actix_web::test]
async fn ordinary_addresses_are_not_in_the_way() {
    let world = World::start().await;
    let grace = world.sign_in("grace").await;
    for uri in [
        "/caf%C3%A9/a%20b",
        "/docs/v1.2/..hidden/file.tar.gz",
        "/a/.well-known/x",
        "/x?next=/admin&u=..%2f..%2fadmin",
        "/~alice/(1)/a,b;v=1",
    ] {
        assert_allowed(&world.asks(uri).cookies(&grace).send().await, GRACE, "user", uri);
    }
    // Strict where several rules share a host; `paths: opaque` is for services that need it.
    let answer = world.asks("/files/group%2Fproject/raw").cookies(&grace).send().await;
    assert_status(&answer, &[400], "an encoded slash");
    world.ends_well().await;
}
