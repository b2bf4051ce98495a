//! Security headers that restrict what browsers do with the answers. There is no CORS: other origins cannot read
//! anything.

use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};

/// For the API's documentation. ReDoc and Swagger UI create style elements; ReDoc searches in a worker that it creates,
/// and both have images in their style sheets.
const PAGE: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; \
    font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; form-action 'self'; base-uri 'none'; \
    frame-ancestors 'none'";
/// For everything else: data and images.
const DATA: &str = "default-src 'none'; frame-ancestors 'none'";
const SVG: &str = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";

pub fn add(headers: &mut HeaderMap, tls: bool) {
    let kind = headers.get(header::CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    let policy = match kind {
        kind if kind.starts_with(b"text/html") => PAGE,
        kind if kind.starts_with(b"image/svg") => SVG,
        _ => DATA,
    };
    let has_policy = headers.contains_key(header::CONTENT_SECURITY_POLICY);
    let mut set = |name: HeaderName, value: &'static str| headers.insert(name, HeaderValue::from_static(value));
    // Our own pages set a stricter policy.
    if !has_policy {
        set(header::CONTENT_SECURITY_POLICY, policy);
    }
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::X_FRAME_OPTIONS, "DENY");
    set(header::REFERRER_POLICY, "no-referrer");
    set(HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
    set(HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
    if tls {
        // Two years.
        set(header::STRICT_TRANSPORT_SECURITY, "max-age=63072000");
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn each_kind_of_answer_has_its_policy() {
        for (kind, policy) in [
            (Some("text/html; charset=utf-8"), PAGE),
            (Some("image/svg+xml"), SVG),
            (Some("application/json"), DATA),
            (None, DATA),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(kind) = kind {
                headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
            }
            add(&mut headers, kind.is_none());
            assert_eq!(headers.get(header::CONTENT_SECURITY_POLICY).unwrap(), policy);
            assert!(policy.contains("frame-ancestors 'none'"));
            assert_eq!(headers.contains_key(header::STRICT_TRANSPORT_SECURITY), kind.is_none());
        }
    }
}
