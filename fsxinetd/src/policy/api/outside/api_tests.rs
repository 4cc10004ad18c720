//! The client against a server of our own that counts what it is asked.

use std::sync::atomic::AtomicUsize;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;
use crate::policy::Phase;

/// Answers `status` and `body` to everything after `pause`; gives what was asked.
struct Server {
    address: std::net::SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    count: Arc<AtomicUsize>,
    answer: Arc<Mutex<(u16, String, Duration)>>,
}

impl Server {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let server = Self {
            address: listener.local_addr().expect("an address"),
            asked: Arc::default(),
            count: Arc::default(),
            answer: Arc::new(Mutex::new((200, "{\"a\":1}".to_owned(), Duration::ZERO))),
        };
        let (asked, count, answer) =
            (Arc::clone(&server.asked), Arc::clone(&server.count), Arc::clone(&server.answer));
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (asked, count, answer) =
                    (Arc::clone(&asked), Arc::clone(&count), Arc::clone(&answer));
                tokio::spawn(async move {
                    let mut bytes = Vec::new();
                    let mut buffer = [0; 4096];
                    while let Ok(n @ 1..) = stream.read(&mut buffer).await {
                        bytes.extend_from_slice(&buffer[..n]);
                        let text = String::from_utf8_lossy(&bytes).into_owned();
                        let Some(end) = text.find("\r\n\r\n") else { continue };
                        let length: usize = text
                            .to_ascii_lowercase()
                            .lines()
                            .find_map(|l| l.strip_prefix("content-length: ").map(str::to_owned))
                            .map_or(0, |n| n.trim().parse().expect("a length"));
                        if bytes.len() < end + 4 + length {
                            continue;
                        }
                        bytes.drain(..end + 4 + length);
                        asked.lock().expect("unpoisoned").push(text);
                        count.fetch_add(1, Relaxed);
                        let (status, body, pause) = answer.lock().expect("unpoisoned").clone();
                        tokio::time::sleep(pause).await;
                        let head = format!(
                            "HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n",
                            body.len()
                        );
                        let _ = stream.write_all((head + &body).as_bytes()).await;
                    }
                });
            }
        });
        server
    }

    fn says(&self, status: u16, body: &str, pause: Duration) {
        *self.answer.lock().expect("unpoisoned") = (status, body.to_owned(), pause);
    }

    fn api(&self, change: impl FnOnce(&mut config::Core)) -> Arc<CoreApi> {
        let mut config = config::Core {
            url: format!("http://{}/v1/", self.address),
            api_key: "platform-key".to_owned(),
            ..config::Core::default()
        };
        change(&mut config);
        Arc::new(CoreApi::new(&config).expect("a client").expect("configured"))
    }

    fn count(&self) -> usize {
        self.count.load(Relaxed)
    }
}

fn asker(author: Author, org: u32) -> Asker {
    Asker {
        org,
        author,
        bundle: "x".to_owned(),
        task: String::new(),
        phase: Phase::Call,
        call_id: "c".to_owned(),
    }
}

fn get(path: &str, cache_s: u64, stale_s: u64) -> CoreAsk {
    CoreAsk {
        method: "GET",
        path: path.to_owned(),
        query: Vec::new(),
        body: None,
        timeout: None,
        cache: Duration::from_secs(cache_s),
        stale: Duration::from_secs(stale_s),
    }
}

#[tokio::test]
async fn a_question_says_who_it_is_about() {
    let server = Server::start().await;
    let api = server.api(|_| {});
    let mut ask = get("/users", 0, 0);
    ask.query = vec![("a b".to_owned(), "x&y=\u{e9}".to_owned()), ("n".to_owned(), "5".to_owned())];
    let said = api.ask(&asker(Author::Platform, 37), ask).await.expect("answered");
    assert_eq!(
        (said.status, said.body.as_str(), said.source),
        (200, "{\"a\":1}", CoreSource::Fetched)
    );
    let post =
        CoreAsk { method: "POST", body: Some("{\"b\":2}".to_owned()), ..get("/users", 0, 0) };
    api.ask(&asker(Author::Platform, 37), post).await.expect("answered");
    let asked = server.asked.lock().expect("unpoisoned").clone();
    assert!(
        asked[0].starts_with("GET /v1/users?a%20b=x%26y%3D%C3%A9&n=5 HTTP/1.1\r\n"),
        "{}",
        asked[0]
    );
    assert!(
        asked[0].contains("x-api-key: platform-key\r\n") && asked[0].contains("x-org-id: 37\r\n")
    );
    assert!(asked[1].starts_with("POST /v1/users HTTP/1.1\r\n") && asked[1].ends_with("{\"b\":2}"));
}

#[tokio::test]
async fn an_organisation_asks_for_its_own() {
    let server = Server::start().await;
    let api = server.api(|core| {
        core.organisation_keys.insert("12".to_owned(), "key-of-12".to_owned());
    });
    let own = asker(Author::Organisation, 37);
    for (path, may) in [
        ("/organisations/37/users", true),
        ("/organisations/37/", true),
        ("/organisations/370/users", false),
        ("/organisations/12/users", false),
        ("/organisations/", false),
        ("/", false),
        ("/admin", false),
    ] {
        assert_eq!(api.ask(&own, get(path, 0, 0)).await.is_ok(), may, "{path}");
    }
    assert_eq!(server.count(), 2);
    // One with a key of its own is judged by the API, and the platform's scripts have the platform's.
    api.ask(&asker(Author::Organisation, 12), get("/admin", 0, 0)).await.expect("answered");
    api.ask(&asker(Author::Platform, 12), get("/admin", 0, 0)).await.expect("answered");
    let asked = server.asked.lock().expect("unpoisoned").clone();
    assert!(
        asked[2].contains("x-api-key: key-of-12\r\n")
            && asked[3].contains("x-api-key: platform-key\r\n")
    );
}

#[tokio::test]
async fn answers_are_kept_for_whoever_asked() {
    let server = Server::start().await;
    let api = server.api(|_| {});
    let (a, b) = (asker(Author::Platform, 1), asker(Author::Platform, 2));
    let ask = || get("/x", 60, 60);
    for (who, source, count) in
        [(&a, CoreSource::Fetched, 1), (&a, CoreSource::Cache, 1), (&b, CoreSource::Fetched, 2)]
    {
        assert_eq!(api.ask(who, ask()).await.expect("answered").source, source);
        assert_eq!(server.count(), count);
    }
    // Away: what is too old to be given gladly is better than nothing, and errors are not kept.
    server.says(503, "down", Duration::ZERO);
    let old = get("/x", 0, 60);
    let said = api.ask(&a, old.clone()).await.expect("the kept one");
    assert_eq!((said.source, said.status), (CoreSource::Stale, 200));
    let said = api.ask(&asker(Author::Platform, 3), old.clone()).await.expect("what it says");
    assert_eq!((said.source, said.status), (CoreSource::Fetched, 503));
    // Silent: the same, at the deadline.
    server.says(200, "late", Duration::from_secs(20));
    let began = Instant::now();
    let silent = CoreAsk { timeout: Some(Duration::from_millis(200)), ..old };
    assert_eq!(api.ask(&a, silent.clone()).await.expect("the kept one").source, CoreSource::Stale);
    let none = CoreAsk { path: "/y".to_owned(), ..silent };
    let why = api.ask(&a, none).await.expect_err("nothing was kept");
    assert_eq!(why, "no answer within 200 ms");
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn many_who_ask_the_same_ask_once() {
    let server = Server::start().await;
    server.says(200, "{}", Duration::from_millis(200));
    let api = server.api(|_| {});
    let who = asker(Author::Platform, 1);
    let many = (0..50).map(|_| api.ask(&who, get("/x", 60, 0)));
    for said in futures_util::future::join_all(many).await {
        assert_eq!(said.expect("answered").status, 200);
    }
    assert_eq!(server.count(), 1);
}

#[tokio::test]
async fn one_organisation_does_not_use_up_the_turns() {
    let server = Server::start().await;
    server.says(200, "{}", Duration::from_millis(400));
    let api = server.api(|core| core.max_in_flight = 8);
    let own = asker(Author::Organisation, 37);
    let flood = (0..20).map(|n| api.ask(&own, get(&format!("/organisations/37/{n}"), 0, 0)));
    let other = asker(Author::Organisation, 12);
    let (flooded, other) = tokio::join!(
        futures_util::future::join_all(flood),
        api.ask(&other, get("/organisations/12/x", 0, 0))
    );
    assert_eq!(flooded.iter().filter(|said| said.is_ok()).count(), 2);
    assert_eq!(other.expect("answered").status, 200);
}

#[tokio::test]
async fn an_answer_without_end_is_not_read() {
    let server = Server::start().await;
    server.says(200, &"x".repeat(2_000), Duration::ZERO);
    let api = server.api(|core| core.max_body_bytes = 1_000);
    let why = api.ask(&asker(Author::Platform, 1), get("/x", 0, 0)).await.expect_err("too long");
    assert!(why.contains("longer than 1000 bytes"), "{why}");
}

#[tokio::test]
async fn nobody_waits_for_an_api_that_refuses() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    let config = config::Core { url: format!("http://{address}"), ..config::Core::default() };
    let api = Arc::new(CoreApi::new(&config).expect("a client").expect("configured"));
    let who = asker(Author::Platform, 1);
    for _ in 0..BREAKS_AFTER {
        let why = api.ask(&who, get("/x", 0, 0)).await.expect_err("refused");
        assert!(!why.contains("in a moment"), "{why}");
    }
    let why = api.ask(&who, get("/x", 0, 0)).await.expect_err("not asked");
    assert!(why.contains("asked again in a moment"), "{why}");
}
