//! `freeswitch.Event`: mod_lua's events, and the read-only one that dialplan scripts call `params`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mlua::{AnyUserData, Error, Lua, MetaMethod, Table, UserData, UserDataMethods, Value};

use super::super::host::Current;
use super::super::run::Run;
use super::refusal;

/// Most headers of one event that a script makes.
const MAX_HEADERS: usize = 100;

/// Longest text of one event, in bytes.
const MAX_TEXT: usize = 16 << 10;

#[derive(Clone, Debug, Default)]
struct Content {
    headers: Vec<(String, String)>,
    body: String,
    /// The call that the headers are still to be taken from: most scripts never look.
    pending: Option<Arc<Run>>,
}

/// One event.
pub(in super::super) struct Event {
    current: Current,
    name: String,
    content: Mutex<Content>,
}

impl Event {
    fn content(&self) -> MutexGuard<'_, Content> {
        let mut content = self.content.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(run) = content.pending.take() {
            content.headers = of_call(&run);
        }
        content
    }

    /// What is known of the call, as dialplan scripts find it in `params`.
    pub(in super::super) fn of_call(current: &Current, run: Arc<Run>) -> Self {
        let content = Content { pending: Some(run), ..Content::default() };
        let name = "REQUEST_PARAMS".to_owned();
        Self { current: current.clone(), name, content: Mutex::new(content) }
    }
}

/// The headers by which dialplan scripts know a call.
fn of_call(run: &Run) -> Vec<(String, String)> {
    if let Some(query) = &run.call.look_up {
        let fixed = [
            ("hostname", &query.hostname),
            ("section", &query.section),
            ("tag_name", &query.tag_name),
            ("key_name", &query.key_name),
            ("key_value", &query.key_value),
        ];
        let fixed = fixed.map(|(name, value)| (name.to_owned(), value.clone()));
        return fixed.into_iter().chain(query.params.iter().cloned()).collect();
    }
    let (facts, vars) = (&run.call.facts, run.call.variables());
    let mut headers: Vec<(String, String)> = vec![
        ("Unique-ID".to_owned(), facts.call_id.clone()),
        ("Caller-Destination-Number".to_owned(), facts.called.clone()),
        ("Hunt-Destination-Number".to_owned(), facts.called.clone()),
    ];
    for (header, variable) in [
        ("Caller-Caller-ID-Number", "caller_id_number"),
        ("Caller-Caller-ID-Name", "caller_id_name"),
        ("Caller-ANI", "ani"),
        ("Caller-RDNIS", "rdnis"),
        ("Caller-Network-Addr", "network_addr"),
        ("Caller-Username", "username"),
        ("Caller-Context", "context"),
        ("Caller-Dialplan", "dialplan"),
        ("Caller-Source", "source"),
        ("Caller-Channel-Name", "channel_name"),
        ("Hunt-Context", "context"),
    ] {
        let value = vars.get(variable);
        headers.extend(value.map(|value| (header.to_owned(), (*value).to_owned())));
    }
    headers.extend(vars.iter().map(|(n, v)| (format!("variable_{n}"), (*v).to_owned())));
    headers
}

/// Puts `Event` into `freeswitch`.
pub(in super::super) fn install(lua: &Lua, current: &Current, table: &Table) -> mlua::Result<()> {
    let run = current.clone();
    let make = lua.create_function(move |lua, (name, more): (String, Option<String>)| {
        let asked = run.enter(lua, "freeswitch.Event")?;
        let length = name.len() + more.as_ref().map_or(0, String::len);
        asked.hold(length + 200).map_err(Error::runtime)?;
        let (name, content) = match (name.as_str(), more) {
            ("json", Some(text)) => from_json(&text)?,
            (_, Some(subclass)) => {
                let headers = vec![("Event-Subclass".to_owned(), subclass)];
                (name, Content { headers, ..Content::default() })
            }
            (_, None) => (name, Content::default()),
        };
        Ok(Event { current: run.clone(), name, content: Mutex::new(content) })
    })?;
    table.set("Event", make)
}

/// An event as `serialize("json")` writes it.
fn from_json(text: &str) -> mlua::Result<(String, Content)> {
    let wrong = |why: String| Error::runtime(format!("freeswitch.Event: {why}"));
    let json = super::json::parse(text.as_bytes()).map_err(wrong)?;
    let members = json.as_object().ok_or_else(|| wrong("the JSON is no object".to_owned()))?;
    if members.len() > MAX_HEADERS {
        return Err(wrong(format!("more than {MAX_HEADERS} headers")));
    }
    let mut content = Content::default();
    let mut name = "CUSTOM".to_owned();
    for (header, value) in members {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        match header.as_str() {
            "_body" => content.body = value,
            "Event-Name" => name = value,
            _ => content.headers.push((header.clone(), value)),
        }
    }
    Ok((name, content))
}

/// As FreeSWITCH encodes header values in plain events.
fn percent(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_graphic() && !b"#%&+:;<=>?@[\\]^`{|}\"".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

fn xml(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c if c.is_control() && !matches!(c, '\n' | '\t' | '\r') => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

impl Event {
    fn all(&self) -> Content {
        let mut content = self.content().clone();
        content.headers.insert(0, ("Event-Name".to_owned(), self.name.clone()));
        content
    }

    fn serialize(&self, format: &str) -> mlua::Result<String> {
        let Content { headers, body, .. } = self.all();
        match format {
            "json" => {
                let mut members = serde_json::Map::new();
                for (name, value) in headers {
                    members.insert(name, value.into());
                }
                if !body.is_empty() {
                    members.insert("Content-Length".to_owned(), body.len().to_string().into());
                    members.insert("_body".to_owned(), body.into());
                }
                Ok(serde_json::Value::Object(members).to_string())
            }
            "xml" => {
                let mut out = String::from("<event>\n  <headers>\n");
                for (name, value) in headers {
                    // A header's name is the element's, so it holds what an element's name may.
                    let name: String =
                        name.chars()
                            .map(|c| {
                                if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' }
                            })
                            .collect();
                    out.push_str(&format!("    <{name}>{}</{name}>\n", xml(&value)));
                }
                out.push_str("  </headers>\n");
                if !body.is_empty() {
                    out.push_str(&format!("  <body>{}</body>\n", xml(&body)));
                }
                out.push_str("</event>");
                Ok(out)
            }
            "" | "text" | "plain" => {
                let mut out = String::new();
                for (name, value) in headers {
                    out.push_str(&format!("{name}: {}\n", percent(&value)));
                }
                if !body.is_empty() {
                    out.push_str(&format!("Content-Length: {}\n", body.len()));
                }
                out.push('\n');
                out.push_str(&body);
                Ok(out)
            }
            other => Err(Error::runtime(format!(
                "freeswitch.Event:serialize: \"{other}\": expected json, xml or text"
            ))),
        }
    }
}

impl UserData for Event {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_method("addHeader", |lua, this, (name, value): (String, Value)| {
            let run = this.current.enter(lua, "freeswitch.Event:addHeader")?;
            let value = value.to_string()?;
            run.hold(name.len() + value.len()).map_err(Error::runtime)?;
            let mut content = this.content();
            if content.headers.len() >= MAX_HEADERS || name.len() + value.len() > MAX_TEXT {
                return Err(Error::runtime(format!(
                    "freeswitch.Event:addHeader: expected at most {MAX_HEADERS} headers of {MAX_TEXT} bytes"
                )));
            }
            content.headers.push((name, value));
            Ok(true)
        });
        methods.add_method("getHeader", |lua, this, name: String| {
            this.current.enter(lua, "freeswitch.Event:getHeader")?;
            if name.eq_ignore_ascii_case("Event-Name") {
                return Ok(Some(this.name.clone()));
            }
            let content = this.content();
            let found = content.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(&name));
            Ok(found.map(|(_, value)| value.clone()))
        });
        methods.add_method("delHeader", |lua, this, name: String| {
            this.current.enter(lua, "freeswitch.Event:delHeader")?;
            let mut content = this.content();
            let before = content.headers.len();
            content.headers.retain(|(n, _)| !n.eq_ignore_ascii_case(&name));
            Ok(content.headers.len() < before)
        });
        methods.add_method("addBody", |lua, this, body: String| {
            let run = this.current.enter(lua, "freeswitch.Event:addBody")?;
            run.hold(body.len()).map_err(Error::runtime)?;
            if body.len() > MAX_TEXT {
                return Err(Error::runtime(format!(
                    "freeswitch.Event:addBody: {} bytes, expected at most {MAX_TEXT}",
                    body.len()
                )));
            }
            this.content().body = body;
            Ok(true)
        });
        methods.add_method("getBody", |lua, this, ()| {
            this.current.enter(lua, "freeswitch.Event:getBody")?;
            Ok(this.content().body.clone())
        });
        methods.add_method("getType", |lua, this, ()| {
            this.current.enter(lua, "freeswitch.Event:getType")?;
            Ok(this.name.clone())
        });
        methods.add_method("setPriority", |lua, this, priority: Value| {
            this.current.enter(lua, "freeswitch.Event:setPriority")?;
            let priority = match priority.to_string()?.to_ascii_uppercase().as_str() {
                "LOW" | "2" => "LOW",
                "HIGH" | "1" => "HIGH",
                _ => "NORMAL",
            };
            let mut content = this.content();
            content.headers.retain(|(n, _)| n != "priority");
            content.headers.push(("priority".to_owned(), priority.to_owned()));
            Ok(true)
        });
        methods.add_method("serialize", |lua, this, format: Option<String>| {
            this.current.enter(lua, "freeswitch.Event:serialize")?;
            this.serialize(format.as_deref().unwrap_or(""))
        });
        methods.add_method("merge", |lua, this, other: AnyUserData| {
            let run = this.current.enter(lua, "freeswitch.Event:merge")?;
            let more = other
                .borrow::<Self>()
                .map_err(|_| Error::runtime("freeswitch.Event:merge: expected an event"))?
                .content()
                .headers
                .clone();
            let mut content = this.content();
            if content.headers.len() + more.len() > MAX_HEADERS {
                return Err(Error::runtime(format!(
                    "freeswitch.Event:merge: more than {MAX_HEADERS} headers"
                )));
            }
            run.hold(more.iter().map(|(n, v)| n.len() + v.len()).sum()).map_err(Error::runtime)?;
            content.headers.extend(more);
            Ok(true)
        });
        methods.add_async_method("fire", |lua: Lua, this, ()| {
            let run = this.current.enter_waiting(&lua, "freeswitch.Event:fire");
            let name = this.name.clone();
            let Content { headers, body, .. } = this.content().clone();
            async move {
                let run = run?;
                let sent = run.send_event(&name, &headers, &body).await?;
                run.then(&lua, sent).await
            }
        });
        methods.add_meta_method(MetaMethod::Index, |_, _, name: String| -> mlua::Result<Value> {
            Err(refusal(&format!("freeswitch.Event:{name}"), "there is no such method"))
        });
    }
}
