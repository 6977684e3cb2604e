//! The web console at `/`: the files that `console/` is built into, held by the program.
//!
//! Everything but the page itself has its content's hash in its name, so browsers may keep it for good.

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use rust_embed::{EmbeddedFile, RustEmbed};

use super::{Routes, reached::Reached};
use crate::net::public::PublicUrl;

/// Read from the folder in development builds, held by the program in release builds.
#[derive(RustEmbed)]
#[folder = "console/dist"]
struct Files;

const PAGE: &str = "index.html";

/// A file of the console.
pub(super) fn file(routes: &Routes, request: &Request) -> Response {
    let headers = request.headers();
    let path = match request.uri().path().trim_start_matches('/') {
        "" => PAGE,
        path => path,
    };
    let Some(plain) = Files::get(path) else {
        return if path == PAGE {
            not_built().into_response()
        } else {
            StatusCode::NOT_FOUND.into_response()
        };
    };
    // Weak: the bytes differ where they come compressed.
    let tag = format!("W/\"{}\"", fanfare_proto::id::hex(&plain.metadata.sha256_hash()[..16]));
    let mut answer = if headers.get(header::IF_NONE_MATCH).is_some_and(|known| known == tag.as_str()) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        content(path, plain, headers)
    };
    let keep = if path.starts_with("assets/") { "public, max-age=31536000, immutable" } else { "no-cache" };
    let set = answer.headers_mut();
    set.insert(header::CACHE_CONTROL, HeaderValue::from_static(keep));
    set.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    set.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Ok(tag) = HeaderValue::try_from(tag) {
        set.insert(header::ETAG, tag);
    }
    if path == PAGE {
        protect(routes, request.extensions().get::<Reached>().map(|reached| &reached.public), set);
    }
    answer
}

/// The file's bytes, compressed when it was built if there is such a form and the browser takes it.
fn content(path: &str, plain: EmbeddedFile, headers: &HeaderMap) -> Response {
    let kind = plain.metadata.mimetype().to_owned();
    let takes_gzip = headers
        .get_all(header::ACCEPT_ENCODING)
        .iter()
        .filter_map(|accepted| accepted.to_str().ok())
        .any(|accepted| accepted.split(',').any(|coding| coding.trim() == "gzip"));
    let packed = if takes_gzip { Files::get(&format!("{path}.gz")) } else { None };
    match packed {
        Some(packed) => {
            let told = [(header::CONTENT_TYPE, kind.as_str()), (header::CONTENT_ENCODING, "gzip")];
            (told, packed.data).into_response()
        }
        None => ([(header::CONTENT_TYPE, kind)], plain.data).into_response(),
    }
}

/// What the page may load: its own files, this server on both transports, and the map tiles of the configuration.
fn protect(routes: &Routes, public: Option<&PublicUrl>, headers: &mut HeaderMap) {
    let websocket = public.map(PublicUrl::websocket_origin);
    let webtransport = public.and_then(|public| routes.webtransport(public));
    let server = [websocket, webtransport].into_iter().flatten().collect::<Vec<_>>().join(" ");
    let tiles = routes.services.config.tiles.origin().map(|origin| format!(" {origin}")).unwrap_or_default();
    let policy = format!(
        "default-src 'self'; img-src 'self' data: blob:{tiles}; connect-src 'self'{tiles} {server}; \
         frame-ancestors 'none'; base-uri 'none'; form-action 'none'; object-src 'none'"
    );
    if let Ok(policy) = HeaderValue::try_from(policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("strict-origin-when-cross-origin"));
}

fn not_built() -> &'static str {
    "Fanfare is running. Its console is not part of this build: `make console` makes it.\n\n\
     GET /api/v1/transport   how to connect\n\
     GET /health/ready       whether it takes clients\n\
     GET /metrics            its numbers\n\
     /ws                     WebSocket\n"
}
