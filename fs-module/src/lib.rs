//! fs-module
