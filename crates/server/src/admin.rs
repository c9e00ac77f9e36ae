//! What operators ask for.
#![expect(unused_qualifications, reason = "utoipa's macro writes them around parameters")]

mod audit;
mod clients;
mod dry_run;
mod end;
mod expire;
mod import;
mod issue;
mod keys;
mod rotate;

use utoipa_axum::router::OpenApiRouter;

use crate::app::App;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .merge(clients::routes())
        .merge(issue::routes())
        .merge(rotate::routes())
        .merge(end::routes())
        .merge(expire::routes())
        .merge(keys::routes())
        .merge(import::routes())
        .merge(audit::routes())
}
