//! Which parts of an event or of a saga's input are about a person, and what stands there once the person
//! is forgotten. Plain data: the shell seals the parts on their way into the log and opens them on the way
//! out, so that the business never meets a key.

/// The personal parts of an event's payload or of a saga's input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Personal {
    /// Whose they are.
    pub subject: Subject,
    /// Where they stand.
    pub fields: &'static [PersonalField],
}

/// Where it says whose the parts are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// The aggregate is the person: the key of its stream. Not for sagas.
    Stream,
    /// The text at this JSON pointer, for instance `/userId`.
    Field(&'static str),
}

/// One personal part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PersonalField {
    /// Its JSON pointer, for instance `/shippingAddress`. Where nothing stands, nothing is sealed.
    pub at: &'static str,
    /// What stands there instead, as JSON. The type behind it must be able to read it.
    pub forgotten: &'static str,
}
