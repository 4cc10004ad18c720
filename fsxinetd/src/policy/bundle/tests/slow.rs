//! Tests that do not end, and sources that do not answer, are nobody else's trouble.

use std::sync::Condvar;
use std::time::Instant;

use tokio::sync::watch;

use super::super::keeper::Looker;
use super::*;

/// How long a trial, and a start, may take here.
const LIMIT: Duration = Duration::from_secs(1);

/// What keeps the tests of versions called `loop…` from ending; no code in them gives way.
#[derive(Clone, Default)]
struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    fn open(&self) {
        *self.0.0.lock().expect("lock") = true;
        self.0.1.notify_all();
    }

    fn keeper(&self, dir: &Path, trial: Duration, start: Duration) -> Keeper {
        let gate = self.clone();
        let check = move |files: &Files, name: &str| {
            let bundle = Bundle::compile(files, name)?;
            if bundle.version.starts_with("loop") {
                let closed = gate.0.0.lock().expect("lock");
                drop(gate.0.1.wait_while(closed, |open| !*open).expect("lock"));
            }
            Ok(bundle)
        };
        Keeper::new(&dir.join("policies"), &dir.join("store"), Arc::new(check)).within(trial, start)
    }
}

/// The keeper's loop, until it is dropped.
struct Loop {
    looker: Looker,
    _stop: watch::Sender<bool>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Loop {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn begin(keeper: &Keeper, place: &Place, url: &str) -> Loop {
    let config = config::Policy {
        source: url.to_owned(),
        source_interval_s: 1,
        source_timeout_s: 60,
        ..config::Policy::default()
    };
    let fetch = Fetch::from_config(&config).expect("a source");
    let (stop, stopped) = watch::channel(false);
    let (looker, run) = keeper::keep(keeper.clone(), place.clone(), fetch, stopped);
    Loop { looker, _stop: stop, task: tokio::spawn(run) }
}

async fn in_force(place: &Place, name: &str, version: &str) {
    let until = Instant::now() + Duration::from_secs(20);
    while place.version(name) != version {
        let now = place.version(name);
        assert!(Instant::now() < until, "{name}: expected version {version:?}, got {now:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn activate(keeper: &Keeper, name: &str, version: &str) {
    let text = text(version);
    let files = Files::of(&[(text[0].0, &text[0].1), (text[1].0, &text[1].1)]);
    let shelf = keeper.shelf().expect("a store");
    let version = shelf.keep(name, version, &files, By::Command).expect("kept");
    shelf.activate(name, version).expect("in force");
}

fn asked(api: &Api, what: &str) -> usize {
    api.heard.lock().expect("lock").iter().filter(|head| head.contains(what)).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tests_that_do_not_end_hold_up_only_their_own_organisation() {
    let dir = tempfile::tempdir().expect("a folder");
    let policies = dir.path().join("policies");
    write(&policies, "12", "1");
    let (api, place, gate) = (Api::default(), Place::default(), Gate::default());
    api.offer(&[(37, "loop1", "loop1"), (38, "1", "1")]);
    let (url, _server) = api.serve().await;
    // First with a limit that is not reached.
    let keeper = gate.keeper(dir.path(), LONG, LONG);
    let running = begin(&keeper, &place, &url);
    in_force(&place, "38", "1").await;
    let began = Instant::now();
    activate(&keeper, "40", "1");
    in_force(&place, "40", "1").await;
    running.looker.look();
    in_force(&place, "12", "1").await;
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    // It is on trial, not fetched again.
    let lists = asked(&api, "GET /v1/policies HTTP");
    while asked(&api, "GET /v1/policies HTTP") < lists + 2 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(asked(&api, "/37/loop1.json"), 1);
    assert_eq!(place.version("37"), "");
    // The older one is tried to its end, and superseded.
    api.offer(&[(37, "2", "2"), (38, "1", "1")]);
    while asked(&api, "/37/2.json") == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(place.version("37"), "");
    gate.open();
    in_force(&place, "37", "2").await;
    let before = keeper.shelf().expect("a store").state("37").expect("read").before;
    assert!(before.is_empty(), "{before:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_end_within_its_limit_is_refused_once() {
    let dir = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(dir.path().join("policies")).expect("a folder");
    let (api, place, gate) = (Api::default(), Place::default(), Gate::default());
    // More of them than run at once.
    let all: Vec<u32> = (37..43).collect();
    let offer = |version| {
        let offers: Vec<_> = all.iter().map(|org| (*org, version, version)).collect();
        api.offer(&offers);
    };
    offer("loop1");
    let (url, _server) = api.serve().await;
    let keeper = gate.keeper(dir.path(), LIMIT, LONG);
    let config = config::Policy { source: url, ..config::Policy::default() };
    let mut fetch = Fetch::from_config(&config).expect("a source").expect("one");
    fetch.once(&keeper).await;
    let mut survey = keeper.look(&place.bundles(), false, LONG);
    survey.faults.sort();
    let refused = |org: &u32| format!("{org}: version loop1: refused: its tests did not end in 1s");
    assert_eq!(survey.faults, all.iter().map(refused).collect::<Vec<_>>());
    fetch.once(&keeper).await;
    assert_eq!(asked(&api, "/loop1.json"), all.len());
    // A newer one waits for the thread that cannot be stopped, and does not begin another.
    offer("2");
    fetch.once(&keeper).await;
    place.put(keeper.look(&place.bundles(), false, LONG).set);
    assert_eq!(place.version("37"), "");
    let _running = begin(&keeper, &place, "");
    gate.open();
    for org in &all {
        in_force(&place, &org.to_string(), "2").await;
    }
}

#[test]
fn a_start_does_not_wait_for_tests_that_do_not_end() {
    let dir = tempfile::tempdir().expect("a folder");
    let policies = dir.path().join("policies");
    let (place, gate) = (Place::default(), Gate::default());
    for name in ["37", "38", "39"] {
        write(&policies, name, "1");
    }
    keeper::first(&gate.keeper(dir.path(), LONG, LONG), &place);
    write(&policies, "37", "loop2");
    write(&policies, "38", "2");
    write(&policies, "50", "loop1");
    let (place, began) = (Place::default(), Instant::now());
    let keeper = gate.keeper(dir.path(), LONG, LIMIT);
    let survey = keeper.survey(&place.bundles());
    place.put(survey.set);
    assert!(began.elapsed() < LONG / 2, "{:?}", began.elapsed());
    assert_eq!(
        survey.faults,
        [
            "37: its tests have not ended in 1s; it comes into force once they pass; version 1 \
             stays in force",
            "50: its tests have not ended in 1s; it comes into force once they pass"
        ]
    );
    let versions = || ["37", "38", "39", "50"].map(|name| place.version(name));
    assert_eq!(versions(), ["1", "2", "1", ""]);
    gate.open();
    place.put(keeper.look(&place.bundles(), false, LONG).set);
    assert_eq!(versions(), ["loop2", "2", "1", "loop1"]);
}

#[test]
fn a_command_given_during_a_trial_is_the_later_word() {
    let dir = tempfile::tempdir().expect("a folder");
    let policies = dir.path().join("policies");
    let (place, gate) = (Place::default(), Gate::default());
    write(&policies, "37", "loop1");
    write(&policies, "38", "loop1");
    let keeper = gate.keeper(dir.path(), LONG, Duration::ZERO);
    keeper::first(&keeper, &place);
    activate(&keeper, "37", "7");
    // A folder that is gone is no offer any more.
    std::fs::remove_dir_all(policies.join("38")).expect("removed");
    keeper::first(&keeper, &place);
    gate.open();
    place.put(keeper.look(&place.bundles(), true, LONG).set);
    assert_eq!([place.version("37"), place.version("38")], ["7", ""]);
    // It is kept, and what the folder holds next is taken.
    keeper.shelf().expect("a store").find("37", "loop1").expect("kept");
    write(&policies, "37", "8");
    keeper::first(&keeper.within(LONG, LONG), &place);
    assert_eq!(place.version("37"), "8");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_that_is_slow_delays_only_itself() {
    let dir = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(dir.path().join("policies")).expect("a folder");
    let (api, place, gate) = (Api::default(), Place::default(), Gate::default());
    api.offer(&[(37, "1", "1"), (38, "1", "1")]);
    api.put("/v1/policies/37/1.json", HANGS.to_owned());
    let (url, _server) = api.serve().await;
    let keeper = gate.keeper(dir.path(), LONG, LONG);
    let _running = begin(&keeper, &place, &url);
    let began = Instant::now();
    in_force(&place, "38", "1").await;
    assert_eq!(asked(&api, "/37/1.json"), 1);
    activate(&keeper, "40", "1");
    in_force(&place, "40", "1").await;
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    assert_eq!(place.version("37"), "");
}

/// Log lines of this thread.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("lock").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn what_cannot_be_stored_is_refused_once_and_is_not_the_sources_silence() {
    let dir = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(dir.path().join("policies")).expect("a folder");
    let (api, gate, log) = (Api::default(), Gate::default(), Log::default());
    let writer = log.clone();
    let lines = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone());
    let _logging = tracing::subscriber::set_default(lines.finish());
    let long = format!("{}.lua", "x".repeat(252));
    let mut list = Vec::new();
    for (org, names) in [(55, ["b.lua", "b.lua/c.lua"]), (56, ["a.lua", &long])] {
        let manifest = "\"manifest.toml\": \"version = \\\"1\\\"\"";
        let [one, other] = names;
        let body = format!("{{\"files\": {{{manifest}, \"{one}\": \"\", \"{other}\": \"\"}}}}");
        let (url, sha256) = (format!("policies/{org}/1.json"), files::sha256(body.as_bytes()));
        api.put(&format!("/v1/{url}"), body);
        list.push(format!("{{\"org\": {org}, \"sha256\": \"{sha256}\", \"url\": \"{url}\"}}"));
    }
    api.put("/v1/policies", format!("{{\"bundles\": [{}]}}", list.join(",")));
    let (url, server) = api.serve().await;
    let config = config::Policy { source: url, ..config::Policy::default() };
    let keeper = gate.keeper(dir.path(), LONG, LONG);
    let mut fetch = Fetch::from_config(&config).expect("a source").expect("one");
    for _ in 0..3 {
        fetch.once(&keeper).await;
        let survey = keeper.look(&BundleSet::default(), false, LONG);
        assert_eq!(survey.faults, Vec::<String>::new());
    }
    assert_eq!([asked(&api, "/55/"), asked(&api, "/56/")], [1, 1]);
    let said = String::from_utf8(log.0.lock().expect("lock").clone()).expect("text");
    for wrong in ["55: \"b.lua/c.lua\" is no name of a file in a bundle", "56: \"xxx"] {
        assert_eq!(said.matches(wrong).count(), 1, "{wrong}: {said}");
    }
    assert!(!said.contains("answers again"), "{said}");
    // Away and back, it does answer again.
    server.abort();
    let _ = server.await;
    fetch.once(&keeper).await;
    let said = String::from_utf8(log.0.lock().expect("lock").clone()).expect("text");
    assert!(said.contains("what is in force stays"), "{said}");
}
