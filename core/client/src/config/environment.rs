//! Which environment a client reads: the process's, or the one that the option `environment` gives in its place.
//!
//! The option is for hosts that make a client anew: in a forked child, from a copy. What was read once is not read again
//! with other values.

use serde_json::{Map, Value};

use super::arguments;
use crate::error::Error;

/// Gives a variable of an environment.
pub(crate) type Variables<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Variables by name.
pub(crate) enum Environment {
    /// As the process has them now.
    Process,
    /// As the host took them down.
    Given(Map<String, Value>),
}

impl Environment {
    /// `ValidationError`: the option is no object of strings.
    pub(crate) fn of(options: &Map<String, Value>) -> Result<Self, Error> {
        let Some(given) = arguments::object(options, "environment")? else {
            return Ok(Self::Process);
        };
        for (name, value) in &given {
            if !value.is_string() {
                let field = format!("environment.{name}");
                return Err(arguments::wrong_type(&field, "a string", value));
            }
        }
        Ok(Self::Given(given))
    }

    /// A variable. One that is not UTF-8 is absent.
    pub(crate) fn variable(&self, name: &str) -> Option<String> {
        match self {
            Self::Process => std::env::var(name).ok(),
            Self::Given(variables) => variables.get(name)?.as_str().map(str::to_owned),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(options: &str) -> Result<Environment, Error> {
        Environment::of(&arguments::parse(options.as_bytes()).expect("an object"))
    }

    #[test]
    fn a_given_environment_stands_for_the_whole_of_the_processs() {
        assert!(std::env::var("PATH").is_ok(), "the process has this one");
        for (options, name, value) in [
            (r#"{"environment":{"A":"x"}}"#, "A", Some("x")),
            (r#"{"environment":{"A":""}}"#, "A", Some("")),
            (r#"{"environment":{"A":"x"}}"#, "PATH", None),
            (r#"{"environment":{}}"#, "PATH", None),
        ] {
            let found = of(options).expect(options).variable(name);
            assert_eq!(found.as_deref(), value, "{options} {name}");
        }
        for options in ["{}", r#"{"environment":null}"#] {
            assert!(of(options).expect(options).variable("PATH").is_some(), "{options}");
        }
    }

    #[test]
    fn what_is_no_object_of_strings_is_refused_without_its_value() {
        for (options, field) in [
            (r#"{"environment":["ik_sdk_x"]}"#, "environment"),
            (r#"{"environment":{"A":"x","B":["ik_sdk_x"]}}"#, "environment.B"),
        ] {
            let error = of(options).err().expect(options);
            assert_eq!(error.field.as_deref(), Some(field));
            assert!(!error.words.contains("ik_sdk_x"), "{}", error.words);
        }
    }
}
