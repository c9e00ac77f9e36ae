use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use gracekey_core::KeyId;
use gracekey_store::{Fate, Import, ImportError, ImportLine, ImportReport, StoreError};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::answer::Answer;
use crate::app::App;
use crate::authority::Authority;
use crate::error::{ApiError, ErrorBody, Refused};
use crate::input;

/// What became of an import, row by row.
#[derive(Serialize, ToSchema)]
struct Imported {
    /// The epoch from which on verifiers know the keys.
    #[schema(minimum = 0)]
    epoch: u64,
    /// Whether anything was changed.
    changed: bool,
    /// How many keys were taken in.
    #[schema(minimum = 0)]
    imported: usize,
    /// How many keys were there already.
    #[schema(minimum = 0)]
    already_there: usize,
    /// A line for every row, in their order.
    lines: Vec<Line>,
}

/// Why nothing was imported, and what is wrong with which row.
#[derive(Serialize, ToSchema)]
struct ImportRefused {
    #[serde(flatten)]
    error: ErrorBody,
    /// A line for every row, in their order. Empty where the text as a whole is not in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    lines: Vec<Line>,
}

/// What became of one row. It repeats no key.
#[derive(Serialize, ToSchema)]
#[schema(as = ImportLine)]
struct Line {
    /// Which row, counted from 1: the entry, or the line in a file.
    #[schema(minimum = 1)]
    row: u64,
    client_id: Option<String>,
    credential: Option<String>,
    /// By which key id it is known from now on.
    #[schema(value_type = Option<String>)]
    key_id: Option<KeyId>,
    fate: LineFate,
    /// What is wrong with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    why: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ImportFate)]
enum LineFate {
    Imported,
    AlreadyThere,
    Refused,
}

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::default().routes(routes!(import))
}

/// Takes in keys from elsewhere: all of them, or none. Clients that are not there yet come with them. A key that the same
/// client has already is passed over, so an import can be repeated.
#[utoipa::path(post, path = "/v2/import", tag = "keys",
    request_body(description = "Comma-separated values with a header `key,client_id` and if wanted `credential` and `scopes`, or `API_KEYS`: `{\"<key>\":\"<client id>\"}`.",
        content((String = "text/csv"), (std::collections::HashMap<String, String> = "application/json"))),
    responses(
    (status = 200, description = "All of them are there, now or before.", body = Imported),
    (status = 400, description = "Some are not in order, and nothing was imported.", body = ImportRefused),
))]
async fn import(State(app): State<App>, authority: Authority, request: Request) -> Result<Response, Refused> {
    let now = app.now()?;
    let media = input::media_type(request.headers()).unwrap_or_default().to_ascii_lowercase();
    let is_csv = match media.as_str() {
        "text/csv" => true,
        "application/json" => false,
        _ => return Err(input::unsupported("send keys with Content-Type: text/csv or application/json").into()),
    };
    let text = input::read_bulk(request, &app).await?;
    let peppers = app.peppers.clone();
    // Digesting a large file takes a while: not on a thread of the runtime.
    let read = tokio::task::spawn_blocking(move || {
        if is_csv {
            return Import::csv(text.as_slice(), &peppers).map_err(ApiError::from);
        }
        let text = str::from_utf8(&text).map_err(|_| ApiError::invalid("the body is not UTF-8"))?;
        Import::api_keys(text, &peppers).map_err(ApiError::from)
    });
    let import = read.await.map_err(|_| ApiError::unavailable("the server is ending; ask again"))??;
    let (import, by) = authority.over_import(import)?;
    match app.store.import(import, &by, now, |_| {}).await {
        Ok(done) => {
            app.feed.changed(done.epoch).await;
            Ok(Answer::ok(Imported::new(done.epoch, done.changed, done.value)).into_response())
        }
        Err(StoreError::Import(ImportError::Rows(report))) => Ok(refused(report)),
        Err(error) => Err(authority.refused(error)),
    }
}

fn refused(report: ImportReport) -> Response {
    let error = ApiError::from(ImportError::Rows(report.clone()));
    let lines = report.lines.into_iter().map(Line::from).collect();
    error.with_body(|error| ImportRefused { error, lines })
}

impl Imported {
    fn new(epoch: u64, changed: bool, report: ImportReport) -> Self {
        Self {
            epoch,
            changed,
            imported: report.imported(),
            already_there: report.already_there(),
            lines: report.lines.into_iter().map(Line::from).collect(),
        }
    }
}

impl From<ImportLine> for Line {
    fn from(line: ImportLine) -> Self {
        let (fate, why) = match line.fate {
            Fate::Imported => (LineFate::Imported, None),
            Fate::AlreadyThere => (LineFate::AlreadyThere, None),
            Fate::Refused(why) => (LineFate::Refused, Some(why)),
            _ => (LineFate::Refused, None),
        };
        Self {
            row: line.row,
            client_id: line.client_id.map(|client_id| client_id.to_string()),
            credential: line.credential.map(|credential| credential.to_string()),
            key_id: line.key_id,
            fate,
            why,
        }
    }
}
