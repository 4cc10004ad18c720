//! The configurations that ship must fit one another: three programs meet at five paths, and a
//! package whose samples disagree routes nothing until somebody finds out why.

use std::path::Path;

fn text(relative: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(relative);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Value of a `key = "value"` line of the daemon's sample.
fn daemon(key: &str) -> String {
    let text = text("fsxinetd/conf/fsxinetd.toml");
    let start = format!("{key} = ");
    let line = text.lines().find_map(|line| line.strip_prefix(&start));
    line.unwrap_or_else(|| panic!("fsxinetd.toml has no {key}")).trim_matches('"').to_owned()
}

/// Value of a `<param>` of the FreeSWITCH module's sample.
fn freeswitch(name: &str) -> String {
    let text = text("fs-module/conf/fsx.conf.xml");
    let start = format!("<param name=\"{name}\" value=\"");
    let value = text.split_once(&start).and_then(|(_, rest)| rest.split_once('"'));
    value.unwrap_or_else(|| panic!("fsx.conf.xml has no {name}")).0.to_owned()
}

#[test]
fn samples_meet_at_the_same_paths() {
    assert_eq!(freeswitch("snapshot"), daemon("snapshot"));
    assert_eq!(freeswitch("live"), daemon("live"));
    assert_eq!(freeswitch("socket"), daemon("socket"));
    let spools = daemon("spool");
    assert!(spools.contains(&format!("\"{}\"", freeswitch("spool"))), "{spools}");

    for file in ["README.md", "opensips-module/README.md", "opensips-module/conf/opensips.cfg"] {
        let text = text(file);
        for name in ["snapshot", "live"] {
            let start = format!("modparam(\"fsx\", \"{name}\", \"");
            for value in text.split(&start).skip(1) {
                let path = value.split_once('"').map_or("", |(path, _)| path);
                assert_eq!(path, daemon(name), "{name} in {file}");
            }
        }
        assert!(text.contains("modparam(\"fsx\", \"snapshot\""), "{file} names no snapshot");
    }
    let folders = text("pkg/tmpfiles.d/fsx.conf");
    for path in [freeswitch("snapshot"), freeswitch("spool"), freeswitch("socket")] {
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        assert!(folders.contains(&format!(" {folder} ")), "the package makes no {folder}");
    }
}
