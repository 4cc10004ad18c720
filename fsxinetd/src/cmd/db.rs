//! `fsxinetd db`: the tables.

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::{Failure, exit, open};
use crate::db::{self, Access};

/// Make, complete and check the LCR database.
#[derive(Debug, Subcommand)]
pub enum DbCommand {
    /// Make the tables; an SQLite file that is not there is made. Safe to repeat
    Init(Where),
    /// Complete the tables of a database that is there, the owner's nine tables too
    Migrate(Where),
    /// Say what is missing, changing nothing
    Check(Where),
}

/// Which database.
#[derive(Debug, Args)]
pub struct Where {
    /// sqlite:FILE or mysql://user:password@host/name
    #[arg(long = "db", value_name = "URL", env = "FSX_DB", hide_env_values = true)]
    db: Option<String>,
    /// The same, without --db
    #[arg(value_name = "URL")]
    url: Option<String>,
}

impl Where {
    fn url(&self) -> Result<&str, Failure> {
        self.url
            .as_deref()
            .or(self.db.as_deref())
            .ok_or_else(|| Failure::usage("which database? --db sqlite:FILE or --db mysql://…"))
    }
}

/// Runs it.
pub async fn run(command: DbCommand) -> ExitCode {
    let result = match command {
        DbCommand::Init(at) => migrate(&at, Access::Create).await,
        DbCommand::Migrate(at) => migrate(&at, Access::ReadWrite).await,
        DbCommand::Check(at) => check(&at).await,
    };
    exit(result)
}

async fn migrate(at: &Where, access: Access) -> Result<ExitCode, Failure> {
    let (url, mut conn) = open(at.url()?, access).await?;
    let done = db::migrate(&mut conn).await?;
    conn.close().await;
    for line in &done.kept {
        say!("kept: {line}")?;
    }
    if done.steps.is_empty() {
        say!("{url}: tables are at version {}, nothing to do", db::VERSION)?;
    } else {
        say!("{url}: {}; tables are at version {}", done.steps.join(", "), db::VERSION)?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn check(at: &Where) -> Result<ExitCode, Failure> {
    let (url, mut conn) = open(at.url()?, Access::ReadOnly).await?;
    let findings = db::check(&mut conn).await?;
    conn.close().await;
    for finding in &findings {
        say!("{}: {}", if finding.fatal { "error" } else { "note" }, finding.line)?;
    }
    let fatal = findings.iter().filter(|f| f.fatal).count();
    if fatal > 0 {
        return Err(Failure::failed(format!("{url}: cannot be routed from ({fatal} errors)")));
    }
    say!("{url}: can be routed from")?;
    Ok(ExitCode::SUCCESS)
}
