//! The words in which resources describe their JSON (JSON Schema, as OpenAPI 3.1 takes it).

use serde_json::{Value, json};

/// Schemas, each with its name.
pub type Schemas = Vec<(&'static str, Value)>;

/// An object whose fields are all there, but for those in `optional`.
pub fn object(fields: Value, optional: &[&str]) -> Value {
    let required: Vec<String> = fields
        .as_object()
        .map(|fields| fields.keys().filter(|key| !optional.contains(&key.as_str())).cloned().collect())
        .unwrap_or_default();
    json!({ "type": "object", "properties": fields, "required": required })
}

/// Another schema, by its name.
pub fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// A list of what another schema describes.
pub fn list(name: &str) -> Value {
    json!({ "type": "array", "items": reference(name) })
}

/// One of these words.
pub fn word(words: &[&str]) -> Value {
    json!({ "type": "string", "enum": words })
}

/// Any text.
pub fn text() -> Value {
    json!({ "type": "string" })
}

/// A text that may be missing.
pub fn text_or_null() -> Value {
    json!({ "type": ["string", "null"] })
}

/// A list of texts.
pub fn texts() -> Value {
    json!({ "type": "array", "items": { "type": "string" } })
}

/// Yes or no.
pub fn flag() -> Value {
    json!({ "type": "boolean" })
}

/// A count.
pub fn number() -> Value {
    json!({ "type": "integer", "minimum": 0 })
}

/// An id of any kind.
pub fn id() -> Value {
    json!({ "type": "string", "description": "Lower-case base32 without padding." })
}

/// A moment.
pub fn time() -> Value {
    json!({ "type": "string", "format": "date-time", "description": "RFC 3339, UTC." })
}

/// What a name looks like.
pub fn beware() -> Value {
    json!({ "type": ["string", "null"], "description": "What the name could be taken for." })
}
