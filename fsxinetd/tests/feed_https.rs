//! A snapshot fetched over TLS from a host with a private authority: the whole exchange, with the real
//! daemon.

#[allow(dead_code)] // Shared with the daemon's other tests.
mod support;

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use support::{Daemon, until};

/// A private authority.
struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

fn authority() -> Authority {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(Vec::new()).expect("parameters");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let pem = params.self_signed(&key).expect("signed").pem();
    Authority { pem, issuer: Issuer::new(params, key) }
}

/// What is given out, and by which ETag; and the heads of the requests.
#[derive(Default)]
struct Shop {
    file: Vec<u8>,
    etag: &'static str,
    heard: Vec<String>,
}

/// Serves on a port of its own, as `localhost`, until the test ends.
fn serve(authority: &Authority, shop: Arc<Mutex<Shop>>) -> String {
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(vec!["localhost".to_owned()]).expect("parameters");
    let certificate = params.signed_by(&key, &authority.issuer).expect("signed");
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .expect("a certificate and its key");
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        for peer in listener.incoming().flatten() {
            let (config, shop) = (config.clone(), shop.clone());
            std::thread::spawn(move || {
                let _ = peer.set_read_timeout(Some(support::LONG));
                let connection = ServerConnection::new(config).expect("a connection");
                let mut peer = StreamOwned::new(connection, peer);
                let mut head = vec![0; 4096];
                // A peer that does not trust us hangs up here.
                let Ok(len) = peer.read(&mut head) else { return };
                let head = String::from_utf8_lossy(&head[..len]).to_ascii_lowercase();
                let mut shop = shop.lock().expect("the shop");
                let known = head.contains(&format!("if-none-match: {}", shop.etag));
                let (status, body): (_, &[u8]) =
                    if known { ("304 Not Modified", &[]) } else { ("200 OK", &shop.file) };
                let answer = format!(
                    "HTTP/1.1 {status}\r\nContent-Length: {}\r\nETag: {}\r\nConnection: close\r\n\r\n",
                    body.len(),
                    shop.etag
                );
                let answer = [answer.as_bytes(), body].concat();
                shop.heard.push(head);
                drop(shop);
                let _ = peer.write_all(&answer);
                peer.conn.send_close_notify();
                let _ = peer.flush();
            });
        }
    });
    format!("https://localhost:{port}/routes.fsx")
}

#[test]
fn a_snapshot_comes_over_tls_from_a_private_authority() {
    let mut daemon = Daemon::new("", &[]);
    let path = |name: &str| daemon.path(name).display().to_string();
    let (db, built) = (format!("sqlite:{}", path("lcr.sqlite")), path("built.fsx"));
    let build = || {
        let made = daemon.command(&["lcr", "build", "--db", &db, "--out", &built]);
        assert!(made.status.success(), "{made:?}");
        std::fs::read(&built).expect("built")
    };
    let (first, second) = (build(), build());
    let (ours, another) = (authority(), authority());
    std::fs::write(daemon.path("ours.pem"), &ours.pem).expect("written");
    std::fs::write(daemon.path("another.pem"), &another.pem).expect("written");
    let shop = Arc::new(Mutex::new(Shop { file: first.clone(), etag: "\"a\"", ..Shop::default() }));
    let url = serve(&ours, shop.clone());
    let config = std::fs::read_to_string(daemon.path("fsxinetd.toml")).expect("a configuration");
    let config = config.replacen("[feed]\n", &format!("[feed]\nsource = {url:?}\n"), 1);
    std::fs::write(daemon.path("fsxinetd.toml"), config).expect("written");
    let (ours, another) = (path("ours.pem"), path("another.pem"));
    let snapshot = daemon.path("routing.snapshot");

    // An authority that nobody here trusts: nothing is taken, and what is wrong is said.
    daemon.start_with(&[("SSL_CERT_FILE", &another)]);
    until("distrust", || {
        let log = daemon.log();
        assert!(!log.contains("snapshot fetched"), "{log}");
        log.contains("invalid peer certificate")
    });
    assert!(!snapshot.exists());
    assert!(shop.lock().expect("the shop").heard.is_empty(), "nothing was asked of a stranger");
    daemon.signal("-TERM");
    assert!(daemon.ended().success());

    // The right one: taken, verified, in force; then asked for again by its ETag, and not sent twice.
    daemon.start_with(&[("SSL_CERT_FILE", &ours)]);
    until("ready", || daemon.get("/readyz").0 == 200);
    assert_eq!(std::fs::read(&snapshot).expect("published"), first);
    let heard = || shop.lock().expect("the shop").heard.clone();
    until("asked again", || heard().len() >= 3);
    assert!(!heard()[0].contains("if-none-match"), "{:?}", heard());
    assert!(heard()[1].contains("if-none-match: \"a\""), "{:?}", heard());

    // Damaged on the way: refused, and the good one stays.
    let mut damaged = second.clone();
    let at = damaged.len() - 9;
    damaged[at] ^= 1;
    *shop.lock().expect("the shop") = Shop { file: damaged, etag: "\"b\"", ..Shop::default() };
    until("refused", || daemon.log().contains("is damaged"));
    assert_eq!(std::fs::read(&snapshot).expect("stays"), first);

    // The next good one is taken.
    *shop.lock().expect("the shop") =
        Shop { file: second.clone(), etag: "\"c\"", ..Shop::default() };
    until("the second", || std::fs::read(&snapshot).is_ok_and(|bytes| bytes == second));
    daemon.signal("-TERM");
    assert!(daemon.ended().success());
}
