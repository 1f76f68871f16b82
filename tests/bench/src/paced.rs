//! A load at a fixed pace, as `wrk` cannot make one: a request is sent when it is due, whether or not the one before it
//! was answered. Where all connections wait for answers then, its time counts from when it was due: a server that
//! stalls is not spared the requests of that while.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until};

/// Connections that requests are spread over.
const CONNECTIONS: usize = 32;

/// How long the answers took.
pub struct Took {
    /// How many there were.
    pub requests: usize,
    /// Half took no longer.
    pub median: Duration,
    /// 99 of 100 took no longer.
    pub p99: Duration,
}

/// Sends the requests of a file from number `from` on, `count` of them, `rate` a second (0 is as fast as answers come).
///
/// # Errors
/// When a connection fails, or an answer is no 200.
pub async fn send(to: SocketAddr, file: &Path, from: usize, count: usize, rate: u32) -> anyhow::Result<Took> {
    let text = std::fs::read_to_string(file)?;
    let requests: Arc<[String]> =
        text.split_inclusive("\r\n\r\n").skip(from).take(count).map(str::to_owned).collect();
    ensure!(requests.len() == count, "{} has {} requests from {from} on", file.display(), requests.len());
    let next = Arc::new(Mutex::new(0));
    let began = Instant::now() + Duration::from_millis(50);
    let hands: Vec<_> = (0..CONNECTIONS)
        .map(|_| tokio::spawn(work(to, Arc::clone(&requests), Arc::clone(&next), began, rate)))
        .collect();
    let mut took = Vec::with_capacity(count);
    for hand in hands {
        took.extend(hand.await??);
    }
    took.sort_unstable();
    let at = |share: usize| took.get(took.len() * share / 100).copied().context("no requests");
    Ok(Took { requests: took.len(), median: at(50)?, p99: at(99)? })
}

async fn work(
    to: SocketAddr,
    requests: Arc<[String]>,
    next: Arc<Mutex<usize>>,
    began: Instant,
    rate: u32,
) -> anyhow::Result<Vec<Duration>> {
    let mut stream = TcpStream::connect(to).await?;
    stream.set_nodelay(true)?;
    let (mut took, mut buffer) = (Vec::new(), vec![0; 16 * 1024]);
    loop {
        let number = {
            let mut next = next.lock().await;
            *next += 1;
            *next - 1
        };
        let Some(request) = requests.get(number) else { return Ok(took) };
        let due = match rate {
            0 => Instant::now(),
            rate => {
                began + Duration::from_secs(1).mul_f64(f64::from(u32::try_from(number)?) / f64::from(rate))
            }
        };
        let mut from = due;
        if Instant::now() < due {
            sleep_until(due).await;
            // Timers are a millisecond late, which is not the server's fault.
            from = Instant::now();
        }
        stream.write_all(request.as_bytes()).await?;
        answer(&mut stream, &mut buffer).await?;
        took.push(from.elapsed());
    }
}

/// Reads one answer. All of `/auth` to somebody known are short and end with the body `OK`.
async fn answer(stream: &mut TcpStream, buffer: &mut [u8]) -> anyhow::Result<()> {
    let mut held = 0;
    loop {
        let read = stream.read(buffer.get_mut(held..).context("an answer is too long")?).await?;
        ensure!(read > 0, "the server closed the connection");
        held += read;
        let text = buffer.get(..held).unwrap_or_default();
        if text.ends_with(b"\r\n\r\nOK") {
            ensure!(text.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(text));
            return Ok(());
        }
        ensure!(text.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(text));
    }
}
