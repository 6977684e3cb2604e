//! Every route of the server, one row each: its method, its path, and what its caller must be allowed.

use axum::{
    Router,
    handler::Handler,
    http::Method,
    middleware::from_fn_with_state,
    routing::{MethodFilter, MethodRouter, on},
};

use super::{Routes, connect, door, me, watch};
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
    ]
}

fn get<T: 'static>(path: &'static str, needs: Needs, handler: impl Handler<T, Routes>) -> Route {
    Route { method: Method::GET, path, needs, handler: on(MethodFilter::GET, handler) }
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
