//! A live conversation: what a script does reaches the switch while the script runs.
//!
//! A script begins without one. What it does is collected, and a script that only decides is
//! answered in one write. The first thing that needs the switch's reply sends what was collected, in
//! order, and from there on each application runs at once and its end is waited for. Variables are
//! collected until the next command and go as one `multiset`. What the switch knows of the call is
//! read by saying `connect` again: one frame, all variables, and no `full` needed.

use std::sync::Arc;
use std::time::Duration;

use fsx_wire::esl::{self, Action, ChannelData, Frame};
use mlua::{Error, Function, MultiValue, Table, Value};

use super::line::{Line, Lost};
use super::run::Run;
use super::screen::Author;

/// What a hangup hook returns to end the script there.
const HOOK_ENDS: [&str; 2] = ["exit", "die"];

/// The message of the error that ends a script without being one.
pub(super) const ENDED: &str = "the hangup hook ended the script";

/// How long a call may linger after its end for us to read its cause. Only a daemon that hangs uses
/// it up: we leave as soon as we have read it.
const LINGER: &[u8] = b"linger 2\n\n";

/// How long a call's end may take to be told, once it is known to be on its way.
const LAST_WORDS: Duration = Duration::from_millis(1_500);

/// What is to be called when the call has ended.
#[derive(Clone, Debug)]
pub(super) struct Hook {
    /// The run's globals: the name is looked up when the hook runs.
    pub(super) globals: Table,
    pub(super) function: Value,
    pub(super) argument: Value,
}

impl Run {
    /// The line of this run, for `method`.
    pub(super) fn line(&self, method: &str) -> mlua::Result<&Line> {
        let line = self.line.as_ref().ok_or_else(|| {
            Error::runtime(format!("{method} needs the switch's reply, and there is no live call"))
        })?;
        match line.unable {
            Some(why) => Err(Error::runtime(format!(
                "{method} needs the switch's reply: {why}; expected \"sync full\""
            ))),
            None => Ok(line),
        }
    }

    /// There is a switch to talk to.
    pub(super) fn can_talk(&self) -> bool {
        self.line.as_ref().is_some_and(|line| line.unable.is_none())
    }

    /// Says one command; `None` once the call has ended.
    async fn say(&self, bytes: Vec<u8>, wait: Duration) -> mlua::Result<Option<Frame>> {
        let line = self.line("this")?;
        let first = !self.is_live();
        self.talked();
        if self.is_over() {
            return Ok(None);
        }
        if first
            && line.holds
            && line.full
            // Boxed: it happens once, and its room would be kept for as long as the call.
            && Box::pin(self.ask(line, LINGER.to_vec(), line.manners.reply)).await?.is_none()
        {
            return Ok(None);
        }
        self.ask(line, bytes, wait).await
    }

    async fn ask(
        &self,
        line: &Line,
        bytes: Vec<u8>,
        wait: Duration,
    ) -> mlua::Result<Option<Frame>> {
        let said = {
            let _waiting = self.deadline.waiting(wait);
            let started = std::time::Instant::now();
            let said = line.ask(bytes, wait).await;
            self.waited(started.elapsed());
            said
        };
        match said {
            Ok(frame) => Ok(Some(frame)),
            Err(Lost::Gone) => {
                self.over(line.last_words());
                Ok(None)
            }
            Err(Lost::Silent(wait)) => {
                Err(Error::runtime(format!("the switch did not reply within {wait:?}")))
            }
        }
    }

    /// Sends what was collected. False once the call has ended.
    pub(super) async fn flush(&self) -> mlua::Result<bool> {
        let actions = self.take_pending();
        if !actions.is_empty() {
            self.touched();
        }
        let manners = Arc::clone(&self.line("this")?.manners);
        for action in coalesced(actions) {
            let wait = match action.app.as_str() {
                "set" | "unset" | "export" | "multiset" | "log" | "hangup" => manners.reply,
                _ => manners.call,
            };
            let hangs_up = action.app == "hangup";
            let bytes = esl::execute(&action).map_err(Error::runtime)?;
            if self.say(bytes, wait).await?.is_none() {
                return Ok(false);
            }
            if hangs_up {
                // Its disconnect notice is on the way; nothing may be said after it.
                let cause = if action.data.is_empty() { "NORMAL_CLEARING" } else { &action.data };
                self.ended_by(cause);
                return Ok(false);
            }
        }
        Ok(!self.is_over())
    }

    /// What the switch knows of the call now. False once the call has ended.
    pub(super) async fn refresh(&self) -> mlua::Result<bool> {
        if !self.flush().await? {
            return Ok(false);
        }
        if !self.is_stale() {
            let gone = self.line("this")?.is_gone();
            if gone {
                self.over(self.line("this")?.last_words());
            }
            return Ok(!gone);
        }
        let wait = self.line("this")?.manners.reply;
        let Some(frame) = self.say(esl::CONNECT.to_vec(), wait).await? else { return Ok(false) };
        let data = ChannelData::new(&frame);
        if ended(&data) {
            self.over(Some(data));
            return Ok(false);
        }
        self.learnt(data);
        Ok(true)
    }

    /// Runs an application now. What the switch said of it, where the call goes on.
    pub(super) async fn perform(&self, action: Action) -> mlua::Result<Option<String>> {
        self.push(action).map_err(Error::runtime)?;
        // Boxed: Lua keeps two of whatever its methods wait for, for as long as an application lasts.
        if !Box::pin(self.refresh()).await? {
            return Ok(None);
        }
        Ok(Some(self.told("current_application_response").unwrap_or_default()))
    }

    /// A command of the switch, and what it printed.
    pub(super) async fn api(&self, command: &str, argument: &str) -> mlua::Result<Option<String>> {
        let line = self.line("freeswitch.API")?;
        if !line.full {
            return Err(Error::runtime(
                "freeswitch.API: the dialplan's socket action does not say full",
            ));
        }
        let manners = Arc::clone(&line.manners);
        let allowed = match self.author() {
            Author::Platform => &manners.api,
            Author::Organisation => &manners.api_organisations,
        };
        if !allowed.iter().any(|name| name == command) {
            return Err(Error::runtime(format!(
                "freeswitch.API: the configuration does not allow the command {command}"
            )));
        }
        let bytes = esl::api(command, argument).map_err(Error::runtime)?;
        if !self.flush().await? {
            return Ok(None);
        }
        self.touched();
        let said = self.say(bytes, manners.reply).await?;
        Ok(said.map(|frame| String::from_utf8_lossy(&frame.body).into_owned()))
    }

    /// Sends an event into the switch. Whether it was taken.
    pub(super) async fn send_event(
        &self,
        name: &str,
        headers: &[(String, String)],
        body: &str,
    ) -> mlua::Result<bool> {
        if self.author() == Author::Organisation {
            return Err(Error::runtime("Event:fire: organisations' policies may not send events"));
        }
        let line = self.line("Event:fire")?;
        if !line.full {
            return Err(Error::runtime("Event:fire: the socket action does not say full"));
        }
        let wait = line.manners.reply;
        let bytes = esl::send_event(name, headers, body).map_err(Error::runtime)?;
        if !self.flush().await? {
            return Ok(false);
        }
        Ok(self.say(bytes, wait).await?.is_some_and(|frame| frame.is_ok()))
    }

    /// Before the script's end, where something is to run after the call: what it decided is done
    /// now, and if that ended the call, what the switch says of it is waited for.
    pub(super) async fn see_out(&self) -> mlua::Result<()> {
        let Some(line) = self.line.as_ref().filter(|line| line.holds && self.can_talk()) else {
            return Ok(());
        };
        if self.has_acted() && self.flush().await? {
            self.touched();
            self.refresh().await?;
        }
        if self.is_over() && line.full && line.last_words().is_none() {
            let until = std::time::Instant::now() + LAST_WORDS;
            let _waiting = self.deadline.waiting(LAST_WORDS);
            while line.last_words().is_none() && std::time::Instant::now() < until {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        Ok(())
    }

    /// From now on the switch waits for us at the call's end, so that its cause can be read.
    pub(super) async fn linger(&self) -> mlua::Result<()> {
        let line = self.line("session:setHangupHook")?;
        if !line.full {
            return Ok(());
        }
        let wait = line.manners.reply;
        if self.flush().await? {
            self.say(LINGER.to_vec(), wait).await?;
        }
        Ok(())
    }

    /// Runs the hangup hook if the call has ended and it has not run yet.
    pub(super) async fn after(&self, lua: &mlua::Lua) -> mlua::Result<()> {
        let gone = self.line.as_ref().is_some_and(Line::is_gone);
        if gone && let Some(line) = &self.line {
            self.over(line.last_words());
        }
        if !self.is_over() {
            return Ok(());
        }
        let Some(hook) = self.take_hook() else { return Ok(()) };
        let function: Function = match &hook.function {
            Value::Function(function) => function.clone(),
            Value::String(name) => hook.globals.get(name).map_err(|_| {
                let name = name.to_string_lossy();
                Error::runtime(format!("session:setHangupHook: there is no function {name}"))
            })?,
            other => {
                let got = other.type_name();
                return Err(Error::runtime(format!("the hangup hook is a {got}")));
            }
        };
        let session: Value = hook.globals.get("session")?;
        let thread = lua.create_thread(function)?;
        let own = thread.to_pointer() as usize;
        let said = thread.into_async((session, "hangup", hook.argument))?;
        self.begin_thread(own).map_err(Error::runtime)?;
        let said = said.await;
        self.end_thread(own);
        let said: Value = said?;
        if said.as_string().is_some_and(|s| HOOK_ENDS.iter().any(|w| s.as_bytes() == w.as_bytes()))
        {
            return Err(Error::runtime(ENDED));
        }
        Ok(())
    }

    /// The hook, where due, and then the method's own result.
    pub(super) async fn then(
        &self,
        lua: &mlua::Lua,
        result: impl mlua::IntoLuaMulti,
    ) -> mlua::Result<MultiValue> {
        self.after(lua).await?;
        result.into_lua_multi(lua)
    }
}

/// Whether the switch described a call that has ended.
fn ended(data: &ChannelData) -> bool {
    data.get("Answer-State").is_some_and(|state| state.eq_ignore_ascii_case("hangup"))
        || data.get("Hangup-Cause").is_some_and(|cause| !cause.is_empty())
}

/// Runs of `set` become one `multiset`.
fn coalesced(actions: Vec<Action>) -> Vec<Action> {
    let mut out: Vec<Action> = Vec::with_capacity(actions.len());
    let mut sets: Vec<String> = Vec::new();
    let close = |sets: &mut Vec<String>, out: &mut Vec<Action>| {
        let separator = ['|', ';', '~', '!', '#']
            .into_iter()
            .find(|mark| sets.iter().all(|s| !s.contains(*mark)));
        match separator {
            Some(mark) if sets.len() > 1 => {
                let data = format!("^^{mark}{}", sets.join(&mark.to_string()));
                out.push(Action::new("multiset", data));
            }
            _ => out.extend(sets.iter().map(|set| Action::new("set", set.as_str()))),
        }
        sets.clear();
    };
    for action in actions {
        // The switch splits at most 256 of them.
        if action.app == "set" && sets.len() < 200 {
            sets.push(action.data);
            continue;
        }
        close(&mut sets, &mut out);
        if action.app == "set" { sets.push(action.data) } else { out.push(action) }
    }
    close(&mut sets, &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_go_together() {
        let actions = [
            ("set", "a=1"),
            ("answer", ""),
            ("set", "b=x|y"),
            ("set", "c=2"),
            ("unset", "d"),
            ("set", "e=|;~"),
            ("set", "f=!#"),
        ];
        let sent = coalesced(actions.map(|(app, data)| Action::new(app, data)).into());
        let expected = [
            ("set", "a=1"),
            ("answer", ""),
            ("multiset", "^^;b=x|y;c=2"),
            ("unset", "d"),
            ("set", "e=|;~"),
            ("set", "f=!#"),
        ];
        assert_eq!(sent, expected.map(|(app, data)| Action::new(app, data)));
    }
}
