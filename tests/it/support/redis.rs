//! Real Redis servers: a folder, a port and a socket each, gone with the test, however that ends.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A shell between the test and the server: when its standard input closes (the owner was dropped, or the test's
/// process is gone, killed even), the server ends.
const TIED: &str = r#"trap : TERM INT HUP
"$@" & child=$!
read -r _
kill -s KILL "$child" 2>/dev/null
wait"#;

/// How long a server may take to come up.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running server, or one that was stopped and can be started again with what it has.
pub(crate) struct Redis {
    folder: TempDir,
    /// Its port on loopback.
    pub(crate) port: u16,
    /// Its arguments or its configuration say on which ports it listens.
    says_port: bool,
    args: Vec<String>,
    sentinel: bool,
    shell: Option<Child>,
}

impl Redis {
    /// An empty one.
    pub(crate) fn start() -> Self {
        Self::with(&[])
    }

    /// With more arguments; `PORT` and `DIR` in them are its own.
    pub(crate) fn with(args: &[&str]) -> Self {
        Self::make(args, false)
    }

    /// A sentinel, which writes its configuration itself; `lines` is what it begins with.
    pub(crate) fn sentinel(lines: &str) -> Self {
        Self::make(&[lines], true)
    }

    fn make(args: &[&str], sentinel: bool) -> Self {
        for _ in 0..10 {
            let folder = TempDir::new().unwrap();
            let port = free_port();
            let fill = |arg: &&str| {
                arg.replace("PORT", &port.to_string()).replace("DIR", &folder.path().display().to_string())
            };
            let mut args: Vec<String> = args.iter().map(fill).collect();
            let says_port =
                args.iter().any(|arg| arg == "--port" || arg.lines().any(|line| line == "port 0"));
            if sentinel {
                std::fs::write(folder.path().join("sentinel.conf"), &args[0]).unwrap();
                args.clear();
            }
            let mut server = Self { folder, port, says_port, args, sentinel, shell: None };
            // Somebody else may have taken the port meanwhile.
            if server.run() {
                return server;
            }
        }
        panic!("redis-server does not start; `make guests` installs it");
    }

    /// Starts it again, after [`Redis::kill`].
    pub(crate) fn start_again(&mut self) {
        assert!(self.run(), "{} does not start again", self.port);
    }

    fn run(&mut self) -> bool {
        let mut command = Command::new("sh");
        command.args(["-c", TIED, "redis", "redis-server"]);
        if self.sentinel {
            command.args([&self.folder.path().join("sentinel.conf").display().to_string(), "--sentinel"]);
        }
        command
            .args(["--bind", "127.0.0.1", "--dir", &self.folder.path().display().to_string()])
            .args(["--unixsocket", &self.socket().display().to_string()]);
        if !self.says_port {
            command.args(["--port", &self.port.to_string()]);
        }
        if !self.sentinel && !self.args.iter().any(|arg| arg == "--appendonly") {
            command.args(["--save", "", "--appendonly", "no"]);
        }
        let log = std::fs::File::create(self.folder.path().join("log")).unwrap();
        let shell = command
            .args(&self.args)
            .stdin(Stdio::piped())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.shell = Some(shell);
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if let Some(mut hand) = self.try_hand()
                && redis::cmd("PING").query::<String>(&mut hand).is_ok()
            {
                return true;
            }
            let log = self.log();
            if log.contains("Failed listening") || log.contains("Address already in use") {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        self.kill();
        false
    }

    /// Ends it as a power cut would, but for the disk.
    pub(crate) fn kill(&mut self) {
        if let Some(mut shell) = self.shell.take() {
            drop(shell.stdin.take());
            let _ = shell.wait();
        }
        let _ = std::fs::remove_file(self.socket());
    }

    /// What it logged.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    /// `store.url` of it.
    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// `127.0.0.1:PORT`.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The hand of somebody who is not Doorward.
    pub(crate) fn hand(&self) -> redis::Connection {
        self.try_hand().unwrap_or_else(|| panic!("no hand in it: {}", self.log()))
    }

    fn try_hand(&self) -> Option<redis::Connection> {
        let address = format!("redis+unix://{}", self.socket().display());
        redis::Client::open(address).unwrap().get_connection_with_timeout(Duration::from_secs(5)).ok()
    }

    /// One command by that hand. A sentinel that makes a server the master closes all its clients' connections, this one's
    /// too: then it is asked by another.
    pub(crate) fn by_hand<T: redis::FromRedisValue>(&self, words: &[&str]) -> T {
        let (verb, rest) = words.split_first().unwrap();
        match redis::cmd(verb).arg(rest).query(&mut self.hand()) {
            Err(error) if error.is_connection_dropped() => redis::cmd(verb).arg(rest).query(&mut self.hand()),
            answer => answer,
        }
        .unwrap()
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}

fn free_port() -> u16 {
    loop {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        // A cluster's nodes talk to each other 10,000 ports higher.
        if port < 55_000 {
            return port;
        }
    }
}
