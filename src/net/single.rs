//! Header fields of which one line is meant: with two, which of them counts would be a guess.

use http::{HeaderMap, HeaderName, header};

/// Fields that hold one value, as far as anything here reads them. Lists may come in several lines.
static SINGLE: [HeaderName; 9] = [
    header::AUTHORIZATION,
    header::HOST,
    header::ORIGIN,
    header::CONTENT_TYPE,
    header::CONTENT_LENGTH,
    header::EXPECT,
    header::SEC_WEBSOCKET_KEY,
    header::SEC_WEBSOCKET_VERSION,
    header::ACCESS_CONTROL_REQUEST_METHOD,
];

/// A field that came twice.
pub fn twice(headers: &HeaderMap) -> Option<&'static HeaderName> {
    SINGLE.iter().find(|name| headers.get_all(*name).iter().nth(1).is_some())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn two_lines_of_one_value_are_found() {
        let mut headers = HeaderMap::new();
        let value = HeaderValue::from_static("x");
        for name in ["accept", "connection", "sec-websocket-protocol", "upgrade"] {
            headers.append(name, value.clone());
            headers.append(name, value.clone());
        }
        for name in &SINGLE {
            headers.append(name, value.clone());
            assert_eq!(twice(&headers), None);
        }
        headers.append("origin", value);
        assert_eq!(twice(&headers), Some(&header::ORIGIN));
    }
}
