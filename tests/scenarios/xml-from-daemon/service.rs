//! A service as mod_xml_curl has it: form in, document out; and on bad days something else.

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

/// How the service is doing.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Mood {
    Well,
    /// Well, but this user has been taken out.
    Without(&'static str),
    /// Status and body.
    Says(u16, String),
    /// Answers after this long.
    Slow(Duration),
}

#[derive(Clone, Debug)]
pub(super) struct Service {
    state: Arc<Mutex<State>>,
    pub(super) url: String,
}

#[derive(Debug)]
struct State {
    mood: Mood,
    asked: Vec<String>,
}

impl Service {
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}/xml", listener.local_addr().expect("an address"));
        let state = Arc::new(Mutex::new(State { mood: Mood::Well, asked: Vec::new() }));
        let service = Self { state, url };
        let serving = service.clone();
        // Ends with the test's process; a question under way holds nothing.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let serving = serving.clone();
                thread::spawn(move || serving.attend(stream));
            }
        });
        service
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is(&self, mood: Mood) {
        self.state().mood = mood;
    }

    /// The forms that it was asked with, for a section.
    pub(super) fn asked(&self, section: &str) -> Vec<String> {
        let wanted = format!("&section={section}&");
        let state = self.state();
        state.asked.iter().filter(|form| form.contains(&wanted)).cloned().collect()
    }

    fn attend(&self, mut stream: TcpStream) {
        let mut bytes = Vec::new();
        let mut chunk = [0; 8192];
        loop {
            let Ok(n @ 1..) = stream.read(&mut chunk) else { return };
            bytes.extend_from_slice(&chunk[..n]);
            while let Some((form, len)) = whole(&bytes) {
                bytes.drain(..len);
                let mood = {
                    let mut state = self.state();
                    state.asked.push(form.clone());
                    state.mood.clone()
                };
                let (status, body) = match mood {
                    Mood::Well => (200, document(&form, "")),
                    Mood::Without(user) => (200, document(&form, user)),
                    Mood::Says(status, body) => (status, body),
                    Mood::Slow(how) => {
                        thread::sleep(how);
                        (200, document(&form, ""))
                    }
                };
                let head = format!("HTTP/1.1 {status} x\r\nContent-Length: {}\r\n\r\n", body.len());
                if stream.write_all(format!("{head}{body}").as_bytes()).is_err() {
                    return;
                }
            }
        }
    }
}

/// The form of a whole request, and the bytes that it takes.
fn whole(bytes: &[u8]) -> Option<(String, usize)> {
    let text = String::from_utf8_lossy(bytes);
    let (head, body) = text.split_once("\r\n\r\n")?;
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    })?;
    let form = body.get(..length)?;
    Some((form.to_owned(), head.len() + 4 + length))
}

fn field<'a>(form: &'a str, name: &str) -> &'a str {
    let pairs = form.split('&').filter_map(|pair| pair.split_once('='));
    pairs.into_iter().find(|(n, _)| *n == name).map_or("", |(_, value)| value)
}

fn document(form: &str, without: &str) -> String {
    let section = field(form, "section");
    let inside = match section {
        "directory" if field(form, "user") == "1000" && without != "1000" => {
            "<domain name=\"127.0.0.1\"><groups><group name=\"phones\"><users><user id=\"1000\"><params>\
             <param name=\"password\" value=\"secret\"/></params></user></users></group></groups></domain>"
        }
        "configuration" if field(form, "key_value") == "acl.conf" => {
            "<configuration name=\"acl.conf\"><network-lists><list name=\"cloud\" default=\"deny\">\
             <node type=\"allow\" cidr=\"10.9.0.0/16\"/></list></network-lists></configuration>"
        }
        "dialplan" => {
            "<context name=\"dpOutbound\"><extension name=\"cloud\"><condition>\
             <action application=\"set\" data=\"rmOrgID=37\"/>\
             <action application=\"set\" data=\"sip_copy_custom_headers=false\"/>\
             <action application=\"fsx_bridge\"/>\
             <action application=\"hangup\" data=\"${fsx_cause}\"/></condition></extension></context>"
        }
        _ => {
            return "<document type=\"freeswitch/xml\"><section name=\"result\">\
                    <result status=\"not found\"/></section></document>"
                .to_owned();
        }
    };
    format!(
        "<?xml version=\"1.0\"?>\n<document type=\"freeswitch/xml\"><section name=\"{section}\">{inside}\
         </section></document>\n"
    )
}
