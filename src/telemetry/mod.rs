//! What the gateway says about itself: logs here, [`metrics`] beside it, traces where the standard variables ask.
//!
//! Never logged, at any level: cookies, tokens, codes, client secrets, the query of a request. A path or a name that
//! came from outside may be; whatever control characters it has are escaped on the way out, so that nobody can write
//! a line of the log (or move the cursor of who reads it) from afar.

mod journal;
pub mod metrics;
#[cfg(feature = "otel")]
mod otel;
pub mod recent;

use std::io::{self, Write};

use anyhow::Context;
use tracing::field::Empty;
use tracing::{Level, Metadata, Span};
use tracing_subscriber::filter::{EnvFilter, FilterExt, LevelFilter, filter_fn};
use tracing_subscriber::fmt::{self, MakeWriter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry};

use crate::config::LogFormat;

/// Keeps the export of traces going; dropping it sends what is left (for at most some seconds).
#[must_use = "traces are flushed when this is dropped"]
#[derive(Debug)]
pub struct Guard {
    #[cfg(feature = "otel")]
    _traces: Option<otel::Traces>,
}

/// Starts logging to standard error, one event a line, at the level of `RUST_LOG` (`info` unless set), and the export
/// of traces when `OTEL_EXPORTER_OTLP_ENDPOINT` or `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` is set and
/// `OTEL_SDK_DISABLED` is not `true`. Where standard error is the journal, lines carry their priority.
///
/// # Errors
/// When `RUST_LOG` or an `OTEL_*` variable makes no sense, or logging was started before.
pub fn init(format: LogFormat) -> anyhow::Result<Guard> {
    let filter = EnvFilter::builder()
        .with_default_directive(LevelFilter::INFO.into())
        .from_env()
        .context("`RUST_LOG` makes no sense; write a level like `info` or `warn,doorward=debug`")?;
    // With a hint of its level, or every disabled line of every library would be asked about whenever it is met.
    let filter = filter.and(filter_fn(is_ours_or_quiet).with_max_level_hint(LevelFilter::TRACE));
    let to = Lines { to: io::stderr as fn() -> io::Stderr, marked: journal::is_standard_error() };
    let registry = Registry::default().with(lines(format, to).with_filter(filter));
    #[cfg(feature = "otel")]
    {
        let traces = otel::Traces::from_env()?;
        // No layer where none is wanted: one that is `None` has no filter, so spans would be made for nobody.
        match &traces {
            Some(traces) => registry.with(traces.layer()).try_init()?,
            None => registry.try_init()?,
        }
        Ok(Guard { _traces: traces })
    }
    #[cfg(not(feature = "otel"))]
    {
        registry.try_init()?;
        Ok(Guard {})
    }
}

/// The span of one request, a child of the proxy's when it sent a `traceparent` (W3C Trace Context). Costs next to
/// nothing while no traces are exported: then nothing wants the span.
#[must_use]
pub fn request_span(name: &str, traceparent: Option<&str>) -> Span {
    let span = tracing::info_span!(
        "request",
        otel.name = name,
        otel.kind = "server",
        decision_id = Empty,
        outcome = Empty,
        status = Empty
    );
    #[cfg(feature = "otel")]
    if let Some(parent) = traceparent.filter(|_| !span.is_disabled()) {
        otel::continue_from(&span, parent);
    }
    #[cfg(not(feature = "otel"))]
    let _ = traceparent;
    span
}

/// Whether something may be logged at all, whatever `RUST_LOG` says. Libraries write requests, headers and bodies
/// at their lower levels, secrets included: of them, information is the most that is heard, and of the web
/// server's start-up chatter only warnings. Spans are for traces: lines name their request themselves.
fn is_ours_or_quiet(metadata: &Metadata<'_>) -> bool {
    let target = metadata.target();
    let most = if target.starts_with("doorward") {
        Level::TRACE
    } else if target.starts_with("actix") {
        Level::WARN
    } else {
        Level::INFO
    };
    metadata.is_event() && *metadata.level() <= most
}

/// The layer that writes lines in `format`.
fn lines<S, W>(format: LogFormat, to: Lines<W>) -> Box<dyn Layer<S> + Send + Sync>
where
    S: tracing::Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let layer = fmt::layer().with_ansi(false).with_writer(to);
    match format {
        LogFormat::Json => layer.json().flatten_event(true).with_span_list(false).boxed(),
        LogFormat::Human => layer.boxed(),
    }
}

/// Where lines go, and whether each begins with its priority for the journal.
struct Lines<W> {
    to: W,
    marked: bool,
}

impl<'a, W: MakeWriter<'a>> MakeWriter<'a> for Lines<W> {
    type Writer = Escaped<W::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        Escaped { to: self.to.make_writer(), mark: "" }
    }

    fn make_writer_for(&'a self, meta: &Metadata<'_>) -> Self::Writer {
        let mark = if self.marked { journal::mark(*meta.level()) } else { "" };
        Escaped { to: self.to.make_writer_for(meta), mark }
    }
}

/// Escapes control characters in what it is given, which is one event with its line end.
struct Escaped<W> {
    to: W,
    mark: &'static str,
}

impl<W: Write> Write for Escaped<W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        self.write_all(event)?;
        Ok(event.len())
    }

    fn write_all(&mut self, event: &[u8]) -> io::Result<()> {
        let text = String::from_utf8_lossy(event);
        let line = text.strip_suffix('\n').unwrap_or(&text);
        // In one piece, or lines of several threads would run into each other.
        if line.chars().any(is_unsafe) {
            self.to.write_all(format!("{}{}\n", self.mark, escaped(line)).as_bytes())
        } else if self.mark.is_empty() {
            self.to.write_all(event)
        } else {
            self.to.write_all(format!("{}{line}\n", self.mark).as_bytes())
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// Control characters of C0 and C1, what some programs take for a line end, and what turns the direction of text.
fn is_unsafe(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// In the form that JSON reads as well. (In JSON such characters stand in strings alone.)
fn escaped(line: &str) -> String {
    let mut safe = String::with_capacity(line.len() + 16);
    for c in line.chars() {
        if is_unsafe(c) {
            safe.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            safe.push(c);
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Buffer(Arc<Mutex<Vec<u8>>>);

    impl Write for Buffer {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: LogFormat, log: impl FnOnce()) -> String {
        written(format, false, log)
    }

    fn written(format: LogFormat, marked: bool, log: impl FnOnce()) -> String {
        let buffer = Buffer::default();
        let made = buffer.clone();
        let subscriber = Registry::default().with(lines(format, Lines { to: move || made.clone(), marked }));
        tracing::subscriber::with_default(subscriber, log);
        let bytes = buffer.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    const EVIL: &str = "a\nb\r\u{1b}[2J\0\u{7f}\u{9b}\u{2028}\u{202e}é";

    #[test]
    fn nobody_writes_lines_from_afar() {
        for format in [LogFormat::Json, LogFormat::Human] {
            let text = logged(format, || {
                tracing::info!(path = EVIL, debug = ?EVIL, shown = %EVIL, "message {EVIL}");
                let _span = tracing::info_span!("request", path = %EVIL).entered();
                tracing::warn!("inside");
            });
            assert_eq!(text.matches('\n').count(), 2, "{format:?}: {text:?}");
            assert!(text.ends_with('\n') && text.contains('é'), "{format:?}: {text:?}");
            let bad = text.chars().find(|c| *c != '\n' && is_unsafe(*c));
            assert_eq!(bad, None, "{format:?}: {text:?}");
        }
    }

    #[test]
    fn json_is_one_object_a_line_with_the_value_intact() {
        let text = logged(LogFormat::Json, || tracing::info!(path = EVIL, status = 200, "done"));
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["path"], EVIL);
        assert_eq!(value["status"], 200);
        assert_eq!(value["message"], "done");
        assert_eq!(value["level"], "INFO");
    }
    #[test]
    fn for_the_journal_every_line_begins_with_its_priority() {
        for format in [LogFormat::Json, LogFormat::Human] {
            let text = written(format, true, || {
                tracing::error!("one");
                tracing::warn!(path = EVIL, "two");
                tracing::info!("three");
                tracing::debug!("four");
            });
            let marks: Vec<&str> = text.lines().map(|line| &line[..3]).collect();
            assert_eq!(marks, ["<3>", "<4>", "<6>", "<7>"], "{text}");
            assert!(text.ends_with('\n'), "{text}");
        }
    }
}
