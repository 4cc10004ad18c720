//! Event-socket frames.
