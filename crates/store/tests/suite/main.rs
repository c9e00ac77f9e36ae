//! One suite over both databases, each real. A PostgreSQL server is started by each test that needs one.

mod support;

mod audit;
mod crash;
mod errors;
mod import;
mod lifecycle;
mod lists;
mod model;
mod outage;
mod races;
mod secrets;
mod usage;
