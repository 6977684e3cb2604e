//! `/api/v1/map`: what the console's map shows under the agents.

use axum::{Json, extract::State};
use serde::Serialize;

use super::Routes;
use crate::config::Tiles as Settings;

/// Settings of the map. A tile server's URL may hold a key, so they are for those who may see the map.
#[derive(Debug, Serialize)]
pub(super) struct Map {
    tiles: Option<Tiles>,
}

#[derive(Debug, Serialize)]
struct Tiles {
    url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    attribution: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attribution_url: Option<String>,
    max_zoom: u64,
}

/// `GET /api/v1/map`
pub(super) async fn settings(State(routes): State<Routes>) -> Json<Map> {
    let Settings { url, attribution, attribution_url, max_zoom } = routes.services.config.tiles.clone();
    Json(Map { tiles: url.map(|url| Tiles { url, attribution, attribution_url, max_zoom }) })
}
