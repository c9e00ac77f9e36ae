//! A poll waits for up to a minute, and what its key opens may have ended meanwhile.

use std::convert::Infallible;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use tower::{Layer, ServiceExt, service_fn};

use crate::app::App;

/// Stands in the extensions of an answer that may have waited.
#[derive(Clone, Copy)]
pub(super) struct Waited;

/// Has the Layer decide over a request once more before an answer goes out that has waited. It stands outside of the Layer,
/// which takes the key off the request.
pub(crate) async fn decide_again(State(app): State<App>, request: Request, next: Next) -> Response {
    if request.uri().path() != super::poll::PATH {
        return next.run(request).await;
    }
    let (head, body) = request.into_parts();
    let again = Request::from_parts(head.clone(), Body::empty());
    let answer = next.run(Request::from_parts(head, body)).await;
    if answer.extensions().get::<Waited>().is_none() {
        return answer;
    }
    let pass = service_fn(async |_: Request| Ok::<_, Infallible>(StatusCode::NO_CONTENT.into_response()));
    match app.layer.layer(pass).oneshot(again).await {
        Ok(decided) if decided.status() != StatusCode::NO_CONTENT => decided.map(Body::new),
        _ => answer,
    }
}
