//! By which name the service is called and from which page: DNS rebinding, and requests that other sites make a browser send.
#![allow(clippy::unwrap_used)]

use crate::auth::{key, locked};
use crate::command::Place;
use crate::http::{BASE, Client};
use crate::serving::Server;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Sends these bytes; answers the status and all that came.
fn raw(address: &str, head: &[u8]) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream.write_all(head).unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    (status.unwrap_or_else(|| panic!("{:?}: {answer}", String::from_utf8_lossy(head))), answer)
}

fn address(server: &Server) -> &str {
    server.url.split("://").nth(1).unwrap()
}

/// The status of a request of this method and path with these lines in its head.
fn asked(server: &Server, method: &str, path: &str, lines: &[u8]) -> u16 {
    let head = [format!("{method} {path} HTTP/1.1\r\nconnection: close\r\n").as_bytes(), lines, b"\r\n\r\n"].concat();
    let (status, answer) = raw(address(server), &head);
    if status == 421 && method != "HEAD" {
        assert!(answer.contains("application/problem+json") && answer.contains("http.hosts"), "{answer}");
    }
    status
}

#[test]
fn while_it_is_unlocked_a_foreign_name_reads_and_changes_nothing() {
    let place = Place::new();
    let server = Server::start(&place);
    server.expects(&["stream error"]);
    let port = address(&server).rsplit(':').next().unwrap().to_owned();
    let evil = format!("host: evil.example:{port}\r\nsec-fetch-site: same-origin");
    let schedule = format!("{BASE}/schedule");
    for (method, path) in [
        ("GET", "/"),
        ("HEAD", "/"),
        ("GET", "/docs/"),
        ("GET", "/docs/swagger-ui.css"),
        ("GET", "/redoc"),
        ("GET", "/redoc/redoc.standalone.js"),
        ("GET", "/openapi.json"),
        ("GET", "/asyncapi.json"),
        ("POST", "/sign-in"),
        ("POST", "/sign-out"),
        ("GET", schedule.as_str()),
        ("HEAD", &schedule),
        ("PUT", &schedule),
        ("DELETE", &schedule),
        ("OPTIONS", &schedule),
        ("PATCH", &schedule),
        ("GET", &format!("{BASE}/jobs/x/events")),
        ("POST", &format!("{BASE}/train")),
        ("GET", "/nothing"),
        ("GET", "/%6civez"),
    ] {
        assert_eq!(asked(&server, method, path, evil.as_bytes()), 421, "{method} {path}");
    }
    for path in ["/livez", "/readyz"] {
        assert_eq!(asked(&server, "GET", path, evil.as_bytes()), 200, "{path}");
    }
    // A key that does not exist frees nobody.
    let with_key = format!("{evil}\r\nauthorization: Bearer pvk_{}_{}", "0".repeat(16), "0".repeat(64));
    assert_eq!(asked(&server, "GET", &schedule, with_key.as_bytes()), 421);

    let get = |lines: &[u8]| asked(&server, "GET", &schedule, lines);
    for own in ["localhost", "LOCALHOST:1", "localhost.", "a.localhost", "127.0.0.1", "[::1]:8000", "127.3.2.1"] {
        assert_eq!(get(format!("host: {own}").as_bytes()), 200, "{own}");
    }
    assert_eq!(get(format!("host: 127.0.0.1:{port}\r\nx-forwarded-host: evil.example").as_bytes()), 200, "no proxy");
    for foreign in [
        &b"host:"[..],
        b"host: localhost.evil.example",
        b"host: evil@localhost",
        b"host: 127.1",
        b"host: 0x7f.1",
        b"host: 2130706433",
        b"host: 0.0.0.0",
        b"host: [::]",
        b"host: localhost, evil.example",
        b"host: localhost\xc3\xa9",
        b"x-no-host: x",
    ] {
        let shown = String::from_utf8_lossy(foreign);
        assert!(matches!(get(foreign), 400 | 421), "{shown}");
    }
    assert!(matches!(get(b"host: localhost\r\nhost: evil.example"), 400 | 421), "two");
    assert!(matches!(get(b"host: evil.example\r\nhost: localhost"), 400 | 421), "two");
    assert!(matches!(get(b"host: localhost\r\nhost: localhost"), 400 | 421), "two");

    // Before HTTP/1.1 there need be none, and a request's target may have a name of its own.
    let line = |line: &str, host: &str| raw(address(&server), format!("{line}\r\n{host}\r\n").as_bytes()).0;
    assert_eq!(line(&format!("GET {schedule} HTTP/1.0"), ""), 421);
    assert_eq!(line(&format!("GET {schedule} HTTP/1.0"), "host: localhost\r\n"), 200);
    let target = |name: &str| format!("GET http://{name}{schedule} HTTP/1.1\r\nconnection: close");
    assert!(matches!(line(&target("evil.example"), "host: localhost\r\n"), 400 | 421));
    assert!(matches!(line(&target("localhost"), "host: evil.example\r\n"), 400 | 421));
    assert_eq!(line(&target("localhost"), "host: localhost\r\n"), 200);
}

#[test]
fn listed_names_are_own_ones() {
    let place = Place::new();
    let hosts = [("PROVOST_HTTP__HOSTS", "provost.example, other.example:8443")];
    let server = Server::start_with(&place, &hosts);
    for (host, expected) in [
        ("provost.example", 200),
        ("Provost.Example.:77", 200),
        ("other.example:8443", 200),
        ("other.example", 421),
        ("x.provost.example", 421),
    ] {
        let lines = format!("host: {host}");
        assert_eq!(asked(&server, "GET", &format!("{BASE}/schedule"), lines.as_bytes()), expected, "{host}");
    }
    let same = b"host: provost.example\r\norigin: http://provost.example\r\ncontent-length: 2\r\n\r\n{}";
    assert_eq!(asked(&server, "PUT", &format!("{BASE}/schedule"), same), 200);
    for bad in ["http://provost.example", "*.example", "127.1", "a b"] {
        let command = place.command(&["doctor"]).env("PROVOST_HTTP__HOSTS", bad).output().unwrap();
        let error = String::from_utf8_lossy(&command.stderr).into_owned();
        assert!(command.status.code() == Some(2) && error.contains("http.hosts"), "{bad}: {error}");
    }
}

#[test]
fn with_keys_only_what_a_browser_sends_is_looked_at() {
    let place = Place::new();
    let (server, client, keys) = locked(&place, &[]);
    let status = format!("{BASE}/status");
    let get = |lines: &str| asked(&server, "GET", &status, format!("host: pod-7.cluster:8000\r\n{lines}").as_bytes());
    assert_eq!(get(&format!("authorization: Bearer {}", keys[0].text)), 200, "any name with a key");
    assert_eq!(get("authorization: Bearer x"), 401);
    assert_eq!(get("x-none: x"), 401);
    assert_eq!(asked(&server, "GET", "/docs/", b"host: pod-7.cluster"), 200, "it is for everybody");
    assert_eq!(asked(&server, "GET", "/livez", b"host: pod-7.cluster"), 200);

    let form = format!("key={}", keys[0].text);
    let sign_in = |host: &str| {
        let lines = format!("host: {host}\r\ncontent-length: {}\r\n\r\n{form}", form.len());
        asked(&server, "POST", "/sign-in", lines.as_bytes())
    };
    assert_eq!((sign_in("pod-7.cluster:8000"), sign_in("localhost")), (421, 303));
    let signed = client.send("POST", "/sign-in", &[], Some(form.as_bytes()));
    let cookie = signed.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    assert_eq!(get(&format!("cookie: {cookie}")), 421);
    let local = format!("host: localhost:1\r\ncookie: {cookie}");
    assert_eq!(asked(&server, "GET", &status, local.as_bytes()), 200);
    // Also where no key is needed, since the browser sends it there, too.
    let docs = format!("host: evil.example\r\ncookie: {cookie}");
    assert_eq!(asked(&server, "GET", "/docs/", docs.as_bytes()), 421);
    // A cookie does not count beside a header.
    assert_eq!(get(&format!("cookie: {cookie}\r\nauthorization: Bearer {}", keys[0].text)), 200);
}

#[test]
fn on_all_addresses_behind_a_proxy_the_reached_and_the_listed_names_count() {
    let place = Place::new();
    let made = key(&place, &["--role", "viewer"]);
    let environment = [("PROVOST_HTTP__BEHIND_PROXY", "true"), ("PROVOST_HTTP__HOSTS", "provost.example")];
    let server = Server::start_at(&place, "0.0.0.0:0", &environment);
    let port = server.url.rsplit(':').next().unwrap();
    let local = format!("127.0.0.1:{port}");
    let client = Client::at(&format!("http://{local}"));
    let form = format!("key={}", made.text);
    let signed = client.send("POST", "/sign-in", &[], Some(form.as_bytes()));
    assert_eq!(signed.status, 303, "{signed:?}");
    let cookie = signed.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    let get = |lines: &str| {
        let head = format!("GET {BASE}/status HTTP/1.1\r\nconnection: close\r\ncookie: {cookie}\r\n{lines}\r\n\r\n");
        raw(&local, head.as_bytes()).0
    };
    for (lines, expected) in [
        (format!("host: {local}"), 200),
        ("host: provost.example".to_owned(), 200),
        ("host: 0.0.0.0".to_owned(), 421),
        ("host: evil.example".to_owned(), 421),
        (format!("host: {local}\r\nx-forwarded-host: provost.example"), 200),
        (format!("host: {local}\r\nx-forwarded-host: evil.example"), 421),
        ("host: evil.example\r\nx-forwarded-host: provost.example".to_owned(), 421),
    ] {
        assert_eq!(get(&lines), expected, "{lines}");
    }
}

#[test]
fn pages_of_other_sites_change_nothing_while_all_is_open() {
    let place = Place::new();
    let server = Server::start(&place);
    let client = Client::of(&server);
    let put = |headers: &[(&str, &str)]| client.send("PUT", "schedule", headers, Some(b"{}"));
    put(&[("origin", "https://evil.example")]).problem(403);
    put(&[("origin", "null")]).problem(403);
    put(&[("referer", "https://evil.example/")]).problem(403);
    put(&[("sec-fetch-site", "cross-site")]).problem(403);
    put(&[("origin", "https://evil.example"), ("sec-fetch-site", "same-origin")]).problem(403);
    put(&[("host", "evil.example"), ("origin", "http://evil.example")]).problem(421);
    put(&[("origin", &server.url)]).ok(200);
    put(&[]).ok(200);
    let own = address(&server);
    let raw = |lines: &[u8]| {
        let lines = [format!("host: {own}\r\n").as_bytes(), lines, b"\r\ncontent-length: 2\r\n\r\n{}"].concat();
        asked(&server, "PUT", &format!("{BASE}/schedule"), &lines)
    };
    assert_eq!(raw(b"origin: https://ev\xedl.example"), 403, "bytes beyond ASCII are no way around");
    assert_eq!(raw(b"origin: \xff"), 403);
    assert_eq!(raw(b"sec-fetch-site: \xff"), 403);
    let twice = format!("origin: http://{own}\r\norigin: https://evil.example");
    assert_eq!(raw(twice.as_bytes()), 403);
    assert_eq!(raw(format!("origin: http://{own}").as_bytes()), 200);
}
