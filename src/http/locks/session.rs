//! Browsers: a page asks for the key, and a cookie keeps it until the browser is closed. The cookie is out of reach of
//! scripts and is sent on requests of our own pages only.

use super::{Caller, Locks};
use crate::http::problem::only;
use crate::http::{State, body};
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap, HeaderValue};
use actix_web::web::{self, Data, Payload};
use actix_web::{HttpMessage, HttpRequest, HttpResponse};

const COOKIE: &str = "provost_key";
/// A key has 85 characters.
const LONGEST_FORM: usize = 1024;

pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/sign-in").route(web::post().to(sign_in)).default_service(only("POST")))
        .service(web::resource("/sign-out").route(web::post().to(sign_out)).default_service(only("POST")));
}

/// The key that the browser keeps, if it does.
pub fn key_of(headers: &HeaderMap) -> Option<&str> {
    let pairs = headers.get_all(header::COOKIE).filter_map(|v| v.to_str().ok()).flat_map(|line| line.split(';'));
    pairs.filter_map(|pair| pair.trim().split_once('=')).find(|(name, _)| *name == COOKIE).map(|(_, value)| value)
}

/// Whether who asks would rather see a page than a problem.
pub fn wants_page(request: &actix_web::dev::ServiceRequest) -> bool {
    let accepts = request.headers().get(header::ACCEPT).and_then(|v| v.to_str().ok()).unwrap_or_default();
    request.method() == "GET" && accepts.contains("text/html")
}

fn page(title: &str, text: &str) -> String {
    format!(
        r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Provost: {title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
body {{ font: 16px/1.6 system-ui, sans-serif; max-width: 32rem; margin: 4rem auto; padding: 0 1.5rem; color: #1d2733; }}
input {{ font: 1em ui-monospace, monospace; width: 100%; box-sizing: border-box; padding: .4rem; margin: .3rem 0 1rem; }}
button {{ font: inherit; padding: .3rem 1rem; }} a {{ color: #0b62a8; }}
</style>
</head>
<body>
<h1>Provost</h1>
<p>{text}</p>
<form method="post" action="/sign-in">
<label for="key">API key</label>
<input id="key" name="key" type="password" autocomplete="current-password" required autofocus>
<button>Sign in</button>
</form>
<p><a href="/docs/">/docs</a> and <a href="/redoc">/redoc</a> are open.</p>
</body>
</html>
"#
    )
}

/// 401 as a page.
pub fn ask(text: &str) -> HttpResponse {
    HttpResponse::Unauthorized()
        .insert_header((header::WWW_AUTHENTICATE, "Bearer"))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .content_type("text/html; charset=utf-8")
        .body(page("sign in", text))
}

fn cookie(value: &str, secure: bool, more: &str) -> HeaderValue {
    let secure = if secure { "; Secure" } else { "" };
    // What is set here is a key's text or nothing: letters, digits and underscores.
    HeaderValue::from_str(&format!("{COOKIE}={value}; Path=/; HttpOnly; SameSite=Strict{secure}{more}"))
        .unwrap_or_else(|_| HeaderValue::from_static(""))
}

fn to_start(cookie: HeaderValue) -> HttpResponse {
    HttpResponse::build(StatusCode::SEE_OTHER)
        .insert_header((header::LOCATION, "/"))
        .insert_header((header::SET_COOKIE, cookie))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .finish()
}

async fn sign_in(
    locks: Data<Locks>,
    state: Data<State>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, crate::http::problem::Problem> {
    let form = body::read(&request, payload, LONGEST_FORM.min(state.max_body_bytes)).await?;
    let text = std::str::from_utf8(&form).unwrap_or_default();
    let key = text.split('&').find_map(|pair| pair.strip_prefix("key=")).unwrap_or_default().trim_matches('+');
    let Some(caller) = request.extensions().get::<Caller>().cloned() else { return Ok(ask("Once more, please.")) };
    match locks.keyring.holder(key).await {
        Some(holder) => {
            tracing::info!(key = holder.label, address = %caller.address, "signed in");
            Ok(to_start(cookie(key, locks.secure(&request), "")))
        }
        None => match locks.failed(caller.address) {
            Ok(()) => Ok(ask("This is no valid key.")),
            Err(problem) => Err(problem),
        },
    }
}

async fn sign_out(locks: Data<Locks>, request: HttpRequest) -> HttpResponse {
    to_start(cookie("", locks.secure(&request), "; Max-Age=0"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use actix_web::test::TestRequest;

    #[test]
    fn the_key_is_found_among_other_cookies() {
        for (line, expected) in [
            ("provost_key=pvk_1", Some("pvk_1")),
            ("a=b; provost_key=pvk_1; c=d", Some("pvk_1")),
            ("xprovost_key=pvk_1", None),
            ("provost_key", None),
            ("", None),
        ] {
            let request = TestRequest::default().insert_header((header::COOKIE, line)).to_http_request();
            assert_eq!(key_of(request.headers()), expected, "{line}");
        }
    }

    #[test]
    fn the_cookie_is_out_of_reach_of_scripts_and_other_sites() {
        let set = cookie("pvk_1", true, "");
        assert_eq!(set.to_str().unwrap(), "provost_key=pvk_1; Path=/; HttpOnly; SameSite=Strict; Secure");
    }
}
