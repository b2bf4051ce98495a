//! The credential that a request carries.

use super::session;
use actix_web::http::header::{self, HeaderMap};

#[derive(Debug, PartialEq, Eq)]
pub enum Given<'r> {
    Nothing,
    /// The text after `Bearer` in `Authorization`.
    Key(&'r str),
    /// A token in a cookie.
    Session(&'r str),
}

impl<'r> Given<'r> {
    /// The header takes precedence over the cookie: a page of another site cannot add the header.
    pub fn by(headers: &'r HeaderMap, secure: bool) -> Self {
        match headers.get(header::AUTHORIZATION) {
            Some(value) => {
                let value = value.to_str().unwrap_or_default();
                let (scheme, key) = value.split_once(' ').unwrap_or((value, ""));
                // A credential of another scheme counts as a wrong key, not as a missing one.
                Self::Key(if scheme.eq_ignore_ascii_case("bearer") { key.trim() } else { "" })
            }
            None => session::token_of(headers, secure).map_or(Self::Nothing, Self::Session),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    #[test]
    fn a_key_is_taken_from_the_header_before_the_cookie() {
        let given = |headers: &[(&str, &str)], expected: Given<'_>| {
            let mut request = TestRequest::default();
            for header in headers {
                request = request.insert_header(*header);
            }
            assert_eq!(Given::by(request.to_http_request().headers(), false), expected, "{headers:?}");
        };
        given(&[], Given::Nothing);
        given(&[("authorization", "bearer  x")], Given::Key("x"));
        given(&[("authorization", "Basic x")], Given::Key(""));
        given(&[("cookie", "provost_session=y")], Given::Session("y"));
        given(&[("cookie", "provost_key=y")], Given::Nothing);
        given(&[("cookie", "provost_session=y"), ("authorization", "Bearer x")], Given::Key("x"));
    }
}
