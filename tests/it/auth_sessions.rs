//! Browsers that sign in and out, and event streams that end with what let them in.
#![allow(clippy::unwrap_used)]

use crate::auth::{HEARD, Key, key, locked, shut, until};
use crate::command::Place;
use crate::http::{BASE, Client, long_job, place_with_points};
use crate::serving::Server;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// What a busy machine gets beside the two seconds that are promised. A stream's heartbeat comes after 15 s: what ends with
/// that one does not pass.
const SLACK: Duration = Duration::from_secs(8);

fn sign_in(client: &Client, key: &str, more: &[(&str, &str)]) -> crate::http::Answer {
    let form = [("content-type", "application/x-www-form-urlencoded")];
    client.send("POST", "/sign-in", &[&form, more].concat(), Some(format!("key={key}").as_bytes()))
}

/// Signs in; answers `name=token`.
fn signed_in(client: &Client, key: &Key) -> String {
    let signed = sign_in(client, &key.text, &[]);
    assert_eq!(signed.status, 303, "{signed:?}");
    signed.header("set-cookie").unwrap().split(';').next().unwrap().to_owned()
}

fn status(client: &Client, cookie: &str) -> u16 {
    client.send("GET", "status", &[("cookie", cookie)], None).status
}

#[test]
fn a_browser_signs_in_and_out() {
    let place = Place::new();
    let (server, client, keys) = locked(&place, &[]);
    let page = client.send("GET", "/", &[("accept", "text/html,*/*")], None);
    let text = String::from_utf8(page.bytes.clone()).unwrap();
    assert_eq!((page.status, page.header("www-authenticate")), (401, Some("Bearer")));
    assert!(text.contains("<form method=\"post\" action=\"/sign-in\">"), "{text}");

    let wrong = sign_in(&client, "pvk_wrong", &[]);
    assert_eq!((wrong.status, wrong.header("set-cookie")), (401, None));
    assert_eq!(sign_in(&client, &keys[1].text, &[("origin", "https://evil.example")]).status, 403);
    // As browsers send our form, under the page's policy `no-referrer`.
    let form = [("origin", "null"), ("sec-fetch-site", "same-origin")];
    let right = sign_in(&client, &keys[1].text, &form);
    assert_eq!((right.status, right.header("location")), (303, Some("/")));
    let set = right.header("set-cookie").unwrap();
    let (cookie, attributes) = set.split_once("; ").unwrap();
    assert_eq!(attributes, "Path=/; HttpOnly; SameSite=Strict");
    let token = cookie.strip_prefix("provost_session=").unwrap();
    assert!(token.len() == 64 && !keys[1].text.contains(&token[..16]), "it says nothing of the key: {token}");

    let start = client.send("GET", "/", &[("cookie", cookie)], None);
    assert_eq!((start.status, start.header("cache-control")), (200, Some("no-store")));
    assert!(String::from_utf8(start.bytes).unwrap().contains("action=\"/sign-out\""));
    let rollback =
        |origin: &str| client.send("POST", "rollback", &[("cookie", cookie), ("origin", origin)], Some(b"{}"));
    rollback("https://evil.example").problem(403);
    rollback(&server.url).problem(409);
    let out = client.send("POST", "/sign-out", &[("cookie", cookie)], None);
    assert!(out.header("set-cookie").unwrap().starts_with("provost_session=; ") && out.status == 303, "{out:?}");
    assert_eq!(status(&client, cookie), 401, "a copy of the cookie opens nothing either");
    assert_eq!(client.with(Some(&keys[1].text), "GET", "status", None).status, 200, "the key is not the session");
}

#[test]
fn a_session_is_nothing_but_its_own_token() {
    let place = Place::new();
    let (_server, client, keys) = locked(&place, &[]);
    let cookie = signed_in(&client, &keys[0]);
    let token = cookie.strip_prefix("provost_session=").unwrap();
    assert_eq!(status(&client, &cookie), 200);
    // The cookie of earlier versions, the key as a token, and a token as a key.
    assert_eq!(status(&client, &format!("provost_key={}", keys[0].text)), 401);
    assert_eq!(status(&client, &format!("provost_session={}", keys[0].text)), 401);
    assert_eq!(client.with(Some(token), "GET", "status", None).status, 401);
    // Nobody is signed in under a token that a browser brought along, and the session that it had ends.
    let fixed = format!("provost_session={}", "0".repeat(64));
    let again = sign_in(&client, &keys[0].text, &[("cookie", &fixed)]);
    assert!(!again.header("set-cookie").unwrap().contains(&"0".repeat(64)), "{again:?}");
    assert_eq!(status(&client, &fixed), 401);
    let next = sign_in(&client, &keys[0].text, &[("cookie", &cookie)]);
    let next = next.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    assert_eq!((status(&client, &cookie), status(&client, &next)), (401, 200));
    // A session has its key's role and no more.
    client.send("POST", "rollback", &[("cookie", &next)], Some(b"{}")).problem(403);
    // The oldest of too many ends.
    let many: Vec<String> = (0..20).map(|_| signed_in(&client, &keys[0])).collect();
    assert_eq!((status(&client, &next), status(&client, &many[0])), (401, 200));
    // Neither token nor key is in the data folder or in the log.
    drop(_server);
    let text = |name: &str| std::fs::read(place.path(name)).unwrap_or_default();
    let kept = [text("data/provost.db"), text("data/provost.db-wal"), text("serve.log")].concat();
    let last = many.last().unwrap().strip_prefix("provost_session=").unwrap();
    for secret in [last, &keys[0].text[21..]] {
        assert!(!kept.windows(secret.len()).any(|part| part == secret.as_bytes()));
    }
    assert!(!kept.is_empty());
}

#[test]
fn a_session_outlives_a_restart_and_ends_with_its_key() {
    let place = Place::new();
    let (mut server, client, keys) = locked(&place, &[]);
    let (revoked, rotated) = (signed_in(&client, &keys[0]), signed_in(&client, &keys[1]));
    assert_eq!(server.terminate(), Some(0));
    let server = Server::start(&place);
    server.expects(&["a wrong key", "refused: too low a role"]);
    let client = Client::of(&server);
    assert_eq!((status(&client, &revoked), status(&client, &rotated)), (200, 200));
    assert_eq!(place.run(&["keys", "revoke", &keys[0].id]).code, Some(0));
    until("a revoked key's session ends", || status(&client, &revoked) == 401);
    assert_eq!(place.run(&["keys", "rotate", &keys[1].id, "--overlap", "0s"]).code, Some(0));
    until("a rotated key's session ends", || status(&client, &rotated) == 401);
    let page = client.send("GET", "/", &[("cookie", &rotated), ("accept", "text/html")], None);
    assert_eq!(page.status, 401);
    assert!(String::from_utf8(page.bytes).unwrap().contains("/sign-in"));
}

/// An event stream of this job, which has begun, with these lines in its head.
struct Stream(BufReader<TcpStream>);

impl Stream {
    fn open(server: &Server, job: &str, lines: &str) -> Self {
        let address = server.url.strip_prefix("http://").unwrap();
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(HEARD + SLACK)).unwrap();
        let head = format!("GET {BASE}/jobs/{job}/events HTTP/1.1\r\nhost: {address}\r\n{lines}\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        let mut stream = BufReader::new(stream);
        let mut line = String::new();
        stream.read_line(&mut line).unwrap();
        assert!(line.starts_with("HTTP/1.1 200"), "{line}");
        Self(stream)
    }

    /// How long it takes until the answer ends, as an answer does: with the last chunk, which is empty.
    fn ended(mut self, since: Instant) -> Duration {
        loop {
            let mut line = String::new();
            let read = self.0.read_line(&mut line);
            let took = since.elapsed();
            assert!(took < HEARD + SLACK, "still open after {took:?}: {read:?}");
            assert!(!matches!(read, Ok(0) | Err(_)), "the connection broke: {read:?}");
            if line == "0\r\n" {
                return took;
            }
        }
    }
}

#[test]
fn event_streams_end_with_what_let_them_in() {
    let place = place_with_points(600);
    let server = Server::start(&place);
    server.expects(&["a wrong key", "refused: too low a role"]);
    let client = Client::of(&server);
    // A search of many seconds: no stream ends because the job does.
    let mut search = long_job();
    search["grids"]["gradient_boosting"]["learning_rate"] = (1..=10).map(|n| f64::from(n) / 100.0).collect();
    let job = client.train(&search);

    let anonymous = Stream::open(&server, &job, "");
    let began = Instant::now();
    let admin = key(&place, &["--role", "admin"]);
    eprintln!("the first key ended an anonymous stream after {:?}", anonymous.ended(began));
    shut(&client);

    let [revoked, by_session, kept] = ["viewer"; 3].map(|role| key(&place, &["--role", role]));
    let bearer = |key: &Key| format!("authorization: Bearer {}\r\n", key.text);
    let expiring = key(&place, &["--role", "viewer", "--expires", "3s"]);
    let made = Instant::now();
    let of_key = Stream::open(&server, &job, &bearer(&revoked));
    let of_expiring = Stream::open(&server, &job, &bearer(&expiring));
    let cookies = [signed_in(&client, &by_session), signed_in(&client, &by_session)];
    let of_session = cookies.each_ref().map(|cookie| Stream::open(&server, &job, &format!("cookie: {cookie}\r\n")));
    let of_other = Stream::open(&server, &job, &bearer(&kept));

    let took = of_expiring.ended(made + Duration::from_secs(3));
    eprintln!("an expired key ended its stream after {took:?}");
    let began = Instant::now();
    assert_eq!(place.run(&["keys", "revoke", &revoked.id]).code, Some(0));
    eprintln!("a revocation ended its stream after {:?}", of_key.ended(began));
    let [first, second] = of_session;
    let began = Instant::now();
    assert_eq!(client.send("POST", "/sign-out", &[("cookie", &cookies[0])], None).status, 303);
    eprintln!("signing out ended its stream after {:?}", first.ended(began));
    let began = Instant::now();
    assert_eq!(place.run(&["keys", "revoke", &by_session.id]).code, Some(0));
    eprintln!("a revocation ended a session's stream after {:?}", second.ended(began));

    // The stream of a key that is valid goes on to the job's end.
    assert_eq!(client.with(Some(&admin.text), "DELETE", &format!("jobs/{job}"), None).status, 200);
    let mut last = String::new();
    let mut other = of_other.0;
    while !last.contains("\"cancelled\"") {
        last.clear();
        assert!(other.read_line(&mut last).unwrap() > 0, "it broke off");
    }
}
