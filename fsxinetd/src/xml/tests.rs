//! The room, with a service that behaves as badly as services do.

use std::sync::Mutex as Plain;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;
use crate::published::PublishedHandle;

/// How the service answers; changed while it runs.
#[derive(Clone, Debug)]
enum Says {
    Document(String),
    Status(u16),
    Nothing,
    /// After this long.
    Late(u64, String),
}

struct Service {
    url: String,
    says: Arc<Plain<Says>>,
    asked: Arc<AtomicU32>,
    last: Arc<Plain<String>>,
}

impl Service {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/fs", listener.local_addr().expect("an address"));
        let service = Self {
            url,
            says: Arc::new(Plain::new(Says::Nothing)),
            asked: Arc::default(),
            last: Arc::default(),
        };
        let (says, asked, last) =
            (Arc::clone(&service.says), Arc::clone(&service.asked), Arc::clone(&service.last));
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (says, asked, last) =
                    (Arc::clone(&says), Arc::clone(&asked), Arc::clone(&last));
                tokio::spawn(async move {
                    let mut bytes = Vec::new();
                    // One request a connection: whole when the form has all that its length says.
                    let whole = |bytes: &[u8]| {
                        let text = String::from_utf8_lossy(bytes).into_owned();
                        let (head, body) = text.split_once("\r\n\r\n")?;
                        let length = head.lines().find_map(|line| {
                            let (name, value) = line.split_once(": ")?;
                            name.eq_ignore_ascii_case("content-length")
                                .then(|| value.parse().ok())?
                        });
                        (body.len() >= length.unwrap_or(0)).then_some(text)
                    };
                    let text = loop {
                        if let Some(text) = whole(&bytes) {
                            break text;
                        }
                        if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
                            return;
                        }
                    };
                    asked.fetch_add(1, Relaxed);
                    *last.lock().expect("sound") = text;
                    let said = says.lock().expect("sound").clone();
                    let (status, body) = match said {
                        Says::Document(body) => (200, body),
                        Says::Status(status) => (status, "no".to_owned()),
                        Says::Nothing => return std::future::pending().await,
                        Says::Late(ms, body) => {
                            tokio::time::sleep(Duration::from_millis(ms)).await;
                            (200, body)
                        }
                    };
                    let head = format!(
                        "HTTP/1.1 {status} x\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                        body.len()
                    );
                    let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
                });
            }
        });
        service
    }

    fn says(&self, says: Says) {
        *self.says.lock().expect("sound") = says;
    }

    fn asked(&self) -> u32 {
        self.asked.load(Relaxed)
    }
}

const WITHIN: Duration = Duration::from_millis(400);
const LONG: Duration = Duration::from_secs(10);

fn user(name: &str) -> XmlQuery {
    let param = |(n, v): (&str, &str)| (n.to_owned(), v.to_owned());
    XmlQuery {
        hostname: "sw1".to_owned(),
        section: "directory".to_owned(),
        tag_name: "domain".to_owned(),
        key_name: "name".to_owned(),
        key_value: "pbx".to_owned(),
        params: [("user", name), ("domain", "pbx"), ("sip_auth_nonce", "n1")].map(param).into(),
    }
}

fn document(text: &str) -> String {
    format!(
        "<document type=\"freeswitch/xml\"><section name=\"directory\"><domain name=\"pbx\">{text}\
         </domain></section></document>"
    )
}

const NOT_FOUND: &str =
    "<document><section name=\"result\"><result status=\"not found\"/></section></document>";

async fn room(dir: &tempfile::TempDir, url: &str, change: impl FnOnce(&mut config::Xml)) -> Room {
    let policy = config::Policy {
        dir: dir.path().join("none"),
        route_budget_ms: 2_000,
        store: std::path::PathBuf::new(),
        ..config::Policy::default()
    };
    let engine = Engine::start(&policy, PublishedHandle::new()).expect("threads");
    let mut xml = config::Xml { store: dir.path().join("xml.sqlite"), ..config::Xml::default() };
    xml.directory.url = url.to_owned();
    xml.directory.cache_s = 0;
    change(&mut xml);
    Room::open(&xml, engine).await.expect("a room")
}

const SCRIPT: &str = "
function users()
    if params:getHeader('user') == '1000' then
        XML_STRING = '<document type=\"freeswitch/xml\"><section name=\"' .. XML_REQUEST.section .. '\"><domain name=\"' ..
            XML_REQUEST.key_value .. '\"><a/></domain></section></document>'
    end
end
function garbled() return '<html>' end
function slow() fsx.sleep(5000) end
";

#[tokio::test]
async fn a_policy_answers_and_the_service_what_it_leaves() {
    let (dir, service) = (tempfile::tempdir().expect("a folder"), Service::start().await);
    let bundle = dir.path().join("none/default");
    std::fs::create_dir_all(&bundle).expect("a folder");
    let manifest = "version = \"1\"\n[route]\nusers = \"x.lua:users\"\n\
                    garbled = \"x.lua:garbled\"\nslow = \"x.lua:slow\"\n";
    std::fs::write(bundle.join("manifest.toml"), manifest).expect("written");
    std::fs::write(bundle.join("x.lua"), SCRIPT).expect("written");
    service.says(Says::Document(document("<service/>")));
    let with = |policy: &'static str| {
        move |xml: &mut config::Xml| {
            policy.clone_into(&mut xml.directory.policy);
            xml.directory.timeout_ms = 4_000;
        }
    };
    let room = self::room(&dir, &service.url, with("users")).await;
    let answer = room.answer(user("1000"), LONG).await;
    assert_eq!(found(&answer), ("policy", document("<a/>").as_str()));
    assert_eq!(service.asked(), 0);
    let answer = room.answer(user("1001"), LONG).await;
    assert_eq!(found(&answer), ("http", document("<service/>").as_str()));
    for (policy, problem) in [
        ("garbled", "the policy's answer ends inside an element"),
        ("slow", "policy \"slow\": stopped after"),
        ("gone", "policy \"gone\": no policy for the route phase"),
    ] {
        let room = self::room(&dir, &service.url, with(policy)).await;
        let answer = room.answer(user("2000"), LONG).await;
        assert!(found(&answer).1.contains(problem), "{policy}: {answer:?}");
    }
}

fn found(answer: &Result<XmlAnswer, String>) -> (&str, &str) {
    match answer {
        Ok(XmlAnswer { document, from, .. }) => {
            (from.as_str(), document.as_deref().unwrap_or("none"))
        }
        Err(problem) => ("failed", problem),
    }
}

#[tokio::test]
async fn asked_as_mod_xml_curl_asks() {
    let (dir, service) = (tempfile::tempdir().expect("a folder"), Service::start().await);
    let credentials = |xml: &mut config::Xml| {
        "switch:secret".clone_into(&mut xml.directory.credentials);
    };
    let room = room(&dir, &service.url, credentials).await;
    service.says(Says::Document(document("<a/>")));
    let answer = room.answer(user("1000"), WITHIN).await;
    assert_eq!(found(&answer), ("http", document("<a/>").as_str()));
    let asked = service.last.lock().expect("sound").clone();
    assert!(asked.starts_with("POST /fs HTTP/1.1\r\n"), "{asked}");
    assert!(asked.contains("authorization: Basic c3dpdGNoOnNlY3JldA=="), "{asked}");
    assert!(asked.ends_with(
        "\r\n\r\nhostname=sw1&section=directory&tag_name=domain&key_name=name&key_value=pbx&user=1000\
         &domain=pbx&sip_auth_nonce=n1"
    ), "{asked}");
    let other = XmlQuery { section: "dialplan".to_owned(), ..XmlQuery::default() };
    let answer = room.answer(other, WITHIN).await;
    assert!(
        found(&answer).1.contains("[xml.dialplan] in fsxinetd.toml names neither"),
        "{answer:?}"
    );
    let other = XmlQuery { section: "languages".to_owned(), ..XmlQuery::default() };
    assert!(room.answer(other, WITHIN).await.is_err());
}

#[tokio::test]
async fn on_a_bad_day_the_last_good_answer_also_after_a_restart() {
    let (dir, service) = (tempfile::tempdir().expect("a folder"), Service::start().await);
    let room = room(&dir, &service.url, |_| {}).await;
    let good = document("<a/>");
    service.says(Says::Document(good.clone()));
    assert_eq!(found(&room.answer(user("1000"), WITHIN).await), ("http", good.as_str()));
    let huge = document(&"<a/>".repeat(200_000));
    for bad in [
        Says::Status(500),
        Says::Status(404),
        Says::Document(String::new()),
        Says::Document("<html><body>502</body></html>".to_owned()),
        Says::Document(document("<a>")),
        Says::Document("<document><section name=\"directory\"/></document>".to_owned()),
        Says::Document(document("<a/>").replace("pbx", "another")),
        Says::Document(huge),
        Says::Nothing,
    ] {
        service.says(bad.clone());
        tokio::time::sleep(REST).await;
        let before = service.asked();
        let started = Instant::now();
        let answer = room.answer(user("1000"), WITHIN).await;
        assert_eq!(found(&answer), ("last_good", good.as_str()), "{bad:?}");
        assert!(started.elapsed() < WITHIN, "{bad:?}: {:?}", started.elapsed());
        assert_eq!(service.asked(), before + 1, "{bad:?}");
        let answer = room.answer(user("1001"), WITHIN).await;
        assert!(answer.is_err(), "{bad:?}: nobody has ever answered this: {answer:?}");
    }
    // Written beside the answering.
    tokio::time::sleep(Duration::from_millis(300)).await;
    drop(room);
    let again = self::room(&dir, "http://127.0.0.1:9/", |_| {}).await;
    assert_eq!(found(&again.answer(user("1000"), WITHIN).await), ("last_good", good.as_str()));
}

#[tokio::test]
async fn who_was_taken_out_stays_out() {
    let (dir, service) = (tempfile::tempdir().expect("a folder"), Service::start().await);
    let room = room(&dir, &service.url, |xml| xml.directory.not_found_s = 0).await;
    service.says(Says::Document(document("<a/>")));
    assert!(room.answer(user("1000"), WITHIN).await.is_ok());
    tokio::time::sleep(Duration::from_millis(200)).await;
    service.says(Says::Document(NOT_FOUND.to_owned()));
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(found(&room.answer(user("1000"), WITHIN).await), ("http", "none"));
    service.says(Says::Status(500));
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(room.answer(user("1000"), WITHIN).await.is_err());
    drop(room);
    let again = self::room(&dir, &service.url, |_| {}).await;
    assert!(again.answer(user("1000"), WITHIN).await.is_err(), "nor is it in the store");
}

#[tokio::test]
async fn one_question_serves_all_and_late_answers_the_next() {
    let (dir, service) = (tempfile::tempdir().expect("a folder"), Service::start().await);
    let room = room(&dir, &service.url, |xml| xml.directory.cache_s = 60).await;
    let good = document("<a/>");
    service.says(Says::Late(200, good.clone()));
    let askers: Vec<_> = (0..50)
        .map(|n| {
            let room = room.clone();
            let mut query = user("1000");
            query.params.push(("sip_auth_cnonce".to_owned(), n.to_string()));
            tokio::spawn(async move { room.answer(query, WITHIN).await })
        })
        .collect();
    for asker in askers {
        assert_eq!(found(&asker.await.expect("ended")), ("http", good.as_str()));
    }
    assert_eq!(service.asked(), 1);
    assert_eq!(found(&room.answer(user("1000"), WITHIN).await), ("cache", good.as_str()));
    service.says(Says::Late(600, good.clone()));
    assert!(room.answer(user("1001"), WITHIN).await.is_err(), "later than anybody waits");
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(found(&room.answer(user("1001"), WITHIN).await), ("cache", good.as_str()));
    assert_eq!(service.asked(), 2);
}

#[tokio::test]
async fn a_service_that_fails_is_left_alone_where_there_is_an_answer() {
    let (dir, service) = (tempfile::tempdir().expect("a folder"), Service::start().await);
    let room = room(&dir, &service.url, |xml| xml.directory.stale_s = 3).await;
    service.says(Says::Document(document("<a/>")));
    assert!(room.answer(user("1000"), WITHIN).await.is_ok());
    service.says(Says::Status(503));
    for _ in 0..100 {
        assert_eq!(found(&room.answer(user("1000"), WITHIN).await).0, "last_good");
    }
    assert!(service.asked() <= 3, "{}", service.asked());
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert!(room.answer(user("1000"), WITHIN).await.is_err(), "too old to be given");
}

#[tokio::test]
async fn a_user_whom_the_service_does_not_know_keeps_no_other_from_being_asked_for() {
    let (dir, service) = (tempfile::tempdir().expect("a folder"), Service::start().await);
    let room = room(&dir, &service.url, |_| {}).await;
    service.says(Says::Document(document("<old/>")));
    assert!(room.answer(user("1000"), WITHIN).await.is_ok());
    service.says(Says::Status(404));
    assert!(room.answer(user("scan"), WITHIN).await.is_err());
    service.says(Says::Document(document("<new/>")));
    let answer = room.answer(user("1000"), WITHIN).await;
    assert_eq!(found(&answer), ("http", document("<new/>").as_str()));
    // A service in trouble is another matter.
    service.says(Says::Status(503));
    assert!(room.answer(user("scan"), WITHIN).await.is_err());
    service.says(Says::Document(document("<newer/>")));
    assert_eq!(found(&room.answer(user("1000"), WITHIN).await).0, "last_good");
}
