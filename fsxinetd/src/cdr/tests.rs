//! Records that come twice, lines that are none, a receiver that fails.

use std::io::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use http_body_util::{BodyExt as _, Full};
use hyper::service::service_fn;

use super::*;
use crate::shutdown;

fn record(id: &str) -> CallRecord {
    serde_json::from_value(serde_json::json!({
        "id": id, "switch": "freeswitch", "host": "h", "facts": {"called": "999", "org": 37},
        "generation": 12, "decided_by": "local", "decision": "route", "attempts": [],
        "started_ms": 1_768_903_200_000_i64, "ended_ms": 1_768_903_260_000_i64, "cause": 16,
        "cause_name": "NORMAL_CLEARING"
    }))
    .expect("a record")
}

fn config(dir: &Path) -> config::Cdr {
    config::Cdr {
        store: dir.join("cdr.sqlite"),
        spool: vec![dir.join("spool.jsonl")],
        spool_interval_ms: 20,
        ..config::Cdr::default()
    }
}

async fn ids(dir: &Path) -> Vec<String> {
    let path = dir.join("cdr.sqlite");
    let records = list::records(&path, list::Wanted::default()).await.expect("a store");
    records.iter().map(|r| r["id"].as_str().expect("an id").to_owned()).collect()
}

#[tokio::test]
async fn what_is_only_to_be_stored_is_not_delivered() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = store::Store::open(&dir.path().join("cdr.sqlite"), true).await.expect("a store");
    let quiet = CallRecord { store_only: true, ..record("quiet") };
    store.put(Source::Socket, &[&record("loud"), &quiet]).await.expect("kept");
    assert_eq!(store.waiting(), 1);
    let due = store.due(i64::MAX, 10).await.expect("due");
    assert_eq!(due.iter().map(|due| due.id.as_str()).collect::<Vec<_>>(), ["loud"]);
    assert_eq!(ids(dir.path()).await.len(), 2);
}

#[tokio::test]
async fn two_calls_of_one_id_are_two_records() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = store::Store::open(&dir.path().join("cdr.sqlite"), true).await.expect("a store");
    let first = record("same");
    let second = CallRecord { started_ms: first.started_ms + 5_000, ..record("same") };
    for _ in 0..2 {
        // Again, as from a spool that was read twice.
        store.put(Source::Spool, &[&first, &second]).await.expect("kept");
    }
    let mut there = ids(dir.path()).await;
    there.sort();
    assert_eq!(there, ["same".to_owned(), format!("same/{}", second.started_ms)]);
    assert_eq!(store.waiting(), 2);
    let due = store.due(i64::MAX, 10).await.expect("due");
    assert!(due.iter().all(|due| due.body.contains(&format!("\"id\":\"{}\"", due.id))), "{due:?}");
}

#[tokio::test]
async fn a_store_has_one_daemon() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("cdr.sqlite");
    let store = store::Store::open(&path, false).await.expect("a store");
    let error = store::Store::open(&path, false).await.expect_err("it is in use").to_string();
    assert!(error.ends_with("another fsxinetd uses it"), "{error}");
    drop(store);
    store::Store::open(&path, false).await.expect("let go");
}

#[tokio::test]
async fn what_is_taken_is_on_disk_once() {
    let dir = tempfile::tempdir().expect("a folder");
    let (intake, writer) = Intake::open(&config(dir.path())).await.expect("a store");
    tokio::spawn(writer.run());
    let many = (0..300).map(|n| {
        let intake = intake.clone();
        tokio::spawn(async move { intake.take(record(&format!("r{}", n % 200))).await })
    });
    for taken in many.collect::<Vec<_>>() {
        taken.await.expect("no panic").expect("taken");
    }
    // Another process sees it now: it is committed, not merely queued.
    let mut found = ids(dir.path()).await;
    found.sort();
    found.dedup();
    assert_eq!(found.len(), 200);
    assert!(matches!(intake.take(record("")).await, Err(IntakeError::NoId)));
    let path = dir.path().join("cdr.sqlite");
    let text = list::table(&path, list::Wanted { org: Some(37), last: 1 }).await.expect("a store");
    assert_eq!(text.lines().count(), 2, "{text}");
    assert!(text.contains("2026-01-20T10:00:00Z") && text.contains("NORMAL_CLEARING"), "{text}");
}

#[tokio::test]
async fn spool_files_are_taken_whole_and_faults_are_kept() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = store::Store::open(&dir.path().join("cdr.sqlite"), false).await.expect("a store");
    let file = dir.path().join("spool.jsonl");
    let line = |id: &str| serde_json::to_string(&record(id)).expect("json") + "\n";
    let cut = &line("torn")[..40];
    std::fs::write(&file, format!("{}{{\"id\": 7}}\n\n{}{}{cut}", line("a"), line("b"), line("a")))
        .expect("written");
    assert_eq!(spool::take(&file, &store).await, Ok(3));
    assert_eq!(ids(dir.path()).await, ["a", "b"]);
    let dead = list::dead(&dir.path().join("cdr.sqlite")).await.expect("a store");
    let places: Vec<_> = dead.iter().map(|d| d["line"].as_u64().expect("a line")).collect();
    assert_eq!(places, [2, 6]);
    assert!(dead[0]["file"].as_str().expect("a file").contains("spool.jsonl.taking."));
    assert!(dead[1]["reason"].as_str().expect("a reason").contains("cut off"), "{dead:?}");
    assert_eq!(dead[1]["text"], cut);
    // Nothing is left of the file.
    let left = std::fs::read_dir(dir.path()).expect("a folder").flatten();
    let left: Vec<_> = left.map(|e| e.file_name().to_string_lossy().into_owned()).collect();
    assert!(left.iter().all(|name| name.starts_with("cdr.sqlite")), "{left:?}");
    assert_eq!(spool::take(&file, &store).await, Ok(0));
}

#[tokio::test]
async fn a_file_that_a_dead_daemon_left_is_read_again() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = store::Store::open(&dir.path().join("cdr.sqlite"), false).await.expect("a store");
    let line = |id: &str| serde_json::to_string(&record(id)).expect("json") + "\n";
    // It had committed "a" before it died.
    store.put(store::Source::Spool, &[&record("a")]).await.expect("put");
    let file = dir.path().join("spool.jsonl");
    std::fs::write(dir.path().join("spool.jsonl.taking.5"), line("a") + &line("b"))
        .expect("written");
    std::fs::write(dir.path().join("spool.jsonl.taking.x"), "not ours").expect("written");
    std::fs::write(&file, line("c")).expect("written");
    assert_eq!(spool::take(&file, &store).await, Ok(3));
    assert_eq!(ids(dir.path()).await, ["a", "b", "c"]);
    assert!(dir.path().join("spool.jsonl.taking.x").exists());
    // A directory or a link in its place is refused, not followed.
    std::os::unix::fs::symlink("/dev/zero", &file).expect("a link");
    assert!(spool::take(&file, &store).await.expect_err("refused").contains("regular file"));
}

#[tokio::test]
async fn an_appender_that_is_still_writing_is_waited_for() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = store::Store::open(&dir.path().join("cdr.sqlite"), false).await.expect("a store");
    let path = dir.path().join("spool.jsonl");
    let line = serde_json::to_string(&record("a")).expect("json") + "\n";
    let (head, tail) = line.split_at(30);
    let mut file =
        std::fs::OpenOptions::new().create(true).append(true).open(&path).expect("opened");
    file.lock().expect("locked");
    file.write_all(head.as_bytes()).expect("written");
    let appender = async {
        tokio::time::sleep(Duration::from_millis(150)).await;
        file.write_all(tail.as_bytes()).expect("written");
        drop(file);
    };
    let (taken, ()) = tokio::join!(spool::take(&path, &store), appender);
    assert_eq!(taken, Ok(1));
    assert_eq!(ids(dir.path()).await, ["a"]);
}

/// A receiver that answers as it is told, by the record's id.
async fn receiver(answer: fn(&str, u32) -> u16) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/cdr", listener.local_addr().expect("an address"));
    let got = Arc::new(Mutex::new(Vec::new()));
    let (seen, tries) = (Arc::clone(&got), Arc::new(AtomicU32::new(0)));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (seen, tries) = (Arc::clone(&seen), Arc::clone(&tries));
            let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
                let (seen, tries) = (Arc::clone(&seen), Arc::clone(&tries));
                async move {
                    let key =
                        request.headers()["Idempotency-Key"].to_str().expect("text").to_owned();
                    assert_eq!(request.headers()["X-API-Key"], "k3y");
                    let body = request.collect().await.expect("a body").to_bytes();
                    let record: CallRecord = serde_json::from_slice(&body).expect("a record");
                    assert_eq!(record.id, key);
                    let status = answer(&key, tries.fetch_add(1, SeqCst));
                    if status == 200 {
                        seen.lock().expect("fine").push(key);
                    }
                    let mut response = hyper::Response::new(Full::new(bytes::Bytes::from("said")));
                    *response.status_mut() = hyper::StatusCode::from_u16(status).expect("a status");
                    Ok::<_, std::convert::Infallible>(response)
                }
            });
            let io = hyper_util::rt::TokioIo::new(stream);
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(io, service));
        }
    });
    (url, got)
}

#[tokio::test]
async fn records_are_delivered_and_what_is_refused_is_kept() {
    let dir = tempfile::tempdir().expect("a folder");
    // The first three tries meet a broken receiver; "bad" is refused for good.
    let (url, got) = receiver(|id, n| match (id, n) {
        ("bad", _) => 422,
        (_, 0..3) => 503,
        _ => 200,
    })
    .await;
    let config = config::Cdr {
        deliver_url: url,
        deliver_api_key: "k3y".to_owned(),
        retry_max_s: 1,
        ..config(dir.path())
    };
    let (intake, writer) = Intake::open(&config).await.expect("a store");
    tokio::spawn(writer.run());
    let (_stopper, shutdown) = shutdown::pair();
    tokio::spawn(deliver::run(config, intake.store(), shutdown));
    for id in ["a", "b", "bad", "c"] {
        intake.take(record(id)).await.expect("taken");
    }
    let started = Instant::now();
    while intake.waiting() > 0 {
        assert!(started.elapsed() < Duration::from_secs(20), "{} wait", intake.waiting());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut got = got.lock().expect("fine").clone();
    got.sort();
    assert_eq!(got, ["a", "b", "c"]);
    let dead = list::dead(&dir.path().join("cdr.sqlite")).await.expect("a store");
    assert_eq!(dead.len(), 1);
    assert_eq!(
        (dead[0]["id"].as_str(), dead[0]["reason"].as_str()),
        (Some("bad"), Some("422 Unprocessable Entity said"))
    );
}

#[tokio::test]
async fn what_waits_is_known_after_a_restart() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("cdr.sqlite");
    let store = store::Store::open(&path, true).await.expect("a store");
    store.put(store::Source::Socket, &[&record("a"), &record("b")]).await.expect("put");
    assert_eq!(store.waiting(), 2);
    let due = store.due(i64::MAX, 10).await.expect("due");
    store.tried(&[(due[0].seq, store::Tried::Delivered)]).await.expect("written");
    drop(store);
    let store = store::Store::open(&path, true).await.expect("a store");
    assert_eq!(store.waiting(), 1);
    assert_eq!(store.due(i64::MAX, 10).await.expect("due")[0].id, "b");
    assert_eq!(store.forget_delivered(i64::MAX).await.expect("forgotten"), 1);
    assert_eq!(ids(dir.path()).await, ["b"]);
}

#[tokio::test]
async fn a_store_that_cannot_be_used_says_so_in_one_line() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("x");
    let wrong = |e: &dyn std::fmt::Display| {
        let line = e.to_string();
        assert!(line.starts_with(&format!("record store {}: ", path.display())), "{line}");
        assert!(!line.contains('\n'), "{line}");
    };
    wrong(&list::records(&path, list::Wanted::default()).await.expect_err("no file"));
    std::fs::write(&path, "this is no database, however long it may be").expect("written");
    wrong(&store::Store::open(&path, false).await.expect_err("no database"));
    wrong(&list::records(&path, list::Wanted::default()).await.expect_err("no database"));
}

/// A commit that failed must not leave a connection that takes records into nowhere.
#[tokio::test]
async fn what_is_acknowledged_after_a_full_disk_is_on_it() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = store::Store::open(&dir.path().join("cdr.sqlite"), false).await.expect("a store");
    store.fill_up(40).await;
    let (mut acknowledged, mut refused) = (Vec::new(), 0);
    for n in 0..200 {
        let mut one = record(&format!("r{n}"));
        one.cause_name = "x".repeat(3_000);
        match store.put(store::Source::Socket, &[&one]).await {
            Ok(_) => acknowledged.push(one.id),
            Err(_) => refused += 1,
        }
    }
    // The limit held for the connection that met it; the one after it has room.
    assert!(refused > 0 && acknowledged.len() > 100, "{refused} refused");
    let mut found = ids(dir.path()).await;
    found.sort();
    acknowledged.sort();
    assert_eq!(found, acknowledged);
}

/// What stands in the way is named, and the records behind it are taken.
#[tokio::test]
async fn a_folder_among_the_taken_files_holds_nothing_up() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = store::Store::open(&dir.path().join("cdr.sqlite"), false).await.expect("a store");
    let spool_file = dir.path().join("spool.jsonl");
    std::fs::create_dir(dir.path().join("spool.jsonl.taking.1")).expect("a folder in the way");
    let line = serde_json::to_string(&record("r1")).expect("JSON");
    std::fs::write(&spool_file, format!("{line}\n")).expect("a spool file");
    let fault = spool::take(&spool_file, &store).await.expect_err("the folder is named");
    assert!(fault.contains("spool.jsonl.taking.1: is not a regular file"), "{fault}");
    assert_eq!(ids(dir.path()).await, ["r1"]);
}

/// Whoever asks `/readyz` must not hear that records are taken while the disk takes none.
#[tokio::test]
async fn health_follows_the_store() {
    use crate::health::{Health, Part};
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("cdr.sqlite");
    let store = Arc::new(store::Store::open(&path, false).await.expect("a store"));
    let health = Health::new(crate::published::PublishedHandle::new(), Duration::ZERO);
    health.set(Part::Cdr, true);
    let (stopper, shutdown) = shutdown::pair();
    let watching = tokio::spawn({
        let (store, health) = (store.clone(), health.clone());
        async move { watch(&store, &health, &shutdown).await }
    });
    let says_within = |wanted: bool, limit: Duration| {
        let health = health.clone();
        async move {
            let started = Instant::now();
            loop {
                let (_, checks) = health.report();
                let check = checks.into_iter().find(|c| c.name == "cdr").expect("a check");
                if check.state.is_ok() == wanted {
                    return Some(check.state);
                }
                if started.elapsed() > limit {
                    return None;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    };
    let says = |wanted| {
        let said = says_within(wanted, Duration::from_secs(20));
        async move { said.await.expect("in time") }
    };
    says(true).await.expect("well");
    let mut long = record("r1");
    long.cause_name = "x".repeat(100_000);
    // A look that was under way while there was room may end well after a record that found none: the
    // next record tells again. A failure ends the connection, and what was full for it.
    let mut said = None;
    for _ in 0..10 {
        store.fill_up(1).await;
        store.put(store::Source::Socket, &[&long]).await.expect_err("no room");
        said = says_within(false, Duration::from_secs(2)).await;
        if said.is_some() {
            break;
        }
    }
    let why = said.expect("in time").expect_err("not well");
    assert!(why.contains("full"), "{why}");
    // There is room again: nobody has to bring a record for it to be seen.
    says(true).await.expect("well again");
    store.put(store::Source::Socket, &[&record("r2")]).await.expect("taken");
    assert!(stopper.drain(Duration::from_secs(5)).await);
    watching.await.expect("no panic");
}
