//! Which statements a policy may make.
//!
//! A connection can do more than read rows: attach other files, write new ones, change what the
//! session may do. So a statement must be one, and begin with a word that is on a list. Whether rows
//! may be changed is the engine's to enforce; this is about everything else.

/// Beginnings of statements that only read.
const READS: &[&str] = &["SELECT", "WITH", "VALUES", "SHOW", "DESCRIBE", "DESC", "EXPLAIN"];

/// Beginnings of statements that change rows.
const WRITES: &[&str] = &["INSERT", "UPDATE", "DELETE", "REPLACE"];

/// Words that reach files and programs, wherever they stand.
const NOWHERE: &[&str] =
    &["OUTFILE", "DUMPFILE", "LOAD_FILE", "LOAD_EXTENSION", "READFILE", "WRITEFILE"];

/// Whether the statement may be made.
///
/// # Errors
/// Why not, for the script's author.
pub(super) fn check(sql: &str, read_only: bool) -> Result<(), String> {
    let mut words = Words { rest: sql };
    let mut first = None;
    let mut ended = false;
    while let Some(word) = words.next()? {
        if ended {
            return Err("more than one statement at a time".to_owned());
        }
        match word {
            Word::End => ended = true,
            Word::Name(name) => {
                let upper = name.to_ascii_uppercase();
                if NOWHERE.contains(&upper.as_str()) {
                    return Err(format!("a policy may not use {upper}"));
                }
                first.get_or_insert(upper);
            }
            Word::Other => {
                if first.is_none() && !sql.trim_start().starts_with('(') {
                    return Err("that is no statement".to_owned());
                }
            }
        }
    }
    let first = first.ok_or("that is no statement")?;
    if READS.contains(&first.as_str()) {
        return Ok(());
    }
    if !WRITES.contains(&first.as_str()) {
        return Err(format!("a policy may not {first}"));
    }
    if read_only { Err(format!("the alias is read-only: no {first}")) } else { Ok(()) }
}

enum Word<'a> {
    Name(&'a str),
    /// A semicolon.
    End,
    Other,
}

struct Words<'a> {
    rest: &'a str,
}

impl<'a> Words<'a> {
    /// The next word, past spaces and comments.
    fn next(&mut self) -> Result<Option<Word<'a>>, String> {
        loop {
            self.rest = self.rest.trim_start();
            if self.rest.starts_with("/*!") || self.rest.starts_with("/*M!") {
                return Err("comments that a server executes are not for policies".to_owned());
            }
            if let Some(comment) = self.rest.strip_prefix("/*") {
                let end = comment.find("*/").ok_or("a comment has no end")?;
                self.rest = &comment[end + 2..];
            } else if self.rest.starts_with("--") || self.rest.starts_with('#') {
                // Where one engine sees a comment and the other an operator, neither is let through.
                return Err("write comments as /* … */".to_owned());
            } else {
                break;
            }
        }
        let Some(c) = self.rest.chars().next() else { return Ok(None) };
        if matches!(c, '\'' | '"' | '`') {
            let mut escaped = false;
            for (at, inner) in self.rest.char_indices().skip(1) {
                // A doubled quote reads as two texts side by side, which is as good here.
                match inner {
                    _ if escaped => escaped = false,
                    '\\' => {
                        // The engines differ on it: what follows must not be able to end the text.
                        let next = self.rest[at + 1..].chars().next();
                        if next == Some(c) {
                            return Err("a backslash before a quote; use dbh:quote".to_owned());
                        }
                        escaped = next == Some('\\');
                    }
                    inner if inner == c => {
                        self.rest = &self.rest[at + c.len_utf8()..];
                        return Ok(Some(Word::Other));
                    }
                    _ => {}
                }
            }
            return Err("a text has no end".to_owned());
        }
        if c == '[' {
            // One engine reads it as the beginning of a name that may hold quotes.
            return Err("write names without [ ]".to_owned());
        }
        let name = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
        let length: usize = if name(c) {
            self.rest.chars().take_while(|c| name(*c)).map(char::len_utf8).sum()
        } else {
            c.len_utf8()
        };
        let (word, rest) = self.rest.split_at(length);
        self.rest = rest;
        Ok(Some(match word {
            ";" => Word::End,
            _ if name(c) => Word::Name(word),
            _ => Word::Other,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_reads_and_what_writes() {
        for sql in [
            "SELECT 1",
            "  select * from t where a = 'x;y' -- ".trim_end_matches("-- "),
            "/* why */ SELECT 1;",
            "(SELECT 1) UNION (SELECT 2)",
            "WITH x AS (SELECT 1) SELECT * FROM x",
            "SELECT 'it''s', \"a;b\", `c`",
            "SELECT 'a\\\\'",
            "SHOW TABLES",
        ] {
            assert_eq!(check(sql, true), Ok(()), "{sql}");
        }
        for sql in [
            "INSERT INTO t VALUES (1)",
            "update t set a = 1",
            "DELETE FROM t",
            "REPLACE INTO t VALUES (1)",
        ] {
            assert!(check(sql, true).is_err(), "{sql}");
            assert_eq!(check(sql, false), Ok(()), "{sql}");
        }
    }

    #[test]
    fn nothing_else_is_let_through() {
        for sql in [
            "",
            ";",
            "1",
            "ATTACH DATABASE '/x' AS y",
            "SELECT 1 AS [']; ATTACH '/x' AS y; --']",
            "/**/ ATTACH '/x' AS y",
            "DETACH y",
            "PRAGMA writable_schema = 1",
            "VACUUM INTO '/x'",
            "SET SESSION TRANSACTION READ WRITE",
            "SELECT 1; DELETE FROM t",
            "SELECT 1;;ATTACH '/x' AS y",
            "SELECT '\\'; DELETE FROM t; --'",
            "SELECT 1 /*! INTO OUTFILE '/x' */",
            "SELECT 1 /*M! INTO OUTFILE '/x' */",
            "SELECT * INTO OUTFILE '/x' FROM t",
            "SELECT load_file('/etc/passwd')",
            "SELECT load_extension('/x')",
            "DROP TABLE t",
            "CREATE TABLE t (a)",
            "GRANT ALL ON *.* TO x",
            "CALL p()",
            "LOAD DATA INFILE '/x' INTO TABLE t",
            "SELECT 'no end",
            "SELECT /* no end",
            "SELECT 1 -- ; DELETE",
            "SELECT 1 # x",
            "BEGIN",
            "HANDLER t OPEN",
        ] {
            assert!(check(sql, false).is_err(), "{sql}");
        }
    }
}
