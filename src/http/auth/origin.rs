//! Protection against cross-site requests. A page of another site can make a browser send requests that need no key or carry the
//! session cookie, but the browser states the page's origin. A request without proof of our own origin is refused.

use crate::http::code::Code;
use crate::http::problem::Problem;
use actix_web::http::Method;
use actix_web::http::header::{self, HeaderMap, HeaderName};

/// How the client reaches the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reached {
    /// None: the proxy in front does not state it.
    pub https: Option<bool>,
    /// Through a trusted proxy, which may have changed the host.
    pub proxied: bool,
}

/// Refuses (403) a request that changes something, or may, and comes from a page of another site.
///
/// Browsers send `Sec-Fetch-Site`, which no page can forge; older ones send `Origin` or `Referer`. A request without all three
/// does not come from a browser's page.
pub fn check(method: &Method, headers: &HeaderMap, reached: Reached) -> Result<(), Problem> {
    if matches!(*method, Method::GET | Method::HEAD) || is_own(headers, reached) {
        return Ok(());
    }
    Err(Problem::new(Code::ForeignOrigin, "this request comes from a page of another site"))
}

fn values(headers: &HeaderMap, name: HeaderName) -> Vec<&[u8]> {
    headers.get_all(name).map(|value| value.as_bytes()).collect()
}

fn is_own(headers: &HeaderMap, reached: Reached) -> bool {
    let [site, origin, referer] =
        [HeaderName::from_static("sec-fetch-site"), header::ORIGIN, header::REFERER].map(|name| values(headers, name));
    let vouched = match site[..] {
        [] => false,
        [b"same-origin" | b"none"] => true,
        _ => return false,
    };
    match (&origin[..], &referer[..]) {
        // Our pages have the policy `no-referrer`, with which browsers send this origin for forms; so do other sites'
        // pages.
        ([b"null"], _) => vouched,
        // Behind a proxy that changes the host, only the browser's statement counts; the origin must still be that of a
        // page.
        ([origin], _) => {
            read(origin, false).is_some_and(|origin| origin.is_of(headers, reached) || (vouched && reached.proxied))
        }
        ([], []) => true,
        ([], [referer]) => vouched || read(referer, true).is_some_and(|origin| origin.is_of(headers, reached)),
        _ => false,
    }
}

/// `http://host:port`, in lower case.
struct Origin {
    https: bool,
    authority: String,
}

/// Of a text that is an origin, or (`longer`) begins with one. None for anything beyond visible ASCII.
fn read(text: &[u8], longer: bool) -> Option<Origin> {
    let text = std::str::from_utf8(text).ok().filter(|text| text.bytes().all(|b| b.is_ascii_graphic()))?;
    let (scheme, rest) = text.split_once("://")?;
    let https = match scheme.to_ascii_lowercase().as_str() {
        "http" => false,
        "https" => true,
        _ => return None,
    };
    let authority = if longer { rest.split(['/', '?', '#']).next()? } else { rest };
    let fits = !authority.is_empty() && !authority.contains(['/', '?', '#', '@', '\\', '%', ',']);
    fits.then(|| Origin { https, authority: authority.to_ascii_lowercase() })
}

impl Origin {
    /// Whether a page of this origin and the request's target are on one site: the same host, as it is written, and port.
    fn is_of(&self, headers: &HeaderMap, reached: Reached) -> bool {
        let [host] = values(headers, header::HOST)[..] else { return false };
        let Ok(host) = std::str::from_utf8(host) else { return false };
        let told = reached.https.is_none_or(|https| https == self.https);
        let usual = if self.https { ":443" } else { ":80" };
        let bare = |text: &str| text.strip_suffix(usual).unwrap_or(text).to_owned();
        told && bare(&self.authority) == bare(&host.to_ascii_lowercase())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use actix_web::http::header::HeaderValue;

    const HTTP: Reached = Reached { https: Some(false), proxied: false };
    const HTTPS: Reached = Reached { https: Some(true), proxied: false };
    const PROXIED: Reached = Reached { https: None, proxied: true };

    fn allowed(pairs: &[(&str, &[u8])], reached: Reached) -> bool {
        let mut headers = HeaderMap::new();
        if pairs.iter().all(|(name, _)| *name != "host") {
            headers.append(header::HOST, HeaderValue::from_static("127.0.0.1:8000"));
        }
        for (name, value) in pairs {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            headers.append(name, HeaderValue::from_bytes(value).unwrap());
        }
        assert!(check(&Method::GET, &headers, reached).is_ok(), "reading changes nothing");
        check(&Method::POST, &headers, reached).is_ok()
    }

    #[test]
    fn only_what_proves_to_be_ours_is_let_in() {
        let own: (&str, &[u8]) = ("origin", b"http://127.0.0.1:8000");
        let site: (&str, &[u8]) = ("sec-fetch-site", b"same-origin");
        for (pairs, expected) in [
            (&[][..], true),
            (&[own], true),
            (&[own, site], true),
            (&[site], true),
            (&[("sec-fetch-site", b"none")], true),
            (&[("sec-fetch-site", b"cross-site")], false),
            (&[("sec-fetch-site", b"same-site")], false),
            (&[("sec-fetch-site", b"Same-Origin")], false),
            (&[("sec-fetch-site", b"same-origin\xff")], false),
            (&[("sec-fetch-site", b"")], false),
            (&[site, site], false),
            (&[site, ("sec-fetch-site", b"cross-site")], false),
            (&[("sec-fetch-site", b"cross-site"), own], false),
            (&[("origin", b"HTTP://127.0.0.1:8000")], true),
            (&[("origin", b"http://127.0.0.1:9000")], false),
            (&[("origin", b"https://127.0.0.1:8000")], false),
            (&[("origin", b"http://127.0.0.1:8000/")], false),
            (&[("origin", b"http://127.0.0.1:8000.")], false),
            (&[("origin", b"http://x@127.0.0.1:8000")], false),
            (&[("origin", b"http://127.0.0.1:8000, http://127.0.0.1:8000")], false),
            (&[("origin", b"127.0.0.1:8000")], false),
            (&[("origin", b"ftp://127.0.0.1:8000")], false),
            (&[("origin", b"null")], false),
            (&[("origin", b"null"), site], true),
            (&[("origin", b"NULL"), site], false),
            (&[("origin", b"null"), ("origin", b"null"), site], false),
            (&[("origin", b"")], false),
            (&[("origin", b"https://evil.example")], false),
            (&[("origin", b"https://ev\xc3\xadl.example")], false),
            (&[("origin", b"\xff")], false),
            (&[("origin", b"\xff"), site], false),
            (&[own, own], false),
            (&[own, ("origin", b"https://evil.example")], false),
            (&[("referer", b"http://127.0.0.1:8000/docs/?a=b#c")], true),
            (&[("referer", b"http://127.0.0.1:8000")], true),
            (&[("referer", b"http://127.0.0.1:8000.evil.example/")], false),
            (&[("referer", b"http://127.0.0.1:8000@evil.example/")], false),
            (&[("referer", b"https://evil.example/127.0.0.1:8000")], false),
            (&[("referer", b"http://127.0.0.1:8000/\xff")], false),
            (&[("referer", b"about:blank")], false),
            (&[("referer", b"https://evil.example/"), own], true),
        ] {
            assert_eq!(allowed(pairs, HTTP), expected, "{pairs:?}");
        }
    }

    #[test]
    fn usual_ports_may_be_left_out_and_names_are_compared_as_they_are_written() {
        for (host, origin, reached, expected) in [
            ("localhost", "http://localhost:80", HTTP, true),
            ("localhost:80", "http://localhost", HTTP, true),
            ("localhost:443", "https://localhost", HTTPS, true),
            ("localhost:443", "http://localhost", HTTP, false),
            ("localhost", "http://localhost", HTTPS, false),
            ("localhost", "https://localhost", HTTP, false),
            ("LOCALHOST:8000", "http://localhost:8000", HTTP, true),
            ("localhost:8000", "http://localhost.:8000", HTTP, false),
            ("localhost:8000", "http://127.0.0.1:8000", HTTP, false),
            ("[::1]:8000", "http://[::1]:8000", HTTP, true),
            ("provost.example", "https://provost.example", PROXIED, true),
            ("provost.example", "http://provost.example", PROXIED, true),
            ("provost.example", "http://evil.example", PROXIED, false),
        ] {
            let pairs = [("host", host.as_bytes()), ("origin", origin.as_bytes())];
            assert_eq!(allowed(&pairs, reached), expected, "{pairs:?} {reached:?}");
        }
        let own: (&str, &[u8]) = ("origin", b"http://127.0.0.1:8000");
        assert!(!allowed(&[("host", b"127.0.0.1:8000"), ("host", b"127.0.0.1:8000"), own], HTTP));
        assert!(!allowed(&[("host", b"127.0.0.1\xff"), own], HTTP));
        // Behind a proxy the host may differ; the browser's own statement counts.
        let vouched: [(&str, &[u8]); 2] = [("origin", b"https://provost.example"), ("sec-fetch-site", b"same-origin")];
        assert!(allowed(&vouched, PROXIED));
        assert!(!allowed(&vouched, HTTP), "two words that do not fit");
    }
}
