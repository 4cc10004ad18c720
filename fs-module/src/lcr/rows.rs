//! One attempt as mod_lcr shows it.

use fsx_core::Nano;
use fsx_wire::answer::Route;

use crate::dialstring;

/// A route in mod_lcr's columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) prefix: String,
    pub(super) carrier: String,
    pub(super) rate: String,
    pub(super) codec: String,
    pub(super) dial_string: String,
}

impl Row {
    /// The columns of `route`, to be dialled as `dial_string`.
    pub(super) fn new(route: &Route, dial_string: String) -> Self {
        Self {
            prefix: route.prefix.clone(),
            carrier: route.carrier.clone(),
            rate: five_decimals(&route.rate),
            codec: route.vars.get("absolute_codec_string").cloned().unwrap_or_default(),
            dial_string,
        }
    }
}

/// The variables that mod_lcr puts first into a dial string. `sell` is what the organisation sells the
/// number for, where that is known.
pub(crate) fn leg_variables(route: &Route, sell: Option<Nano>) -> Vec<(String, String)> {
    let mut variables = vec![
        ("lcr_carrier".to_owned(), dialstring::tamed(&route.carrier)),
        ("lcr_rate".to_owned(), five_decimals(&route.rate)),
    ];
    if let Some(sell) = sell {
        variables.push(("lcr_user_rate".to_owned(), five_decimals(&sell.to_string())));
    }
    variables
}

/// A decimal text with at least the five decimals that mod_lcr prints. More stay: money is not
/// rounded for looks.
fn five_decimals(amount: &str) -> String {
    let (whole, fraction) = amount.split_once('.').unwrap_or((amount, ""));
    let whole = if whole.is_empty() { "0" } else { whole };
    format!("{whole}.{fraction:0<5}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_as_mod_lcr_prints_them() {
        for (amount, printed) in [
            ("0.0125", "0.01250"),
            ("3", "3.00000"),
            ("", "0.00000"),
            ("0.12345", "0.12345"),
            ("0.000000001", "0.000000001"),
        ] {
            assert_eq!(five_decimals(amount), printed);
        }
    }
}
