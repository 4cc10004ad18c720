//! What systemd is told (`Type=notify`). Without systemd every call does nothing.

use std::time::Duration;

use sd_notify::NotifyState;

use crate::shutdown::Shutdown;

/// The sockets listen.
pub fn ready(status: &str) {
    say(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// Draining has begun and may take `limit`.
pub fn stopping(limit: Duration) {
    let extra = u32::try_from((limit + Duration::from_secs(5)).as_micros()).unwrap_or(u32::MAX);
    say(&[NotifyState::Stopping, NotifyState::ExtendTimeoutUsec(extra)]);
}

/// A reload has begun; call [`ready`] when it is over.
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => say(&[NotifyState::Reloading, now]),
        Err(_) => say(&[NotifyState::Reloading]),
    }
}

/// Pets the watchdog at half its interval, as long as `alive` answers: a runtime that is stuck, or
/// policy threads that all are, get the restart that they need.
pub async fn watchdog<F, A>(shutdown: Shutdown, alive: F)
where
    F: Fn() -> A,
    A: Future<Output = bool>,
{
    let Some(limit) = sd_notify::watchdog_enabled() else {
        shutdown.requested().await;
        return;
    };
    let mut tick = tokio::time::interval(limit / 2);
    loop {
        tokio::select! {
            () = shutdown.requested() => return,
            _ = tick.tick() => {}
        }
        match tokio::time::timeout(limit / 4, alive()).await {
            Ok(true) => say(&[NotifyState::Watchdog]),
            _ => tracing::error!("the daemon does not answer itself; systemd is not reassured"),
        }
    }
}

fn say(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(%error, "cannot notify systemd");
    }
}
