//! `/openapi.json`, `/asyncapi.json`, Swagger UI at `/docs`, ReDoc at `/redoc`: all from the binary, nothing from another host.

use super::asyncapi;
use super::openapi;
use super::problem::{only, readable};
use actix_web::http::header;
use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse};
use std::io::Read;
use std::sync::OnceLock;

const SCRIPT: &str = "text/javascript; charset=utf-8";

/// A file of another project, compressed with gzip.
struct Compressed {
    kind: &'static str,
    gzip: &'static [u8],
    /// Decompressed once, because it takes some milliseconds.
    plain: OnceLock<Option<Bytes>>,
}

impl Compressed {
    const fn new(kind: &'static str, gzip: &'static [u8]) -> Self {
        Self { kind, gzip, plain: OnceLock::new() }
    }

    fn plain(&self) -> Option<Bytes> {
        let decompress = || {
            let mut plain = Vec::new();
            flate2::read::GzDecoder::new(self.gzip).read_to_end(&mut plain).ok().map(|_| Bytes::from(plain))
        };
        self.plain.get_or_init(decompress).clone()
    }

    fn answer(&self, request: &HttpRequest) -> HttpResponse {
        let mut response = HttpResponse::Ok();
        response
            .content_type(self.kind)
            .insert_header((header::CACHE_CONTROL, "max-age=86400"))
            .insert_header((header::VARY, "accept-encoding"));
        if takes_gzip(request) {
            return response.insert_header((header::CONTENT_ENCODING, "gzip")).body(self.gzip);
        }
        match self.plain() {
            Some(plain) => response.body(plain),
            None => HttpResponse::InternalServerError().body("the file cannot be decompressed"),
        }
    }
}

/// Whether the client takes gzip: the header names it, with a weight above 0.
fn takes_gzip(request: &HttpRequest) -> bool {
    let accepted = request.headers().get(header::ACCEPT_ENCODING).and_then(|v| v.to_str().ok()).unwrap_or_default();
    accepted.split(',').any(|one| {
        let mut parts = one.split(';').map(str::trim);
        let is_gzip = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip"));
        let weight = parts.find_map(|part| part.strip_prefix("q=")).map_or(Ok(1.0), str::parse::<f32>);
        is_gzip && weight.is_ok_and(|weight| weight > 0.0)
    })
}

/// ReDoc 2.5.4 (MIT; see assets/redoc.LICENSE). Its logo, which would be loaded from another host, is removed.
static REDOC: Compressed = Compressed::new(SCRIPT, include_bytes!("assets/redoc.standalone.js.gz"));
/// Swagger UI 5.32.6 (Apache-2.0; see assets/swagger-ui.LICENSE). The style sheet's line that names its source map is removed.
static SWAGGER: Compressed = Compressed::new(SCRIPT, include_bytes!("assets/swagger-ui-bundle.js.gz"));
static SWAGGER_STYLE: Compressed =
    Compressed::new("text/css; charset=utf-8", include_bytes!("assets/swagger-ui.css.gz"));

/// By default Swagger UI sends the document to a validator on another host; `validatorUrl: "none"` turns that off.
const SWAGGER_START: &str = r##"window.ui = SwaggerUIBundle({
  url: "/openapi.json", dom_id: "#swagger-ui", deepLinking: true, tryItOutEnabled: true, validatorUrl: "none",
});
"##;

const SWAGGER_PAGE: &str = r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Provost: API reference</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="stylesheet" href="/docs/swagger-ui.css">
<style>body { margin: 0; background: #fafafa; }</style>
</head>
<body>
<div id="swagger-ui"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/swagger-initializer.js"></script>
</body>
</html>
"#;

const REDOC_PAGE: &str = r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Provost: API reference</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>body { margin: 0; }</style>
</head>
<body>
<redoc spec-url="/openapi.json" disable-google-font="true" hide-download-button="false"></redoc>
<script src="/redoc/redoc.standalone.js"></script>
</body>
</html>
"#;

pub fn routes(config: &mut web::ServiceConfig) {
    let file = |path: &str, file: &'static Compressed| {
        let answer = move |request: HttpRequest| async move { file.answer(&request) };
        web::resource(path).route(readable().to(answer)).default_service(only("GET, HEAD"))
    };
    let text = |path: &str, kind: &'static str, text: &'static str| {
        let answer = move || async move { HttpResponse::Ok().content_type(kind).body(text) };
        web::resource(path).route(readable().to(answer)).default_service(only("GET, HEAD"))
    };
    let page = "text/html; charset=utf-8";
    config
        .service(text("/docs", page, SWAGGER_PAGE))
        .service(file("/docs/swagger-ui.css", &SWAGGER_STYLE))
        .service(file("/docs/swagger-ui-bundle.js", &SWAGGER))
        .service(text("/docs/swagger-initializer.js", SCRIPT, SWAGGER_START))
        .service(text("/redoc", page, REDOC_PAGE))
        .service(file("/redoc/redoc.standalone.js", &REDOC))
        .service(web::resource("/openapi.json").route(web::get().to(openapi_document)).default_service(only("GET")))
        .service(
            web::resource("/asyncapi.json").route(readable().to(asyncapi_document)).default_service(only("GET, HEAD")),
        );
}

async fn openapi_document() -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(openapi::text())
}

async fn asyncapi_document() -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(asyncapi::text())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use actix_web::body::to_bytes;
    use actix_web::test::TestRequest;

    #[actix_web::test]
    async fn a_file_is_the_same_compressed_and_plain() {
        for file in [&REDOC, &SWAGGER, &SWAGGER_STYLE] {
            let plain = file.answer(&TestRequest::default().to_http_request());
            assert_eq!(plain.headers().get(header::CONTENT_ENCODING), None);
            let plain = to_bytes(plain.into_body()).await.unwrap();
            let request =
                TestRequest::default().insert_header((header::ACCEPT_ENCODING, "br, GZIP;q=0.5")).to_http_request();
            let packed = file.answer(&request);
            assert_eq!(packed.headers().get(header::CONTENT_ENCODING).unwrap(), "gzip");
            assert_eq!(packed.headers().get(header::VARY).unwrap(), "accept-encoding");
            let packed = to_bytes(packed.into_body()).await.unwrap();
            let mut unpacked = Vec::new();
            flate2::read::GzDecoder::new(&packed[..]).read_to_end(&mut unpacked).unwrap();
            assert!(plain.len() > 100_000 && plain == unpacked);
        }
        for refused in ["identity", "gzip;q=0", "gzip; q=0.0, br", "x-gzip-like"] {
            let request = TestRequest::default().insert_header((header::ACCEPT_ENCODING, refused)).to_http_request();
            assert!(!takes_gzip(&request), "{refused}");
        }
    }
}
