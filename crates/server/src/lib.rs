#![doc = include_str!("../README.md")]

mod actor;
mod admin;
mod answer;
mod app;
mod authority;
mod config;
mod described;
mod error;
mod feed;
mod first_start;
mod guard;
mod health;
mod input;
mod openapi;
mod rotation;
mod router;
mod server;
mod telemetry;
mod upkeep;
mod verify;

pub use config::{Config, Limits, Tls};
pub use first_start::{AdminKey, FirstStartError, first_start};
pub use guard::published;
pub use server::{Server, StartError};
pub use telemetry::{Telemetry, TelemetryError};
