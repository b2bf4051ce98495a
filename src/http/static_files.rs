//! Style sheet, script and icons of the pages: compiled in, under names that contain a hash of their content, so that
//! browsers may cache them forever.

use super::problem::{Problem, only, readable};
use actix_web::HttpResponse;
use actix_web::http::header;
use actix_web::web::{self, Path};
use sha2::{Digest, Sha256};
use std::sync::LazyLock;

/// The content security policy of our pages: nothing from other hosts, and no inline script or style.
pub const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
    form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// One compiled-in file.
pub struct StaticFile {
    /// Its address, with the hash.
    pub path: String,
    kind: &'static str,
    text: &'static str,
}

impl StaticFile {
    fn new(stem: &str, extension: &str, kind: &'static str, text: &'static str) -> Self {
        let hash: String = Sha256::digest(text)[..6].iter().map(|byte| format!("{byte:02x}")).collect();
        Self { path: format!("/assets/{stem}.{hash}.{extension}"), kind, text }
    }
}

pub struct StaticFiles {
    pub style: StaticFile,
    pub script: StaticFile,
    pub icon: StaticFile,
    /// The icon while a need is open.
    pub icon_needs: StaticFile,
}

pub static FILES: LazyLock<StaticFiles> = LazyLock::new(|| {
    const SVG: &str = "image/svg+xml";
    StaticFiles {
        style: StaticFile::new("style", "css", "text/css; charset=utf-8", include_str!("pages/assets/style.css")),
        script: StaticFile::new("app", "js", "text/javascript; charset=utf-8", include_str!("pages/assets/app.js")),
        icon: StaticFile::new("icon", "svg", SVG, include_str!("pages/assets/icon.svg")),
        icon_needs: StaticFile::new("needs", "svg", SVG, include_str!("pages/assets/icon_needs.svg")),
    }
});

pub fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/assets/{file}").route(readable().to(file)).default_service(only("GET, HEAD")));
    config.service(web::resource("/favicon.ico").route(readable().to(favicon)).default_service(only("GET, HEAD")));
}

/// Browsers request this icon for an answer that is not a page.
async fn favicon() -> HttpResponse {
    HttpResponse::Found()
        .insert_header((header::LOCATION, FILES.icon.path.as_str()))
        .insert_header((header::CACHE_CONTROL, "public, max-age=86400"))
        .finish()
}

async fn file(path: Path<String>) -> Result<HttpResponse, Problem> {
    let StaticFiles { style, script, icon, icon_needs } = &*FILES;
    let wanted = format!("/assets/{path}");
    let Some(file) = [style, script, icon, icon_needs].into_iter().find(|file| file.path == wanted) else {
        return Err(Problem::no_route(&wanted));
    };
    Ok(HttpResponse::Ok()
        .content_type(file.kind)
        .insert_header((header::CACHE_CONTROL, "public, max-age=31536000, immutable"))
        .body(file.text))
}
