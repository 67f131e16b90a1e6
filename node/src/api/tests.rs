//! Every resource is served and described.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]
use super::openapi::{document, operation_id};
use super::*;
use std::collections::BTreeSet;

fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                if let (true, Some(target)) = (key == "$ref", value.as_str()) {
                    found.insert(target.to_owned());
                }
                references(value, found);
            }
        }
        Value::Array(values) => values.iter().for_each(|value| references(value, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn every_route_is_described_and_nothing_else() {
    let document = document(RESOURCES);
    let described: BTreeSet<(String, String)> = document["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, methods)| methods.as_object().unwrap().keys().map(move |method| (path.clone(), method.clone())))
        .collect();
    let routed: BTreeSet<(String, String)> = routes().map(|route| (route.path.to_owned(), route.method.to_owned())).collect();
    assert_eq!(described, routed);
    assert_eq!(routes().count(), routed.len(), "no route stands twice");
}

#[test]
fn every_reference_leads_somewhere_and_every_schema_is_used() {
    let document = document(RESOURCES);
    let mut found = BTreeSet::new();
    references(&document, &mut found);
    for target in &found {
        assert!(document.pointer(target.trim_start_matches('#')).is_some(), "{target}");
    }
    for name in document["components"]["schemas"].as_object().unwrap().keys() {
        assert!(found.contains(&format!("#/components/schemas/{name}")), "{name} is not used");
    }
}

#[test]
fn no_schema_is_described_twice() {
    let names: Vec<_> = RESOURCES.iter().flat_map(|resource| (resource.schemas)()).map(|(name, _)| name).collect();
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
}

#[test]
fn operation_ids_are_unique() {
    let ids: BTreeSet<_> = routes().map(operation_id).collect();
    assert_eq!(ids.len(), routes().count());
}
