//! The policy in force: read, tried, then swapped whole. A bad file changes nothing and is remembered.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::{ArcSwap, Guard};
use notify_debouncer_full::notify::{self, RecommendedWatcher, RecursiveMode};
use notify_debouncer_full::{DebounceEventResult, Debouncer, RecommendedCache, new_debouncer};

use super::Policy;
use super::fault::{Fault, Place};

/// How long the directory must be quiet after a change.
const QUIET: Duration = Duration::from_millis(200);
/// A file still being written reads differently after this.
const SETTLE: Duration = Duration::from_millis(50);
/// Where no event comes (network file systems), the content is compared this often.
const POLL: Duration = Duration::from_secs(10);

/// The policy in force, for any number of readers.
#[derive(Debug)]
pub struct LivePolicy {
    current: ArcSwap<Policy>,
    version: AtomicU64,
    source: Option<Source>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct Source {
    file: PathBuf,
    providers: Vec<String>,
}

#[derive(Debug, Default)]
struct State {
    /// The text last looked at, good or bad.
    seen: Option<Arc<str>>,
    fault: Option<Vec<Fault>>,
    /// The text of the policy in force.
    in_force: Option<Arc<str>>,
}

/// The file, as it is in force and as it was refused.
#[derive(Clone, Debug, Default)]
pub struct Texts {
    /// Its path, as configured; `None` where there is no file.
    pub file: Option<String>,
    /// The text of the policy in force.
    pub in_force: Option<Arc<str>>,
    /// The text that is refused, as far as it could be read; `None` when the file is in force.
    pub refused: Option<Arc<str>>,
    /// Why it is.
    pub faults: Vec<Fault>,
}

/// What a reload came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reload {
    /// A new policy is in force: its version.
    Swapped(u64),
    /// There is no file, or it is as it was.
    Unchanged,
    /// The old policy stays.
    Refused(Vec<Fault>),
}

impl LivePolicy {
    /// A policy that never changes.
    #[must_use]
    pub fn fixed(policy: Policy) -> Self {
        Self::new(policy, None, State::default())
    }

    /// Reads and tries the file. `providers` are the ids of all providers and issuers.
    ///
    /// # Errors
    /// Every fault; a file that cannot be read is one.
    pub fn open(file: &Path, providers: &[String]) -> Result<Self, Vec<Fault>> {
        let source = Source { file: file.to_owned(), providers: providers.to_vec() };
        let text = source.read()?;
        let policy = source.compile(&text)?;
        let text: Arc<str> = text.into();
        let state = State { seen: Some(Arc::clone(&text)), fault: None, in_force: Some(text) };
        Ok(Self::new(policy, Some(source), state))
    }

    fn new(policy: Policy, source: Option<Source>, state: State) -> Self {
        let current = ArcSwap::from_pointee(policy);
        Self { current, version: AtomicU64::new(1), source, state: Mutex::new(state) }
    }

    /// The policy in force; one decision takes it once.
    #[must_use]
    pub fn load(&self) -> Guard<Arc<Policy>> {
        self.current.load()
    }

    /// Counts the policies that were in force, from 1.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// Why the file as it is now is not in force; `None` when it is.
    #[must_use]
    pub fn last_fault(&self) -> Option<Vec<Fault>> {
        self.state().fault.clone()
    }

    /// The file's text. Waits for a reload under way, a tenth of a second or so.
    #[must_use]
    pub fn texts(&self) -> Texts {
        let state = self.state();
        let faults = state.fault.clone().unwrap_or_default();
        let refused = if faults.is_empty() { None } else { state.seen.clone() };
        Texts {
            file: self.source.as_ref().map(Source::name),
            in_force: state.in_force.clone(),
            refused,
            faults,
        }
    }

    /// Reads the file again, whether or not it seems to have changed, and swaps if it has no fault. Blocks for
    /// a tenth of a second or so, until the file has settled: not for a thread that answers requests.
    pub fn reload(&self) -> Reload {
        self.reload_if(|_, _| true)
    }

    /// Like [`reload`](Self::reload), when the text is another than the one last looked at.
    pub fn reload_if_changed(&self) -> Reload {
        self.reload_if(|seen, text| seen != Some(text))
    }

    fn reload_if(&self, wanted: impl Fn(Option<&str>, &str) -> bool) -> Reload {
        let Some(source) = &self.source else { return Reload::Unchanged };
        // Held over the whole reload, so that two of them cannot swap in the wrong order. Decisions never wait
        // for it.
        let mut state = self.state();
        let text = match source.read() {
            Ok(text) => text,
            Err(faults) => {
                // Whatever comes back is looked at anew.
                state.seen = None;
                return refuse(&mut state, faults);
            }
        };
        if !wanted(state.seen.as_deref(), &text) {
            return Reload::Unchanged;
        }
        let outcome = source.compile(&text);
        let text: Arc<str> = text.into();
        state.seen = Some(Arc::clone(&text));
        match outcome {
            Ok(policy) => {
                let rules = policy.rules.len();
                self.current.store(Arc::new(policy));
                state.fault = None;
                state.in_force = Some(text);
                let version = self.version.fetch_add(1, Ordering::AcqRel) + 1;
                tracing::info!(version, rules, "policy reloaded");
                Reload::Swapped(version)
            }
            Err(faults) => refuse(&mut state, faults),
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reloads when the file changes, until the returned [`Watch`] is dropped, and tells what came of it. `None`
    /// where there is no file.
    ///
    /// The file's directory is watched and not the file: editors replace it, and Kubernetes swaps a symbolic
    /// link beside it.
    ///
    /// # Errors
    /// The operating system's, when the directory cannot be watched or no thread can be started.
    pub fn watch(
        self: &Arc<Self>,
        told: impl Fn(&Reload) + Send + 'static,
    ) -> Result<Option<Watch>, notify::Error> {
        let Some(source) = &self.source else { return Ok(None) };
        let (wake, woken) = mpsc::channel();
        let on_event = wake.clone();
        let mut debouncer = new_debouncer(QUIET, None, move |_: DebounceEventResult| {
            // The receiver is gone only when the watch is being dropped.
            let _ = on_event.send(());
        })?;
        let directory = source.file.parent().filter(|parent| !parent.as_os_str().is_empty());
        debouncer.watch(directory.unwrap_or_else(|| Path::new(".")), RecursiveMode::NonRecursive)?;
        let policy = Arc::downgrade(self);
        std::thread::Builder::new()
            .name("policy".to_owned())
            .spawn(move || {
                loop {
                    let wait = woken.recv_timeout(POLL);
                    let Some(policy) = policy.upgrade() else { return };
                    if wait == Err(RecvTimeoutError::Disconnected) {
                        return;
                    }
                    while woken.try_recv().is_ok() {}
                    told(&policy.reload_if_changed());
                }
            })
            .map_err(notify::Error::io)?;
        Ok(Some(Watch { _debouncer: debouncer, _wake: wake }))
    }
}

/// Keeps the file watched.
#[derive(Debug)]
pub struct Watch {
    _debouncer: Debouncer<RecommendedWatcher, RecommendedCache>,
    _wake: mpsc::Sender<()>,
}

fn refuse(state: &mut State, faults: Vec<Fault>) -> Reload {
    // The same trouble at every poll is told once.
    if state.fault.as_ref() != Some(&faults) {
        for fault in &faults {
            tracing::error!(%fault, "policy refused, the old one stays in force");
        }
    }
    state.fault = Some(faults.clone());
    Reload::Refused(faults)
}

impl Source {
    /// The whole text, once it is the same twice.
    fn read(&self) -> Result<String, Vec<Fault>> {
        const TRIES: usize = 20;
        let mut before: Option<String> = None;
        for _ in 0..TRIES {
            let text = std::fs::read_to_string(&self.file)
                .map_err(|error| self.fault(&format!("cannot be read ({error})")))?;
            if before.as_ref() == Some(&text) {
                return Ok(text);
            }
            before = Some(text);
            std::thread::sleep(SETTLE);
        }
        Err(self.fault("changes all the time"))
    }

    fn compile(&self, text: &str) -> Result<Policy, Vec<Fault>> {
        let policy = Policy::parse_and_try(&self.name(), text)?;
        let ids: Vec<&str> = self.providers.iter().map(String::as_str).collect();
        let faults = policy.faults_with_providers(&ids);
        if faults.is_empty() { Ok(policy) } else { Err(faults) }
    }

    fn name(&self) -> String {
        self.file.display().to_string()
    }

    fn fault(&self, problem: &str) -> Vec<Fault> {
        vec![Fault {
            file: Arc::from(self.name()),
            place: Place::default(),
            problem: format!("the policy file {problem}"),
            instead: "check the path, the permissions and the encoding (UTF-8)".to_owned(),
        }]
    }
}
