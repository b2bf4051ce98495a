//! Requests at a constant rate. A request's latency counts from the moment at which it was due, so that one slow answer
//! delays what stands behind it in the figures as it would for clients (no coordinated omission; Tene 2013, wrk2).

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

pub struct Load<'a> {
    pub address: SocketAddr,
    /// Whole requests, sent in turn.
    pub requests: &'a [Vec<u8>],
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
    fn send(&mut self, request: &[u8]) -> std::io::Result<u16> {
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

/// Sends `rows` times the same line as a stream of NDJSON and reads the answer at the same time: lines of it per second.
pub fn streamed(address: SocketAddr, path: &str, line: &str, rows: usize) -> std::io::Result<f64> {
    const TOGETHER: usize = 1_000;
    let mut sending = TcpStream::connect(address)?;
    let mut reading = sending.try_clone()?;
    reading.set_read_timeout(Some(Duration::from_secs(30)))?;
    let length = rows.next_multiple_of(TOGETHER) * (line.len() + 1);
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/x-ndjson\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n"
    );
    let block = format!("{line}\n").repeat(TOGETHER);
    let began = Instant::now();
    std::thread::scope(|scope| {
        let sender = scope.spawn(move || {
            sending.write_all(head.as_bytes())?;
            (0..rows.div_ceil(TOGETHER)).try_for_each(|_| sending.write_all(block.as_bytes()))
        });
        let (mut lines, mut previous, mut buffer) = (0usize, 0u8, vec![0; 1 << 16]);
        loop {
            let read = reading.read(&mut buffer)?;
            if read == 0 {
                break;
            }
            for byte in &buffer[..read] {
                // Lines of the head and of the chunks' lengths end in two bytes.
                lines += usize::from(*byte == b'\n' && previous != b'\r');
                previous = *byte;
            }
        }
        sender.join().map_err(|_| std::io::Error::other("the sender panicked"))??;
        Ok(lines as f64 / began.elapsed().as_secs_f64())
    })
}

impl Load<'_> {
    pub fn run(&self, duration: Duration) -> std::io::Result<Latencies> {
        let requests = self.requests;
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
                match connection.send(request) {
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
