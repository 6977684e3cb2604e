//! Every route of the server, one row each: its method, its path, and what its caller must be allowed.

use axum::{
    Router,
    handler::Handler,
    http::Method,
    middleware::from_fn_with_state,
    routing::{MethodFilter, MethodRouter, on},
};

use super::{Routes, connect, connections, door, map, me, revocations, watch};
use crate::auth::policy::Action;

/// What a route asks of its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Nothing: it tells nothing of anybody, or leads to a door of its own.
    Nothing,
    /// A good token of somebody who may do this.
    Right(Action),
}

/// A row.
#[derive(Debug)]
pub struct Route {
    /// The method; GET includes HEAD.
    pub method: Method,
    /// The path, with `{}` around the names of its variable parts.
    pub path: &'static str,
    /// What its caller must be allowed.
    pub needs: Needs,
    handler: MethodRouter<Routes>,
}

/// The rows.
pub fn table() -> Vec<Route> {
    use Needs::{Nothing, Right};
    vec![
        get("/ws", Nothing, connect::upgrade),
        get(super::TRANSPORT, Nothing, connect::transport),
        get("/health/live", Nothing, watch::live),
        get("/health/ready", Nothing, watch::ready),
        get("/metrics", Nothing, watch::metrics),
        get("/api/v1/me", Right(Action::Connect), me::who),
        get("/api/v1/map", Right(Action::WatchLocations), map::settings),
        get("/api/v1/connections", Right(Action::SeeConnections), connections::list),
        delete("/api/v1/connections/{connection_id}", Right(Action::Disconnect), connections::close),
        get("/api/v1/revocations", Right(Action::Revoke), revocations::list),
        post("/api/v1/revocations", Right(Action::Revoke), revocations::make),
        delete("/api/v1/revocations/{revocation_id}", Right(Action::Revoke), revocations::lift),
    ]
}

fn get<T: 'static>(path: &'static str, needs: Needs, handler: impl Handler<T, Routes>) -> Route {
    Route { method: Method::GET, path, needs, handler: on(MethodFilter::GET, handler) }
}

fn post<T: 'static>(path: &'static str, needs: Needs, handler: impl Handler<T, Routes>) -> Route {
    Route { method: Method::POST, path, needs, handler: on(MethodFilter::POST, handler) }
}

fn delete<T: 'static>(path: &'static str, needs: Needs, handler: impl Handler<T, Routes>) -> Route {
    Route { method: Method::DELETE, path, needs, handler: on(MethodFilter::DELETE, handler) }
}

/// The rows as a router. Whoever lacks what a row asks for does not get to its handler.
pub(super) fn router(routes: &Routes) -> Router<Routes> {
    let mut router = Router::new();
    for Route { path, needs, handler, .. } in table() {
        let handler = match needs {
            Needs::Nothing => handler,
            Needs::Right(action) => {
                handler.route_layer(from_fn_with_state((routes.clone(), action), door::enter))
            }
        };
        router = router.route(path, handler);
    }
    router
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documents_show_every_route() {
        let text = include_str!("../../docs/api.md");
        for Route { method, path, needs, .. } in table() {
            let right = match needs {
                Needs::Nothing => String::new(),
                Needs::Right(action) => format!("`{}` ", action.as_str()),
            };
            let row = format!("| `{method} {path}` | {right}|");
            assert!(text.contains(&row), "docs/api.md lacks {row}");
        }
    }
}
