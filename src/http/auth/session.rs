//! Sign-in for browsers: a page asks for the key and starts a session, which a cookie names. The cookie does not contain the key,
//! scripts cannot read it, and browsers send it with requests of our own pages only.

use super::{Auth, Caller};
use crate::http::problem::{Problem, only};
use crate::http::static_files::{FILES, POLICY};
use crate::http::{State, body};
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap, HeaderValue};
use actix_web::web::{self, Data, Payload};
use actix_web::{HttpMessage, HttpRequest, HttpResponse};
use askama::Template;
use provost_domain::session::SessionToken;

pub const COOKIE: &str = "provost_session";
/// The cookie's name if the client uses https: no other site and no page over plain http can set a cookie of this name
/// (RFC 6265bis, `__Host-`).
const SECURE_COOKIE: &str = "__Host-provost_session";
/// Earlier versions kept the key itself in a cookie of this name. The cookie gives no access any more, and is removed
/// when somebody signs in or out.
const OLD_COOKIE: &str = "provost_key";
/// The longest sign-in form, in bytes. A key has 85 characters.
const LONGEST_FORM: usize = 1024;

pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/sign-in").route(web::post().to(sign_in)).default_service(only("POST")))
        .service(web::resource("/sign-out").route(web::post().to(sign_out)).default_service(only("POST")));
}

/// The session's token in the browser's cookie, if there is one.
pub fn token_of(headers: &HeaderMap, secure: bool) -> Option<&str> {
    cookie_of(headers, cookie_name(secure))
}

/// The value of a cookie.
pub fn cookie_of<'h>(headers: &'h HeaderMap, wanted: &str) -> Option<&'h str> {
    let pairs = headers.get_all(header::COOKIE).filter_map(|v| v.to_str().ok()).flat_map(|line| line.split(';'));
    pairs.filter_map(|pair| pair.trim().split_once('=')).find(|(name, _)| *name == wanted).map(|(_, value)| value)
}

fn cookie_name(secure: bool) -> &'static str {
    if secure { SECURE_COOKIE } else { COOKIE }
}

/// Whether the client prefers HTML to a problem.
pub fn wants_page(request: &actix_web::dev::ServiceRequest) -> bool {
    let accepts = request.headers().get(header::ACCEPT).and_then(|v| v.to_str().ok()).unwrap_or_default();
    request.method() == "GET" && accepts.contains("text/html")
}

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignIn<'a> {
    text: &'a str,
    icon: &'a str,
    style: &'a str,
}

/// The sign-in page, with status 401.
pub fn ask(text: &str) -> HttpResponse {
    let page = SignIn { text, icon: &FILES.icon.path, style: &FILES.style.path };
    HttpResponse::Unauthorized()
        .insert_header((header::WWW_AUTHENTICATE, "Bearer"))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .content_type("text/html; charset=utf-8")
        .insert_header((header::CONTENT_SECURITY_POLICY, POLICY))
        .body(page.render().unwrap_or_else(|_| text.to_owned()))
}

fn cookie(name: &str, value: &str, secure: bool, more: &str) -> HeaderValue {
    let secure = if secure { "; Secure" } else { "" };
    // The value is a token (letters and digits) or empty, so the header is valid.
    HeaderValue::from_str(&format!("{name}={value}; Path=/; HttpOnly; SameSite=Strict{secure}{more}"))
        .unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// Redirects to the start page and sets the session cookie to `token`; an empty token removes the cookie.
fn to_start(request: &HttpRequest, secure: bool, token: &str) -> HttpResponse {
    const GONE: &str = "; Max-Age=0";
    let mut response = HttpResponse::build(StatusCode::SEE_OTHER);
    response.insert_header((header::LOCATION, "/")).insert_header((header::CACHE_CONTROL, "no-store"));
    let more = if token.is_empty() { GONE } else { "" };
    response.append_header((header::SET_COOKIE, cookie(cookie_name(secure), token, secure, more)));
    if cookie_of(request.headers(), OLD_COOKIE).is_some() {
        response.append_header((header::SET_COOKIE, cookie(OLD_COOKIE, "", secure, GONE)));
    }
    response.finish()
}

/// Begins a new session; the browser's earlier session ends.
async fn sign_in(
    auth: Data<Auth>,
    state: Data<State>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let form = body::read(&request, payload, LONGEST_FORM.min(state.max_body_bytes)).await?;
    let text = std::str::from_utf8(&form).unwrap_or_default();
    let key = text.split('&').find_map(|pair| pair.strip_prefix("key=")).unwrap_or_default().trim_matches('+');
    let Some(caller) = request.extensions().get::<Caller>().cloned() else { return Ok(ask("Sign in again.")) };
    let Some(holder) = auth.keyring.holder(key).await else {
        auth.failed(caller.address)?;
        return Ok(ask("This key is not valid."));
    };
    auth.count(&holder)?;
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).map_err(|e| Problem::internal(&format!("the system gives no random bytes: {e}")))?;
    let secure = auth.secure(&request);
    let token = auth.keyring.begin_session(&holder.id, secret).await?;
    end(&auth, &request, secure).await?;
    tracing::info!(key = holder.label, address = %caller.address, "signed in");
    Ok(to_start(&request, secure, token.reveal()))
}

async fn sign_out(auth: Data<Auth>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let secure = auth.secure(&request);
    end(&auth, &request, secure).await?;
    Ok(to_start(&request, secure, ""))
}

/// Ends the session that a request came with.
async fn end(auth: &Auth, request: &HttpRequest, secure: bool) -> Result<(), Problem> {
    let token = token_of(request.headers(), secure).and_then(SessionToken::parse);
    if let Some(token) = token {
        auth.keyring.end_session(&token.sha256()).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use actix_web::test::TestRequest;

    #[test]
    fn the_token_is_found_among_other_cookies() {
        for (line, secure, expected) in [
            ("provost_session=1", false, Some("1")),
            ("a=b; provost_session=1; c=d", false, Some("1")),
            ("xprovost_session=1", false, None),
            ("provost_session", false, None),
            ("", false, None),
            ("provost_session=1; __Host-provost_session=2", false, Some("1")),
            ("provost_session=1; __Host-provost_session=2", true, Some("2")),
            ("provost_session=1", true, None),
        ] {
            let request = TestRequest::default().insert_header((header::COOKIE, line)).to_http_request();
            assert_eq!(token_of(request.headers(), secure), expected, "{line}");
        }
    }

    #[test]
    fn the_cookie_is_out_of_reach_of_scripts_and_other_sites() {
        let request = TestRequest::default().to_http_request();
        let set = |secure| to_start(&request, secure, "1").headers().get(header::SET_COOKIE).unwrap().clone();
        assert_eq!(set(false), "provost_session=1; Path=/; HttpOnly; SameSite=Strict");
        assert_eq!(set(true), "__Host-provost_session=1; Path=/; HttpOnly; SameSite=Strict; Secure");
    }

    #[test]
    fn the_old_cookie_with_the_key_is_taken_away() {
        let request = TestRequest::default().insert_header((header::COOKIE, "provost_key=pvk_1")).to_http_request();
        let response = to_start(&request, false, "");
        let set: Vec<_> = response.headers().get_all(header::SET_COOKIE).map(|v| v.to_str().unwrap()).collect();
        let gone = |name| format!("{name}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0");
        assert_eq!(set, [gone("provost_session"), gone("provost_key")]);
    }
}
