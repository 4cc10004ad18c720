//! How bundles come into force, and how bad ones do not.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::fetch::Fetch;
use super::keeper::{self, InForce, Keeper};
use super::shelf::{By, Shelf};
use super::*;
use crate::config;

mod slow;

const LONG: Duration = Duration::from_secs(60);

/// A body that never comes.
const HANGS: &str = "hangs";

/// Where bundles are in force.
#[derive(Clone, Default)]
struct Place(Arc<Mutex<Arc<BundleSet>>>);

impl InForce for Place {
    fn bundles(&self) -> Arc<BundleSet> {
        Arc::clone(&self.0.lock().expect("lock"))
    }

    fn put(&self, set: BundleSet) {
        *self.0.lock().expect("lock") = Arc::new(set);
    }
}

impl Place {
    fn version(&self, name: &str) -> String {
        self.bundles().get(name).map_or_else(String::new, |b| b.version.clone())
    }
}

fn text(version: &str) -> [(&'static str, String); 2] {
    let manifest = format!("version = \"{version}\"\n[call]\ndefault = \"x.lua\"\n");
    [("manifest.toml", manifest), ("x.lua", format!("return '{version}'"))]
}

fn write(dir: &Path, name: &str, version: &str) {
    for (file, text) in text(version) {
        let path = dir.join(name).join(file);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        std::fs::write(path, text).expect("written");
    }
}

/// As the daemon's check, with tests that fail for a version that says so.
fn check() -> keeper::Check {
    Arc::new(|files: &Files, name: &str| {
        let bundle = Bundle::compile(files, name)?;
        if bundle.version.starts_with("bad") {
            return Err(vec![Fault::at("tests/a.lua", 3, "test \"a\": expected to be 1, got 2")]);
        }
        Ok(bundle)
    })
}

fn keeper_of(dir: &Path) -> Keeper {
    Keeper::new(&dir.join("policies"), &dir.join("store"), check())
}

#[test]
fn the_folder_is_taken_where_it_is_new_and_good() {
    let dir = tempfile::tempdir().expect("a folder");
    let policies = dir.path().join("policies");
    let place = Place::default();
    let look = |keeper: &Keeper| {
        let survey = keeper.survey(&place.bundles());
        place.put(survey.set);
        survey.faults
    };
    write(&policies, "37", "1");
    let keeper = keeper_of(dir.path());
    assert_eq!(look(&keeper), Vec::<String>::new());
    assert_eq!(place.version("37"), "1");

    // Refused with its place; what is in force stays, also over a restart.
    write(&policies, "37", "bad2");
    let faults = look(&keeper);
    assert_eq!(
        faults,
        ["37/tests/a.lua:3: test \"a\": expected to be 1, got 2; version 1 stays in force"]
    );
    std::fs::write(policies.join("37/x.lua"), "x = = 1").expect("written");
    assert!(look(&keeper)[0].starts_with("37/x.lua:1: "));
    assert_eq!(place.version("37"), "1");
    let place = Place::default();
    let again = keeper_of(dir.path());
    keeper::first(&again, &place);
    assert_eq!(place.version("37"), "1", "the last good one after a restart");

    // Taken back by hand, the folder's own is not taken again until it changes.
    write(&policies, "37", "3");
    keeper::first(&again, &place);
    assert_eq!(place.version("37"), "3");
    again.shelf().expect("a store").rollback("37", None).expect("back");
    let survey = again.glance(&place.bundles());
    place.put(survey.set);
    assert_eq!(place.version("37"), "1");
    keeper::first(&again, &place);
    assert_eq!(place.version("37"), "1");
    write(&policies, "37", "4");
    keeper::first(&again, &place);
    assert_eq!(place.version("37"), "4");

    // A version that somebody has touched is not used; the one before it is.
    let shelf = again.shelf().expect("a store");
    let active = shelf.state("37").expect("a state").active.expect("in force");
    std::fs::write(shelf.path("37", &active).join("x.lua"), "os.exit()").expect("written");
    let survey = again.glance(&BundleSet::default());
    assert_eq!(survey.set.get("37").map(|b| b.version.as_str()), Some("1"));
    assert!(survey.faults[0].contains("damaged"), "{:?}", survey.faults);

    // A folder that is gone takes its policy with it; one that cannot be read takes nothing.
    std::fs::rename(&policies, dir.path().join("away")).expect("moved");
    keeper::first(&again, &place);
    assert_eq!(place.version("37"), "4");
    std::fs::create_dir(&policies).expect("a folder");
    keeper::first(&again, &place);
    assert_eq!(place.version("37"), "");
}

/// A Core API: what is at each path; every request head is kept.
#[derive(Clone, Default)]
struct Api {
    files: Arc<Mutex<BTreeMap<String, String>>>,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Api {
    async fn serve(&self) -> (String, tokio::task::JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/v1/policies", listener.local_addr().expect("an address"));
        let api = self.clone();
        let task = tokio::spawn(async move {
            let mut held = Vec::new();
            while let Ok((mut peer, _)) = listener.accept().await {
                let mut head = vec![0; 4096];
                let len = peer.read(&mut head).await.unwrap_or(0);
                let head = String::from_utf8_lossy(&head[..len]).into_owned();
                let path = head.split(' ').nth(1).unwrap_or("").to_owned();
                let found = api.files.lock().expect("lock").get(&path).cloned();
                let etag = found.as_ref().map(|body| files::sha256(body.as_bytes()));
                let known = etag.as_ref().is_some_and(|etag| head.contains(etag.as_str()));
                api.heard.lock().expect("lock").push(head);
                if found.as_deref() == Some(HANGS) {
                    held.push(peer);
                    continue;
                }
                let answer = match (found, known) {
                    (None, _) => "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_owned(),
                    (_, true) => {
                        "HTTP/1.1 304 Not Modified\r\nConnection: close\r\n\r\n".to_owned()
                    }
                    (Some(body), false) => format!(
                        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nETag: \"{}\"\r\nConnection: close\r\n\r\n{body}",
                        body.len(),
                        etag.unwrap_or_default()
                    ),
                };
                let _ = peer.write_all(answer.as_bytes()).await;
            }
        });
        (url, task)
    }

    fn put(&self, path: &str, body: String) {
        self.files.lock().expect("lock").insert(path.to_owned(), body);
    }

    /// Offers these versions of organisations; what is sent is `sent`, what is promised its digest.
    fn offer(&self, offers: &[(u32, &str, &str)]) {
        let mut list = Vec::new();
        for (org, promised, sent) in offers {
            let body = |version: &str| {
                let text = text(version);
                Files::of(&[(text[0].0, &text[0].1), (text[1].0, &text[1].1)]).to_json()
            };
            let url = format!("policies/{org}/{promised}.json");
            self.put(&format!("/v1/{url}"), body(sent));
            let sha256 = files::sha256(body(promised).as_bytes());
            list.push(format!(
                "{{\"org\": {org}, \"version\": \"{promised}\", \"sha256\": \"{sha256}\", \"url\": \"{url}\"}}"
            ));
        }
        self.put("/v1/policies", format!("{{\"bundles\": [{}]}}", list.join(",")));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bundles_from_the_core_api() {
    let dir = tempfile::tempdir().expect("a folder");
    let policies = dir.path().join("policies");
    write(&policies, "12", "own");
    let api = Api::default();
    api.offer(&[(12, "theirs", "theirs"), (37, "1", "1"), (38, "1", "1")]);
    let (url, server) = api.serve().await;
    let config = config::Policy {
        source: url.clone(),
        source_api_key: "k3y".to_owned(),
        source_timeout_s: 5,
        ..config::Policy::default()
    };
    let keeper = keeper_of(dir.path());
    let place = Place::default();
    keeper::first(&keeper, &place);
    let mut fetch = Fetch::from_config(&config).expect("a source").expect("one");
    let once = async |fetch: &mut Fetch| {
        tokio::time::timeout(LONG, fetch.once(&keeper)).await.expect("in time");
        let survey = keeper.look(&place.bundles(), false, LONG);
        place.put(survey.set);
        [place.version("12"), place.version("37"), place.version("38")]
    };
    // The folder's own wins; the others are fetched, with the key.
    assert_eq!(once(&mut fetch).await, ["own", "1", "1"]);
    let heard = api.heard.lock().expect("lock").clone();
    assert_eq!(heard.len(), 3, "the list and two bundles: {heard:?}");
    assert!(heard.iter().all(|head| head.to_lowercase().contains("x-api-key: k3y")));

    // Nothing has changed: one line each way.
    assert_eq!(once(&mut fetch).await, ["own", "1", "1"]);
    let heard = api.heard.lock().expect("lock").clone();
    assert_eq!(heard.len(), 4, "{heard:?}");
    assert!(heard[3].to_lowercase().contains("if-none-match"));

    // One that is not what was promised, and one that fails its tests: the last good ones stay, and
    // the bad one is fetched once.
    api.offer(&[(37, "2", "1"), (38, "bad2", "bad2")]);
    assert_eq!(once(&mut fetch).await, ["own", "1", "1"]);
    let before = api.heard.lock().expect("lock").len();
    assert_eq!(once(&mut fetch).await, ["own", "1", "1"]);
    let asked: Vec<_> = api.heard.lock().expect("lock")[before..].to_vec();
    assert!(!asked.iter().any(|head| head.contains("/38/")), "{asked:?}");

    // Good again; taken back by hand, it is not put in force again by the same list.
    api.offer(&[(37, "3", "3"), (38, "3", "3")]);
    assert_eq!(once(&mut fetch).await, ["own", "3", "3"]);
    keeper.shelf().expect("a store").rollback("37", None).expect("back");
    assert_eq!(once(&mut fetch).await, ["own", "1", "3"]);

    // Away, and over a restart: what was fetched last.
    server.abort();
    let _ = server.await;
    assert_eq!(once(&mut fetch).await, ["own", "1", "3"]);
    let place = Place::default();
    keeper::first(&keeper_of(dir.path()), &place);
    assert_eq!((place.version("37"), place.version("38")), ("1".to_owned(), "3".to_owned()));
}

#[tokio::test]
async fn a_bundle_that_found_no_place_is_taken_once_there_is_one() {
    let dir = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(dir.path().join("policies")).expect("a folder");
    // A file where the versions of 37 are to be kept, as good as a disk without room.
    let blocked = dir.path().join("store/37/versions");
    std::fs::create_dir_all(dir.path().join("store/37")).expect("a folder");
    std::fs::write(&blocked, "").expect("written");
    let api = Api::default();
    api.offer(&[(37, "1", "1")]);
    let (url, _server) = api.serve().await;
    let config = config::Policy { source: url, ..config::Policy::default() };
    let keeper = keeper_of(dir.path());
    let mut fetch = Fetch::from_config(&config).expect("a source").expect("one");
    let place = Place::default();
    fetch.once(&keeper).await;
    place.put(keeper.look(&place.bundles(), false, LONG).set);
    assert_eq!(place.version("37"), "");
    std::fs::remove_file(&blocked).expect("removed");
    fetch.once(&keeper).await;
    place.put(keeper.look(&place.bundles(), false, LONG).set);
    assert_eq!(place.version("37"), "1");
}

#[tokio::test]
async fn what_is_no_list_changes_nothing() {
    let dir = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(dir.path().join("policies")).expect("a folder");
    let api = Api::default();
    api.offer(&[(37, "1", "1")]);
    let (url, _server) = api.serve().await;
    let config = config::Policy { source: url, ..config::Policy::default() };
    let keeper = keeper_of(dir.path());
    let mut fetch = Fetch::from_config(&config).expect("a source").expect("one");
    fetch.once(&keeper).await;
    keeper.look(&BundleSet::default(), false, LONG);
    let good = api.files.lock().expect("lock")["/v1/policies"].clone();
    for list in [
        "<html>".to_owned(),
        "{\"bundles\": [{\"org\": 0, \"version\": \"1\", \"sha256\": \"\", \"url\": \"x\"}]}"
            .to_owned(),
        good.replace(']', &format!(",{}]", &good[good.find('[').expect("[") + 1..good.len() - 2])),
        good.replace("policies/37", "/etc/../37"),
    ] {
        api.put("/v1/policies", list);
        fetch.once(&keeper).await;
        let survey = keeper.look(&BundleSet::default(), false, LONG);
        assert_eq!(survey.set.get("37").map(|b| b.version.as_str()), Some("1"));
    }
    // Names that would leave the folder.
    for name in ["../x.lua", "/etc/x.lua", "a//b.lua", ".x.lua", "a/../x.lua", "a\\u0000.lua"] {
        let json = format!("{{\"files\": {{\"{name}\": \"\"}}}}");
        let fault = Files::from_json(json.as_bytes()).expect_err(name).to_string();
        assert!(fault.contains("is no name of a file"), "{name}: {fault}");
    }
}

#[test]
fn a_store_that_cannot_be_written_is_done_without() {
    let dir = tempfile::tempdir().expect("a folder");
    write(&dir.path().join("policies"), "37", "1");
    std::fs::write(dir.path().join("file"), "").expect("written");
    let keeper = Keeper::new(&dir.path().join("policies"), &dir.path().join("file/store"), check());
    let place = Place::default();
    keeper::first(&keeper, &place);
    assert_eq!(place.version("37"), "1");
    write(&dir.path().join("policies"), "37", "bad");
    keeper::first(&keeper, &place);
    assert_eq!(place.version("37"), "1");
}

#[test]
fn root_keeps_versions_for_whoever_owns_the_store() {
    use std::os::unix::fs::MetadataExt as _;
    let dir = tempfile::tempdir().expect("a folder");
    let store = dir.path().join("store");
    let shelf = Shelf::open(&store).expect("opens");
    if std::os::unix::fs::chown(&store, Some(12_345), Some(12_345)).is_err() {
        println!(
            "SKIPPED root_keeps_versions_for_whoever_owns_the_store: only root can give files away"
        );
        return;
    }
    let files = Files::of(&[("manifest.toml", "version = \"1\""), ("a/b.lua", "return 1")]);
    let version = shelf.keep("37", "1", &files, By::Command).expect("kept");
    let path = shelf.path("37", &version);
    shelf.activate("37", version).expect("in force");
    for made in
        [path.join("a/b.lua"), path.join("a"), store.join("37/active.json"), store.join("37")]
    {
        let owner = std::fs::metadata(&made).expect("there").uid();
        assert_eq!(owner, 12_345, "{}", made.display());
    }
}
