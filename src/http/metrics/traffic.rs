//! Counts of requests by route template, method and status class; never by path, which clients choose freely. Counting takes no
//! lock.

use crate::http::BASE;
use crate::http::auth::table::{CONTRACT, ROOT, Row, position};
use provost_actors::metrics::{Family, Histogram, Labels};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Instant;

/// In seconds.
const BOUNDS: &[f64] = &[0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];
/// The template of paths without a route.
const UNKNOWN: &str = "unknown";
/// The label of methods that a route does not have.
const OTHER: &str = "other";

/// The requests of one method at one route.
#[derive(Debug)]
struct Counted {
    route: String,
    method: &'static str,
    classes: [AtomicU64; CLASSES.len()],
    seconds: Histogram,
}

impl Counted {
    fn new(route: String, method: &'static str) -> Self {
        Self { route, method, classes: Default::default(), seconds: Histogram::new(BOUNDS) }
    }

    fn labels(&self) -> Labels {
        vec![("route", self.route.clone().into()), ("method", self.method.into())]
    }
}

/// All requests of a facade.
#[derive(Debug)]
pub struct Traffic {
    /// Counters for each row of the table: one for each of its methods and one for other methods. The last one counts
    /// requests without a route.
    counted: Vec<Counted>,
    /// For each row, in the order of the table: the index of its first counter.
    begin: Vec<usize>,
    in_flight: AtomicI64,
}

impl Default for Traffic {
    fn default() -> Self {
        let (mut counted, mut begin) = (Vec::new(), Vec::new());
        let below = |base: &'static str| move |row: &'static Row| (base, row);
        for (base, row) in ROOT.iter().map(below("")).chain(CONTRACT.iter().map(below(BASE))) {
            begin.push(counted.len());
            let methods = row.methods.iter().copied().chain(std::iter::once(OTHER));
            counted.extend(methods.map(|method| Counted::new(format!("{base}{}", row.path), method)));
        }
        counted.push(Counted::new(UNKNOWN.to_owned(), OTHER));
        Self { counted, begin, in_flight: AtomicI64::new(0) }
    }
}

impl Traffic {
    /// Counts a request at its beginning.
    pub fn begin(self: &Arc<Self>, method: &str, path: &str) -> Request {
        let at = match position(method, path) {
            Some((row, method)) => self.begin[row] + method,
            None => self.counted.len() - 1,
        };
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        Request { traffic: self.clone(), at, began: Instant::now() }
    }

    /// The counts so far, of the routes and methods that were requested.
    pub fn families(&self) -> Vec<Family> {
        let mut requests = Family::counter("provost_http_requests", "Requests, by route, method and class of status");
        let mut seconds =
            Family::histogram("provost_http_request_seconds", "From a request's head to the head of its answer");
        for counted in &self.counted {
            let observed = counted.seconds.read();
            if observed.count() == 0 {
                continue;
            }
            for (class, count) in CLASSES.iter().zip(&counted.classes) {
                let mut labels = counted.labels();
                labels.push(("status", (*class).into()));
                requests.add(labels, count.load(Ordering::Relaxed).into());
            }
            seconds.add(counted.labels(), observed.into());
        }
        let in_flight = u64::try_from(self.in_flight.load(Ordering::Relaxed)).unwrap_or(0);
        let in_flight =
            Family::gauge("provost_http_requests_in_flight", "Requests whose answer has not begun").of(in_flight);
        vec![requests, seconds, in_flight]
    }
}

/// A request in flight.
pub struct Request {
    traffic: Arc<Traffic>,
    at: usize,
    began: Instant,
}

impl Request {
    /// Counts the answer at its beginning.
    pub fn answered(&self, status: u16) {
        let counted = &self.traffic.counted[self.at];
        let class = usize::from(status / 100).clamp(1, CLASSES.len()) - 1;
        counted.classes[class].fetch_add(1, Ordering::Relaxed);
        counted.seconds.observe(self.began.elapsed());
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        self.traffic.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use provost_actors::metrics::Value;

    fn asked(traffic: &Arc<Traffic>, method: &str, path: &str, status: u16) {
        traffic.begin(method, path).answered(status);
    }

    #[test]
    fn a_request_counts_for_its_template_and_no_path_makes_a_series() {
        let traffic = Arc::new(Traffic::default());
        asked(&traffic, "GET", &format!("{BASE}/jobs/job_1"), 200);
        asked(&traffic, "GET", &format!("{BASE}/jobs/x"), 404);
        asked(&traffic, "DELETE", &format!("{BASE}/jobs/x"), 404);
        asked(&traffic, "BREW", &format!("{BASE}/jobs/x"), 405);
        asked(&traffic, "GET", "/0", 404);
        let series = |traffic: &Traffic| traffic.families().iter().map(|f| f.samples.len()).sum::<usize>();
        let before = series(&traffic);
        for number in 1..1000 {
            asked(&traffic, if number % 2 == 0 { "GET" } else { "X" }, &format!("/{number}"), 404);
            asked(&traffic, "GET", &format!("{BASE}/jobs/{number}"), 404);
        }
        assert_eq!(series(&traffic), before);
        let requests = &traffic.families()[0];
        let count = |wanted: [&str; 3]| {
            let is_it = |labels: &Labels| labels.iter().map(|(_, value)| &**value).eq(wanted);
            requests.samples.iter().find(|sample| is_it(&sample.labels)).map(|sample| sample.value.clone())
        };
        let job = format!("{BASE}/jobs/{{job_id}}");
        assert_eq!(count([&job, "GET", "2xx"]), Some(Value::Whole(1)));
        assert_eq!(count([&job, "GET", "4xx"]), Some(Value::Whole(1000)));
        assert_eq!(count([&job, "DELETE", "4xx"]), Some(Value::Whole(1)));
        assert_eq!(count([&job, OTHER, "4xx"]), Some(Value::Whole(1)));
        assert_eq!(count([UNKNOWN, OTHER, "4xx"]), Some(Value::Whole(1000)));
    }

    #[test]
    fn a_request_is_in_flight_until_it_is_answered_or_left() {
        let traffic = Arc::new(Traffic::default());
        let (first, second) = (traffic.begin("GET", "/livez"), traffic.begin("GET", "/livez"));
        let in_flight = || traffic.families()[2].samples[0].value.clone();
        assert_eq!(in_flight(), Value::Whole(2));
        first.answered(200);
        drop((first, second));
        assert_eq!(in_flight(), Value::Whole(0));
    }
}
