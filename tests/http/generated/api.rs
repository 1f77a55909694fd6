//! What the API's document says: its operations, and the schemas of what they take and give.

use std::fmt;

use serde_json::Value;

/// The document.
#[derive(Clone, Copy)]
pub(crate) struct Api<'a>(pub(crate) &'a Value);

/// An operation of it.
#[derive(Clone, Copy)]
pub(crate) struct Operation<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    /// What stands under the method.
    pub(crate) said: &'a Value,
}

/// A parameter of an operation.
pub(crate) struct Parameter<'a> {
    pub(crate) name: &'a str,
    /// `path`, `query` or `header`.
    pub(crate) place: &'a str,
    pub(crate) schema: &'a Value,
    pub(crate) example: Option<&'a Value>,
}

impl<'a> Api<'a> {
    /// In the order of the document.
    pub(crate) fn operations(self) -> Vec<Operation<'a>> {
        let mut operations = Vec::new();
        for (path, item) in self.0["paths"].as_object().unwrap() {
            for (method, said) in item.as_object().unwrap() {
                let (method, path) = (method.as_str(), path.as_str());
                operations.push(Operation { method, path, said });
            }
        }
        operations
    }

    /// What a schema says, wherever it stands.
    pub(crate) fn followed(self, schema: &'a Value) -> &'a Value {
        let mut schema = schema;
        while let Some(reference) = schema["$ref"].as_str() {
            let found = self.0.pointer(reference.trim_start_matches('#'));
            schema = found.unwrap_or_else(|| panic!("{reference} leads nowhere"));
        }
        schema
    }

    /// The same; of a value or nothing that of the value.
    pub(crate) fn of_value(self, schema: &'a Value) -> &'a Value {
        let schema = self.followed(schema);
        let mut choices = schema["oneOf"].as_array().into_iter().flatten();
        let valued = choices.find(|choice| choice["type"] != "null");
        valued.map_or(schema, |choice| self.followed(choice))
    }

    /// Whether a whole number is wanted, or one of a few words: what is then wrong is known.
    pub(crate) fn is_narrow(self, schema: &'a Value) -> bool {
        let schema = self.of_value(schema);
        let mut kinds = schema["type"].as_array().into_iter().flatten();
        let is_whole = schema["type"] == "integer" || kinds.any(|kind| kind == "integer");
        is_whole || schema.get("enum").is_some()
    }
}

impl<'a> Operation<'a> {
    pub(crate) fn id(self) -> &'a str {
        self.said["operationId"].as_str().unwrap()
    }

    /// The schema of the body it takes.
    pub(crate) fn body(self) -> Option<&'a Value> {
        self.said.pointer("/requestBody/content/application~1json/schema")
    }

    pub(crate) fn needs_body(self) -> bool {
        self.said["requestBody"]["required"] == true
    }

    pub(crate) fn parameters(self) -> Vec<Parameter<'a>> {
        let parameters = self.said["parameters"].as_array().into_iter().flatten();
        let read = |parameter: &'a Value| Parameter {
            name: parameter["name"].as_str().unwrap(),
            place: parameter["in"].as_str().unwrap(),
            schema: &parameter["schema"],
            example: parameter.get("example"),
        };
        parameters.map(read).collect()
    }

    pub(crate) fn wants_caller(self) -> bool {
        self.said.get("security").is_some()
    }

    pub(crate) fn wants_role(self) -> bool {
        let roles = self.said["security"][0]["bearer"].as_array();
        roles.is_some_and(|roles| !roles.is_empty())
    }

    /// Whether its answer ends only when somebody breaks it off.
    pub(crate) fn is_endless(self) -> bool {
        self.said.pointer("/responses/200/content/text~1event-stream").is_some()
    }
}

impl fmt::Display for Operation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method.to_uppercase(), self.path)
    }
}
