//! `session`: the call, under the names that mod_lua taught everyone.
//!
//! Nothing here talks to the switch: what a script does is written down, screened, and sent as one
//! answer when the script ends. So a method that needs the switch's reply cannot be here, and one
//! that is not here says so by name.

use std::sync::Arc;

use fsx_wire::esl::Action;
use mlua::{Error, MetaMethod, UserData, UserDataMethods, Value};

use super::Phase;
use super::host::{Current, sleep};
use super::run::Run;

/// The userdata. It holds no call of its own: a script that keeps it finds only its own run.
pub(super) struct Session(pub(super) Current);

impl Session {
    /// The run, where its phase allows `method`.
    fn in_call(&self, method: &str) -> mlua::Result<Arc<Run>> {
        let run = self.0.run()?;
        match run.phase {
            Phase::Call => Ok(run),
            Phase::Route => Err(Error::runtime(format!(
                "session:{method} is for the call phase; this is the route phase"
            ))),
        }
    }

    fn act(&self, method: &str, app: &str, data: String) -> mlua::Result<()> {
        self.in_call(method)?.action(Action::new(app, data)).map_err(Error::runtime)
    }
}

/// Text of an argument; nil is the empty text.
fn text(value: &Value) -> mlua::Result<String> {
    if value.is_nil() { Ok(String::new()) } else { value.to_string() }
}

impl UserData for Session {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods
            .add_method("getVariable", |_, this, name: String| Ok(this.0.run()?.variable(&name)));
        methods.add_method("setVariable", |_, this, (name, value): (String, Value)| {
            this.0.run()?.set_variable(&name, &text(&value)?).map_err(Error::runtime)
        });
        methods.add_method("get_uuid", |_, this, ()| Ok(this.0.run()?.call.facts.call_id.clone()));
        methods.add_method("consoleLog", |_, this, (level, line): (String, Value)| {
            this.0.run()?.log(&level.to_ascii_lowercase(), &text(&line)?);
            Ok(())
        });
        methods.add_method("ready", |_, this, ()| Ok(!this.in_call("ready")?.hung_up()));
        methods.add_method("execute", |_, this, (app, data): (String, Value)| {
            this.act("execute", &app, text(&data)?)
        });
        methods.add_method("answer", |_, this, ()| this.act("answer", "answer", String::new()));
        methods.add_method("preAnswer", |_, this, ()| {
            this.act("preAnswer", "pre_answer", String::new())
        });
        methods.add_method("streamFile", |_, this, path: String| {
            this.act("streamFile", "playback", path)
        });
        methods.add_method("hangup", |_, this, cause: Value| {
            this.act("hangup", "hangup", text(&cause)?.to_ascii_uppercase())
        });
        methods.add_method("transfer", |_, this, words: mlua::Variadic<String>| {
            this.act("transfer", "transfer", words.join(" "))
        });
        methods.add_async_method("sleep", |_, this, ms: f64| {
            let run = this.0.run();
            async move { sleep(&*run?, ms).await }
        });
        methods.add_meta_method(MetaMethod::Index, |_, _, name: String| -> mlua::Result<Value> {
            Err(Error::runtime(format!(
                "session:{name} is not available here: it needs the switch's reply during the call"
            )))
        });
    }
}
