//! Parameters as the API's document shows them. Used by the extractors that read them, so that what is
//! read and what is told stand side by side.

use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::openapi::{RefOr, Required};

/// A parameter of the query that may be left out.
pub(super) fn query(name: &str, schema: ObjectBuilder, meaning: &str) -> Parameter {
    parameter(ParameterIn::Query, name, schema, meaning)
}

/// A header that may be left out.
pub(super) fn header(name: &str, schema: ObjectBuilder, meaning: &str) -> Parameter {
    parameter(ParameterIn::Header, name, schema, meaning)
}

/// Any text.
pub(super) fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

/// 1 to so many characters.
pub(super) fn bounded_text(chars_max: usize) -> ObjectBuilder {
    text().min_length(Some(1)).max_length(Some(chars_max))
}

/// A whole number within bounds.
pub(super) fn whole(min: u32, max: u32) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(min)).maximum(Some(max))
}

fn parameter(place: ParameterIn, name: &str, schema: ObjectBuilder, meaning: &str) -> Parameter {
    let schema = RefOr::T(Schema::Object(schema.build()));
    ParameterBuilder::new()
        .name(name)
        .parameter_in(place)
        .required(Required::False)
        .description(Some(meaning))
        .schema(Some(schema))
        .build()
}
