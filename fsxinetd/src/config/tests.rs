use toml::{Table, Value};

use super::{Config, SAMPLE, parse};

fn no_env(_: &str) -> Option<String> {
    None
}

/// The faults of `text`, one line each, as a user sees them after the file's name.
fn faults(text: &str) -> Vec<String> {
    match parse(text, &no_env) {
        Ok(_) => Vec::new(),
        Err(problems) => problems
            .into_iter()
            .map(|p| format!("{}: {}", p.line.map_or("-".to_owned(), |l| l.to_string()), p.text))
            .collect(),
    }
}

#[test]
fn the_sample_is_the_defaults_and_leaves_out_no_key() {
    assert_eq!(parse(SAMPLE, &no_env), Ok(Config::default()));
    let sample: Table = SAMPLE.parse().expect("the sample is TOML");
    let defaults = Table::try_from(Config::default()).expect("a table");
    for (section, keys) in &defaults {
        let Value::Table(keys) = keys else { panic!("[{section}] is not a table") };
        for key in keys.keys() {
            assert!(
                sample.get(section).and_then(|s| s.get(key)).is_some(),
                "the sample lacks {key} in [{section}]"
            );
        }
    }
    for key in Table::try_from(super::Database::default()).expect("a table").keys() {
        assert!(SAMPLE.contains(&format!("\n# {key} = ")), "the sample lacks {key}");
    }
}

#[test]
fn an_empty_file_is_the_defaults() {
    assert_eq!(parse("", &no_env), Ok(Config::default()));
}

#[test]
fn unknown_keys_are_named_with_their_lines() {
    assert_eq!(
        faults("[esl]\n\nlisen = \"127.0.0.1:1\"\nmax_calls = 5\n"),
        ["3: unknown key \"lisen\" in [esl]; did you mean \"listen\"?"]
    );
    assert_eq!(faults("[essl]\n"), ["1: unknown section or key \"essl\"; did you mean \"esl\"?"]);
    assert_eq!(
        faults("[databases.LCR_RO]\nurl=\"sqlite:x\"\npassword = \"x\"\n"),
        ["3: unknown key \"password\" in [databases.LCR_RO]"]
    );
    assert_eq!(
        faults("quux = 1\n[http]\nzzz = 1\n[policy]\nyyy = 2\n").len(),
        3,
        "all of them at once"
    );
    assert_eq!(faults("esl = 3\n"), ["1: \"esl\" is a section: write [esl]"]);
}

#[test]
fn wrong_values_are_named_with_their_lines() {
    for (text, fault) in [
        ("[esl]\nmax_calls = \"many\"\n", "2: max_calls in [esl]: invalid type"),
        ("[esl]\nmax_calls = -1\n", "2: max_calls in [esl]: invalid value"),
        ("[esl]\n# x\nlisten = \"here\"\n", "3: listen in [esl]: invalid socket address"),
        ("[esl]\nmax_calls = 0\n", "2: max_calls in [esl]: expected at least 1, got 0"),
        ("[esl]\nallow = [\"localhost\"]\n", "2: allow in [esl]: expected an address"),
        ("[decide]\nmode = \"rw\"\n", "2: mode in [decide]: expected octal"),
        (
            "[site]\nbase_currency = \"pounds\"\n",
            "2: base_currency in [site]: expected three letters",
        ),
        ("[site]\nhome_country = \"GBR\"\n", "2: home_country in [site]: expected two letters"),
        ("[feed]\nsource = \"routes.fsx\"\n", "2: source in [feed]: expected http://"),
        ("[cdr]\ndeliver_url = \"https://x\"\n", "2: deliver_url in [cdr]: expected http://"),
        ("[log]\nformat = \"xml\"\n", "2: format in [log]: unknown variant"),
        ("[feed]\ndatabase = \"${NOT_SET}\"\n", "2: database: environment variable NOT_SET"),
        ("[databases.A]\nurl = \"oracle:x\"\n", "2: url in [databases.A]: expected sqlite:"),
        ("[esl\n", "1: "),
    ] {
        let got = faults(text);
        assert_eq!(got.len(), 1, "{text}: {got:?}");
        assert!(got[0].starts_with(fault), "{text}: {got:?}");
        assert!(!got[0].contains('\n'), "{got:?}");
    }
}

#[test]
fn a_password_never_stands_in_a_fault() {
    let got = faults("[databases.A]\nurl = \"postgres://u:hunter2@h/d\"\n");
    assert!(!got.concat().contains("hunter2"), "{got:?}");
}

#[test]
fn environment_reaches_texts_and_the_socket() {
    let env = |name: &str| match name {
        "LCR_PASSWORD" => Some("s3".to_owned()),
        "FSX_SOCKET_HOST" => Some("127.0.0.9".to_owned()),
        "FSX_SOCKET_PORT" => Some("6000".to_owned()),
        _ => None,
    };
    let text = "[databases.A]\nurl = \"mysql://u:${LCR_PASSWORD}@h/d\"\n\
                [cdr]\ndeliver_url = \"http://${CORE_API_HOST}/cdr\"\n";
    let config = parse(text, &env).expect("good");
    assert_eq!(config.databases["A"].url, "mysql://u:s3@h/d");
    assert_eq!(config.cdr.deliver_url, "http://api-local/cdr");
    assert_eq!(config.esl.listen.to_string(), "127.0.0.9:6000");
    let problems = parse("", &|n| (n == "FSX_SOCKET_PORT").then(|| "high".to_owned()));
    assert_eq!(
        problems.expect_err("wrong")[0].text,
        "FSX_SOCKET_PORT: expected a port, got \"high\""
    );
}
