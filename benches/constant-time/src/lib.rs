//! Constant time, shown.
