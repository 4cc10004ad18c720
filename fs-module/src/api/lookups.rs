//! `fsx xml`: XML look-ups, what is bound and what became of them.

use serde_json::json;

use super::Form;
use crate::{
    world::World,
    xml::{self, STATE},
};

/// Answers `fsx xml`.
pub(super) fn answer(world: &World, form: Form) -> String {
    let setup = world.setup();
    let (bound, (kept, bytes)) = (xml::said(&setup.config), STATE.kept());
    let counters: serde_json::Map<String, serde_json::Value> =
        STATE.counts.all().into_iter().map(|(name, n)| (name.to_owned(), json!(n))).collect();
    let value = json!({"bound": bound, "kept": kept, "kept_bytes": bytes, "counters": counters});
    form.show(&value, || {
        let counted: Vec<String> =
            STATE.counts.all().into_iter().map(|(name, n)| format!("{name} {n}")).collect();
        format!(
            "bound     {bound}\nkept      {kept} last good answers, {bytes} bytes\nlook-ups  {}\n",
            counted.join(", ")
        )
    })
}

/// Answers `fsx xml forget`.
pub(super) fn forget() -> String {
    format!("+OK {} last good answers forgotten\n", STATE.forget_all())
}
