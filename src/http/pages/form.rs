//! A form's fields, as a browser sends them.

use super::PageError;
use super::text::shown;
use crate::http::body;
use crate::http::problem::Problem;
use actix_web::web::Query;
use actix_web::{FromRequest, HttpRequest, dev};
use futures_util::future::LocalBoxFuture;
use provost_domain::{Fault, limits};
use serde_json::Value;

/// The most bytes of a form. Its longest text is a job's notes.
const LONGEST: usize = 128 * 1024;

/// What is wrong, and the field that it is about.
pub struct Wrong {
    pub field: String,
    pub message: String,
}

impl Wrong {
    pub fn of(fault: &Fault) -> Self {
        let field = fault.pointer.split('/').nth(1).unwrap_or_default();
        Self { field: field.to_owned(), message: shown(&fault.message) }
    }

    /// With the fields' titles in place of their names.
    pub fn named(self, titles: &[(&str, &str)]) -> Self {
        match titles.iter().find(|(name, _)| *name == self.field) {
            Some((name, title)) => self.titled(name, title),
            None => self,
        }
    }

    /// Replaces a member's name by a field's title where the message begins with the name or quotes it.
    pub fn titled(self, name: &str, title: &str) -> Self {
        let message = self.message.replace(&format!("`{name}`"), title);
        let message = match message.strip_prefix(name).filter(|rest| rest.starts_with([' ', ':'])) {
            Some(rest) => format!("{title}{rest}"),
            None => message,
        };
        Self { message, ..self }
    }
}

/// What is wrong with a field.
pub fn fault_of(wrong: &[Wrong], field: &str) -> Option<String> {
    wrong.iter().find(|one| one.field == field).map(|one| one.message.clone())
}

pub struct Form(Vec<(String, String)>);

impl FromRequest for Form {
    type Error = PageError;
    type Future = LocalBoxFuture<'static, Result<Self, PageError>>;

    fn from_request(request: &HttpRequest, payload: &mut dev::Payload) -> Self::Future {
        let body = body::extract(request, payload, LONGEST);
        Box::pin(async move { Self::parse(&body.await?) })
    }
}

impl Form {
    fn parse(body: &[u8]) -> Result<Self, PageError> {
        let text = std::str::from_utf8(body).map_err(|_| Problem::invalid("", "a form is UTF-8"))?;
        let pairs = Query::<Vec<(String, String)>>::from_query(text)
            .map_err(|error| Problem::invalid("", format!("the body is not a form: {error}")))?;
        Ok(Self(pairs.into_inner()))
    }

    /// A form that was sent before.
    pub fn of(fields: Vec<(String, String)>) -> Self {
        Self(fields)
    }

    pub fn fields(self) -> Vec<(String, String)> {
        self.0
    }

    /// The first value of this name that is not empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, value)| key == name && !value.trim().is_empty()).map(|(_, value)| value.as_str())
    }

    /// The values of this name that are not empty.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0
            .iter()
            .filter(move |(key, value)| key == name && !value.trim().is_empty())
            .map(|(_, value)| value.as_str())
    }

    /// A number as JSON. A text that is not a number stays a text, which the check of the whole document then reports.
    pub fn number(&self, name: &str) -> Value {
        let text = self.get(name).map(str::trim).unwrap_or_default();
        let whole = text.parse::<u64>().map(Value::from).or_else(|_| text.parse::<i64>().map(Value::from)).ok();
        // JSON has no infinities: as numbers they would be null, as if nothing had been entered.
        let real = || text.parse::<f64>().ok().filter(|number| number.is_finite()).map(Value::from);
        whole.or_else(real).unwrap_or_else(|| Value::from(text))
    }

    /// The reason in the form; it is required.
    pub fn reason(&self) -> Result<String, PageError> {
        let reason = self.get("reason").map(str::trim).unwrap_or_default();
        if reason.is_empty() {
            return Err(Problem::invalid("/reason", "a reason is needed: who reads the history will ask for it").into());
        }
        if !limits::fits(reason, limits::REASON) {
            let message = format!("the reason has more than {} characters", limits::REASON);
            return Err(Problem::invalid("/reason", message).into());
        }
        Ok(reason.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_fault_names_the_field_as_the_form_does() {
        let titles = [("tuning_iterations", "Trials of each algorithm")];
        let of = |message: &str| {
            Wrong { field: "tuning_iterations".to_owned(), message: message.to_owned() }.named(&titles).message
        };
        assert_eq!(of("tuning_iterations is 4; 10 to 200"), "Trials of each algorithm is 4; 10 to 200");
        assert_eq!(of("`tuning_iterations` is 4"), "Trials of each algorithm is 4");
        assert_eq!(of("is 4; 10 to 200 is allowed"), "is 4; 10 to 200 is allowed");
    }

    #[test]
    fn what_is_no_finite_number_stays_the_text_that_it_is() {
        for (text, value) in [
            ("3", json!(3)),
            (" 3.5 ", json!(3.5)),
            ("-1", json!(-1)),
            ("-1.0", json!(-1.0)),
            ("1e999", json!("1e999")),
            ("inf", json!("inf")),
            ("NaN", json!("NaN")),
            ("three", json!("three")),
        ] {
            assert_eq!(Form(vec![("gpa".to_owned(), text.to_owned())]).number("gpa"), value, "{text}");
        }
    }
}
