//! What can be asked for, read from the description: what a request needs is what the description says.

use std::{collections::HashMap, sync::Arc};

use access::Scope;
use axum::http::Method;
use serde_json::Value;

/// One operation.
#[derive(Debug)]
pub struct Operation {
    /// Its id in the description: what the audit calls the action.
    pub id: Arc<str>,
    /// What it takes to ask for it.
    pub scope: Scope,
}

/// All operations, by path and method.
#[derive(Debug, Default)]
pub struct Index(HashMap<String, Vec<(Method, Operation)>>);

impl Index {
    /// Reads them from an `OpenAPI` document. One without a scope is not there, so nobody gets to it.
    pub fn read(document: &Value) -> Self {
        let mut all = Self::default();
        for (path, method, operation) in operations_of(document) {
            let scopes = operation.pointer("/security/0/key").and_then(Value::as_array);
            let scope = scopes.and_then(|scopes| scopes.first()?.as_str()?.parse().ok());
            let id = operation["operationId"].as_str();
            if let (Some(scope), Some(id), Ok(method)) = (scope, id, method.to_uppercase().parse()) {
                all.0.entry(path.to_owned()).or_default().push((method, Operation { id: id.into(), scope }));
            }
        }
        all
    }

    /// The operation of a method on a route. HEAD is GET without its body.
    pub fn find(&self, method: &Method, route: &str) -> Option<&Operation> {
        let method = if method == Method::HEAD { &Method::GET } else { method };
        let of_route = self.0.get(route)?;
        of_route.iter().find(|(known, _)| known == method).map(|(_, operation)| operation)
    }
}

/// Path, method and operation of each one in a document.
pub fn operations_of(document: &Value) -> impl Iterator<Item = (&str, &str, &Value)> {
    let paths = document["paths"].as_object().into_iter().flatten();
    paths.flat_map(|(path, item)| {
        let methods = item.as_object().into_iter().flatten();
        methods.map(move |(method, operation)| (path.as_str(), method.as_str(), operation))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_operation_is_found_by_method_and_route_if_it_names_a_scope() {
        let document = json!({"paths": {"/v1/files": {
            "get": {"operationId": "list_files", "security": [{"key": ["campaigns:read"]}]},
            "post": {"operationId": "no_scope", "security": [{"key": []}]},
            "put": {"operationId": "odd_scope", "security": [{"key": ["everything"]}]},
        }}});
        let operations = Index::read(&document);
        let find =
            |method: Method, path| operations.find(&method, path).map(|found| (&*found.id, found.scope));
        assert_eq!(find(Method::GET, "/v1/files"), Some(("list_files", Scope::CampaignsRead)));
        assert_eq!(find(Method::HEAD, "/v1/files"), find(Method::GET, "/v1/files"));
        for method in [Method::POST, Method::PUT, Method::DELETE] {
            assert_eq!(find(method, "/v1/files"), None);
        }
        assert_eq!(find(Method::GET, "/v1/file"), None);
    }
}
