//! The API's description (OpenAPI 3.1), made from the resources that it is handed.

use super::errors::Fault;
use super::route::{Resource, Route, read};
use super::schema::{id, number, object, reference, text, texts};
use super::state::ApiState;
use axum::Json;
use axum::extract::State;
use axum::routing::get;
use serde_json::{Map, Value, json};

/// Route and schema.
pub const RESOURCE: Resource = Resource {
    routes: &[read("/api/v1/openapi.json", "Description", "This description.", || get(description))],
    schemas: || vec![("Description", json!({ "type": "object" }))],
};

async fn description(State(state): State<ApiState>) -> Json<Value> {
    Json(state.describe())
}

/// The whole document.
pub fn document(resources: &[Resource]) -> Value {
    let mut paths = Map::new();
    for route in resources.iter().flat_map(|resource| resource.routes) {
        let methods = paths.entry(route.path).or_insert_with(|| json!({}));
        if let Some(methods) = methods.as_object_mut() {
            methods.insert(route.method.to_owned(), operation(route));
        }
    }
    let problems: Map<String, Value> = Fault::ALL
        .into_iter()
        .map(|fault| {
            let entry = fault.entry();
            let problem = json!({ "status": entry.status, "title": entry.title, "detail": entry.detail, "hint": entry.hint });
            (entry.kind.to_owned(), problem)
        })
        .collect();
    let schemas = resources.iter().flat_map(|resource| (resource.schemas)()).chain([("Problem", problem())]);
    let schemas: Map<String, Value> = schemas.map(|(name, schema)| (name.to_owned(), schema)).collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Symbolon, local API of a node",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "On loopback only. Every request but those of `/api/v1/session` needs a bearer token: that of the data \
                folder (`api-token`), or a session, for which the page trades the one-time token of its address.",
        },
        "paths": paths,
        "security": [{ "bearer": [] }],
        "components": {
            "securitySchemes": {
                "bearer": { "type": "http", "scheme": "bearer" },
            },
            "responses": {
                "Problem": {
                    "description": "Not done. `error` is one of the names under `x-problems`.",
                    "content": { "application/problem+json": { "schema": reference("Problem") } },
                },
            },
            "schemas": schemas,
            "x-problems": problems,
        },
    })
}

fn operation(route: &Route) -> Value {
    let in_path = route.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let path_parameters = in_path.map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }));
    let query_parameters = route.query.iter().map(|(name, kind, required, description)| {
        json!({ "name": name, "in": "query", "required": required, "description": description, "schema": { "type": kind } })
    });
    let (status, media) = route.success;
    let mut operation = json!({
        "summary": route.summary,
        "operationId": operation_id(route),
        "parameters": path_parameters.chain(query_parameters).collect::<Vec<_>>(),
        "responses": {
            status.to_string(): { "description": "Done.", "content": { media: { "schema": reference(route.answer) } } },
            "default": { "$ref": "#/components/responses/Problem" },
        },
    });
    if let (true, Some(operation)) = (route.is_entrance, operation.as_object_mut()) {
        operation.insert("security".to_owned(), json!([]));
    }
    if let (Some(body), Some(operation)) = (route.body, operation.as_object_mut()) {
        let content = json!({ "application/json": { "schema": reference(body) } });
        operation.insert("requestBody".to_owned(), json!({ "required": true, "content": content }));
    }
    operation
}

/// The name of a route for programs that are made from the description.
pub fn operation_id(route: &Route) -> String {
    let path = route.path.trim_start_matches("/api/v1/").replace(['{', '}'], "").replace(['/', '.', '-'], "_");
    format!("{}_{path}", route.method)
}

/// What is answered when something is not done.
fn problem() -> Value {
    let problem = json!({
        "type": text(),
        "title": text(),
        "status": number(),
        "detail": text(),
        "error": text(),
        "hint": text(),
        "candidates": texts(),
        "choices": { "type": "array", "items": object(json!({ "id": id(), "name": text() }), &[]) },
    });
    object(problem, &["candidates", "choices"])
}
