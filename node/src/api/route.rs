//! What a route is, and what a resource brings: its routes and the schemas that describe them.

use super::schema::Schemas;
use super::state::ApiState;
use axum::routing::MethodRouter;

/// One method of one address.
pub struct Route {
    /// HTTP method, in lower case.
    pub method: &'static str,
    /// Address, with `{…}` for parameters.
    pub path: &'static str,
    /// What it does, in one sentence.
    pub summary: &'static str,
    /// Parameters in the query.
    pub query: &'static [Parameter],
    /// Name of the body's schema.
    pub body: Option<&'static str>,
    /// Status and media type when it went well.
    pub success: (u16, &'static str),
    /// Name of the answer's schema.
    pub answer: &'static str,
    /// Whether it answers without a token: the ways in.
    pub is_entrance: bool,
    /// What answers it.
    pub handler: fn() -> MethodRouter<ApiState>,
}

/// Name, JSON type, whether required, description.
pub type Parameter = (&'static str, &'static str, bool, &'static str);

/// What one file of this folder serves.
#[derive(Debug)]
pub struct Resource {
    /// Its routes.
    pub routes: &'static [Route],
    /// The schemas that these name, each by its name. No two resources describe the same one.
    pub schemas: fn() -> Schemas,
}

impl std::fmt::Debug for Route {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

const JSON: (u16, &str) = (200, "application/json");

/// A `GET` that answers JSON.
pub const fn read(path: &'static str, answer: &'static str, summary: &'static str, handler: fn() -> MethodRouter<ApiState>) -> Route {
    Route { method: "get", path, summary, query: &[], body: None, success: JSON, answer, is_entrance: false, handler }
}

/// A `POST` that answers JSON.
pub const fn change(
    path: &'static str,
    body: Option<&'static str>,
    answer: &'static str,
    summary: &'static str,
    handler: fn() -> MethodRouter<ApiState>,
) -> Route {
    Route { method: "post", path, summary, query: &[], body, success: JSON, answer, is_entrance: false, handler }
}
