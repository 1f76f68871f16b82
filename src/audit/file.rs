//! The audit file: appended to, rotated by size, and opened anew when somebody else moved it away.
//!
//! `audit.log` becomes `audit.log.1`, that `audit.log.2`, and so on; the oldest is deleted. A tool such as logrotate may
//! do the same by renaming (with or without SIGHUP) or by copying and truncating: whichever it is, it is noticed within
//! a second.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How often it is looked whether the file is still the one of that name.
const LOOK: Duration = Duration::from_secs(1);

/// See the module.
pub(super) struct AuditFile {
    path: PathBuf,
    file: File,
    size: u64,
    /// Larger than this it does not grow; `None` is for ever.
    max_size: Option<u64>,
    /// Older files that stay.
    keep: u32,
    looked: Instant,
}

impl AuditFile {
    /// Opens it for appending, or makes it with mode 0600.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = append_to(path)?;
        let size = file.metadata()?.len();
        Ok(Self { path: path.to_owned(), file, size, max_size: None, keep: 0, looked: Instant::now() })
    }

    /// From now on no file grows beyond `max_size` bytes, and `keep` older ones stay.
    pub(super) fn rotate_at(&mut self, max_size: Option<u64>, keep: u32) {
        (self.max_size, self.keep) = (max_size, keep);
    }

    /// Appends one line.
    pub(super) fn write(&mut self, line: &[u8]) -> io::Result<()> {
        if self.looked.elapsed() >= LOOK {
            self.look();
        }
        let length = u64::try_from(line.len()).unwrap_or(u64::MAX);
        if let Some(max) = self.max_size
            && self.size > 0
            && self.size.saturating_add(length) > max
            && let Err(error) = self.rotate()
        {
            // It goes on where it was, and is tried again when that has grown by as much once more.
            self.size = 0;
            tracing::error!(%error, "the audit file could not be rotated");
        }
        self.file.write_all(line)?;
        self.size = self.size.saturating_add(length);
        Ok(())
    }

    /// Opens the file of that name anew. Where that fails, it goes on with the one that is open.
    pub(super) fn reopen(&mut self) {
        match append_to(&self.path).and_then(|file| Ok((file.metadata()?.len(), file))) {
            Ok((size, file)) => (self.size, self.file) = (size, file),
            Err(error) => tracing::error!(%error, "the audit file could not be opened again"),
        }
    }

    fn look(&mut self) {
        self.looked = Instant::now();
        let Ok(ours) = self.file.metadata() else { return };
        let same = fs::metadata(&self.path)
            .is_ok_and(|there| (there.dev(), there.ino()) == (ours.dev(), ours.ino()));
        if !same {
            self.reopen();
        } else if ours.len() < self.size {
            // Copied and truncated.
            self.size = ours.len();
        }
    }

    fn rotate(&mut self) -> io::Result<()> {
        let numbered = |n: u32| numbered(&self.path, n);
        for n in (1..self.keep).rev() {
            match fs::rename(numbered(n), numbered(n + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        if self.keep == 0 {
            fs::remove_file(&self.path)?;
        } else {
            fs::rename(&self.path, numbered(1))?;
        }
        self.file = append_to(&self.path)?;
        self.size = 0;
        Ok(())
    }
}

/// The file and those that it was rotated to, newest first, as far as they exist.
#[must_use]
pub fn with_older(path: &Path) -> Vec<PathBuf> {
    let older = (1..).map(|n| numbered(path, n)).take_while(|path| path.exists());
    std::iter::once(path.to_owned()).chain(older).collect()
}

fn numbered(path: &Path, n: u32) -> PathBuf {
    let mut name = path.to_owned().into_os_string();
    name.push(format!(".{n}"));
    PathBuf::from(name)
}

fn append_to(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).mode(0o600).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(path: &Path) -> String {
        fs::read_to_string(path).unwrap_or_default()
    }

    #[test]
    fn it_rotates_by_size_and_keeps_some() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit.log");
        fs::write(&path, "before\n").unwrap();
        let mut file = AuditFile::open(&path).unwrap();
        file.rotate_at(Some(20), 2);
        for n in 0..9 {
            file.write(format!("line {n}\n").as_bytes()).unwrap();
        }
        // Two lines a file: 7 bytes each, and a third does not fit.
        assert_eq!(read(&path), "line 7\nline 8\n");
        assert_eq!(read(&dir.path().join("audit.log.1")), "line 5\nline 6\n");
        assert_eq!(read(&dir.path().join("audit.log.2")), "line 3\nline 4\n");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 3);
        let names = ["audit.log", "audit.log.1", "audit.log.2"].map(|name| dir.path().join(name));
        assert_eq!(with_older(&path), names);
        for entry in fs::read_dir(dir.path()).unwrap() {
            let meta = entry.unwrap().metadata().unwrap();
            assert!(meta.mode() & 0o777 == 0o600 || meta.len() == 14, "{meta:?}");
        }
        // A line longer than a file is a file of its own.
        file.write(&[b'x'; 50]).unwrap();
        assert_eq!(read(&path).len(), 50);
        file.rotate_at(Some(20), 0);
        file.write(b"last\n").unwrap();
        assert_eq!(read(&path), "last\n");
    }

    #[test]
    fn a_file_that_was_moved_away_is_opened_anew() {
        let dir = tempfile::tempdir().unwrap();
        let (path, moved) = (dir.path().join("audit.log"), dir.path().join("audit.log-20261125"));
        let mut file = AuditFile::open(&path).unwrap();
        file.write(b"one\n").unwrap();
        fs::rename(&path, &moved).unwrap();
        file.write(b"two\n").unwrap();
        file.reopen();
        file.write(b"three\n").unwrap();
        assert_eq!((read(&moved).as_str(), read(&path).as_str()), ("one\ntwo\n", "three\n"));
        // Without being told, within a second.
        fs::remove_file(&path).unwrap();
        file.looked = Instant::now().checked_sub(LOOK).unwrap();
        file.write(b"four\n").unwrap();
        assert_eq!(read(&path), "four\n");
    }

    #[test]
    fn one_that_was_truncated_is_as_small_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit.log");
        let mut file = AuditFile::open(&path).unwrap();
        file.rotate_at(Some(20), 1);
        file.write(b"one line of it\n").unwrap();
        OpenOptions::new().write(true).open(&path).unwrap().set_len(0).unwrap();
        file.looked = Instant::now().checked_sub(LOOK).unwrap();
        file.write(b"two\n").unwrap();
        file.write(b"three\n").unwrap();
        assert_eq!(read(&path), "two\nthree\n");
    }

    #[test]
    fn what_cannot_be_rotated_is_written_on() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit.log");
        let mut file = AuditFile::open(&path).unwrap();
        file.rotate_at(Some(20), 1);
        file.write(b"one line of it\n").unwrap();
        // A folder that is not empty is in the way.
        fs::create_dir_all(dir.path().join("audit.log.1/x")).unwrap();
        file.write(b"another line of it\n").unwrap();
        assert_eq!(read(&path), "one line of it\nanother line of it\n");
    }
}
