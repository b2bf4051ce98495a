//! Requests at a constant rate. A request's latency counts from the moment at which it was due, so that one slow answer
//! delays what stands behind it in the figures as it would for clients (no coordinated omission; Tene 2013, wrk2).

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

pub struct Load<'a> {
    pub address: SocketAddr,
    /// Asked for in turn.
    pub paths: &'a [String],
    /// Requests per second.
    pub rate: u64,
    pub connections: usize,
}

/// Latencies in ascending order, in microseconds.
pub struct Latencies {
    sorted: Vec<u64>,
    /// Answers that were not 200, and connections that broke.
    pub failures: u64,
}

impl Latencies {
    pub fn count(&self) -> usize {
        self.sorted.len()
    }

    /// The smallest latency that this share of the requests does not exceed, in milliseconds; 0 of none.
    pub fn quantile(&self, share: f64) -> f64 {
        let rank = (share * self.sorted.len() as f64).ceil().max(1.0) as usize;
        self.sorted.get(rank - 1).copied().unwrap_or(0) as f64 / 1000.0
    }
}

struct Connection {
    reader: BufReader<TcpStream>,
    line: String,
    body: Vec<u8>,
}

impl Connection {
    fn open(address: SocketAddr) -> std::io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        Ok(Self { reader: BufReader::new(stream), line: String::new(), body: Vec::new() })
    }

    /// The answer's status.
    fn get(&mut self, request: &[u8]) -> std::io::Result<u16> {
        self.reader.get_mut().write_all(request)?;
        let broken = |what: &str| std::io::Error::other(what.to_owned());
        self.line.clear();
        self.reader.read_line(&mut self.line)?;
        let status = self.line.split(' ').nth(1).and_then(|s| s.parse().ok()).ok_or_else(|| broken("no status"))?;
        let mut length = None;
        loop {
            self.line.clear();
            if self.reader.read_line(&mut self.line)? == 0 {
                return Err(broken("the answer broke off"));
            }
            let header = self.line.trim_end();
            if header.is_empty() {
                break;
            }
            if let Some((name, value)) = header.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().ok();
            }
        }
        self.body.resize(length.ok_or_else(|| broken("an answer without a length"))?, 0);
        self.reader.read_exact(&mut self.body)?;
        Ok(status)
    }
}

impl Load<'_> {
    pub fn run(&self, duration: Duration) -> std::io::Result<Latencies> {
        let requests: Vec<Vec<u8>> = self
            .paths
            .iter()
            .map(|path| format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", self.address).into_bytes())
            .collect();
        let all = self.rate * duration.as_secs();
        let next = AtomicU64::new(0);
        let began = Instant::now();
        let worker = || -> std::io::Result<(Vec<u64>, u64)> {
            let mut connection = Connection::open(self.address)?;
            let (mut latencies, mut failures) = (Vec::new(), 0);
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= all {
                    return Ok((latencies, failures));
                }
                let due = began + Duration::from_nanos(number * 1_000_000_000 / self.rate);
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
                let request = &requests[number as usize % requests.len()];
                match connection.get(request) {
                    Ok(200) => {}
                    Ok(_) => failures += 1,
                    Err(_) => {
                        failures += 1;
                        connection = Connection::open(self.address)?;
                    }
                }
                latencies.push(due.elapsed().as_micros() as u64);
            }
        };
        let (mut sorted, mut failures) = (Vec::with_capacity(all as usize), 0);
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..self.connections).map(|_| scope.spawn(worker)).collect();
            for worker in workers {
                let (part, failed) = worker.join().map_err(|_| std::io::Error::other("a connection panicked"))??;
                sorted.extend(part);
                failures += failed;
            }
            Ok::<_, std::io::Error>(())
        })?;
        sorted.sort_unstable();
        Ok(Latencies { sorted, failures })
    }
}
