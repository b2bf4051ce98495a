//! Where the service listens, and TLS.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use crate::auth::key;
use crate::command::Place;
use crate::http::Client;
use crate::serving::Server;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// A certificate of `localhost` and 127.0.0.1, and its key.
fn certificate(place: &Place) -> [(&'static str, String); 2] {
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    let cert = place.file("cert.pem", made.cert.pem());
    let key = place.file("key.pem", made.signing_key.serialize_pem());
    [("PROVOST_HTTP__TLS_CERT", cert.display().to_string()), ("PROVOST_HTTP__TLS_KEY", key.display().to_string())]
}

fn refused(place: &Place, environment: &[(&str, &str)]) -> String {
    let arguments = ["serve", "--listen", "0.0.0.0:0"];
    let output = place.command(&arguments).envs(environment.iter().copied()).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{error}");
    error
}

#[test]
fn other_machines_reach_only_what_is_locked() {
    let place = Place::new();
    let tls = certificate(&place);
    let tls: Vec<(&str, &str)> = tls.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let error = refused(&place, &[]);
    for wanted in ["http.listen = 0.0.0.0:0", "http.tls_cert", "provost keys create", "http.behind_proxy", "127.0.0.1"]
    {
        assert!(error.contains(wanted), "{wanted}: {error}");
    }
    assert!(!refused(&place, &tls).contains("http.tls_cert"), "only the key is missing");
    let made = key(&place, &["--role", "admin"]);
    assert!(!refused(&place, &[]).contains("keys create"), "only the certificate is missing");
    let missing = [tls[0], ("PROVOST_HTTP__TLS_KEY", "/nowhere/key.pem")];
    assert!(refused(&place, &missing).contains("/nowhere/key.pem"));
    assert!(refused(&place, &tls[..1]).contains("http.tls_key is not"));

    let server = Server::start_at(&place, "0.0.0.0:0", &tls);
    let port = server.url.rsplit(':').next().unwrap();
    assert!(server.url.starts_with("https://"), "{}", server.url);
    let url = format!("https://localhost:{port}");
    let status = |more: &[&str]| place.run(&[&["status", "--json", "--url", &url], more].concat());
    let answered = status(&["--ca", "cert.pem", "--key", &made.text]);
    assert_eq!(answered.code, Some(0), "{answered:?}");
    assert_eq!(answered.json()["status"], "operational");
    assert_eq!(status(&["--key", &made.text]).code, Some(1), "its certificate is not trusted");
    let keyless = status(&["--ca", "cert.pem"]);
    assert!(keyless.code == Some(1) && keyless.err.contains("401"), "{keyless:?}");

    // In the clear there is nothing to be had.
    let mut stream = TcpStream::connect(format!("127.0.0.1:{port}")).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream.write_all(b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    assert!(!String::from_utf8_lossy(&answer).contains("alive"), "{answer:?}");
}

#[test]
fn under_tls_browsers_are_told_to_stay_there() {
    let place = Place::new();
    let tls = certificate(&place);
    let tls: Vec<(&str, &str)> = tls.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let server = Server::start_with(&place, &tls);
    let certificate = std::fs::read(place.path("cert.pem")).unwrap();
    let client = Client::trusting(&server, &certificate);
    let answer = client.get("/livez");
    assert_eq!((answer.status, answer.header("strict-transport-security")), (200, Some("max-age=63072000")));
    let made = key(&place, &["--role", "viewer"]);
    let form = format!("key={}", made.text);
    let signed = client.send("POST", "/sign-in", &[], Some(form.as_bytes()));
    let set = signed.header("set-cookie").unwrap();
    assert!(set.starts_with("__Host-provost_session=") && set.ends_with("; Secure"), "{set}");
    // A name that a page in the clear could have set opens nothing.
    let token = set.split(['=', ';']).nth(1).unwrap();
    let status = |name: &str| client.send("GET", "status", &[("cookie", &format!("{name}={token}"))], None).status;
    assert_eq!((status("__Host-provost_session"), status("provost_session")), (200, 401));
}

#[test]
fn behind_a_proxy_a_key_is_needed_and_the_proxy_says_who_asks() {
    let place = Place::new();
    let server = Server::start_at(&place, "0.0.0.0:0", &[("PROVOST_HTTP__BEHIND_PROXY", "true")]);
    server.expects(&["no API key is valid", "a wrong key"]);
    let port = server.url.rsplit(':').next().unwrap();
    let client = Client::at(&format!("http://127.0.0.1:{port}"));
    assert_eq!(client.get("/livez").status, 200);
    client.get("status").problem(401);
    let admin = key(&place, &["--role", "admin"]);
    let bearer = format!("Bearer {}", admin.text);
    let headers = [("authorization", bearer.as_str()), ("x-forwarded-for", "6.6.6.6, 203.0.113.9")];
    let began = std::time::Instant::now();
    while client.send("GET", "status", &headers, None).status == 401 {
        assert!(began.elapsed() < Duration::from_secs(30));
    }
    client.send("PUT", "schedule", &headers, Some(b"{}")).ok(200);
    let log = client.send("GET", "audit", &headers, None).ok(200);
    assert_eq!(log[1]["details"]["address"], "203.0.113.9");
}
