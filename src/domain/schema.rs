//! How the domain's values look in a JSON schema: each type's own bounds, said once.

use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::{RefOr, Schema};

/// A text of so many characters.
pub(super) fn text(chars_min: usize, chars_max: usize) -> RefOr<Schema> {
    let text = ObjectBuilder::new().schema_type(Type::String);
    built(text.min_length(Some(chars_min)).max_length(Some(chars_max)))
}

/// A text in a known form, with an example.
pub(super) fn formatted(format: KnownFormat, example: &str) -> RefOr<Schema> {
    let text = ObjectBuilder::new().schema_type(Type::String);
    built(text.format(Some(SchemaFormat::KnownFormat(format))).examples([example]))
}

/// A whole number within bounds.
pub(super) fn whole(min: u32, max: u32) -> RefOr<Schema> {
    let number = ObjectBuilder::new().schema_type(Type::Integer);
    built(number.minimum(Some(min)).maximum(Some(max)))
}

/// An amount of money: a number of at most two decimals.
pub(super) fn amount() -> RefOr<Schema> {
    let number = ObjectBuilder::new().schema_type(Type::Number);
    built(number.minimum(Some(0)).examples([19.99]))
}

fn built(object: ObjectBuilder) -> RefOr<Schema> {
    RefOr::T(Schema::Object(object.build()))
}
