//! The rules once more, slow and plain, from the contract and not from the engine's code.

mod extraction;
mod shape;
mod verdict;

pub(crate) use extraction::{Presented, presented};
pub(crate) use shape::{is_prefix, shape};
pub(crate) use verdict::{Expected, Scene, expected, is_plain_path, rule};
