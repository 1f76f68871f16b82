//! Programs that never outlive the test, however it ends.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A shell between the test and the program. When its standard input closes (the owner was dropped, or the test's
/// process is gone, killed even), or it is told to stop, the program and all that it started are ended.
const TIED: &str = r#"trap : TERM INT HUP
setsid "$@" & child=$!
read -r _
kill -s KILL -- "-$child" 2>/dev/null || kill -s KILL "$child" 2>/dev/null
wait"#;

/// One running program.
pub(crate) struct Process {
    name: String,
    shell: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `program` in `dir`, its output in `NAME.log` there. Of the environment it gets `PATH` and `HOME`.
    pub(crate) fn start(name: &str, program: &Path, args: &[String], dir: &Path) -> Self {
        Self::start_with(name, program, args, dir, &[])
    }

    /// The same, with more variables.
    pub(crate) fn start_with(
        name: &str,
        program: &Path,
        args: &[String],
        dir: &Path,
        variables: &[(&str, String)],
    ) -> Self {
        assert!(program.exists(), "{} is missing: `make test` provides it", program.display());
        let log = dir.join(format!("{name}.log"));
        let out = File::create(&log).unwrap();
        let shell = Command::new("sh")
            .args(["-c", TIED, name])
            .arg(program)
            .args(args)
            .current_dir(dir)
            .env_clear()
            .envs(["PATH", "HOME"].iter().filter_map(|name| Some((name, std::env::var(name).ok()?))))
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(out.try_clone().unwrap())
            .stderr(out)
            .spawn()
            .unwrap();
        Self { name: name.to_owned(), shell, log }
    }

    /// What it wrote so far.
    pub(crate) fn output(&self) -> String {
        let mut text = Vec::new();
        File::open(&self.log).and_then(|mut file| file.read_to_end(&mut text)).unwrap();
        String::from_utf8_lossy(&text).into_owned()
    }

    /// The end of its log, for a message.
    pub(crate) fn tail(&self) -> String {
        let text = self.output();
        let lines: Vec<&str> = text.lines().collect();
        let end = lines.get(lines.len().saturating_sub(20)..).unwrap_or_default().join("\n");
        format!("{} wrote:\n{end}", self.name)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        let _ = self.shell.wait();
    }
}
