//! The macro that turns the table of settings into structs, rows and a parser. Called by
//! [`super`] alone.

use super::rules::Rule;

/// One setting, as the flag list, the help, `.env.example` and `sagaline settings` show it.
#[derive(Debug, Clone)]
pub struct Row {
    /// The environment variable: `BODY_LIMIT`.
    pub name: &'static str,
    /// The heading it stands under: what the group's documentation says.
    pub group: &'static str,
    /// What it means.
    pub meaning: String,
    /// The value when nobody gives one. Empty: none.
    pub default: &'static str,
    /// What may be given, in words.
    pub allowed: String,
    /// Never shown; may be given as a file.
    pub secret: bool,
    pub(super) mask: fn(&str) -> String,
}

impl Row {
    /// The flag without its dashes: `body-limit`.
    pub fn flag(&self) -> String {
        self.name.to_ascii_lowercase().replace('_', "-")
    }

    /// The key in the TOML file: `body_limit`.
    pub fn key(&self) -> String {
        self.name.to_ascii_lowercase()
    }

    pub(super) fn new<T, R: Rule<Value = T>>(
        name: &'static str,
        group: &'static str,
        meaning: &str,
        default: &'static str,
        rule: &R,
    ) -> Self {
        Self {
            name,
            group: group.trim().trim_end_matches('.'),
            meaning: meaning.trim().to_owned(),
            default,
            allowed: rule.allowed(),
            secret: R::SECRET,
            mask: R::mask,
        }
    }
}

/// Every row of the table, in its order.
pub fn rows() -> Vec<Row> {
    super::Settings::rows()
}

macro_rules! settings {
    ($(
        #[doc = $heading:literal]
        $group:ident: $Group:ident {
            $(
                #[doc = $meaning:literal]
                $field:ident: $type:ty = $name:ident[$default:literal] $rule:expr;
            )+
        }
    )+) => {
        /// Everything an operator can set.
        #[derive(Debug, Clone)]
        pub struct Settings {
            $(
                #[doc = $heading]
                pub $group: $Group,
            )+
        }

        $(
            #[doc = $heading]
            #[derive(Debug, Clone)]
            pub struct $Group {
                $(
                    #[doc = $meaning]
                    #[doc = concat!("\n\nSet as `", stringify!($name), "`; default `", $default, "`.")]
                    pub $field: $type,
                )+
            }
        )+

        impl Settings {
            fn rows() -> Vec<Row> {
                vec![$($(
                    Row::new::<$type, _>(stringify!($name), $heading, $meaning, $default, &$rule),
                )+)+]
            }

            fn build(sources: &sources::Sources) -> Result<Self, SettingsError> {
                Ok(Self {
                    $($group: $Group {
                        $($field: sources.parse(stringify!($name), $default, &$rule)?,)+
                    },)+
                })
            }
        }
    };
}
