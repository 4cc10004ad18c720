//! From FreeSWITCH 1.11.2 on, `switch.conf` may list which interfaces modules may register.
//!
//! What is not on the list is skipped with a warning while the module reports that it loaded, so a
//! dialplan finds out at its first call. We look at load, and say which lines are missing.

use fsx_seam::log;

use crate::host::{core, xml};

/// Every interface that the list can keep out: name and type.
const OURS: [(&str, &str); 4] =
    [("fsx", "api"), ("fsx_bridge", "app"), ("fsx_route", "app"), ("fsx_policy", "app")];

/// Says in the log which of our interfaces this switch does not permit.
pub(crate) fn check() {
    if !core::has_interface_allowlist() {
        return;
    }
    let Some(sections) = xml::read_config("switch.conf") else { return };
    let allowed: Vec<&str> = sections
        .iter()
        .filter(|section| section.tag == "interface-allowlist")
        .flat_map(|section| &section.elements)
        .filter(|element| element.tag == "allow")
        .filter_map(|element| element.attribute("name"))
        .filter(|name| !name.is_empty())
        .collect();
    for name in missing(&allowed) {
        log::error(format_args!(
            "fsx: switch.conf's <interface-allowlist> keeps {name} out: add <allow \
             name=\"mod_fsx\"/>, or <allow name=\"mod_fsx.{name}\"/>"
        ));
    }
}

/// Our interfaces that `allowed` does not name; an empty list permits everything.
fn missing(allowed: &[&str]) -> Vec<&'static str> {
    let has = |key: &str| allowed.iter().any(|name| name.eq_ignore_ascii_case(key));
    if allowed.is_empty() || has("mod_fsx") {
        return Vec::new();
    }
    OURS.iter()
        .filter(|(name, kind)| {
            !has(&format!("mod_fsx.{name}")) && !has(&format!("mod_fsx.{name}.{kind}"))
        })
        .map(|(name, _)| *name)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::missing;

    #[test]
    fn what_a_list_keeps_out() {
        assert!(missing(&[]).is_empty() && missing(&["mod_dptools", "MOD_FSX"]).is_empty());
        assert_eq!(
            missing(&["mod_fsx.fsx", "mod_fsx.fsx_bridge.app"]),
            ["fsx_route", "fsx_policy"]
        );
        assert_eq!(missing(&["mod_fsx.fsx.app"]).len(), 4, "another type");
    }
}
