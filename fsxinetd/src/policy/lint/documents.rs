//! Policy documents of a bundle, held against what `fsx.parts.document` would say of them.
//!
//! The shipped part is the only one who knows what a document may say, so it is asked itself, in a
//! machine of its own.

use serde_json::Value as Json;

use crate::policy::allowed;
use crate::policy::bundle::{Bundle, DEFAULT, Fault, Files};
use crate::policy::sim::{self, Stage, scene::Scene};

/// What asks it. Lines of a run's log are bounded; whoever has more problems than that has enough.
const SCRIPT: &str = "local document = require 'fsx.parts.document'
local problems, warnings = document.problems((fsx.json.decode(fsx.file('document.json'))))
for n, line in ipairs(problems) do if n <= 30 then fsx.log('error', line) end end
for n, line in ipairs(warnings) do if n <= 10 then fsx.log('warning', line) end end";

const MANIFEST: &str = "version = \"1\"\n[call]\ndefault = \"check.lua\"\n";

/// Everything that is wrong with the documents among `files`.
pub(super) fn check(files: &Files, name: &str) -> Vec<Fault> {
    let documents: Vec<(&str, &[u8], Json)> = files
        .iter()
        .filter(|(file, _)| file.ends_with(".json"))
        .filter_map(|(file, bytes)| Some((file, bytes, serde_json::from_slice(bytes).ok()?)))
        // JSON may be anything; what has rules is a document.
        .filter(|(_, _, json): &(_, _, Json)| json.get("rules").is_some())
        .collect();
    if documents.is_empty() {
        return Vec::new();
    }
    let mut faults = Vec::new();
    let asked = std::thread::scope(|scope| {
        scope
            .spawn(|| {
                let mut faults = Vec::new();
                for (file, bytes, _) in &documents {
                    let said = ask(bytes, name).unwrap_or_else(|why| vec![Fault::of("", why)]);
                    faults.extend(
                        said.into_iter().map(|fault| Fault { file: (*file).to_owned(), ..fault }),
                    );
                }
                faults
            })
            .join()
    });
    faults.extend(asked.unwrap_or_default());
    if name != DEFAULT {
        for (file, _, json) in &documents {
            faults.extend(variables(file, json));
        }
    }
    faults
}

/// On a thread without a runtime.
fn ask(document: &[u8], name: &str) -> Result<Vec<Fault>, String> {
    let text = String::from_utf8_lossy(document);
    let files =
        Files::of(&[("manifest.toml", MANIFEST), ("check.lua", SCRIPT), ("document.json", &text)]);
    let bundle = Bundle::compile(&files, name).map_err(|faults| format!("{faults:?}"))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let runtime = runtime.map_err(|e| format!("cannot be checked: {e}"))?;
    let scene = Scene::from_json(&[])?;
    let played = runtime.block_on(sim::play(
        &Stage::default(),
        &std::sync::Arc::new(bundle),
        None,
        &scene,
    ))?;
    if let Some(failure) = played.failure {
        return Err(format!("cannot be checked: {failure}"));
    }
    let logs = played.steps.iter().filter(|step| step.kind == sim::trace::Kind::Log);
    Ok(logs
        .map(|step| {
            let fault = Fault::of("", step.data.as_str());
            if step.what == "warning" { fault.warning() } else { fault }
        })
        .collect())
}

/// Variables that an organisation may not set, unless its operator says otherwise.
fn variables(file: &str, document: &Json) -> Vec<Fault> {
    let rules = document.get("rules").and_then(Json::as_array).into_iter().flatten().enumerate();
    let sets = rules.filter_map(|(n, rule)| Some((n, rule.get("set")?.as_object()?)));
    sets.flat_map(|(n, set)| set.keys().map(move |name| (n, name)))
        .filter_map(|(n, name)| {
            let why = allowed::listed(name).err()?;
            Some(Fault::of(file, format!("rules[{n}].set.{name}: {why}")).warning())
        })
        .collect()
}
