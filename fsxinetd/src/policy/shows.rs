//! Which number an organisation may have its call shown with.
//!
//! Whoever is called believes the number that they see, and a carrier may price by it. So an
//! organisation shows the numbers that the call has already, the platform's word on it, its short
//! extensions, and what the operator lists.

use super::api::number;
use super::run::Run;

/// Variables in which a call's own numbers stand.
const OF_THE_CALL: &[&str] = &[
    "caller_id_number",
    "destination_number",
    "effective_caller_id_number",
    "rmDialledNumber",
    "rmNumberNormalised",
];

/// Longest extension, in digits.
const EXTENSION: usize = 6;

/// Whether the run's organisation may show `shown`.
///
/// # Errors
/// That it may not, with the key of the configuration.
pub(super) fn may_show(run: &Run, shown: &str) -> Result<(), String> {
    let bare = shown.strip_prefix('+').unwrap_or(shown);
    if bare.is_empty() || bare.len() > 32 || !bare.bytes().all(|b| b.is_ascii_digit()) {
        let said: String = shown.chars().take(40).collect();
        return Err(format!("\"{said}\": expected a number"));
    }
    if bare.len() <= EXTENSION && shown == bare && !number::is_emergency(run, shown) {
        return Ok(());
    }
    let facts = &run.call.facts;
    let told = OF_THE_CALL.iter().filter_map(|name| run.call.variable(name));
    let own: Vec<&str> =
        facts.caller.as_deref().into_iter().chain([facts.called.as_str()]).chain(told).collect();
    let allowed = |digits: &str| run.allowed.may_show(run.org(), digits);
    if own.iter().any(|own| own.strip_prefix('+').unwrap_or(own) == bare) || allowed(bare) {
        return Ok(());
    }
    // Written in another way: the numbering plan says, which takes longer.
    if let Some(full) = number::digits(run, shown)
        && (allowed(&full)
            || own.iter().any(|own| number::digits(run, own).as_ref() == Some(&full)))
    {
        return Ok(());
    }
    Err(format!(
        "organisation {} may not show {shown}: it is none of the call's numbers \
         (policy.caller_ids_organisations)",
        run.org()
    ))
}

#[cfg(test)]
mod tests {
    use fsx_wire::esl::Action;

    use super::super::Phase;
    use super::super::tests::{MANIFEST, Rig};

    /// What an organisation may say of its call, and of the question about it.
    const SCRIPT: &str = "
        local function refused(why, f, ...)
            local ok, said = pcall(f, ...)
            assert(not ok and tostring(said):find(why, 1, true), tostring(said))
        end
        local function set(name, value) session:setVariable(name, value) end
        -- The call's own number, however it is written; an extension; what the operator lists.
        for _, number in ipairs { '07700900123', '1001', '+442079460017', '442079460017' } do
            set('effective_caller_id_number', number)
            fsx.route { caller = number }
        end
        for _, number in ipairs { '442079470017', '+15550001111', '999', 'x', '' .. string.rep('1', 40) } do
            refused(': ', set, 'effective_caller_id_number', number)
            refused('caller: ', fsx.route, { caller = number })
            refused('caller_number: ', fsx.dial,
                { legs = { { user = '1', caller_number = number } } })
        end
        refused('caller_name: ', fsx.dial, { legs = { { user = '1', caller_name = 'a\\n<b>' } } })
        assert(fsx.dial { legs = { { user = '1', caller_number = '1001', caller_name = 'Ann' } } }
            == '[^^;origination_caller_id_name=Ann;origination_caller_id_number=1001]user/1@t37.example')
        fsx.route { profile = 'quality' }
        refused('policy.profiles_organisations', fsx.route, { profile = 'cost' })
        refused('policy.carrier_groups_organisations', fsx.route, { carrier_group = 'gold' })
        refused('policy.data_centres_organisations', fsx.route, { data_centre = 'SYD1' })
        refused('lrn', fsx.route, { lrn = '15550001111' })
        assert(fsx.domain() == 't37.example')
        session:execute('bridge', 'user/1,user/2@t37.example|user/3')
        refused('not this organisation', session.execute, session, 'bridge', 'user/1@t38.example')
        session:execute('export', 'nolocal:my_note=1')
        refused('export_vars', session.execute, session, 'set', 'export_vars=my_note')
        refused('the switch takes it for the name', session.execute, session, 'export',
            '_nolocal_group_confirm_key=exec')
        set('crm_ticket', '12')";

    #[tokio::test]
    async fn an_organisation_says_only_what_it_may() {
        let manifest = ("37/manifest.toml", MANIFEST);
        let rig = Rig::with(&[manifest, ("37/x.lua", SCRIPT)], |config| {
            // The numbering plan is read at first use.
            (config.call_budget_ms, config.cpu_budget_ms) = (60_000, 30_000);
            config.domain_organisations = "t{org}.example".to_owned();
            config.profiles_organisations = vec!["Quality".to_owned()];
            config.variables_organisations = vec!["crm_*".to_owned()];
            config.caller_ids_organisations =
                [("37".to_owned(), vec!["+44207946*".to_owned()])].into();
        });
        let outcome = rig.run(Phase::Call, 37, "default").await.expect("fine");
        let bridged = "user/1@t37.example,user/2@t37.example|user/3@t37.example";
        assert!(outcome.actions.contains(&Action::new("bridge", bridged)), "{outcome:?}");
    }
}
