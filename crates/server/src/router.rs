//! All routes, and what stands in front of them.

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use utoipa_axum::router::OpenApiRouter;

use crate::app::App;
use crate::error::ApiError;
use crate::{admin, feed, health, openapi, rotation, verify};

/// Everything that the server answers.
pub(crate) fn router(app: App) -> Router {
    let guarded = OpenApiRouter::with_openapi(openapi::base());
    let guarded = guarded.merge(rotation::routes()).merge(admin::routes()).merge(feed::routes());
    let (guarded, guarded_api) = guarded.split_for_parts();
    let (open, open_api) = OpenApiRouter::default().merge(health::routes()).split_for_parts();
    let verify = verify::routes(&app.config, &app.feed);
    let document = Bytes::from(openapi::document(guarded_api, open_api.merge_from(verify::document())));
    let json = async move || ([(CONTENT_TYPE, "application/json")], document).into_response();
    let open = open.merge(health::metrics()).route("/openapi.json", get(json));
    let guarded = guarded.method_not_allowed_fallback(no_such_method).fallback(async || no_such_route());
    guarded
        .layer(from_fn_with_state(app.clone(), feed::count_caller))
        .layer(app.layer.clone())
        .layer(from_fn_with_state(app.clone(), feed::decide_again))
        .layer(from_fn_with_state(app.clone(), feed::count_refused))
        .merge(open.method_not_allowed_fallback(no_such_method))
        .merge(verify)
        .with_state(app)
}

/// 404.
pub(crate) fn no_such_route() -> Response {
    ApiError::not_found("no_such_route", "there is nothing at this path; /openapi.json lists what there is")
        .into_response()
}

async fn no_such_method() -> Response {
    let why = "this path does not take that method; the header Allow lists those that it takes";
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "method_not_allowed", why).into_response()
}
