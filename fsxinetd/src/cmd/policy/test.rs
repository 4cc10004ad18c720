//! `fsxinetd policy test`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;

use super::{Beside, Failure, compiled, name_of, shown};
use crate::policy::sim::suite::{self, Results};

/// Options of `test`.
#[derive(Debug, Args)]
pub struct TestArgs {
    /// Folder of the bundle: its tests are tests/*.lua and *_test.lua
    #[arg(value_name = "DIR", default_value = ".")]
    dir: PathBuf,
    /// Only tests whose name holds this
    #[arg(long, value_name = "TEXT", default_value = "")]
    filter: String,
    /// Whose the bundle is: an OrgID or "default"; by the folder's name where not given
    #[arg(long, value_name = "ORG")]
    org: Option<String>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn test(args: &TestArgs, beside: &Beside) -> Result<ExitCode, Failure> {
    let name = name_of(&args.dir, args.org.as_deref())?;
    let bundle = Arc::new(compiled(&args.dir, &name)?);
    if bundle.tests().next().is_none() {
        let dir = args.dir.display();
        return Err(Failure::usage(format!(
            "{dir}: there are no tests: write tests/first_test.lua"
        )));
    }
    let results = suite::run(&beside.stage(), &bundle, &args.filter).await;
    if results.tests.is_empty() {
        return Err(Failure::usage(format!("no test's name holds {:?}", args.filter)));
    }
    if args.json {
        say!("{}", serde_json::to_string_pretty(&results).map_err(Failure::failed)?)?;
    } else {
        say!("{}", text(&shown(&args.dir), &results).trim_end())?;
    }
    Ok(if results.ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The results for people.
fn text(dir: &str, results: &Results) -> String {
    let (mut out, mut file) = (String::new(), "");
    for test in &results.tests {
        if test.file != file {
            file = &test.file;
            out.push_str(&format!("{file}\n"));
        }
        let mark = if test.ok { "ok    " } else { "FAILED" };
        out.push_str(&format!("  {mark} {}\n", test.name));
        if let Some(failure) = &test.failure {
            let place = match (dir.is_empty(), test.line) {
                (true, Some(line)) => format!("{file}:{line}: "),
                (false, Some(line)) => format!("{dir}/{file}:{line}: "),
                (_, None) => String::new(),
            };
            out.push_str(&format!("         {place}{failure}\n"));
        }
    }
    let failed = results.tests.iter().filter(|test| !test.ok).count();
    let all = results.tests.len();
    let many = if all == 1 { "" } else { "s" };
    match failed {
        0 => out.push_str(&format!("{all} test{many} passed\n")),
        failed => out.push_str(&format!("{all} test{many}, {failed} failed\n")),
    }
    out
}
