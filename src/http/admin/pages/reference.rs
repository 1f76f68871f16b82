//! The REST API as a page: its OpenAPI description, made readable.

use minijinja::{Value as View, context};
use serde_json::Value;

use super::{Answer, Site};
use crate::http::admin::api::openapi::description;

/// `GET {base}/api/v1/`.
pub(super) async fn show(site: &Site<'_>) -> Answer {
    let base = &site.visit.state.config.server.base_path;
    let all = description(base);
    let own = site.visit.state.login.page("/api/v1");
    let page = context! {
        version => all.get("info").map_or("", |info| text(info, "version")),
        url => own.unwrap_or_else(|| format!("{base}/api/v1")),
        json => format!("{base}/api/v1/openapi.json"),
        groups => groups(&all),
        schemas => schemas(&all),
    };
    Ok(site.show("api", "admin-api.html", page))
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn list<'v>(value: &'v Value, name: &str) -> impl Iterator<Item = &'v Value> {
    value.get(name).and_then(Value::as_array).into_iter().flatten()
}

fn members<'v>(value: &'v Value, name: &str) -> impl Iterator<Item = (&'v String, &'v Value)> {
    value.get(name).and_then(Value::as_object).into_iter().flatten()
}

/// The operations, by their tag.
fn groups(all: &Value) -> Vec<View> {
    let group = |tag: &Value| {
        let name = text(tag, "name");
        let mut operations = Vec::new();
        for (path, item) in members(all, "paths") {
            for (method, operation) in
                item.as_object().into_iter().flatten().filter(|(key, _)| *key != "parameters")
            {
                if list(operation, "tags").any(|tag| tag == name) {
                    operations.push(operation_view(path, item, method, operation));
                }
            }
        }
        context! { name, description => text(tag, "description"), operations }
    };
    list(all, "tags").map(group).collect()
}

fn operation_view(path: &str, item: &Value, method: &str, operation: &Value) -> View {
    let parameters: Vec<View> = list(item, "parameters")
        .chain(list(operation, "parameters"))
        .map(|parameter| {
            context! {
                name => text(parameter, "name"),
                place => text(parameter, "in"),
                needed => parameter["required"] == true,
                kind => kind(&parameter["schema"]),
                description => text(parameter, "description"),
            }
        })
        .collect();
    let takes = operation.pointer("/requestBody/content/application~1json/schema").map(kind);
    let answers = members(operation, "responses")
        .filter_map(|(_, answer)| answer.pointer("/content/application~1json/schema"))
        .map(kind)
        .next();
    let codes: Vec<String> = members(operation, "responses").map(|(code, _)| code.clone()).collect();
    context! {
        method => method.to_uppercase(),
        path,
        id => text(operation, "operationId"),
        summary => text(operation, "summary"),
        description => text(operation, "description"),
        parameters, takes, answers, codes,
    }
}

fn schemas(all: &Value) -> Vec<View> {
    let schemas = all.pointer("/components/schemas").and_then(Value::as_object);
    let view = |(name, schema): (&String, &Value)| {
        let fields: Vec<View> = members(schema, "properties")
            .map(|(name, field)| {
                context! { name, place => (), kind => kind(field), description => text(field, "description") }
            })
            .collect();
        context! { name, description => text(schema, "description"), fields }
    };
    schemas.into_iter().flatten().map(view).collect()
}

/// A type in words, and the schema to look it up in.
fn kind(schema: &Value) -> View {
    if let Some(name) = text(schema, "$ref").rsplit('/').next().filter(|name| !name.is_empty()) {
        return context! { words => name, schema => name };
    }
    if let Some(one) = list(schema, "oneOf").next() {
        let of = kind(one);
        return context! { words => "or null", ..of };
    }
    if text(schema, "type") == "array" {
        let of = kind(&schema["items"]);
        return context! { words => format!("list of {}", of.get_attr("words").unwrap_or_default()), ..of };
    }
    if schema.get("enum").is_some() {
        let words: Vec<&str> = list(schema, "enum").filter_map(Value::as_str).collect();
        return context! { words => words.join(", "), schema => () };
    }
    let types: Vec<&str> = match &schema["type"] {
        Value::String(one) => vec![one],
        several => several.as_array().into_iter().flatten().filter_map(Value::as_str).collect(),
    };
    let words = if text(schema, "format") == "date-time" {
        types.join(" or ").replace("string", "time")
    } else {
        types.join(" or ")
    };
    context! { words, schema => () }
}
