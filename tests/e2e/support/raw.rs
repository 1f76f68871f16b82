//! Bytes as they are: request lines that no client library would send.

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{PATIENCE, Stack};

/// What came back.
#[derive(Debug)]
pub(crate) struct Raw {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Raw {
    /// What foo's echo says it received; nothing when the answer is not foo's.
    pub(crate) fn echo(&self) -> Option<Value> {
        let value: Value = serde_json::from_slice(&self.body).ok()?;
        (value.get("headers").is_some() && value.get("path").is_some()).then_some(value)
    }

    /// Whether the sample service had any part in the answer.
    pub(crate) fn is_foos(&self) -> bool {
        self.echo().is_some() || String::from_utf8_lossy(&self.body).contains("I am service foo")
    }
}

/// Sends `GET target` with these header lines to Traefik, closes, and reads to the end.
pub(crate) async fn raw(stack: &Stack, target: &[u8], lines: &[String]) -> Raw {
    let mut request = [b"GET ", target, b" HTTP/1.1\r\n"].concat();
    request.extend(format!("Host: localhost:{}\r\nConnection: close\r\n", stack.port).bytes());
    for line in lines {
        request.extend(format!("{line}\r\n").bytes());
    }
    request.extend(b"\r\n");
    let exchange = async {
        let mut stream = TcpStream::connect(("127.0.0.1", stack.port)).await.unwrap();
        stream.write_all(&request).await.unwrap();
        let mut answer = Vec::new();
        // A server that refuses may reset: what it said first counts. One that was asked to upgrade may stay.
        while stream.read_buf(&mut answer).await.unwrap_or(0) > 0 && !is_whole(&answer) {}
        answer
    };
    let answer = tokio::time::timeout(PATIENCE, exchange).await.expect("an answer");
    parse(&answer)
}

/// Whether as much has come as the head announced.
fn is_whole(answer: &[u8]) -> bool {
    if !answer.windows(4).any(|four| four == b"\r\n\r\n") {
        return false;
    }
    let Raw { head, body, .. } = parse(answer);
    let head = head.to_ascii_lowercase();
    match head.split_once("\r\ncontent-length:") {
        Some((_, rest)) => {
            let length = rest.lines().next().and_then(|length| length.trim().parse::<usize>().ok());
            length.is_some_and(|length| body.len() >= length)
        }
        None => head.contains("transfer-encoding: chunked") && answer.ends_with(b"\r\n0\r\n\r\n"),
    }
}

fn parse(answer: &[u8]) -> Raw {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or(answer.len());
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    let status = head.split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or(0);
    let rest = answer.get(end + 4..).unwrap_or_default();
    let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
    let body = if chunked { dechunk(rest) } else { rest.to_vec() };
    Raw { status, head, body }
}

fn dechunk(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(end) = rest.windows(2).position(|two| two == b"\r\n") {
        let size = usize::from_str_radix(&String::from_utf8_lossy(&rest[..end]), 16).unwrap_or(0);
        let Some(chunk) = rest.get(end + 2..end + 2 + size).filter(|chunk| !chunk.is_empty()) else { break };
        body.extend_from_slice(chunk);
        rest = rest.get(end + 4 + size..).unwrap_or_default();
    }
    body
}
