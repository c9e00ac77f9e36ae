//! What a front end does with a grant, over plain lists of headers.
#![allow(dead_code, reason = "a test of denials needs the request alone")]

use gracekey_core::{Grant, Headers, Request, RequestEdit, without_cookie, without_query_parameter};

use crate::vector::{Bytes, Field, RequestText};

pub(crate) fn request(text: &RequestText) -> Request<'_, impl Headers<'_>> {
    let headers = text.headers.iter().map(|(name, value)| (name.as_bytes(), value.0.as_slice()));
    Request { method: text.method.as_bytes(), target: &text.target.0, headers }
}

/// The target and the headers as they go on.
pub(crate) fn upstream(text: &RequestText, grant: &Grant<'_>) -> (Bytes, Vec<Field>) {
    let (mut target, mut headers) = (text.target.clone(), text.headers.clone());
    for edit in grant.edits() {
        match edit {
            RequestEdit::SetHeader(field, value) => {
                headers.retain(|(name, _)| !name.eq_ignore_ascii_case(field.name));
                headers.push((field.name.into(), Bytes(value.into())));
            }
            RequestEdit::RemoveHeader(field) => headers.retain(|(name, _)| !name.eq_ignore_ascii_case(field.name)),
            RequestEdit::RemoveQueryParameter(name) => target = Bytes(without_query_parameter(&target.0, name)),
            RequestEdit::RemoveCookie(field, name) => headers.retain_mut(|(own, value)| {
                !own.eq_ignore_ascii_case(field.name)
                    || without_cookie(&value.0, name).map(|rest| *value = Bytes(rest)).is_some()
            }),
        }
    }
    (target, headers)
}

/// In lower case and sorted by name; what has one name keeps its order.
pub(crate) fn by_name(headers: &[Field]) -> Vec<Field> {
    let mut sorted: Vec<_> = headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone())).collect();
    sorted.sort_by(|(one, _), (other, _)| one.cmp(other));
    sorted
}
