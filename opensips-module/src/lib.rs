//! opensips-module
