//! Texts with a form of their own, as the API's document describes them. They stand there only: what reads them is in core.
#![expect(dead_code, reason = "only their descriptions are used")]

use utoipa::ToSchema;

/// A moment of RFC 3339 in whole seconds.
#[derive(ToSchema)]
#[schema(
    value_type = String,
    format = DateTime,
    pattern = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(Z|[+-][0-9]{2}:[0-9]{2})$",
    example = "2026-11-22T02:00:00Z"
)]
pub(crate) struct Moment(String);

/// A scope-token of RFC 6749 section 3.3.
#[derive(ToSchema)]
#[schema(value_type = String, min_length = 1, max_length = 128, pattern = r"^[!#-\[\]-~]+$", example = "logs:write")]
pub(crate) struct ScopeToken(String);

/// A span of time: a whole number and a unit.
#[derive(ToSchema)]
#[schema(value_type = String, pattern = "^0*([0-9]{1,4}d|[0-9]{1,6}h|[0-9]{1,7}m|[0-9]{1,9}s)$", example = "90d")]
pub(crate) struct Span(String);

/// A span of time of at most 30 days: a whole number and a unit.
#[derive(ToSchema)]
#[schema(
    value_type = String,
    pattern = "^0*(([12]?[0-9]|30)d|([1-6]?[0-9]{1,2}|7[01][0-9]|720)h|([1-3]?[0-9]{1,4}|4[0-2][0-9]{3}|43[01][0-9]{2}|43200)m|(1?[0-9]{1,6}|2[0-4][0-9]{5}|25[0-8][0-9]{4}|259[01][0-9]{3}|2592000)s)$",
    example = "24h"
)]
pub(crate) struct GraceSpan(String);

/// The first part of a key.
#[derive(ToSchema)]
#[schema(value_type = String, max_length = 32, pattern = "^[a-z0-9]+(_[a-z0-9]+)*$", example = "sk_live")]
pub(crate) struct KeyPrefix(String);

/// The public name of a key.
#[derive(ToSchema)]
#[schema(value_type = String, min_length = 8, max_length = 8, pattern = "^[0-9A-Za-z]{8}$", example = "3fK9aB2c")]
pub(crate) struct KeyIdText(String);

/// What a key stands for.
#[derive(ToSchema)]
#[schema(value_type = String, max_length = 128, pattern = "^[0-9A-Za-z][0-9A-Za-z._:@/-]*$", example = "acme_corp")]
pub(crate) struct ClientIdText(String);
