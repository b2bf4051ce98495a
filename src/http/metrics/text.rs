//! Families of metrics as text: OpenMetrics or Prometheus's own format.

use actix_web::http::header;
use actix_web::http::header::HeaderMap;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet, prometheus_text, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;
use provost_actors::metrics::{Family, Kind, Sample, Value};
use std::fmt::Error;

const OPENMETRICS: &str = "application/openmetrics-text";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Prometheus,
    OpenMetrics,
}

impl Format {
    /// OpenMetrics if the client asks for it by name and does not prefer plain text.
    pub fn wanted(headers: &HeaderMap) -> Self {
        let accepted = || headers.get_all(header::ACCEPT).filter_map(|value| value.to_str().ok());
        let quality = |wanted: &str| {
            let ranges = accepted().flat_map(|value| value.split(','));
            let of = ranges.filter_map(|range| {
                let mut parts = range.split(';').map(str::trim);
                let is_wanted = parts.next()?.eq_ignore_ascii_case(wanted);
                let given = parts.find_map(|part| part.strip_prefix("q=")?.trim().parse().ok());
                is_wanted.then(|| given.unwrap_or(1.0))
            });
            of.fold(0.0, f64::max)
        };
        let open = quality(OPENMETRICS);
        if open > 0.0 && open >= quality("text/plain") { Format::OpenMetrics } else { Format::Prometheus }
    }

    pub fn content_type(self) -> &'static str {
        match self {
            Format::Prometheus => prometheus_text::CONTENT_TYPE,
            Format::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// A family without samples is written with its name and type, so that a reader knows every name.
    ///
    /// # Errors
    /// Never when writing to memory.
    pub fn write(self, families: Vec<Family>) -> Result<String, Error> {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Reading(families)));
        let mut written = String::new();
        match self {
            Format::Prometheus => prometheus_text::encode(&mut written, &registry)?,
            Format::OpenMetrics => text::encode(&mut written, &registry)?,
        }
        Ok(written)
    }
}

/// What was read at one moment.
#[derive(Debug)]
struct Reading(Vec<Family>);

impl Collector for Reading {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        for family in &self.0 {
            let kind = match family.kind {
                Kind::Counter => MetricType::Counter,
                Kind::Gauge => MetricType::Gauge,
                Kind::Histogram => MetricType::Histogram,
                Kind::Info => MetricType::Info,
            };
            // The formats require the text to end with a full stop.
            let help = format!("{}.", family.help);
            let mut metric = encoder.encode_descriptor(family.name, &help, None, kind)?;
            for sample in &family.samples {
                write(family.kind, sample, &mut metric)?;
            }
        }
        Ok(())
    }
}

fn write(kind: Kind, Sample { labels, value }: &Sample, metric: &mut MetricEncoder<'_>) -> Result<(), Error> {
    match kind {
        Kind::Info => metric.encode_info(labels),
        _ if labels.is_empty() => write_value(kind, value, metric),
        _ => write_value(kind, value, &mut metric.encode_family(&labels.as_slice())?),
    }
}

fn write_value(kind: Kind, value: &Value, metric: &mut MetricEncoder<'_>) -> Result<(), Error> {
    match (kind, value) {
        (Kind::Counter, Value::Whole(n)) => metric.encode_counter::<NoLabelSet, _, f64>(n, None),
        (Kind::Counter, Value::Number(n)) => metric.encode_counter::<NoLabelSet, _, f64>(n, None),
        (_, Value::Whole(n)) => metric.encode_gauge(n),
        (_, Value::Number(n)) => metric.encode_gauge(n),
        (_, Value::Observed(observed)) => {
            let bounds = observed.bounds.iter().copied().chain(std::iter::once(f64::INFINITY));
            let buckets: Vec<(f64, u64)> = bounds.zip(observed.counts.iter().copied()).collect();
            metric.encode_histogram::<NoLabelSet>(observed.sum, observed.count(), &buckets, None)
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use actix_web::http::header::HeaderValue;
    use provost_actors::metrics::Histogram;
    use std::time::Duration;

    fn wanted(accept: &str) -> Format {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_str(accept).unwrap());
        Format::wanted(&headers)
    }

    #[test]
    fn openmetrics_is_written_only_where_it_is_asked_for() {
        assert_eq!(Format::wanted(&HeaderMap::new()), Format::Prometheus);
        for accept in ["*/*", "text/plain", "text/html, */*;q=0.1", "application/openmetrics-text;q=0"] {
            assert_eq!(wanted(accept), Format::Prometheus, "{accept}");
        }
        let prometheus = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
            text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        assert_eq!(wanted(prometheus), Format::OpenMetrics);
        assert_eq!(wanted("Application/OpenMetrics-Text; version=1.0.0"), Format::OpenMetrics);
        let plain_first = "text/plain;version=0.0.4;q=0.6,application/openmetrics-text;version=1.0.0;q=0.5";
        assert_eq!(wanted(plain_first), Format::Prometheus);
    }

    #[test]
    fn both_formats_have_every_kind_of_sample_under_its_name() {
        static BOUNDS: [f64; 2] = [0.5, 2.0];
        let took = Histogram::new(&BOUNDS);
        [1, 1, 9].into_iter().for_each(|seconds| took.observe(Duration::from_secs(seconds)));
        let families = vec![
            Family::info("provost_build", "Version", vec![("version", "0.1.0".into())]),
            Family::counter("provost_events", "Events").with(vec![("outcome", "a \"b\"\\".into())], 3u64.into()),
            Family::gauge("provost_nothing", "Nothing"),
            Family::gauge("provost_points", "Points").of(7u64),
            Family::histogram("provost_fit_seconds", "Fits").of(took.read()),
        ];
        let plain = Format::Prometheus.write(families.clone()).unwrap();
        let expected = "# HELP provost_build_info Version.\n\
            # TYPE provost_build_info gauge\n\
            provost_build_info{version=\"0.1.0\"} 1\n\
            # HELP provost_events_total Events.\n\
            # TYPE provost_events_total counter\n\
            provost_events_total{outcome=\"a \\\"b\\\"\\\\\"} 3\n\
            # HELP provost_nothing Nothing.\n\
            # TYPE provost_nothing gauge\n\
            # HELP provost_points Points.\n\
            # TYPE provost_points gauge\n\
            provost_points 7\n\
            # HELP provost_fit_seconds Fits.\n\
            # TYPE provost_fit_seconds histogram\n\
            provost_fit_seconds_bucket{le=\"0.5\"} 0\n\
            provost_fit_seconds_bucket{le=\"2\"} 2\n\
            provost_fit_seconds_bucket{le=\"+Inf\"} 3\n\
            provost_fit_seconds_sum 11.0\n\
            provost_fit_seconds_count 3\n";
        assert_eq!(plain, expected);
        let open = Format::OpenMetrics.write(families).unwrap();
        assert!(open.contains("# TYPE provost_events counter\nprovost_events_total{"), "{open}");
        assert!(open.contains("# TYPE provost_build info\nprovost_build_info{"), "{open}");
        assert!(open.ends_with("# EOF\n") && !plain.contains("# EOF"), "{open}");
    }
}
