//! The daemon's log: one line an event, to standard error, where systemd and people look.

use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Registry, fmt, reload};

use crate::config::{Log, LogFormat};

/// Changes the level of a running daemon.
#[derive(Debug)]
pub struct Level(reload::Handle<EnvFilter, Registry>);

/// Starts the log.
///
/// # Errors
/// One line when the level cannot be read, or the process logs already.
pub fn start(config: &Log) -> Result<Level, String> {
    let (filter, handle) = reload::Layer::new(filter(config)?);
    let lines = fmt::layer().with_writer(std::io::stderr).with_ansi(false);
    let registry = tracing_subscriber::registry().with(filter);
    let started = match config.format {
        LogFormat::Text => registry.with(lines.with_target(false)).try_init(),
        LogFormat::Json => registry.with(lines.json().flatten_event(true)).try_init(),
    };
    started.map_err(|e| format!("cannot start the log: {e}"))?;
    Ok(Level(handle))
}

impl Level {
    /// Takes the level of a new configuration.
    ///
    /// # Errors
    /// One line; the old level stays.
    pub fn set(&self, config: &Log) -> Result<(), String> {
        self.0.reload(filter(config)?).map_err(|e| e.to_string())
    }
}

fn filter(config: &Log) -> Result<EnvFilter, String> {
    EnvFilter::builder()
        .parse(&config.level)
        .map_err(|e| format!("level in [log]: \"{}\": {e}", config.level))
}
