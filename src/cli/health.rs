//! `doorward health`: asks a running gateway whether it is well, for container images, which have no shell and no curl.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, ToSocketAddrs as _};
use std::process::ExitCode;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use url::{Host, Url};

/// The whole question, from connecting to the end of the status line, takes at most this long.
const DEADLINE: Duration = Duration::from_secs(2);

/// Exit status 0 when `url` answers 200, else 1 and why on standard error.
pub(super) fn run(url: &str) -> ExitCode {
    match ask(url) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => super::fail(&error),
    }
}

fn ask(url: &str) -> anyhow::Result<()> {
    let url = Url::parse(url).context("the address")?;
    ensure!(url.scheme() == "http", "the address must begin with http://");
    let port = url.port_or_known_default().unwrap_or(80);
    let began = Instant::now();
    let addresses = match url.host() {
        Some(Host::Ipv4(ip)) => vec![SocketAddr::new(ip.into(), port)],
        Some(Host::Ipv6(ip)) => vec![SocketAddr::new(ip.into(), port)],
        Some(Host::Domain("localhost")) => vec![SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port)],
        Some(Host::Domain(name)) => look_up(name.to_owned(), port)?,
        None => bail!("the address has no host"),
    };
    let address = *addresses.first().context("the host has no address")?;
    let left = DEADLINE.saturating_sub(began.elapsed()).max(Duration::from_millis(1));
    let mut stream = TcpStream::connect_timeout(&address, left).with_context(|| address.to_string())?;
    stream.set_write_timeout(Some(DEADLINE))?;
    // HTTP/1.0: one answer, and the connection ends. In one piece: `write!` on the stream would send several, and a
    // server may answer the first and hang up before the last.
    stream.write_all(format!("GET {} HTTP/1.0\r\nHost: {address}\r\n\r\n", url.path()).as_bytes())?;
    let mut answer = Vec::new();
    let mut piece = [0_u8; 256];
    // The status line is all that counts, and it is short.
    while !answer.contains(&b'\n') && answer.len() < 1024 {
        let left = DEADLINE.saturating_sub(began.elapsed());
        ensure!(!left.is_zero(), "{address} does not answer within {} s", DEADLINE.as_secs());
        stream.set_read_timeout(Some(left))?;
        let read = stream.read(&mut piece).with_context(|| format!("{address} does not answer"))?;
        if read == 0 {
            break;
        }
        answer.extend(piece.iter().take(read));
    }
    let line = String::from_utf8_lossy(&answer);
    let line = line.lines().next().unwrap_or_default();
    let mut words = line.split(' ');
    let http = words.next().is_some_and(|version| version.starts_with("HTTP/1."));
    ensure!(http && words.next() == Some("200"), "{address} answers {line:?}");
    Ok(())
}

/// The addresses of a name. The system's own limits for that are longer than ours, so another thread asks it.
fn look_up(name: String, port: u16) -> anyhow::Result<Vec<SocketAddr>> {
    let (tell, told) = mpsc::channel();
    let asked = name.clone();
    thread::spawn(move || {
        let found: std::io::Result<Vec<_>> = (asked.as_str(), port).to_socket_addrs().map(Iterator::collect);
        // Nobody listens any more once the deadline is over.
        let _ = tell.send(found);
    });
    match told.recv_timeout(DEADLINE) {
        Ok(found) => found.with_context(|| format!("{name} has no address")),
        Err(_) => bail!("{name} is not found within {} s", DEADLINE.as_secs()),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// A server for one question: what it was asked, and the address it answered at.
    fn answering(answer: &'static [u8]) -> (String, thread::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/healthz", listener.local_addr().unwrap());
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = [0; 1024];
            let read = stream.read(&mut asked).unwrap();
            // Whoever asks may hang up once it has read enough.
            let _ = stream.write_all(answer);
            if answer.is_empty() {
                // Says nothing for longer than the deadline.
                let _ = stream.read(&mut [0; 1]);
            }
            String::from_utf8_lossy(&asked[..read]).into_owned()
        });
        (url, server)
    }

    #[test]
    fn only_200_is_healthy() {
        let (url, server) = answering(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
        ask(&url).unwrap();
        let asked = server.join().unwrap();
        assert!(asked.starts_with("GET /healthz HTTP/1.0\r\nHost: 127.0.0.1:"), "{asked}");
        for answer in [
            &b"HTTP/1.1 503 Service Unavailable\r\n\r\n"[..],
            b"HTTP/1.1 2000 OK\r\n\r\n",
            b"SSH-2.0-OpenSSH 200\r\n",
            b"200\n",
        ] {
            let (url, _server) = answering(answer);
            assert!(ask(&url).is_err(), "{}", String::from_utf8_lossy(answer));
        }
    }

    #[test]
    fn a_name_is_looked_up() {
        let addresses = look_up("localhost".to_owned(), 80).unwrap();
        assert!(
            addresses.iter().all(|address| address.ip().is_loopback() && address.port() == 80),
            "{addresses:?}"
        );
        let error = look_up("nobody.invalid".to_owned(), 80).unwrap_err();
        assert!(format!("{error:#}").contains("nobody.invalid"), "{error:#}");
    }

    #[test]
    fn silence_ends_at_the_deadline() {
        let (url, _server) = answering(b"");
        let began = Instant::now();
        ask(&url).unwrap_err();
        assert!(began.elapsed() < DEADLINE * 2);
    }

    #[test]
    fn nobody_there_and_bad_addresses() {
        for url in ["http://127.0.0.1:1/healthz", "https://127.0.0.1/", "http://nobody.invalid/", "nonsense"]
        {
            assert!(ask(url).is_err(), "{url}");
        }
    }
}
