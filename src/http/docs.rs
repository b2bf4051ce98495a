//! `/openapi.json`, `/asyncapi.json`, Swagger UI at `/docs`, ReDoc at `/redoc`: all from the binary, nothing from another host.

use super::asyncapi;
use super::openapi;
use super::problem::{no_such_route, only, readable};
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::{StatusCode, header};
use actix_web::middleware::{Next, from_fn};
use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse};
use std::io::Read;
use std::sync::OnceLock;
use utoipa_swagger_ui::{Config, SwaggerUi};

/// ReDoc 2.5.4 (MIT; see assets/redoc.LICENSE), gzip. Its logo, which would be loaded from another host, is removed.
const REDOC: &[u8] = include_bytes!("assets/redoc.standalone.js.gz");

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
    config
        .service(web::resource("/docs").route(readable().to(to_docs)).default_service(only("GET, HEAD")))
        .service(
            web::scope("/docs")
                .wrap(from_fn(told_if_missing))
                .service(
                    SwaggerUi::new("/{_:.*}")
                        // The default would use a validator on another host.
                        .config(Config::new(["/openapi.json"]).validator_url("none").try_it_out_enabled(true)),
                )
                // Swagger UI answers GET only; its resource lets other methods pass.
                .service(web::resource("/{file:.*}").default_service(only("GET"))),
        )
        .service(web::resource("/openapi.json").route(web::get().to(openapi_document)).default_service(only("GET")))
        .service(
            web::resource("/asyncapi.json").route(readable().to(asyncapi_document)).default_service(only("GET, HEAD")),
        )
        .service(web::resource("/redoc").route(readable().to(|| page(REDOC_PAGE))).default_service(only("GET, HEAD")))
        .service(
            web::resource("/redoc/redoc.standalone.js").route(readable().to(redoc)).default_service(only("GET, HEAD")),
        );
}

/// Swagger UI answers with an empty body for a missing file.
async fn told_if_missing(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let response = next.call(request).await?;
    if response.status() != StatusCode::NOT_FOUND {
        return Ok(response.map_into_boxed_body());
    }
    let told = no_such_route(response.request().clone()).await;
    Ok(response.into_response(told))
}

async fn page(html: &'static str) -> HttpResponse {
    HttpResponse::Ok().content_type("text/html; charset=utf-8").body(html)
}

async fn openapi_document() -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(openapi::text())
}

async fn asyncapi_document() -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(asyncapi::text())
}

async fn to_docs() -> HttpResponse {
    HttpResponse::PermanentRedirect().insert_header((header::LOCATION, "/docs/")).finish()
}

async fn redoc(request: HttpRequest) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    response.content_type("text/javascript; charset=utf-8").insert_header((header::CACHE_CONTROL, "max-age=86400"));
    let accepted = request.headers().get(header::ACCEPT_ENCODING).and_then(|v| v.to_str().ok()).unwrap_or_default();
    if accepted.contains("gzip") {
        return response.insert_header((header::CONTENT_ENCODING, "gzip")).body(REDOC);
    }
    // Decompressed once, because it takes some milliseconds.
    static SCRIPT: OnceLock<Option<Bytes>> = OnceLock::new();
    let decompressed = SCRIPT.get_or_init(|| {
        let mut script = Vec::new();
        flate2::read::GzDecoder::new(REDOC).read_to_end(&mut script).ok().map(|_| Bytes::from(script))
    });
    match decompressed {
        Some(script) => response.body(script.clone()),
        None => HttpResponse::InternalServerError().body("the script cannot be decompressed"),
    }
}
