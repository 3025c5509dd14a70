//! The CDDL as a judge of payloads. Only the tests that ask it compile its parser.

use std::panic::{AssertUnwindSafe, catch_unwind};

use cddl::ast::{CDDL, Rule};
use cddl::cddl_from_str;
use cddl::validator::Validator;
use cddl::validator::cbor::{CBORValidator, Error};
use cddl::validator::cbor_value::decode_cbor;

/// A parsed specification: the one in the file, or one changed to see whether anybody notices.
pub(crate) struct Judge<'a> {
    cddl: CDDL<'a>,
}

impl<'a> Judge<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { cddl: cddl_from_str(text, true).unwrap_or_else(|error| panic!("{error}")) }
    }

    /// Whether `payload` is what `rule` says, and if not, why.
    pub(crate) fn validate(&mut self, rule: &str, payload: &[u8]) -> Result<(), String> {
        let value = decode_cbor(payload).map_err(|error| error.to_string())?;
        let at = self.cddl.rules.iter().position(|other| name(other) == rule);
        let at = at.unwrap_or_else(|| panic!("no rule {rule}"));
        // The validator begins at the first rule.
        self.cddl.rules.swap(0, at);
        // It panics on a byte string where a text constant is demanded (cbor.rs:4907 in 0.10.7): invalid, too.
        let result = catch_unwind(AssertUnwindSafe(|| {
            let mut validator = CBORValidator::new(&self.cddl, value, None);
            let result: Result<(), Error<std::io::Error>> = validator.validate();
            result.map_err(|error| error.to_string())
        }))
        .unwrap_or_else(|_| Err("the validator panicked".to_owned()));
        self.cddl.rules.swap(0, at);
        result
    }
}

fn name<'a>(rule: &'a Rule<'a>) -> &'a str {
    match rule {
        Rule::Type { rule, .. } => rule.name.ident,
        Rule::Group { rule, .. } => rule.name.ident,
    }
}
