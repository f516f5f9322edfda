//! The OpenAPI document: poem-openapi's, mended so that generated clients take all of it.

use poem::http::Method;
use serde_json::{Map, Value, json};

use crate::routes;

/// The document as JSON.
#[must_use]
pub fn document() -> Value {
    let text = routes::service().spec();
    // poem-openapi writes JSON.
    let mut document: Value = serde_json::from_str(&text).unwrap_or_default();
    mend(&mut document);
    document
}

/// The document as it is committed and served.
#[must_use]
pub fn yaml() -> String {
    serde_yaml::to_string(&document()).unwrap_or_default()
}

/// What poem-openapi writes and generators stumble over.
fn mend(document: &mut Value) {
    document["openapi"] = json!("3.0.3");
    walk(document, &mut |map| {
        mend_content_types(map);
        mend_all_of(map);
        mend_header_names(map);
        mend_integers(map);
        if map.get("format") == Some(&json!("binary")) {
            // An empty file is refused.
            map.insert("minLength".into(), json!(1));
        }
    });
}

/// Calls `change` on every object, the inner ones first.
fn walk(value: &mut Value, change: &mut impl FnMut(&mut Map<String, Value>)) {
    match value {
        Value::Object(map) => {
            map.values_mut().for_each(|value| walk(value, change));
            change(map);
        }
        Value::Array(items) => items.iter_mut().for_each(|value| walk(value, change)),
        _ => {}
    }
}

/// `application/json; charset=utf-8` as a key of `content` is no media type to most generators.
fn mend_content_types(map: &mut Map<String, Value>) {
    let Some(Value::Object(content)) = map.get_mut("content") else { return };
    let plain = |key: &str| key.split(';').next().unwrap_or(key).trim().to_owned();
    *content = std::mem::take(content).into_iter().map(|(key, value)| (plain(&key), value)).collect();
}

/// `allOf: [{$ref}, {description, default}]`: openapi-python-client drops the whole operation.
fn mend_all_of(map: &mut Map<String, Value>) {
    let Some(Value::Array(parts)) = map.get_mut("allOf") else { return };
    let (references, others): (Vec<_>, Vec<_>) =
        std::mem::take(parts).into_iter().partition(|part| part.get("$ref").is_some());
    let annotations_only =
        others.iter().all(|part| part.get("type").is_none() && part.get("properties").is_none());
    if references.len() != 1 || !annotations_only {
        *parts = references.into_iter().chain(others).collect();
        return;
    }
    *parts = references;
    for part in others {
        if let Value::Object(annotations) = part {
            map.extend(annotations);
        }
    }
}

/// Headers of answers as people write them: `Upload-Offset`, not `UPLOAD-OFFSET`.
fn mend_header_names(map: &mut Map<String, Value>) {
    let Some(Value::Object(headers)) = map.get_mut("headers") else { return };
    *headers =
        std::mem::take(headers).into_iter().map(|(name, header)| (train_case(&name), header)).collect();
}

fn train_case(name: &str) -> String {
    let word = |word: &str| match word.split_at_checked(1) {
        Some((first, rest)) => first.to_ascii_uppercase() + &rest.to_ascii_lowercase(),
        None => String::new(),
    };
    name.split('-').map(word).collect::<Vec<_>>().join("-")
}

/// Bounds as whole numbers, and formats that OpenAPI knows.
fn mend_integers(map: &mut Map<String, Value>) {
    if map.get("type") != Some(&json!("integer")) {
        return;
    }
    for bound in ["minimum", "maximum"] {
        if let Some(number) = map.get(bound).and_then(Value::as_f64) {
            map.insert(bound.into(), json!(number as i64));
        }
    }
    let format = map.get("format").and_then(Value::as_str).unwrap_or_default().to_owned();
    if let Some(bits) = format.strip_prefix("uint") {
        let signed = if bits == "64" { "int64" } else { "int32" };
        map.insert("format".into(), json!(signed));
        map.entry("minimum").or_insert(json!(0));
    }
}

/// The methods that the document gives for a path, for the `Allow` header of a 405.
#[must_use]
pub fn allowed_methods(document: &Value, path: &str) -> Vec<Method> {
    let segments: Vec<_> = path.trim_end_matches('/').split('/').collect();
    let matches = |template: &str| {
        let parts: Vec<_> = template.split('/').collect();
        parts.len() == segments.len()
            && parts.iter().zip(&segments).all(|(part, segment)| part.starts_with('{') || part == segment)
    };
    let Some(paths) = document["paths"].as_object() else { return Vec::new() };
    let found = paths.iter().filter(|(template, _)| matches(template));
    found
        .filter_map(|(_, operations)| operations.as_object())
        .flat_map(Map::keys)
        .filter_map(|method| method.to_ascii_uppercase().parse().ok())
        .collect()
}
