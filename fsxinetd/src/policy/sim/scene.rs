//! What happens in a simulated call: who calls, what is pressed, what everybody answers.
//!
//! It is read from JSON, or from a table in a test. Everything may be left out, and a misspelt name
//! is a fault: a scene that says nothing by mistake would prove nothing.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value as Json;

use crate::policy::Phase;

/// When a scene that names no instant happens: a Monday morning.
const MORNING: &str = "2026-11-23T09:30:00Z";

/// One simulated call.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Scene {
    /// `call`, `route` or `hangup`.
    pub phase: String,
    /// Called number, as dialled.
    pub number: String,
    /// Caller's number.
    pub caller: Option<String>,
    /// Caller's name.
    pub caller_name: Option<String>,
    /// The caller is not to be shown.
    pub withhold: bool,
    /// Organisation. Without it, the bundle's own.
    pub org: Option<u32>,
    /// Home country of the device.
    pub country: Option<String>,
    /// Data centre of the switch.
    pub data_centre: String,
    /// Task, with words after it for `argv`.
    pub task: String,
    /// The call's id.
    pub id: String,
    /// Instant: RFC 3339, or seconds since 1970.
    pub at: Json,
    /// Channel variables.
    pub vars: BTreeMap<String, Json>,
    /// Words of the dialplan's `socket` action.
    pub socket: String,
    /// The call is answered already.
    pub answered: bool,

    /// What the caller presses, prompt by prompt; "" presses nothing.
    pub digits: Vec<Text>,
    /// What comes of bridges, one after another.
    pub bridges: Vec<Bridge>,
    /// When the caller hangs up.
    pub hang_up: Option<HangUp>,
    /// What applications do beside their own work.
    pub apps: BTreeMap<String, OneOrMany<App>>,
    /// What the switch's commands print: by `command argument`, or by the command alone.
    pub api: BTreeMap<String, OneOrMany<Text>>,
    /// The switch's global variables.
    pub globals: BTreeMap<String, String>,
    /// What the Core API answers: by `GET /path?query`, `GET /path` or `/path`.
    pub core: BTreeMap<String, OneOrMany<Core>>,
    /// What is in the key-value store.
    pub kv: BTreeMap<String, Json>,
    /// What databases answer: by alias, then by statement; `*` stands for any.
    pub db: BTreeMap<String, BTreeMap<String, Db>>,
    /// What `fsx.route` gives; without it, there is no routing data.
    pub routes: Option<Routes>,
    /// How it ended, for the hangup phase.
    pub ended: Option<End>,
}

impl Default for Scene {
    fn default() -> Self {
        Self {
            phase: "call".to_owned(),
            number: "+442079460000".to_owned(),
            caller: Some("+447700900123".to_owned()),
            caller_name: None,
            withhold: false,
            org: None,
            country: Some("GB".to_owned()),
            data_centre: String::new(),
            task: String::new(),
            id: "5e1f0c3a-0000-4000-8000-000000000001".to_owned(),
            at: Json::String(MORNING.to_owned()),
            vars: BTreeMap::new(),
            socket: "sync full".to_owned(),
            answered: false,
            digits: Vec::new(),
            bridges: Vec::new(),
            hang_up: None,
            apps: BTreeMap::new(),
            api: BTreeMap::new(),
            globals: BTreeMap::new(),
            core: BTreeMap::new(),
            kv: BTreeMap::new(),
            db: BTreeMap::new(),
            routes: None,
            ended: None,
        }
    }
}

/// Text, written as text or as a number.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Json")]
pub struct Text(pub String);

impl TryFrom<Json> for Text {
    type Error = String;

    fn try_from(value: Json) -> Result<Self, String> {
        plain(&value).map(Self).ok_or_else(|| format!("expected text, got {value}"))
    }
}

/// Text of a value that is no table.
#[must_use]
pub fn plain(value: &Json) -> Option<String> {
    match value {
        Json::String(text) => Some(text.clone()),
        Json::Number(number) => Some(number.to_string()),
        Json::Bool(yes) => Some(yes.to_string()),
        _ => None,
    }
}

/// One answer for every time, or one after another, the last of them for ever.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OneOrMany<T> {
    /// In turn.
    Many(Vec<T>),
    /// Always.
    One(T),
}

// By hand, so that what is wrong with the one or the many is said.
impl<'de, T: serde::de::DeserializeOwned> Deserialize<'de> for OneOrMany<T> {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let read = |value| serde_json::from_value(value).map_err(serde::de::Error::custom);
        match Json::deserialize(from)? {
            Json::Array(many) => {
                many.into_iter().map(read).collect::<Result<_, _>>().map(Self::Many)
            }
            one => read(one).map(Self::One),
        }
    }
}

impl<T: Clone> OneOrMany<T> {
    /// The answer of the `n`th time, from 0.
    #[must_use]
    pub fn nth(&self, n: usize) -> Option<T> {
        match self {
            Self::One(one) => Some(one.clone()),
            Self::Many(many) => many.get(n).or_else(|| many.last()).cloned(),
        }
    }
}

/// What comes of a bridge.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "BridgeText")]
pub struct Bridge {
    /// FreeSWITCH's cause; `SUCCESS` answers.
    pub cause: String,
    /// How long it rings, in seconds.
    pub after_s: f64,
    /// How long they talk, in seconds.
    pub talk_s: f64,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum BridgeText {
    Word(String),
    Whole {
        cause: Option<String>,
        #[serde(default)]
        after_s: f64,
        #[serde(default)]
        talk_s: f64,
    },
}

impl TryFrom<BridgeText> for Bridge {
    type Error = String;

    fn try_from(text: BridgeText) -> Result<Self, String> {
        let (cause, after_s, talk_s) = match text {
            BridgeText::Word(cause) => (Some(cause), 0.0, 0.0),
            BridgeText::Whole { cause, after_s, talk_s } => (cause, after_s, talk_s),
        };
        let cause = cause.unwrap_or_default().to_ascii_uppercase();
        let answered = matches!(cause.as_str(), "" | "ANSWER" | "ANSWERED" | "SUCCESS");
        let cause = if answered { "SUCCESS".to_owned() } else { cause };
        Ok(Self { cause, after_s: length("after_s", after_s)?, talk_s: length("talk_s", talk_s)? })
    }
}

/// Longest that anything in a scene lasts, in seconds: some months.
const LONGEST_S: f64 = 1e7;

/// A number of seconds that a call may have.
fn length(key: &str, seconds: f64) -> Result<f64, String> {
    if (0.0..=LONGEST_S).contains(&seconds) {
        return Ok(seconds);
    }
    Err(format!("{key} is {seconds:?}, expected seconds from 0 to {LONGEST_S}"))
}

fn seconds<'de, D: serde::Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    length("a time", f64::deserialize(from)?).map_err(serde::de::Error::custom)
}

fn maybe_seconds<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<f64>, D::Error> {
    let seconds = Option::<f64>::deserialize(from)?;
    seconds.map(|s| length("after_s", s)).transpose().map_err(serde::de::Error::custom)
}

/// When the caller hangs up.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HangUp {
    /// So many seconds after the call began.
    #[serde(default, deserialize_with = "maybe_seconds")]
    pub after_s: Option<f64>,
    /// During this application…
    pub during: Option<String>,
    /// …the so-manieth time that it runs.
    #[serde(default = "one")]
    pub time: u32,
    /// With this cause; a caller's own by default.
    pub cause: Option<String>,
}

fn one() -> u32 {
    1
}

/// What an application does beside its own work.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct App {
    /// How long it takes, in seconds.
    #[serde(deserialize_with = "seconds")]
    pub seconds: f64,
    /// Variables that it sets.
    pub vars: BTreeMap<String, Json>,
    /// What the switch says of it, as `current_application_response`.
    pub response: Option<String>,
}

/// An answer of the Core API: `{"status": …, "body": …}`, or the body alone.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "Json")]
pub struct Core {
    /// HTTP status.
    pub status: u16,
    /// Its body.
    pub body: Json,
    /// Why there was no answer.
    pub error: Option<String>,
    /// How long it took, in milliseconds.
    pub after_ms: u64,
}

impl TryFrom<Json> for Core {
    type Error = String;

    fn try_from(value: Json) -> Result<Self, String> {
        let known = ["status", "body", "error", "after_ms"];
        let whole = value.as_object().is_some_and(|o| {
            !o.is_empty()
                && o.keys().all(|key| known.contains(&key.as_str()))
                && (o.contains_key("status")
                    || o.contains_key("error")
                    || o.contains_key("after_ms"))
        });
        if !whole {
            return Ok(Self { status: 200, body: value, error: None, after_ms: 0 });
        }
        let status = value["status"].as_u64().and_then(|s| u16::try_from(s).ok()).unwrap_or(200);
        let after = &value["after_ms"];
        let after_ms = if after.is_null() { Some(0.0) } else { after.as_f64() };
        let after_ms = after_ms.ok_or_else(|| format!("after_ms is {after}, expected a number"))?;
        Ok(Self {
            status,
            body: value["body"].clone(),
            error: value["error"].as_str().map(str::to_owned),
            after_ms: (length("after_ms / 1000", after_ms / 1_000.0)? * 1_000.0) as u64,
        })
    }
}

/// An answer of a database: rows, or how many were changed, or why not.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum Db {
    /// Rows: names to values.
    Rows(Vec<BTreeMap<String, Json>>),
    /// Rows changed, or an error.
    Done {
        /// Rows changed.
        #[serde(default)]
        affected: u64,
        /// Why it failed.
        error: Option<String>,
    },
}

/// What the engine answers.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum Routes {
    /// Routes in order.
    Routes(Vec<fsx_wire::answer::Route>),
    /// No, with a Q.850 cause.
    Reject {
        /// Q.850.
        reject: u16,
        /// For the log.
        #[serde(default)]
        reason: String,
    },
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct End {
    /// FreeSWITCH's name of the cause.
    pub cause: String,
    /// How long it rang, in seconds.
    #[serde(deserialize_with = "seconds")]
    pub rang_s: f64,
    /// How long they talked, in seconds; 0 was not answered.
    #[serde(deserialize_with = "seconds")]
    pub talked_s: f64,
}

impl Default for End {
    fn default() -> Self {
        Self { cause: "NORMAL_CLEARING".to_owned(), rang_s: 5.0, talked_s: 60.0 }
    }
}

impl Scene {
    /// Reads a scene; `parts` are JSON objects laid over one another, later ones on top.
    ///
    /// # Errors
    /// What is wrong, naming the field.
    pub fn from_json(parts: &[Json]) -> Result<Self, String> {
        let mut whole = serde_json::Map::new();
        for part in parts {
            let Json::Object(part) = part else { return Err("expected an object".to_owned()) };
            for (name, value) in part {
                // A Lua table without anything in it may be either kind.
                let empty = value.as_object().is_some_and(serde_json::Map::is_empty)
                    || value.as_array().is_some_and(Vec::is_empty);
                if !empty {
                    whole.insert(name.clone(), value.clone());
                }
            }
        }
        let scene: Self = serde_json::from_value(Json::Object(whole)).map_err(|e| e.to_string())?;
        scene.at_ms()?;
        scene.phase()?;
        Ok(scene)
    }

    /// When it begins, in milliseconds since 1970.
    ///
    /// # Errors
    /// What was expected.
    pub fn at_ms(&self) -> Result<i64, String> {
        let wrong = |got: &dyn std::fmt::Display| {
            format!("at: expected an instant such as {MORNING}, got {got}")
        };
        match &self.at {
            Json::Number(seconds) => {
                let seconds = seconds.as_i64().filter(|s| (0..=253_402_300_799).contains(s));
                seconds.map(|s| s * 1_000).ok_or_else(|| wrong(&self.at))
            }
            Json::String(text) => text
                .parse::<Timestamp>()
                .map(Timestamp::as_millisecond)
                .or_else(|_| {
                    // A zoned instant is what people in another country write.
                    text.parse::<jiff::Zoned>().map(|zoned| zoned.timestamp().as_millisecond())
                })
                .map_err(|_| wrong(text)),
            other => Err(wrong(other)),
        }
    }

    /// The phase.
    ///
    /// # Errors
    /// What was expected.
    pub fn phase(&self) -> Result<Phase, String> {
        Phase::named(&self.phase)
            .ok_or_else(|| format!("phase: expected route, call or hangup, got {:?}", self.phase))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn scenes_are_read() {
        let scene = Scene::from_json(&[
            json!({"number": "100", "digits": [1, "", "42"], "at": 1_700_000_000}),
            json!({"bridges": ["user_busy", {"talk_s": 30}], "core": {"/a": {"x": 1}},
                   "api": {"hostname": "fs1", "create_uuid": ["a", "b"]}, "kv": []}),
        ])
        .expect("read");
        assert_eq!(scene.at_ms(), Ok(1_700_000_000_000));
        assert_eq!(scene.digits.iter().map(|d| d.0.as_str()).collect::<Vec<_>>(), ["1", "", "42"]);
        let causes: Vec<_> = scene.bridges.iter().map(|b| b.cause.as_str()).collect();
        assert_eq!(causes, ["USER_BUSY", "SUCCESS"]);
        assert_eq!(scene.api["create_uuid"].nth(5), Some(Text("b".to_owned())));
        assert_eq!(scene.core["/a"].nth(0).expect("there").body, json!({"x": 1}));
        for (wrong, said) in [
            (json!({"digit": ["1"]}), "unknown field `digit`"),
            (json!({"at": "yesterday"}), "at: expected an instant"),
            (json!({"phase": "talk"}), "phase: expected route, call or hangup"),
            (json!([]), "expected an object"),
        ] {
            let error = Scene::from_json(&[wrong]).expect_err(said);
            assert!(error.contains(said), "{error}");
        }
    }
}
