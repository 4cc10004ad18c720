//! What can only be shown with processes: a switch that was told to panic, one that does not ignore
//! SIGPIPE, one that forks, one that is killed while it writes.
//!
//! This program runs itself again as those (`child <what> <path>`), hence no test harness.

use std::{
    env, fs,
    io::{Read as _, Write as _},
    os::unix::net::{UnixListener, UnixStream},
    path::Path,
    process::{Command, ExitCode, Output, Stdio},
    sync::atomic::{AtomicU32, Ordering::SeqCst},
    thread,
    time::Duration,
};

use fsx_live::{LiveSpec, LiveTable};
use fsx_seam::{
    ask::{AskError, Asker},
    clock::{self, Deadline},
    generation::{Holder, Refresh},
    guard::{self, PANIC_AT, Site, guarded},
    log,
    spool::Spool,
};
use fsx_wire::{
    frame,
    message::{DaemonStatus, Outcome, Reply, Request},
};

/// A test by name, given a directory of its own.
type Test = (&'static str, fn(&Path));

static FIRST: Site = Site::new("first");
static SECOND: Site = Site::new("second");

fn main() -> ExitCode {
    let args: Vec<String> = env::args().collect();
    if let [_, child, what, path] = args.as_slice()
        && child == "child"
    {
        return run_child(what, Path::new(path));
    }
    let tests: [Test; 7] = [
        ("a_panic_can_be_asked_for", a_panic_can_be_asked_for),
        ("a_panic_writes_nothing", a_panic_writes_nothing),
        ("a_closed_socket_is_no_signal", a_closed_socket_is_no_signal),
        ("connections_are_not_inherited", connections_are_not_inherited),
        ("killed_while_it_writes", killed_while_it_writes),
        ("no_room_for_the_whole_line", no_room_for_the_whole_line),
        ("a_small_foreign_thread_keeps_nothing", a_small_foreign_thread_keeps_nothing),
    ];
    let has = |word: &str| args.iter().any(|arg| arg == word);
    if has("--list") {
        // No test of ours is ignored: named in that list too, nextest would run none of them.
        if has("--ignored") {
            return ExitCode::SUCCESS;
        }
        tests.iter().for_each(|(name, _)| println!("{name}: test"));
        return ExitCode::SUCCESS;
    }
    let wanted = args.iter().skip(1).find(|arg| !arg.starts_with('-'));
    for (name, test) in tests {
        if wanted.is_none_or(|part| name.contains(part.as_str())) {
            let dir = tempfile::tempdir().expect("tempdir");
            test(dir.path()); // A panic ends the program, with a status that cargo sees.
            println!("test {name} ... ok");
        }
    }
    ExitCode::SUCCESS
}

fn a_panic_can_be_asked_for(dir: &Path) {
    for (at, want) in
        [(None, "1 1"), (Some(""), "1 1"), (Some("nowhere"), "1 1"), (Some("second"), "1 -1")]
    {
        let mut child = child("sites", dir);
        child.env_remove(PANIC_AT);
        if let Some(at) = at {
            child.env(PANIC_AT, at);
        }
        assert_eq!(said(&child.output().expect("runs")), want, "{at:?}");
    }
}

fn a_panic_writes_nothing(dir: &Path) {
    let output = child("panic", dir).env("RUST_BACKTRACE", "full").output().expect("runs");
    assert_eq!(said(&output), "fallback, 1 panic");
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn a_closed_socket_is_no_signal(dir: &Path) {
    let path = dir.join("sock");
    let listener = UnixListener::bind(&path).expect("binds");
    let closer = thread::spawn(move || drop(listener.accept().expect("accepts")));
    let output = child("sigpipe", &path).output().expect("runs");
    closer.join().expect("ends");
    // Ended by SIGPIPE it would say nothing and have no exit code.
    assert_eq!((said(&output).as_str(), output.status.code()), ("refused", Some(0)));
}

fn connections_are_not_inherited(dir: &Path) {
    let path = dir.join("sock");
    let listener = UnixListener::bind(&path).expect("binds");
    let daemon = thread::spawn(move || {
        let mut streams = Vec::new();
        for _ in 0..2 {
            let (mut stream, _) = listener.accept().expect("accepts");
            answer_one(&mut stream);
            streams.push(stream);
        }
        // The parent goes on using its own.
        answer_one(&mut streams[0]);
    });
    assert_eq!(said(&child("fork", &path).output().expect("runs")), "parent and child answered");
    daemon.join().expect("ends");
}

fn killed_while_it_writes(dir: &Path) {
    let path = dir.join("spool");
    for round in 0..15 {
        let mut child = child("append", &path).stdout(Stdio::null()).spawn().expect("starts");
        let begun = Deadline::after_ms(20_000);
        while !path.exists() {
            assert!(!begun.passed(), "the child writes");
            thread::sleep(Duration::from_millis(1));
        }
        thread::sleep(Duration::from_micros(round * 311));
        child.kill().expect("kills");
        child.wait().expect("waits");
        // Its lock went with it, and its unfinished line harms no other.
        Spool::new(&path).append_line(b"{\"whole\":true}").expect("appends");
        let text = fs::read_to_string(&path).expect("reads");
        assert!(text.ends_with("{\"whole\":true}\n"));
        let broken = text
            .lines()
            .filter(|line| serde_json::from_str::<serde_json::Value>(line).is_err())
            .count();
        assert!(broken <= 1, "{broken} broken lines");
        fs::remove_file(&path).expect("removes");
    }
}

/// A limit on file size stands for the full disk: a part of the line is written, then no more.
fn no_room_for_the_whole_line(dir: &Path) {
    let path = dir.join("spool");
    let output = child("full", &path).output().expect("runs");
    assert_eq!(said(&output), "first true, second false", "{output:?}");
    let line = "y".repeat(600);
    assert_eq!(fs::read_to_string(&path).expect("reads"), format!("{line}\n"), "no half line");
}

/// On a thread of the host's, with 64 KiB of stack, nothing registers a thread-local's destructor: that
/// would keep a module mapped for ever, and run its code inside the host's exit.
fn a_small_foreign_thread_keeps_nothing(dir: &Path) {
    let output = child("thread", dir).output().expect("runs");
    assert_eq!(said(&output), "0 by us, 1 by the control", "{output:?}");
}

fn child(what: &str, path: &Path) -> Command {
    let mut child = Command::new(env::current_exe().expect("own path"));
    child.args(["child", what]).arg(path);
    child
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
}

fn answer_one(stream: &mut UnixStream) {
    let mut prefix = [0; frame::PREFIX];
    stream.read_exact(&mut prefix).expect("a prefix");
    let mut body = vec![0; u32::from_be_bytes(prefix) as usize];
    stream.read_exact(&mut body).expect("a body");
    let request: Request = serde_json::from_slice(&body).expect("a request");
    let status =
        DaemonStatus { version: "1".to_owned(), generation: request.id, records_waiting: 0 };
    let reply = Reply { id: request.id, outcome: Outcome::Status(status) };
    let reply = serde_json::to_vec(&reply).expect("JSON");
    stream.write_all(&frame::encode(&reply).expect("short")).expect("writes");
}

fn run_child(what: &str, path: &Path) -> ExitCode {
    match what {
        "sites" => {
            guard::install_panic_hook();
            guard::arm_from_env();
            println!("{} {}", guarded(&FIRST, -1, || 1), guarded(&SECOND, -1, || 1));
        }
        "panic" => {
            guard::install_panic_hook();
            let answer = guarded(&FIRST, "fallback", || panic!("asked for"));
            println!("{answer}, {} panic", guard::panics());
        }
        "sigpipe" => {
            // SAFETY: restores the default that Rust programs, unlike C hosts, begin without.
            unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
            let facts = fsx_wire::message::WireFacts {
                called: "1".repeat(frame::MAX_FRAME - 1000),
                ..Default::default()
            };
            match Asker::new(path).decide(facts, "", Deadline::after_ms(20_000)) {
                Err(AskError::Refused { .. }) => println!("refused"),
                other => println!("{other:?}"),
            }
        }
        "fork" => {
            let asker = Asker::new(path);
            asker.status(Deadline::after_ms(20_000)).expect("the parent's connection");
            // SAFETY: this process has one thread; the child uses nothing but what is shown.
            let pid = unsafe { libc::fork() };
            if pid == 0 {
                let answered = asker.status(Deadline::after_ms(20_000)).is_ok();
                // SAFETY: ends the child without the parent's exit handlers.
                unsafe { libc::_exit(i32::from(!answered)) };
            }
            let mut status = 0;
            // SAFETY: waits for our own child, writing its status to a local.
            let waited = unsafe { libc::waitpid(pid, &raw mut status, 0) };
            assert_eq!((waited, status), (pid, 0), "the child was answered");
            asker.status(Deadline::after_ms(20_000)).expect("the parent's own is still good");
            println!("parent and child answered");
        }
        "append" => {
            let spool = Spool::new(path).sync(false);
            let line = format!("{{\"x\":\"{}\"}}", "y".repeat(100_000));
            while spool.append_line(line.as_bytes()).is_ok() {}
        }
        "full" => {
            let limit = libc::rlimit { rlim_cur: 1000, rlim_max: 1000 };
            // SAFETY: ignores a signal and limits this process; the limit is a local.
            unsafe {
                libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
                assert_eq!(libc::setrlimit(libc::RLIMIT_FSIZE, &raw const limit), 0);
            }
            let (spool, line) = (Spool::new(path), "y".repeat(600));
            let first = spool.append_line(line.as_bytes()).is_ok();
            let second = spool.append_line(line.as_bytes()).is_ok();
            println!("first {first}, second {second}");
        }
        "thread" => on_a_small_foreign_thread(path),
        other => panic!("no child called {other}"),
    }
    ExitCode::SUCCESS
}

/// Destructors registered since the program began.
static REGISTERED: AtomicU32 = AtomicU32::new(0);

/// What std and C++ register destructors of thread-locals with; standing in the program, it is found
/// before glibc's. It registers nothing: they do not run, and nothing here needs them to.
// SAFETY: the signature of the Itanium C++ ABI; the arguments are not touched.
#[unsafe(no_mangle)]
extern "C" fn __cxa_thread_atexit_impl(
    _: extern "C" fn(*mut libc::c_void),
    _: *mut libc::c_void,
    _: *mut libc::c_void,
) -> libc::c_int {
    REGISTERED.fetch_add(1, SeqCst);
    0
}

struct Control;

impl Drop for Control {
    fn drop(&mut self) {}
}

thread_local! {
    static CONTROL: Control = const { Control };
}

fn on_a_small_foreign_thread(dir: &Path) {
    extern "C" fn start(dir: *mut libc::c_void) -> *mut libc::c_void {
        // SAFETY: the PathBuf of the function below, which waits for this thread.
        let dir = unsafe { &*dir.cast::<std::path::PathBuf>() };
        let before = REGISTERED.load(SeqCst);
        everything(dir);
        let by_us = REGISTERED.load(SeqCst) - before;
        CONTROL.with(|_| ());
        let by_control = REGISTERED.load(SeqCst) - before - by_us;
        // Written by the other thread: standard output is not what is shown here.
        BY_US.store(by_us, SeqCst);
        BY_CONTROL.store(by_control, SeqCst);
        std::ptr::null_mut()
    }
    static BY_US: AtomicU32 = AtomicU32::new(u32::MAX);
    static BY_CONTROL: AtomicU32 = AtomicU32::new(u32::MAX);
    let mut dir = dir.to_owned();
    // SAFETY: attributes and thread are locals made by the calls before; `dir` outlives the join.
    unsafe {
        let mut attributes: libc::pthread_attr_t = std::mem::zeroed();
        assert_eq!(libc::pthread_attr_init(&raw mut attributes), 0);
        assert_eq!(libc::pthread_attr_setstacksize(&raw mut attributes, 64 * 1024), 0);
        let mut thread: libc::pthread_t = 0;
        let made = libc::pthread_create(
            &raw mut thread,
            &raw const attributes,
            start,
            (&raw mut dir).cast(),
        );
        assert_eq!(made, 0);
        assert_eq!(libc::pthread_join(thread, std::ptr::null_mut()), 0);
    }
    println!("{} by us, {} by the control", BY_US.load(SeqCst), BY_CONTROL.load(SeqCst));
}

/// All that a module does with this crate and the live table.
fn everything(dir: &Path) {
    fn sink(_: log::Level, _: &str) {}
    static HOLDER: Holder = Holder::new();
    log::set_host_log(sink);
    guard::install_panic_hook();
    let snapshot = dir.join("snapshot");
    let built = fsx_snapshot::build(&Default::default(), &Default::default()).expect("builds");
    fs::write(&snapshot, built.bytes).expect("writes");
    assert_eq!(HOLDER.refresh(&snapshot, None), Refresh::Swapped { from: 0, to: 1 });
    let data = HOLDER.current().expect("adopted");
    let live = LiveTable::create(dir.join("live"), &LiveSpec::default()).expect("makes");
    let owner = live.register_owner();
    assert!(live.begin_call(owner, 5, clock::utc_s()));
    let facts = fsx_core::CallFacts::new(b"447700900123", 0, clock::utc_s());
    std::hint::black_box(fsx_core::decide(&data.data, &live, &facts));
    live.end_call(owner, 5);
    let socket = dir.join("sock");
    let listener = UnixListener::bind(&socket).expect("binds");
    let asker = Asker::new(&socket);
    assert!(asker.status(Deadline::after_ms(20)).is_err(), "nobody answers");
    drop(listener);
    Spool::new(dir.join("spool")).append_line(b"{}").expect("appends");
    assert_eq!(guarded(&FIRST, -1, || panic!("asked for by {}", "the test")), -1);
}
