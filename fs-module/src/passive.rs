//! Passive health as this switch judges it: what counts as a gateway's failure, and when failures take
//! it down. What follows from that is the live table's, and the same for every process of the host.

use fsx_core::cause;
use fsx_live::{Fate, PassiveRules};

use crate::host::Cause;

/// The section `<passive-health>` of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Setting {
    enabled: bool,
    /// Causes that are a gateway's fault; empty for the engine's table.
    causes: String,
    rules: PassiveRules,
}

impl Default for Setting {
    fn default() -> Self {
        Self { enabled: true, causes: String::new(), rules: PassiveRules::default() }
    }
}

impl Setting {
    /// Sets a parameter.
    ///
    /// # Errors
    /// In words.
    pub(crate) fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        let number = |least: u32, most: u32| {
            let n = value.parse().ok().filter(|n| (least..=most).contains(n));
            n.ok_or_else(|| format!("expected a number from {least} to {most}, got {value:?}"))
        };
        let rules = &mut self.rules;
        match name {
            "enabled" => match value {
                "true" => self.enabled = true,
                "false" => self.enabled = false,
                _ => return Err(format!("expected true or false, got {value:?}")),
            },
            "causes" => {
                let word = |word: &str| word.parse::<u16>().is_ok_and(|cause| cause < 700);
                let bad = value.split(',').map(str::trim).find(|w| !w.is_empty() && !word(w));
                if let Some(bad) = bad {
                    return Err(format!("expected Q.850 causes and SIP statuses, got {bad:?}"));
                }
                self.causes = value.to_owned();
            }
            "min-attempts" => rules.min_attempts = number(1, 100_000)?,
            "share-percent" => rules.share_percent = number(1, 100)?,
            "window-s" => rules.window_s = number(2, 3600)?,
            "down-s" => rules.down_s = number(1, PassiveRules::MOST_DOWN_S)?,
            "max-down-s" => rules.max_down_s = number(1, PassiveRules::MOST_DOWN_S)?,
            "trial-calls" => rules.trial_calls = number(1, 255)?,
            _ => {
                return Err("unknown; known are enabled, causes, min-attempts, share-percent, \
                            window-s, down-s, max-down-s and trial-calls"
                    .to_owned());
            }
        }
        Ok(())
    }

    /// The rules; `None` where gateways are not to be judged by their calls.
    pub(crate) fn rules(&self) -> Option<&PassiveRules> {
        self.enabled.then_some(&self.rules)
    }

    /// In a line, for `fsx status`.
    pub(crate) fn said(&self) -> String {
        let PassiveRules { min_attempts, share_percent, window_s, down_s, max_down_s, trial_calls } =
            self.rules;
        if !self.enabled {
            return "off".to_owned();
        }
        format!(
            "down for {down_s} to {max_down_s} s when {share_percent} % of {min_attempts} attempts \
             or more fail within {window_s} s; back after {trial_calls} good calls"
        )
    }

    /// Whose doing the end of an attempt without an answer was. `q850` and `sip` are 0 where unknown.
    pub(crate) fn fate(&self, end: Cause, q850: u16, sip: u16) -> Fate {
        if q850 == cause::ORIGINATOR_CANCEL || sip == cause::ORIGINATOR_CANCEL || ours(end) {
            return Fate::Unknown;
        }
        if cause::fails(&self.causes, q850, sip) { Fate::Failed } else { Fate::Alive }
    }
}

/// SIP status of a hangup cause as FreeSWITCH writes it, such as `sip:503`; 0 where it has none.
pub(crate) fn sip_status(text: &str) -> u16 {
    text.strip_prefix("sip:").and_then(|status| status.parse().ok()).unwrap_or(0)
}

/// Causes with which somebody here ended the attempt, not the gateway. By name: their numbers moved.
fn ours(end: Cause) -> bool {
    matches!(
        end.name().as_str(),
        "SYSTEM_SHUTDOWN"
            | "MANAGER_REQUEST"
            | "ALLOTTED_TIMEOUT"
            | "LOSE_RACE"
            | "PICKED_OFF"
            | "BLIND_TRANSFER"
            | "ATTENDED_TRANSFER"
            | "CRASH"
    )
}
