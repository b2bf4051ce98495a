//! The allowed values of each setting. A test checks that `config/default.toml` has the same keys.

use super::{HostPort, Network, duration};
use provost_actors::bridge::Address;
use provost_actors::{MailUrl, Sender};
use provost_domain::address::AddressFault;
use std::time::Duration;
use toml::Value;

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// `host:port`.
    Address,
    /// Empty, or `host:port`.
    OptionalAddress,
    Whole(i64, i64),
    /// Shortest and longest duration, in seconds.
    Time(u64, u64),
    Switch,
    Word(&'static [&'static str]),
    Text,
    Path,
    StoreUrl,
    /// Empty, or an AMQP address; the address may hold a password.
    AmqpUrl,
    LogFilter,
    MailUrl,
    Sender,
    /// A comma-separated list of addresses and networks.
    Networks,
    /// A comma-separated list of host names and addresses, with or without ports.
    Hosts,
}

const DAY: u64 = 86_400;

pub const SETTINGS: &[(&str, Kind)] = &[
    ("http.listen", Kind::Address),
    ("http.workers", Kind::Whole(1, 64)),
    ("http.compute_threads", Kind::Whole(1, 64)),
    ("http.max_body_bytes", Kind::Whole(1024, 1 << 30)),
    ("http.max_connections", Kind::Whole(1, 100_000)),
    ("http.max_connections_per_address", Kind::Whole(1, 100_000)),
    ("http.tls_cert", Kind::Text),
    ("http.tls_key", Kind::Text),
    ("http.behind_proxy", Kind::Switch),
    ("http.trusted_proxies", Kind::Networks),
    ("http.hosts", Kind::Hosts),
    ("http.session_idle", Kind::Time(60, 30 * DAY)),
    ("http.session_lifetime", Kind::Time(300, 90 * DAY)),
    ("http.head_timeout", Kind::Time(1, 600)),
    ("http.body_timeout", Kind::Time(1, 3600)),
    ("http.keep_alive", Kind::Time(1, 600)),
    ("http.write_timeout", Kind::Time(1, 600)),
    ("http.rate_per_key", Kind::Whole(0, 1_000_000)),
    ("http.rate_per_address", Kind::Whole(0, 1_000_000)),
    ("http.failed_auth_per_minute", Kind::Whole(1, 1_000_000)),
    ("http.open_metrics", Kind::Switch),
    ("data.dir", Kind::Path),
    ("store.url", Kind::StoreUrl),
    ("store.url_file", Kind::Text),
    ("store.lease", Kind::Time(2, 600)),
    ("bridge.url", Kind::AmqpUrl),
    ("bridge.url_file", Kind::Text),
    ("bridge.ca_file", Kind::Text),
    ("bridge.max_message_bytes", Kind::Whole(1024, 128 << 20)),
    ("bridge.batch", Kind::Whole(1, 5000)),
    ("bridge.batch_wait", Kind::Time(0, 10)),
    ("bridge.prefetch_batches", Kind::Whole(2, 4)),
    ("bridge.timeout", Kind::Time(1, 60)),
    ("bridge.check_every", Kind::Time(1, 10)),
    ("bridge.outbox_max", Kind::Whole(100, 10_000_000)),
    ("mail.url", Kind::MailUrl),
    ("mail.url_file", Kind::Text),
    ("mail.from", Kind::Sender),
    ("mail.timeout", Kind::Time(1, 600)),
    ("mail.ca_file", Kind::Text),
    ("mail.give_up_after", Kind::Time(60, 30 * DAY)),
    ("import.dir", Kind::Text),
    ("import.max_line_bytes", Kind::Whole(1024, 64 << 20)),
    ("import.max_cell_bytes", Kind::Whole(1024, 64 << 20)),
    ("import.max_columns", Kind::Whole(1, 100_000)),
    ("import.max_rows", Kind::Whole(1, 1_000_000_000)),
    ("import.max_bytes", Kind::Whole(1 << 20, 1 << 40)),
    ("import.max_ratio", Kind::Whole(10, 1_000_000)),
    ("import.batch", Kind::Whole(1, 100_000)),
    ("predict.name", Kind::Text),
    ("predict.max_body_bytes", Kind::Whole(1024, 1 << 30)),
    ("predict.spool_bytes", Kind::Whole(0, 1 << 40)),
    ("predict.changeable", Kind::Text),
    ("predict.log", Kind::Switch),
    ("predict.log_sample", Kind::Whole(0, 100)),
    ("predict.log_max_rows", Kind::Whole(1, 1_000_000_000)),
    ("predict.client_model_id", Kind::Switch),
    ("predict.client_counterfactual", Kind::Switch),
    ("watch.enabled", Kind::Switch),
    ("watch.every", Kind::Time(1, 7 * DAY)),
    ("watch.window", Kind::Whole(50, 20_000)),
    ("watch.close_after", Kind::Time(60, 3650 * DAY)),
    ("watch.retrain", Kind::Switch),
    ("card.provider", Kind::Text),
    ("card.contact", Kind::Text),
    ("card.purpose", Kind::Text),
    ("card.oversight", Kind::Text),
    ("card.enterprise_size", Kind::Word(&["sme", "mid", "large"])),
    ("fairness.attributes", Kind::Text),
    ("fairness.gate", Kind::Switch),
    ("schedule.enabled", Kind::Switch),
    ("schedule.cooldown", Kind::Time(0, 7 * DAY)),
    ("jobs.max_running", Kind::Whole(1, 16)),
    ("jobs.max_queued", Kind::Whole(1, 100_000)),
    ("jobs.soft_limit", Kind::Time(1, 30 * DAY)),
    ("jobs.hard_limit", Kind::Time(1, 30 * DAY)),
    ("jobs.attempts", Kind::Whole(1, 20)),
    ("jobs.backoff", Kind::Time(0, 3600)),
    ("jobs.deaths", Kind::Whole(1, 100)),
    ("fleet.enabled", Kind::Switch),
    ("fleet.patience", Kind::Time(0, DAY)),
    ("fleet.metrics_listen", Kind::OptionalAddress),
    ("retention.enabled", Kind::Switch),
    ("retention.every", Kind::Time(60, 7 * DAY)),
    ("retention.inbox", Kind::Time(DAY, 3650 * DAY)),
    ("retention.outbox", Kind::Time(3600, 3650 * DAY)),
    ("retention.job_events", Kind::Time(3600, 3650 * DAY)),
    ("retention.trials", Kind::Time(3600, 3650 * DAY)),
    ("retention.predictions", Kind::Time(3600, 3650 * DAY)),
    ("retention.artifacts", Kind::Time(2 * DAY, 3650 * DAY)),
    ("actors.restart_budget", Kind::Whole(0, 1000)),
    ("actors.restart_window", Kind::Time(1, DAY)),
    ("learn.threads", Kind::Whole(0, 1024)),
    ("quality.strict", Kind::Switch),
    ("shutdown.deadline", Kind::Time(1, 600)),
    ("log.level", Kind::LogFilter),
    ("log.format", Kind::Word(&["text", "json"])),
];

pub fn kind(key: &str) -> Option<Kind> {
    SETTINGS.iter().find(|(k, _)| *k == key).map(|(_, kind)| *kind)
}

impl Kind {
    /// What is allowed, as the end of a sentence.
    pub fn allowed(self) -> String {
        match self {
            Kind::Address => "an address with a port, such as \"127.0.0.1:8000\"".to_owned(),
            Kind::OptionalAddress => "nothing (\"\") or an address with a port, such as \"127.0.0.1:9464\"".to_owned(),
            Kind::Whole(min, max) => format!("a whole number from {min} to {max}"),
            Kind::Time(min, max) => format!(
                "a duration in whole units from {} to {}, such as \"500ms\", \"30s\", \"15m\", \"2h\" or \"1h30m\"",
                duration::format(Duration::from_secs(min)),
                duration::format(Duration::from_secs(max))
            ),
            Kind::Switch => "true or false".to_owned(),
            Kind::Word(words) => words.iter().map(|w| format!("\"{w}\"")).collect::<Vec<_>>().join(" or "),
            Kind::Text => "a text".to_owned(),
            Kind::Path => "a path that is not empty".to_owned(),
            Kind::StoreUrl => {
                "\"sqlite:\" or an address such as \"mongodb://user:password@host:27017/provost\"".to_owned()
            }
            Kind::AmqpUrl => "nothing (\"\") or an address such as \"amqp://user:password@host:5672/vhost\"".to_owned(),
            Kind::MailUrl => {
                "\"\", or an address such as \"smtps://user:password@mail.example.org\" or \"smtp://localhost\" \
                 (user and password percent-encoded)"
                    .to_owned()
            }
            Kind::Sender => "a name and an e-mail address, such as \"Provost <provost@example.org>\"".to_owned(),
            Kind::Networks => {
                "addresses and networks with commas between, such as \"127.0.0.1, 10.0.0.0/8\"".to_owned()
            }
            Kind::Hosts => {
                "at most 100 host names and addresses with commas between, each with or without a port, such as \
                 \"provost.example.org, 10.1.2.3:8443, [2001:db8::1]\""
                    .to_owned()
            }
            Kind::LogFilter => {
                "\"error\", \"warn\", \"info\", \"debug\", \"trace\" or a filter such as \"info,provost_actors=debug\""
                    .to_owned()
            }
        }
    }

    pub fn accepts(self, value: &Value) -> bool {
        match (self, value) {
            (Kind::Address, Value::String(s)) => is_address(s),
            (Kind::OptionalAddress, Value::String(s)) => s.is_empty() || is_address(s),
            (Kind::Whole(min, max), Value::Integer(n)) => (min..=max).contains(n),
            (Kind::Time(min, max), Value::String(s)) => {
                duration::parse(s).is_some_and(|d| (Duration::from_secs(min)..=Duration::from_secs(max)).contains(&d))
            }
            (Kind::Switch, Value::Boolean(_)) | (Kind::Text, Value::String(_)) => true,
            (Kind::Word(words), Value::String(s)) => words.contains(&s.as_str()),
            (Kind::Path, Value::String(s)) => !s.is_empty(),
            (Kind::StoreUrl, Value::String(s)) => super::StoreAddress::parse(s).is_ok(),
            (Kind::AmqpUrl, Value::String(s)) => s.is_empty() || Address::parse(s).is_ok(),
            (Kind::MailUrl, Value::String(s)) => s.is_empty() || MailUrl::parse(s).is_ok(),
            (Kind::Networks, Value::String(s)) => Network::list(s).is_some(),
            (Kind::Hosts, Value::String(s)) => HostPort::list(s).is_some(),
            (Kind::Sender, Value::String(s)) => Sender::parse(s).is_some(),
            (Kind::LogFilter, Value::String(s)) => {
                !s.trim().is_empty() && s.parse::<tracing_subscriber::EnvFilter>().is_ok() && has_level(s)
            }
            _ => false,
        }
    }

    /// What is wrong with an address. The message must say it, because the address is not shown.
    pub fn fault(self, value: &Value) -> Option<AddressFault> {
        let text = value.as_str()?;
        match self {
            Kind::StoreUrl => super::StoreAddress::parse(text).err(),
            Kind::AmqpUrl => Address::parse(text).err(),
            Kind::MailUrl => MailUrl::parse(text).err(),
            _ => None,
        }
    }

    /// Parses the text of an environment variable or a flag.
    pub fn read(self, text: &str) -> Value {
        let raw = Value::String(text.to_owned());
        match self {
            Kind::Whole(..) => text.trim().parse().map_or(raw, Value::Integer),
            Kind::Switch => text.trim().parse().map_or(raw, Value::Boolean),
            _ => raw,
        }
    }
}

fn is_address(text: &str) -> bool {
    text.rsplit_once(':')
        .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok() && !host.contains('/'))
}

/// Whether the filter names a level. `EnvFilter` takes any word for a module, so that a misspelt level would turn the log
/// off.
fn has_level(filter: &str) -> bool {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    filter.split(',').all(|part| {
        let level = part.rsplit_once('=').map_or(part, |(_, level)| level).trim().to_ascii_lowercase();
        LEVELS.contains(&level.as_str())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// For each setting with a range: both ends are accepted, their neighbours are refused, and the message names the ends.
    #[test]
    fn no_message_names_a_range_that_holds_what_is_refused() {
        for (key, kind) in SETTINGS {
            let (inside, outside, ends) = match *kind {
                Kind::Whole(min, max) => {
                    let of = |n: i64| Value::Integer(n);
                    ([of(min), of(max)], [of(min - 1), of(max + 1)], [min.to_string(), max.to_string()])
                }
                Kind::Time(min, max) => {
                    let of = |millis: u64| Value::String(format!("{millis}ms"));
                    // No duration is negative.
                    let below = if min == 0 { Value::String("-1ms".to_owned()) } else { of(min * 1000 - 1) };
                    let said = |seconds| duration::format(Duration::from_secs(seconds));
                    ([of(min * 1000), of(max * 1000)], [below, of(max * 1000 + 1)], [said(min), said(max)])
                }
                _ => continue,
            };
            assert!(inside.iter().all(|value| kind.accepts(value)), "{key}: {inside:?}");
            assert!(!outside.iter().any(|value| kind.accepts(value)), "{key}: {outside:?}");
            let range = format!("from {} to {}", ends[0], ends[1]);
            assert!(kind.allowed().contains(&range), "{key}: {}", kind.allowed());
        }
        let time = Kind::Time(1, 10);
        assert!(!time.accepts(&Value::String("1.5s".to_owned())) && time.allowed().contains("in whole units"));
    }
}
