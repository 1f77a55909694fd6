//! Where an order goes.

use serde::{Deserialize, Serialize};

use super::invalid::FieldErrors;
use super::text::text_type;

text_type!(
    /// House and street, or whatever leads to the door.
    Street, 200, Line
);
text_type!(
    /// A city, a state or a country.
    Place, 100, Line
);
text_type!(
    /// A postal code.
    ZipCode, 20, Line
);

/// A postal address. Which of the world's forms it follows is the carrier's business.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Address {
    /// House and street.
    pub street: Street,
    /// The city.
    pub city: Place,
    /// State, province or county, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<Place>,
    /// The postal code.
    pub zip_code: ZipCode,
    /// The country.
    pub country: Place,
}

impl Address {
    /// What stands for the address of a forgotten person, as JSON.
    pub const FORGOTTEN: &'static str =
        r#"{"street":"forgotten","city":"forgotten","zipCode":"forgotten","country":"forgotten"}"#;
}

/// An address as a client sends it.
#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AddressDraft {
    /// House and street.
    #[schema(value_type = Street)]
    pub street: String,
    /// The city.
    #[schema(value_type = Place)]
    pub city: String,
    /// State, province or county, where there is one.
    #[serde(default)]
    #[schema(value_type = Option<Place>)]
    pub state: Option<String>,
    /// The postal code; `postalCode` is read as well.
    #[serde(alias = "postalCode")]
    #[schema(value_type = ZipCode)]
    pub zip_code: String,
    /// The country.
    #[schema(value_type = Place)]
    pub country: String,
}

impl AddressDraft {
    /// The address, or `None` with everything that is wrong noted under `field`.
    pub fn check(&self, field: &str, errors: &mut FieldErrors) -> Option<Address> {
        let at = |name: &str| format!("{field}.{name}");
        let street = errors.keep(&at("street"), Street::parse(&self.street));
        let city = errors.keep(&at("city"), Place::parse(&self.city));
        let state = errors.keep(&at("state"), self.state.as_deref().map(Place::parse).transpose());
        let zip_code = errors.keep(&at("zipCode"), ZipCode::parse(&self.zip_code));
        let country = errors.keep(&at("country"), Place::parse(&self.country));
        Some(Address {
            street: street?,
            city: city?,
            state: state?,
            zip_code: zip_code?,
            country: country?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(json: &str) -> AddressDraft {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn an_address_keeps_what_was_written() {
        let json = r#"{"street":"Am Bach 3","city":"Köln","zipCode":"50667","country":"DE"}"#;
        let mut errors = FieldErrors::default();
        let address = draft(json).check("shippingAddress", &mut errors).unwrap();
        assert!(errors.is_empty());
        assert_eq!(serde_json::to_string(&address).unwrap(), json);
    }

    #[test]
    fn a_forgotten_address_is_one() {
        let forgotten: Address = serde_json::from_str(Address::FORGOTTEN).unwrap();
        assert_eq!(serde_json::to_string(&forgotten).unwrap(), Address::FORGOTTEN);
    }

    #[test]
    fn every_wrong_field_is_named_with_its_path() {
        let json = r#"{"street":"","city":" ","state":"","postalCode":"0123456789012345678901","country":"\n"}"#;
        let mut errors = FieldErrors::default();
        assert_eq!(draft(json).check("shippingAddress", &mut errors), None);
        let fields: Vec<_> = errors.as_slice().iter().map(|error| &*error.field).collect();
        let wants = ["street", "city", "state", "zipCode", "country"];
        assert_eq!(fields, wants.map(|name| format!("shippingAddress.{name}")));
    }
}
