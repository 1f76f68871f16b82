//! Requests that no well-behaved client sends, byte for byte (RFC 9112 §6.3, §11.2).

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::support::world::{World, assert_allowed, assert_anonymous};

/// Long enough for any machine; nothing here waits for it unless it fails.
const DEADLINE: Duration = Duration::from_secs(20);

/// Sends bytes and reads until the gateway closes, or until `enough` of them came.
fn exchange(address: SocketAddr, request: &[u8], close: bool) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.set_write_timeout(Some(DEADLINE)).unwrap();
    // The gateway may close before it has read all of it.
    let _ = stream.write_all(request);
    if close {
        let _ = stream.shutdown(Shutdown::Write);
    }
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

/// A question as raw text, with more header lines.
fn question(uri: &str, more: &str) -> String {
    format!(
        "GET /auth HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 203.0.113.9\r\nX-Forwarded-Method: GET\r\n\
         X-Forwarded-Proto: https\r\nX-Forwarded-Host: app.example.test\r\nX-Forwarded-Uri: {uri}\r\n\
         Accept: text/html\r\n{more}\r\n"
    )
}

async fn raw(world: &World, request: Vec<u8>, close: bool) -> String {
    let address = world.gateway.address;
    tokio::task::spawn_blocking(move || exchange(address, &request, close)).await.unwrap()
}

fn answers(text: &str) -> usize {
    text.matches("HTTP/1.1 ").count()
}

fn assert_refused(text: &str, case: &str) {
    let status = text.get(9..12).unwrap_or_default();
    assert!(text.is_empty() || matches!(status, "400" | "413" | "414" | "431"), "{case}: {text}");
    assert!(answers(text) <= 1, "{case}: {text}");
    assert!(!text.to_lowercase().contains("x-auth-user"), "{case}: {text}");
}

#[actix_web::test]
async fn a_length_told_in_two_ways_ends_the_connection() {
    let world = World::start().await;
    let second = "GET /rbac/ HTTP/1.1\r\nHost: x\r\n\r\n";
    for head in [
        "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
        "Content-Length: 4\r\nContent-Length: 5\r\n",
        "Content-Length: 4, 5\r\n",
        "Content-Length: +4\r\n",
        "Content-Length: -1\r\n",
        "Content-Length : 4\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding : chunked\r\n",
    ] {
        let request = format!("POST /auth HTTP/1.1\r\nHost: x\r\n{head}\r\n0\r\n\r\n{second}");
        assert_refused(&raw(&world, request.into_bytes(), false).await, head);
    }
    world.ends_well().await;
}

#[actix_web::test]
async fn lines_end_and_names_are_as_they_must_be() {
    let world = World::start().await;
    for (case, more) in [
        ("NUL in a value", "X-A: a\0b\r\n"),
        ("CR in a value", "X-A: a\rX-Auth-User: root\r\n"),
        ("a blank in a name", "X Auth: a\r\n"),
        ("a folded line", "X-A: a\r\n b\r\n"),
        ("no name", ": a\r\n"),
    ] {
        let text = raw(&world, question("/public/x", more).into_bytes(), true).await;
        // Where the parser forgives, nothing of it reaches the answer.
        let harmless = text.starts_with("HTTP/1.1 200") && !text.contains("root") && answers(&text) == 1;
        if !harmless {
            assert_refused(&text, case);
        }
    }
    let raw_bytes = [question("/public/", "").replace(" /public/", " /public/\x01").into_bytes(), {
        let mut bytes = question("/public/@", "").into_bytes();
        let at = bytes.iter().position(|byte| *byte == b'@').unwrap();
        bytes[at] = 0xff;
        bytes
    }];
    for bytes in raw_bytes {
        assert_refused(&raw(&world, bytes, true).await, "a byte that no path has");
    }
    world.ends_well().await;
}

/// A client that names headers in `Connection` has them dropped by some proxies; the gateway drops none and
/// trusts none the more.
#[actix_web::test]
async fn connection_names_no_headers() {
    let world = World::start().await;
    for names in
        ["close, X-Forwarded-Uri, X-Forwarded-Host, X-Auth-User", "close, x-forwarded-uri, x-auth-user"]
    {
        let text =
            raw(&world, question("/admin/x", &format!("Connection: {names}\r\n")).into_bytes(), true).await;
        assert!(text.starts_with("HTTP/1.1 302 "), "{text}");
        let connection = text.lines().find(|line| line.to_lowercase().starts_with("connection:"));
        assert!(connection.is_none_or(|line| line.to_lowercase() == "connection: close"), "{text}");
    }
    let missing =
        question("/public/x", "Connection: close\r\n").replace("X-Forwarded-Host: app.example.test\r\n", "");
    assert!(raw(&world, missing.into_bytes(), true).await.starts_with("HTTP/1.1 400 "), "what is left of it");
    world.ends_well().await;
}

#[actix_web::test]
async fn what_is_too_much_is_refused_and_the_rest_goes_on() {
    let world = World::start().await;
    let grace = world.sign_in("grace").await;
    let mut lines = String::new();
    for n in 0..200 {
        lines.push_str(&format!("X-Line-{n}: x\r\n"));
    }
    let cases = [
        ("200 lines", question("/public/x", &lines)),
        ("a cookie of 200 KiB", question("/public/x", &format!("Cookie: a={}\r\n", "x".repeat(200 * 1024)))),
        ("a path of 1 MiB", question(&format!("/public/{}", "x".repeat(1024 * 1024)), "")),
        ("a path of 9 KiB", question(&format!("/public/{}", "x".repeat(9 * 1024)), "")),
        ("20 000 times up", question(&format!("/a{}", "/..".repeat(20_000)), "")),
        ("2 000 times up", question(&format!("/a{}", "/..".repeat(2_000)), "")),
    ];
    for (case, request) in cases {
        assert_refused(&raw(&world, request.into_bytes(), true).await, case);
        let grace = world.asks("/").cookies(&grace).send().await;
        assert_allowed(&grace, "grace@example.com", "user", case);
    }
    world.ends_well().await;
}

/// A body says nothing about a decision: it is not waited for, and not kept.
#[actix_web::test]
async fn bodies_are_not_waited_for() {
    let world = World::start().await;
    let told = question("/public/x", "Content-Length: 52428800\r\n").into_bytes();
    let began = Instant::now();
    let address = world.gateway.address;
    let first = tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.write_all(&told).unwrap();
        let mut head = [0; 12];
        stream.read_exact(&mut head).unwrap();
        String::from_utf8_lossy(&head).into_owned()
    })
    .await
    .unwrap();
    assert_eq!(first, "HTTP/1.1 200");
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    // All of it, at once: answered or cut off, and never served by twice.
    let mut all = question("/public/x", "Content-Length: 52428800\r\nConnection: close\r\n").into_bytes();
    all.resize(all.len() + 52_428_800, b'x');
    let text = raw(&world, all, true).await;
    assert!(answers(&text) <= 1, "{text}");
    // Forms of the gateway's own pages are small.
    let form = format!(
        "POST /rbac/logout HTTP/1.1\r\nHost: auth.example.test\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Connection: close\r\nContent-Length: 200000\r\n\r\n{}",
        "x".repeat(200_000)
    );
    let text = raw(&world, form.into_bytes(), true).await;
    assert!(text.is_empty() || text.starts_with("HTTP/1.1 4"), "{text}");
    world.ends_well().await;
}

/// Connections that say nothing, or little at a time, are in nobody's way.
#[actix_web::test]
async fn slow_senders_hold_nobody_up() {
    let world = World::start().await;
    let grace = world.sign_in("grace").await;
    let mut slow = Vec::new();
    for n in 0..48 {
        let mut stream = TcpStream::connect(world.gateway.address).unwrap();
        let begun = question("/public/x", "");
        stream.write_all(&begun.as_bytes()[..n]).unwrap();
        slow.push(stream);
    }
    for stream in slow.iter_mut().take(20) {
        assert_anonymous(&world.asks("/public/x").send().await, "while others dawdle");
        stream.write_all(b"x").unwrap();
        let answer = world.asks("/").cookies(&grace).send().await;
        assert_allowed(&answer, "grace@example.com", "user", "while others dawdle");
    }
    drop(slow);
    world.ends_well().await;
}

/// A form to one of our pages as raw text, of which only the beginning is sent.
fn form(path: &str, length: usize, sent: &str) -> Vec<u8> {
    format!(
        "POST {path} HTTP/1.1\r\nHost: auth.example.test\r\nAccept: text/html\r\nContent-Length: {length}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\n\r\n{sent}"
    )
    .into_bytes()
}

#[actix_web::test]
async fn a_form_that_is_too_long_is_refused_in_our_words() {
    let world = World::start().await;
    let long = "csrf=".to_owned() + &"x".repeat(70_000);
    for path in ["/rbac/logout", "/rbac/backchannel-logout", "/rbac/admin/tokens/new", "/create_token"] {
        let text = raw(&world, form(path, long.len(), &long), false).await;
        assert!(text.starts_with("HTTP/1.1 413 "), "{path}: {text}");
        assert_eq!(answers(&text), 1, "{path}");
        let lower = text.to_lowercase();
        for line in ["x-request-id: ", "cache-control: no-store", "connection: close"] {
            assert!(lower.contains(line), "{path}: no {line}: {text}");
        }
        assert!(text.contains("That is more than fits"), "{path}: {text}");
    }
    let json = raw(&world, form("/authorize", long.len(), &long), false).await;
    assert!(json.starts_with("HTTP/1.1 413 "), "{json}");
    world.ends_well().await;
}

#[actix_web::test]
async fn a_form_that_trickles_does_not_hold_the_connection() {
    let world = World::start().await;
    let began = Instant::now();
    let text = raw(&world, form("/rbac/logout", 100, "csrf="), false).await;
    assert!(text.starts_with("HTTP/1.1 408 "), "{text}");
    assert!(began.elapsed() < DEADLINE, "it was not the gateway that ended it");
    world.ends_well().await;
}
