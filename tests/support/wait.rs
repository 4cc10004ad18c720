//! Waiting by asking: a sleep long enough to be safe is too long every time, and one that is short
//! enough to be quick is wrong some day.

use std::time::{Duration, Instant};

/// Time between two questions.
const PAUSE: Duration = Duration::from_millis(15);

/// Asks `probe` until it gives a value, and says what was waited for when it never does.
///
/// `what` completes the sentence "waited 10s for …".
///
/// # Panics
/// When `limit` has passed without a value.
#[track_caller]
pub fn until<T>(what: &str, limit: Duration, mut probe: impl FnMut() -> Option<T>) -> T {
    match try_until(limit, || Ok::<_, String>(probe())) {
        Ok(value) => value,
        Err(None) => panic!("waited {limit:?} for {what}"),
        Err(Some(_)) => unreachable!("this probe has no errors"),
    }
}

/// Like [`until`], but a probe may also see that waiting is pointless (its program has died) and
/// end it with an error. `Err(None)` means that the time ran out.
///
/// # Errors
/// The probe's own error, or `None` when `limit` has passed.
pub fn try_until<T, E>(
    limit: Duration,
    mut probe: impl FnMut() -> Result<Option<T>, E>,
) -> Result<T, Option<E>> {
    let end = Instant::now() + limit;
    loop {
        match probe() {
            Ok(Some(value)) => return Ok(value),
            Ok(None) if Instant::now() >= end => return Err(None),
            Ok(None) => std::thread::sleep(PAUSE),
            Err(error) => return Err(Some(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_the_value_as_soon_as_there_is_one() {
        let mut asked = 0;
        let got = until("the third question", Duration::from_secs(5), || {
            asked += 1;
            (asked == 3).then_some(asked)
        });
        assert_eq!(got, 3);
    }

    #[test]
    #[should_panic(expected = "for a thing that never comes")]
    fn says_what_it_waited_for() {
        until("a thing that never comes", Duration::from_millis(40), || None::<()>);
    }

    #[test]
    fn ends_early_on_an_error() {
        let got = try_until(Duration::from_secs(60), || Err::<Option<()>, _>("it died"));
        assert_eq!(got, Err(Some("it died")));
    }
}
