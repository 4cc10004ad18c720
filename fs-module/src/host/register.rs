//! Registering callbacks: the one way in, and each callback enters through the guard.
//!
//! A callback is a type that implements one of the traits below and names its [`Site`] and its
//! fallback, what FreeSWITCH and the caller get on its worst day. The `extern "C"` functions here
//! are the only ones that FreeSWITCH ever calls.

use core::{
    ffi::{CStr, c_char, c_void},
    ptr::null_mut,
};

use fsx_seam::guard::{Site, guarded};

use super::{
    Session, Stream,
    dialplan::Extension,
    text,
    xml::{Lookup, Tree},
};
use crate::sys;

/// Fallbacks of applications work too, a little, so they are guarded as well.
static FALLBACK: Site = Site::new("app.fallback");

static PREPARE: Site = Site::new("load.prepare");

/// An API command (`fs_cli -x "name …"`).
pub(crate) trait Api {
    /// Its name.
    const NAME: &'static CStr;
    /// One line for `show api`.
    const DESCRIPTION: &'static CStr;
    /// Its arguments.
    const SYNTAX: &'static CStr;
    /// What is written when the command panics.
    const FALLBACK: &'static str;
    /// Its place in the guard's book.
    fn site() -> &'static Site;
    /// Does the command; `arguments` is empty where there were none.
    fn run(arguments: &str, session: Option<Session<'_>>, stream: &mut Stream<'_>);
}

/// A dialplan application.
pub(crate) trait Application {
    /// Its name.
    const NAME: &'static CStr;
    /// One line for `show application`.
    const SHORT: &'static CStr;
    /// More of the same.
    const LONG: &'static CStr;
    /// Its arguments.
    const SYNTAX: &'static CStr;
    /// Its place in the guard's book.
    fn site() -> &'static Site;
    /// Runs it on the call's own thread; `data` is empty where there was none.
    fn run(session: Session<'_>, data: &str);
    /// What is done for the call when `run` panicked. Must do next to nothing.
    fn fallback(session: Session<'_>);
}

/// A dialplan.
pub(crate) trait Dialplan {
    /// Its name.
    const NAME: &'static CStr;
    /// Its place in the guard's book. The fallback is "not ours": the next dialplan is asked.
    fn site() -> &'static Site;
    /// Looks for an extension; `None` when the call is not ours. `argument` is what stands behind
    /// the colon in `fsx:argument`.
    fn hunt(session: Session<'_>, argument: &str) -> Option<Extension>;
}

/// Something that happens at the end of every leg, ours or not: keep it short. The fallback is
/// that the leg goes on to its end.
pub(crate) trait LegEnd {
    /// Place in the guard's book of [`reporting`](Self::reporting).
    fn reporting_site() -> &'static Site;
    /// The leg is over and its times are final; not called when `process_cdr` is false.
    fn reporting(session: Session<'_>);
    /// Place in the guard's book of [`destroy`](Self::destroy).
    fn destroy_site() -> &'static Site;
    /// The last that is seen of a leg; always called.
    fn destroy(session: Session<'_>);
}

/// Something to do from time to time on a thread of the core's.
pub(crate) trait Housekeeping {
    /// Its place in the guard's book.
    fn site() -> &'static Site;
    /// Does one round, waiting included; `false` ends the thread.
    fn round() -> bool;
}

/// The core's word that it is about to end.
pub(crate) trait CoreShutdown {
    /// Its place in the guard's book.
    fn site() -> &'static Site;
    /// Called once, on an event thread.
    fn begun();
}

/// Words that Tab offers in the console. The fallback is none.
pub(crate) trait Completion {
    /// How a completion line names it: two colons first.
    const NAME: &'static CStr;
    /// Its place in the guard's book.
    fn site() -> &'static Site;
    /// The words; those that do not begin as the operator has typed are left out by FreeSWITCH.
    fn words() -> Vec<String>;
}

/// A source of FreeSWITCH's XML. The fallback is "nothing": the next source is asked.
pub(crate) trait XmlSearch {
    /// Its place in the guard's book.
    fn site() -> &'static Site;
    /// Whether a look-up in `section` is for this source; asked of every look-up of the host's.
    fn wants(section: &str, key_value: &str) -> bool;
    /// Looks it up, on whatever thread of the host's wants to know.
    fn search(lookup: Lookup) -> Option<Tree>;
}

/// Binds a source of XML after those that are bound. Not from inside a look-up: binding waits until
/// none is running.
pub(crate) fn xml_search<S: XmlSearch>() {
    // SAFETY: the core keeps the function for ever, and the module is never unloaded; user data and the
    // way back to the binding may be NULL.
    unsafe {
        sys::switch_xml_bind_search_function_ret(
            xml_search_entry::<S>,
            sys::XML_SECTIONS,
            null_mut(),
            null_mut(),
        );
    }
}

/// The module being loaded: what registers must come through here.
pub(crate) struct Registrar {
    module: *mut sys::ModuleInterfaceRaw,
}

impl Registrar {
    /// Registers an API command and what Tab completes after it.
    pub(crate) fn api<A: Api>(&self, completions: &[&str]) {
        // SAFETY: the module interface is live during load; the core hands back a zeroed interface
        // of its own pool. Names are static, as it keeps them by pointer. The first four fields are
        // laid out as `sys` asserts.
        unsafe {
            let at = sys::switch_loadable_module_create_interface(self.module, sys::INTERFACE_API)
                .cast::<sys::ApiInterface>();
            let Some(api) = at.as_mut() else { return };
            api.interface_name = A::NAME.as_ptr();
            api.desc = A::DESCRIPTION.as_ptr();
            api.syntax = A::SYNTAX.as_ptr();
            api.function = Some(api_entry::<A>);
        }
        for words in completions {
            let line = text::c_string(format!("add {} {words}", A::NAME.to_string_lossy()));
            // SAFETY: a NUL-ended line, which the console copies.
            unsafe { sys::switch_console_set_complete(line.as_ptr()) };
        }
    }

    /// Registers words that completion lines name.
    pub(crate) fn completion<C: Completion>(&self) {
        // SAFETY: a static name, and a function of a module that is never unloaded.
        unsafe {
            sys::switch_console_add_complete_func(C::NAME.as_ptr(), complete_entry::<C>);
        }
    }

    /// Registers an application. It needs no media and may run while the call is being routed.
    pub(crate) fn application<A: Application>(&self) {
        // SAFETY: as in `api`.
        unsafe {
            let at = sys::switch_loadable_module_create_interface(
                self.module,
                sys::INTERFACE_APPLICATION,
            )
            .cast::<sys::ApplicationInterface>();
            let Some(app) = at.as_mut() else { return };
            app.interface_name = A::NAME.as_ptr();
            app.short_desc = A::SHORT.as_ptr();
            app.long_desc = A::LONG.as_ptr();
            app.syntax = A::SYNTAX.as_ptr();
            app.flags = sys::APP_NO_MEDIA | sys::APP_ROUTING;
            app.application_function = Some(app_entry::<A>);
        }
    }

    /// Registers a dialplan.
    pub(crate) fn dialplan<D: Dialplan>(&self) {
        // SAFETY: as in `api`.
        unsafe {
            let at =
                sys::switch_loadable_module_create_interface(self.module, sys::INTERFACE_DIALPLAN)
                    .cast::<sys::DialplanInterface>();
            let Some(dialplan) = at.as_mut() else { return };
            dialplan.interface_name = D::NAME.as_ptr();
            dialplan.hunt_function = Some(hunt_entry::<D>);
        }
    }

    /// Registers for the end of every leg. For good: the module is never unloaded.
    pub(crate) fn leg_end<L: LegEnd>(&self) {
        let table = sys::StateHandlers {
            on_init: None,
            on_routing: None,
            on_execute: None,
            on_hangup: None,
            on_exchange_media: None,
            on_soft_execute: None,
            on_consume_media: None,
            on_hibernate: None,
            on_reset: None,
            on_park: None,
            on_reporting: Some(reporting_entry::<L>),
            on_destroy: Some(destroy_entry::<L>),
            flags: 0,
            padding: [0; 10],
        };
        // SAFETY: the core keeps the pointer for ever; the leaked table lives as long.
        unsafe { sys::switch_core_add_state_handler(Box::leak(Box::new(table))) };
    }

    /// Registers for the core's end.
    pub(crate) fn core_shutdown<C: CoreShutdown>(&self) {
        let (mut id, mut node) = (0, null_mut());
        // SAFETY: static NUL-ended names, out pointers of ours; the callback is never unbound since
        // the module is never unloaded. The event is found by name, as ids moved in 1.11.1.
        unsafe {
            if sys::switch_name_event(c"SHUTDOWN".as_ptr(), &raw mut id) == sys::STATUS_SUCCESS {
                sys::switch_event_bind_removable(
                    c"mod_fsx".as_ptr(),
                    id,
                    core::ptr::null(),
                    Some(shutdown_entry::<C>),
                    null_mut(),
                    &raw mut node,
                );
            }
        }
    }
}

/// What the module exports besides its symbol.
pub(crate) trait Module {
    /// Its name.
    const NAME: &'static CStr;
    /// What has to be there before anything can go wrong: log, panic hook.
    fn prepare();
    /// The guard's place for [`load`](Self::load). The fallback is a module that is loaded, and
    /// does what it had registered before the panic.
    fn load_site() -> &'static Site;
    /// Registers everything.
    fn load(registrar: &Registrar);
    /// Its housekeeping.
    type Housekeeping: Housekeeping;
}

/// The table that FreeSWITCH's loader looks for.
pub(crate) const fn function_table<M: Module>() -> sys::FunctionTable {
    sys::FunctionTable {
        switch_api_version: sys::API_VERSION,
        load: Some(load_entry::<M>),
        // Never called for a module that is not to be unloaded.
        shutdown: None,
        runtime: Some(runtime_entry::<M::Housekeeping>),
        flags: 0,
    }
}

unsafe extern "C" fn load_entry<M: Module>(
    out: *mut *mut sys::ModuleInterfaceRaw,
    pool: *mut sys::PoolRaw,
) -> sys::Status {
    // SAFETY: the loader passes a pool that lives as long as the module, and an out pointer. The
    // name is static.
    unsafe {
        let module = sys::switch_loadable_module_create_module_interface(pool, M::NAME.as_ptr());
        if module.is_null() || out.is_null() {
            // Nothing is registered yet, so that being closed again is harmless.
            return sys::STATUS_FALSE;
        }
        *out = module;
        guarded(&PREPARE, (), M::prepare);
        guarded(M::load_site(), (), || M::load(&Registrar { module }));
    }
    // Also after a panic: once something is registered, being closed would leave the core with
    // pointers into nothing.
    sys::STATUS_NOUNLOAD
}

unsafe extern "C" fn runtime_entry<H: Housekeeping>() -> sys::Status {
    match guarded(H::site(), None, || Some(H::round())) {
        Some(true) => sys::STATUS_SUCCESS,
        Some(false) => sys::STATUS_TERM,
        None => {
            // The core calls again at once; a panic in every round must not burn a core.
            // SAFETY: sleeping has no preconditions.
            unsafe { libc::usleep(200_000) };
            sys::STATUS_SUCCESS
        }
    }
}

unsafe extern "C" fn api_entry<A: Api>(
    arguments: *const c_char,
    session: *mut sys::SessionRaw,
    stream: *mut sys::StreamRaw,
) -> sys::Status {
    // SAFETY: all three are NULL or valid until this function returns.
    let (arguments, session, stream) =
        unsafe { (arguments, Session::from_raw(session), Stream::from_raw(stream)) };
    let Some(mut stream) = stream else { return sys::STATUS_SUCCESS };
    let done = guarded(A::site(), false, || {
        // SAFETY: NULL or a NUL-ended string that the caller keeps during the command.
        let arguments = unsafe { text::copy(arguments) }.unwrap_or_default();
        A::run(&arguments, session, &mut stream);
        true
    });
    if !done {
        stream.write(A::FALLBACK);
    }
    // Any other status makes the event socket throw the answer away.
    sys::STATUS_SUCCESS
}

unsafe extern "C" fn app_entry<A: Application>(session: *mut sys::SessionRaw, data: *const c_char) {
    // SAFETY: the core runs applications on the session's own thread, which keeps it alive.
    let Some(session) = (unsafe { Session::from_raw(session) }) else { return };
    let done = guarded(A::site(), false, || {
        // SAFETY: NULL or a NUL-ended string that the core keeps while the application runs.
        let data = unsafe { text::copy(data) }.unwrap_or_default();
        A::run(session, &data);
        true
    });
    if !done {
        guarded(&FALLBACK, (), || A::fallback(session));
    }
}

unsafe extern "C" fn hunt_entry<D: Dialplan>(
    session: *mut sys::SessionRaw,
    argument: *mut c_void,
    _profile: *mut sys::CallerProfileRaw,
) -> *mut sys::CallerExtensionRaw {
    // SAFETY: the core hunts on the session's own thread, which keeps it alive.
    let Some(session) = (unsafe { Session::from_raw(session) }) else { return null_mut() };
    guarded(D::site(), null_mut(), || {
        // SAFETY: the argument of a dialplan is NULL or a NUL-ended string kept during the hunt.
        let argument = unsafe { text::copy(argument.cast()) }.unwrap_or_default();
        D::hunt(session, &argument).map_or(null_mut(), Extension::into_raw)
    })
}

unsafe extern "C" fn reporting_entry<L: LegEnd>(session: *mut sys::SessionRaw) -> sys::Status {
    // SAFETY: the core runs state handlers on the session's own thread, which keeps it alive.
    if let Some(session) = unsafe { Session::from_raw(session) } {
        guarded(L::reporting_site(), (), || L::reporting(session));
    }
    // Anything else would keep the handlers after ours from running.
    sys::STATUS_SUCCESS
}

unsafe extern "C" fn destroy_entry<L: LegEnd>(session: *mut sys::SessionRaw) -> sys::Status {
    // SAFETY: as above; the session and its channel are still whole in this state.
    if let Some(session) = unsafe { Session::from_raw(session) } {
        guarded(L::destroy_site(), (), || L::destroy(session));
    }
    sys::STATUS_SUCCESS
}

unsafe extern "C" fn complete_entry<C: Completion>(
    _line: *const c_char,
    _last_word: *const c_char,
    out: *mut *mut sys::MatchesRaw,
) -> sys::Status {
    let matches = guarded(C::site(), null_mut(), || {
        let mut matches = null_mut();
        for word in C::words() {
            let word = text::c_string(word);
            // SAFETY: a NUL-ended word, which is copied, and a list of our own that begins as NULL.
            unsafe { sys::switch_console_push_match(&raw mut matches, word.as_ptr()) };
        }
        matches
    });
    if out.is_null() || matches.is_null() {
        return sys::STATUS_FALSE;
    }
    // SAFETY: where the core wants the list; it frees it.
    unsafe { *out = matches };
    sys::STATUS_SUCCESS
}

unsafe extern "C" fn xml_search_entry<S: XmlSearch>(
    section: *const c_char,
    tag_name: *const c_char,
    key_name: *const c_char,
    key_value: *const c_char,
    params: *mut sys::EventRaw,
    _user_data: *mut c_void,
) -> *mut sys::XmlRaw {
    guarded(S::site(), null_mut(), || {
        // SAFETY: each string is NULL or NUL-ended and kept by the asker during the look-up.
        let (wanted_in, value) = unsafe { (text::copy(section), text::copy(key_value)) };
        if !S::wants(&wanted_in.unwrap_or_default(), &value.unwrap_or_default()) {
            return null_mut();
        }
        // SAFETY: the same; the parameters are the asker's own, or NULL.
        let lookup = unsafe { Lookup::copy(section, tag_name, key_name, key_value, params) };
        S::search(lookup).map_or(null_mut(), Tree::into_raw)
    })
}

unsafe extern "C" fn shutdown_entry<C: CoreShutdown>(_event: *mut sys::EventRaw) {
    guarded(C::site(), (), C::begun);
}
