//! Streets under the console's map.

use std::borrow::Cow;

use http::Uri;
use serde::Deserialize;

use super::{Invalid, within};

/// See [`Config::tiles`](super::Config::tiles).
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tiles {
    /// Where raster tiles are, with `{z}`, `{x}` and `{y}`: a URL, or a path of the console's own server. Without it
    /// the map has its outlines only, and the page asks no third party for anything.
    pub url: Option<String>,
    /// Whose data they show, as their licence asks for.
    pub attribution: Option<String>,
    /// What the attribution links to.
    pub attribution_url: Option<String>,
    /// The closest zoom that there are tiles for.
    pub max_zoom: u64,
}

impl Default for Tiles {
    fn default() -> Self {
        Self { url: None, attribution: None, attribution_url: None, max_zoom: 19 }
    }
}

impl Tiles {
    pub(super) fn check(&self) -> Result<(), Invalid> {
        within(self.max_zoom, 1..=24, "tiles.max_zoom")?;
        if let Some(url) = &self.url {
            template(url).map_err(|problem| content("tiles.url", problem))?;
        }
        if let Some(link) = &self.attribution_url {
            let good =
                link.parse::<Uri>().is_ok_and(|uri| matches!(uri.scheme_str(), Some("http" | "https")));
            if !good {
                return Err(content("tiles.attribution_url", "it must be a URL of http or https"));
            }
        }
        if self.attribution_url.is_some() && self.attribution.is_none() {
            return Err(content(
                "tiles.attribution_url",
                "it needs tiles.attribution, the text that is the link",
            ));
        }
        Ok(())
    }

    /// The origin that a page must be allowed to load from, besides its own.
    pub fn origin(&self) -> Option<&str> {
        self.url.as_deref().and_then(origin)
    }
}

fn content(key: &'static str, problem: impl Into<Cow<'static, str>>) -> Invalid {
    Invalid::Content { key: key.into(), problem: problem.into().into_owned() }
}

/// Whether a text is an origin, and nothing else: scheme, host and port.
fn is_origin(text: &str) -> bool {
    let Ok(uri) = text.parse::<Uri>() else { return false };
    let (Some(scheme @ ("http" | "https")), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return false;
    };
    text == format!("{scheme}://{authority}") && !authority.as_str().contains('@')
}

/// `https://host:port` of a URL; none of a path. What it answers stands in a header, so it holds nothing else.
fn origin(url: &str) -> Option<&str> {
    if url.starts_with('/') {
        return None;
    }
    let start = url.find("://")? + 3;
    let end = url[start..].find('/').map_or(url.len(), |at| start + at);
    let origin = &url[..end];
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '/' | '[' | ']');
    (is_origin(origin) && origin.chars().all(plain)).then_some(origin)
}

fn template(url: &str) -> Result<(), &'static str> {
    if !url.chars().all(|c| c.is_ascii_graphic()) {
        return Err("it must be ASCII without blanks; other characters are written as % and their code");
    }
    let path = match (url.strip_prefix('/'), origin(url)) {
        // Two slashes begin another host.
        (Some(path), _) if !path.starts_with('/') => path,
        (None, Some(origin)) => &url[origin.len()..],
        _ => {
            return Err(
                "it must begin with http://HOST/ or https://HOST/, or be a path that begins with one /, \
                        without a user or password",
            );
        }
    };
    let mut rest = path.to_owned();
    for part in ["{z}", "{x}", "{y}"] {
        if rest.matches(part).count() != 1 {
            return Err("it must hold {z}, {x} and {y}, once each, in its path or query");
        }
        rest = rest.replace(part, "0");
    }
    if rest.contains(['{', '}']) {
        return Err("it knows {z}, {x} and {y} only");
    }
    if rest.contains('#') {
        return Err("it must hold no #");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tiles(url: &str) -> Tiles {
        Tiles { url: Some(url.into()), ..Tiles::default() }
    }

    #[test]
    fn a_url_or_a_path_of_our_own() {
        for (url, origin) in [
            ("https://tiles.example.org/{z}/{x}/{y}.png", Some("https://tiles.example.org")),
            ("http://10.0.0.7:8080/styles/bright/{z}/{x}/{y}@2x.png?key=a%20b", Some("http://10.0.0.7:8080")),
            ("https://[2001:db8::1]:8443/t?z={z}&x={x}&y={y}", Some("https://[2001:db8::1]:8443")),
            ("/tiles/{z}/{x}/{y}.webp", None),
        ] {
            let tiles = tiles(url);
            assert!(tiles.check().is_ok(), "{url}: {:?}", tiles.check());
            assert_eq!(tiles.origin(), origin, "{url}");
        }
        assert!(Tiles::default().check().is_ok());
        assert_eq!(Tiles::default().origin(), None);
    }

    #[test]
    fn what_cannot_be_a_template_is_refused() {
        for url in [
            "",
            "tiles/{z}/{x}/{y}.png",
            "//other.example.org/{z}/{x}/{y}.png",
            "ftp://tiles.example.org/{z}/{x}/{y}.png",
            "javascript:alert({z}{x}{y})",
            "https://{z}.example.org/{x}/{y}.png",
            "https://tiles.example.org/{z}/{x}.png",
            "https://tiles.example.org/{z}/{z}/{x}/{y}.png",
            "https://tiles.example.org/{s}/{z}/{x}/{y}.png",
            "https://user:password@tiles.example.org/{z}/{x}/{y}.png",
            "https://a.example.org; script-src *//{z}/{x}/{y}.png",
            "https://a.example.org;script-src/{z}/{x}/{y}.png",
            "https://*.example.org/{z}/{x}/{y}.png",
            "https://a.example.org,b/{z}/{x}/{y}.png",
            "https://tiles.example.org/{z}/{x}/{y}.png#a",
            "https://tiles.example.org/zürich/{z}/{x}/{y}.png",
        ] {
            let told = tiles(url).check().map_err(|error| error.to_string());
            assert!(told.is_err_and(|told| told.starts_with("tiles.url: ")), "{url}");
        }
        for (text, link) in
            [(Some("Us"), "javascript:alert(1)"), (Some("Us"), "example.org"), (None, "https://example.org")]
        {
            let tiles = Tiles {
                attribution: text.map(str::to_owned),
                attribution_url: Some(link.into()),
                ..Tiles::default()
            };
            assert!(tiles.check().is_err(), "{link}");
        }
    }
}
