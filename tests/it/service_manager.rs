//! The program under a service manager. The test speaks systemd's protocols in its place: it listens for what the
//! program says of itself (`NOTIFY_SOCKET`), hands over a listener (`LISTEN_FDS`), and is the journal.

use std::fs::File;
use std::io::{BufRead as _, BufReader, PipeWriter, Read as _, pipe};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use super::support::idp::client;

const POLICY: &str = "default: deny\nservices: { open: { prefix: /open, public: true } }\n";

/// The program, and the manager's end of what it says.
struct Managed {
    child: Child,
    told: UnixDatagram,
    dir: TempDir,
}

impl Drop for Managed {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `doorward serve` with a policy and nothing else, and not yet started.
fn program(dir: &TempDir) -> Command {
    let file = dir.path().join("doorward.yaml");
    let yaml = format!(
        "data_dir: {0}\nserver: {{ listen: \"127.0.0.1:0\", workers: 1, drain: 0s }}\nops: {{ listen: null }}\npolicy: {{ file: policy.yaml }}\n",
        dir.path().display()
    );
    std::fs::write(&file, yaml).unwrap();
    std::fs::write(dir.path().join("policy.yaml"), POLICY).unwrap();
    // The shell makes a descriptor of the number that the protocol fixes out of what is standard input, and says whom
    // it is for; then it is the program.
    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", "[ -z \"$LISTEN_FDS\" ] || exec 3<&0 4<&0; export LISTEN_PID=$$; exec \"$@\"", "sh"])
        .arg(env!("CARGO_BIN_EXE_doorward"))
        .args(["serve", "--config"])
        .arg(file)
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

impl Managed {
    fn start(adjust: impl FnOnce(&mut Command)) -> Self {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("notify");
        let told = UnixDatagram::bind(&path).unwrap();
        told.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let mut command = program(&dir);
        command.env("NOTIFY_SOCKET", path);
        adjust(&mut command);
        Self { child: command.spawn().unwrap(), told, dir }
    }

    /// The next that it says, line by line.
    fn hears(&self) -> Vec<String> {
        let mut text = [0; 4096];
        let length = self.told.recv(&mut text).expect("it says something within 30 seconds");
        std::str::from_utf8(&text[..length]).unwrap().lines().map(str::to_owned).collect()
    }

    /// Hears it out until each of these has been said, and returns all the lines. The policy file is watched as well, so
    /// the word on it may come before or after the signal's.
    fn hears_all(&self, wanted: &[&str]) -> Vec<String> {
        let mut lines = Vec::new();
        while !wanted.iter().all(|wanted| lines.iter().any(|line: &String| line.starts_with(wanted))) {
            lines.extend(self.hears());
        }
        lines
    }

    /// Waits for "ready", and returns the address that it serves at.
    fn ready(&self) -> String {
        let lines = self.hears();
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert_eq!(lines[0], "READY=1");
        lines[1].strip_prefix("STATUS=serves at ").unwrap_or_else(|| panic!("{lines:?}")).to_owned()
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([name, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }
}

/// Whether `/open` (or what the policy has instead) may be passed.
async fn passes(address: &str, path: &str) -> u16 {
    let asked = client()
        .get(format!("http://{address}/auth"))
        .header("x-forwarded-method", "GET")
        .header("x-forwarded-proto", "https")
        .header("x-forwarded-host", "app.example.test")
        .header("x-forwarded-uri", path);
    asked.send().await.unwrap().status().as_u16()
}

#[actix_web::test]
async fn it_says_when_it_serves_reloads_and_stops() {
    let mut managed = Managed::start(|_| {});
    let address = managed.ready();
    // At once: whoever is told "ready" need not wait any more.
    assert_eq!(passes(&address, "/open/x").await, 200);
    assert_eq!(passes(&address, "/other/x").await, 403);

    std::fs::write(managed.dir.path().join("policy.yaml"), POLICY.replace("/open", "/other")).unwrap();
    managed.signal("-HUP");
    let lines = managed.hears_all(&["STATUS=serves, by the policy as it was read again", "READY=1"]);
    let reloading =
        lines.iter().position(|line| line == "RELOADING=1").unwrap_or_else(|| panic!("{lines:?}"));
    let since_boot =
        lines[reloading + 1].strip_prefix("MONOTONIC_USEC=").unwrap_or_else(|| panic!("{lines:?}"));
    assert!(since_boot.parse::<u64>().is_ok(), "{lines:?}");
    assert!(lines.iter().position(|line| line == "READY=1") > Some(reloading), "{lines:?}");
    // And whoever is told that it reloaded meets the new policy.
    assert_eq!(passes(&address, "/other/x").await, 200);
    assert_eq!(passes(&address, "/open/x").await, 403);

    managed.signal("-TERM");
    managed.hears_all(&["STOPPING=1", "STATUS=stopping"]);
    assert!(managed.child.wait().unwrap().success());
}

#[actix_web::test]
async fn a_listener_that_is_handed_over_is_the_one() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // Somebody who came before the program: the listener keeps the connection for it.
    let asked = tokio::spawn(async move { passes(&address.to_string(), "/open/x").await });
    let managed = Managed::start(|command| {
        command.env("LISTEN_FDS", "1").stdin(OwnedFd::from(listener));
    });
    assert_eq!(managed.ready(), address.to_string());
    assert_eq!(asked.await.unwrap(), 200);
}

#[actix_web::test]
async fn a_listener_of_both_families_knows_its_peers() {
    // As systemd makes them of `ListenStream=8000`: peers of IPv4 have mapped addresses, and are still trusted.
    let Ok(listener) = TcpListener::bind("[::]:0") else { panic!("this machine has no IPv6") };
    let port = listener.local_addr().unwrap().port();
    let managed = Managed::start(|command| {
        command.env("LISTEN_FDS", "1").stdin(OwnedFd::from(listener));
    });
    managed.ready();
    assert_eq!(passes(&format!("127.0.0.1:{port}"), "/open/x").await, 200);
}

/// What it says when it will not start with what it is handed.
fn refused(count: &str, handed: OwnedFd) -> String {
    let dir = TempDir::new().unwrap();
    let mut command = program(&dir);
    let command = command.env("LISTEN_FDS", count).stdin(handed).stderr(Stdio::piped());
    let Output { status, stderr, .. } = command.output().unwrap();
    assert_eq!(status.code(), Some(2));
    String::from_utf8(stderr).unwrap()
}

#[test]
fn what_is_no_single_listener_is_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let connection = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let text = refused("1", connection.into());
    assert!(text.contains("LISTEN_FDS") && text.contains("Accept=no"), "{text}");
    let text = refused("2", listener.into());
    assert!(text.contains("LISTEN_FDS: 2 sockets") && text.contains("ListenStream="), "{text}");
    let text = refused("1", UdpSocket::bind("127.0.0.1:0").unwrap().into());
    assert!(text.contains("LISTEN_FDS") && text.contains("no TCP socket"), "{text}");
    let text = refused("1", File::open("/dev/null").unwrap().into());
    assert!(text.contains("LISTEN_FDS") && text.contains("no TCP socket"), "{text}");
}

/// The name by which the journal calls a stream.
fn stream(of: &PipeWriter) -> String {
    let own = File::from(OwnedFd::from(of.try_clone().unwrap())).metadata().unwrap();
    format!("{}:{}", own.dev(), own.ino())
}

#[test]
fn lines_carry_their_priority_to_the_journal_and_nowhere_else() {
    for is_journal in [true, false] {
        let (reader, writer) = pipe().unwrap();
        let name = if is_journal { stream(&writer) } else { "1:1".to_owned() };
        let managed = Managed::start(|command| {
            command.env("JOURNAL_STREAM", name).stderr(writer);
        });
        managed.ready();
        std::fs::write(managed.dir.path().join("policy.yaml"), "default: nonsense\n").unwrap();
        managed.signal("-HUP");
        managed.hears_all(&["RELOADING=1", "STATUS=serves; the policy file was REFUSED", "READY=1"]);
        managed.signal("-TERM");
        let mut text = String::new();
        BufReader::new(reader).read_to_string(&mut text).unwrap();
        let mut levels = Vec::new();
        for line in text.as_bytes().lines().map(Result::unwrap) {
            let (mark, json) = if is_journal { line.split_at(3) } else { ("", line.as_str()) };
            let event: serde_json::Value = serde_json::from_str(json).unwrap_or_else(|_| panic!("{line}"));
            let level = event["level"].as_str().unwrap().to_owned();
            let expected = match (is_journal, level.as_str()) {
                (false, _) => "",
                (true, "ERROR") => "<3>",
                (true, "WARN") => "<4>",
                (true, _) => "<6>",
            };
            assert_eq!(mark, expected, "{line}");
            levels.push(level);
        }
        // The refused policy is a fault to look for by priority.
        assert!(levels.iter().any(|level| level != "INFO"), "{text}");
        assert!(levels.len() >= 3, "{text}");
    }
}
