//! The process's log: one line per event on standard error. Both formats escape all text in an event: foreign text cannot
//! move a terminal's cursor, hide itself or add a line.

pub mod limiter;

use crate::cli::show;
use crate::error::{Error, Result};
use crate::settings::{Log, LogFormat};
use limiter::OfCrates;
use provost_domain::visible;
use std::fmt;
use std::io::IsTerminal;
use std::sync::atomic::{AtomicU64, Ordering};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::fmt::format::{self, Format, Full, Json, Writer};
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;

/// Starts the log, on standard error.
///
/// # Errors
/// If the filter cannot be parsed, or the log was started before.
pub fn start(log: &Log) -> Result<()> {
    let subscriber = subscriber(log, std::io::stderr, show::colours(std::io::stderr().is_terminal()))?;
    tracing::subscriber::set_global_default(subscriber).map_err(|e| Error::failed(format!("log: {e}")))?;
    provost_actors::panics::count_and_log();
    Ok(())
}

fn subscriber<W>(log: &Log, writer: W, colours: bool) -> Result<Box<dyn Subscriber + Send + Sync>>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let filter = EnvFilter::try_new(&log.level).map_err(|e| Error::Usage(format!("log.level: {e}")))?;
    // The AMQP client logs frames, one of which holds the password, and texts of the broker that may hold other secrets of
    // bridge.url. The bridge logs its connections itself.
    let filter = filter.add_directive("lapin=off".parse().map_err(|e: ParseError| Error::failed(format!("log: {e}")))?);
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer).with_ansi(colours);
    Ok(match log.format {
        LogFormat::Text => {
            let format = format::format().with_target(false).with_level(false).without_time();
            Box::new(builder.event_format(Text(format)).finish().with(OfCrates))
        }
        LogFormat::Json => {
            Box::new(builder.json().event_format(Objects(format::format().json())).finish().with(OfCrates))
        }
    })
}

static ERRORS: AtomicU64 = AtomicU64::new(0);
static WARNINGS: AtomicU64 = AtomicU64::new(0);

/// The number of log lines so far at level error and at level warn.
pub fn faults() -> (u64, u64) {
    (ERRORS.load(Ordering::Relaxed), WARNINGS.load(Ordering::Relaxed))
}

fn count(level: Level) {
    match level {
        Level::ERROR => ERRORS.fetch_add(1, Ordering::Relaxed),
        Level::WARN => WARNINGS.fetch_add(1, Ordering::Relaxed),
        _ => return,
    };
}

/// The text format: time, level, message and fields.
struct Text(Format<Full, ()>);

impl<S, N> FormatEvent<S, N> for Text
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut out: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut text = String::new();
        self.0.format_event(context, Writer::new(&mut text), event)?;
        let level = limiter::level(event.metadata());
        count(level);
        if out.has_ansi_escapes() {
            out.write_str("\x1b[2m")?;
            SystemTime.format_time(&mut out)?;
            write!(out, "\x1b[0m \x1b[{}m{level:>5}\x1b[0m ", colour(level))?;
        } else {
            SystemTime.format_time(&mut out)?;
            write!(out, " {level:>5} ")?;
        }
        writeln!(out, "{}", visible::line(text.trim()))
    }
}

fn colour(level: Level) -> u8 {
    match level {
        Level::ERROR => 31,
        Level::WARN => 33,
        Level::INFO => 32,
        Level::DEBUG => 34,
        Level::TRACE => 35,
    }
}

/// The JSON format: one object per event.
struct Objects(Format<Json>);

impl<S, N> FormatEvent<S, N> for Objects
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut out: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut text = String::new();
        self.0.format_event(context, Writer::new(&mut text), event)?;
        let (own, level) = (*event.metadata().level(), limiter::level(event.metadata()));
        count(level);
        if own != level {
            text = text.replacen(&format!("\"level\":\"{own}\""), &format!("\"level\":\"{level}\""), 1);
        }
        writeln!(out, "{}", visible::json(text.trim_end()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::sync::{Arc, Mutex};

    /// The text that the log writes for these events.
    fn logged(format: LogFormat, colours: bool, events: impl FnOnce()) -> String {
        #[derive(Clone, Default)]
        struct Kept(Arc<Mutex<Vec<u8>>>);
        impl std::io::Write for Kept {
            fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
                self.0.lock().unwrap().extend(bytes);
                Ok(bytes.len())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let kept = Kept::default();
        let writer = kept.clone();
        let log = Log { level: "trace".to_owned(), format };
        let subscriber = subscriber(&log, move || writer.clone(), colours).unwrap();
        tracing::subscriber::with_default(subscriber, events);
        let bytes = kept.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    const NAME: &str = "U\u{1b}[31m\u{9b}\u{202e}x\r\n2026-01-01T00:00:00Z  INFO forged";

    fn events() {
        tracing::warn!(university = NAME, shown = %NAME, debugged = ?NAME, "no such university: {NAME}");
        tracing::warn!(target: "lapin", "a frame with a password");
    }

    #[test]
    fn an_event_is_one_line_and_no_text_in_it_is_obeyed() {
        let text = logged(LogFormat::Text, false, events);
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(visible::is_plain(text.trim_end_matches('\n')), "{text:?}");
        assert!(text.contains(r"  WARN no such university: U") && text.contains(r"\u{202e}x\r\n2026"), "{text}");
        assert!(!text.contains("password"), "{text}");
    }

    #[test]
    fn lines_of_the_crates_below_the_facade_are_not_repeated() {
        let text = logged(LogFormat::Text, false, || {
            for n in 0..1000 {
                tracing::error!(target: "actix_http::h1::dispatcher", "stream error: {n}");
                tracing::info!(target: "actix_http::h1::dispatcher", "told {n}");
                tracing::error!(target: "provost::serve", "ours {n}");
            }
        });
        let count = |what: &str| text.lines().filter(|line| line.contains(what)).count();
        assert_eq!((count("stream error"), count("told"), count("ours")), (1, 1000, 1000));
        // What a client causes is not an error of the service.
        for format in [LogFormat::Text, LogFormat::Json] {
            let ours = logged(format, false, || tracing::error!(target: "provost::serve", "a line"));
            assert!(ours.contains("ERROR"), "{ours}");
            // Each target is logged once per period, in either format.
            let theirs = logged(format, false, || match format {
                LogFormat::Text => tracing::error!(target: "rustls::server", "a line"),
                LogFormat::Json => tracing::error!(target: "actix_tls::accept", "a line"),
            });
            assert!(theirs.contains("WARN") && !theirs.contains("ERROR"), "{theirs}");
        }
    }

    #[test]
    fn colours_are_the_logs_own() {
        let text = logged(LogFormat::Text, true, events);
        let (head, rest) = text.split_once(" no such").unwrap();
        assert!(head.starts_with("\u{1b}[2m") && head.ends_with("\u{1b}[33m WARN\u{1b}[0m"), "{head:?}");
        assert!(visible::is_plain(rest.trim_end_matches('\n')), "{rest:?}");
    }

    #[test]
    fn an_object_has_the_text_as_it_was_in_escapes() {
        let text = logged(LogFormat::Json, true, events);
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(visible::is_plain(text.trim_end_matches('\n')), "{text:?}");
        let object: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(object["fields"]["university"], NAME);
    }
}
