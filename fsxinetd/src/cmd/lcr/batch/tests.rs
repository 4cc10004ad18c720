//! Batches: in order, line by line, and to the byte what one question is answered.

use std::io::{Cursor, Read, Write};
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

use super::super::route::answer;
use super::super::tests::sample;
use super::super::{Source, instant, open_source};
use super::*;
use crate::db::testing::{open, run};
use crate::db::{Access, DbUrl};

const AT: &str = "2026-01-20T20:00:00Z";

async fn opened(url: &DbUrl) -> Opened {
    let source = Source { db: Some(url.to_string()), ..Source::default() };
    match open_source(&source, instant(AT).ok()).await {
        Ok(opened) => opened,
        Err(failure) => panic!("{failure:?}"),
    }
}

/// Answers and exit code.
fn asked(opened: &Opened, questions: impl Into<Vec<u8>>, jobs: usize) -> (String, ExitCode) {
    let mut out = Vec::new();
    let code = answer_all(opened, Cursor::new(questions.into()), &mut out, jobs).expect("answers");
    (String::from_utf8(out).expect("text"), code)
}

fn lines(text: &str) -> Vec<serde_json::Value> {
    text.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
}

#[tokio::test]
async fn a_batch_is_answered_line_by_line() {
    let dir = tempfile::tempdir().expect("dir");
    let opened = opened(&sample(dir.path()).await).await;
    let questions = concat!(
        r#"{"number":"07700900123","at":"2026-01-20T20:00:00Z"}"#,
        "\n\n",
        r#"{"number":"07700900123","at":1768939200,"dc":"LON1","why":true}"#,
        "\n",
        r#"{"number":"+","org":37}"#,
        "\n",
        r#"{"org":37}"#,
        "\n",
        r#"{"number":"1","profile":"best"}"#,
        "\n",
        "not json\n",
        r#"{"number":"999","org":37,"country":"GB"}"#,
    );
    let (text, code) = asked(&opened, questions, 2);
    assert_eq!(code, ExitCode::FAILURE);
    let lines = lines(&text);
    assert_eq!(lines.len(), 7, "{text}");
    assert_eq!(lines[0]["routes"][0]["gateway_id"], 3001);
    assert_eq!(lines[1]["routes"][0]["gateway_id"], 3002);
    assert!(lines[1]["excluded"].as_array().is_some_and(|all| !all.is_empty()));
    assert_eq!(lines[2]["cause"], 28);
    for (at, part) in [(3, "number"), (4, "profile"), (5, "expected")] {
        assert!(lines[at]["error"].as_str().is_some_and(|e| e.contains(part)), "{}", lines[at]);
    }
    assert_eq!(lines[5]["line"], 7);
    assert_eq!(lines[6]["emergency"], true);
}

#[tokio::test]
async fn a_batch_says_to_the_byte_what_one_question_is_answered() {
    let dir = tempfile::tempdir().expect("dir");
    let url = sample(dir.path()).await;
    let mut conn = open(&url, Access::ReadWrite).await;
    run(
        &mut conn,
        "UPDATE Carriers SET CarrierName = 'B\"T \\ Füß' WHERE ID = 101;\n
         UPDATE LCRRates SET InitialIncrement = 60, NextIncrement = 6 WHERE ID = 20001;\n
         UPDATE CarrierGateway SET Prefix = '9', Suffix = '#', StopCauses = '17,404', \
           ChannelVars = 'b=2\na=\"x\"', DialString = '$${${ID}}/${number}@h;n=${number}' WHERE ID = 3001;\n
         INSERT INTO Formats (Name, Sequence, Pattern, Replacement) VALUES ('zz', 1, '^44(\\d+)$', '0044$1');\n
         UPDATE LCRRates SET FormatNumber = 'zz', FormatCLI = 'zz' WHERE ID = 20001;\n",
    )
    .await;
    conn.close().await;
    let opened = opened(&url).await;
    let (mut questions, mut expected) = (String::new(), Vec::new());
    let at = instant(AT).expect("an instant");
    let (mut routes, mut rejects) = (0, 0);
    for number in
        ["07700900123", "+442079460000", "2025550123", "999", "112", "", "+", "12é", "900"]
    {
        for org in [0, 37, 42] {
            for (dc, cli, withhold) in
                [("", None, false), ("LON1", Some("02079460000"), false), ("N\"Y", Some("x"), true)]
            {
                for why in [false, true] {
                    let question = serde_json::json!({
                        "number": number, "org": org, "cli": cli, "withhold_cli": withhold,
                        "dc": dc, "at": at, "why": why,
                    });
                    questions.push_str(&format!("{question}\n"));
                    let line = question.to_string();
                    let mut last = LastInstant::default();
                    let question = Question::read(line.as_bytes(), &mut last).expect("good");
                    let answer = answer(&opened.data, opened.live.view(), &question.facts(0), why);
                    routes += answer.routes.len();
                    rejects += usize::from(answer.decision == "reject");
                    serde_json::to_writer(&mut expected, &answer).expect("JSON");
                    expected.push(b'\n');
                }
            }
        }
    }
    assert!(routes > 50 && rejects > 50, "{routes} {rejects}");
    let expected = String::from_utf8(expected).expect("text");
    for part in ["17,404", "B\\\"T", "\"next_increment_s\":6", "0044", "withhold_cli", "emergency"]
    {
        assert!(expected.contains(part), "{part} in {expected}");
    }
    for jobs in [1, 3] {
        let (text, code) = asked(&opened, questions.clone(), jobs);
        assert_eq!(code, ExitCode::SUCCESS);
        for (is, should) in text.lines().zip(expected.lines()) {
            assert_eq!(is, should);
        }
        assert_eq!(text.len(), expected.len());
    }
}

#[tokio::test]
async fn a_long_batch_stays_in_order_and_counts_its_lines() {
    let dir = tempfile::tempdir().expect("dir");
    let opened = opened(&sample(dir.path()).await).await;
    let mut questions = String::new();
    for n in 0..20_000u32 {
        match n % 1000 {
            7 => questions.push_str("what?\n"),
            8 => questions.push('\n'),
            _ => {
                questions.push_str(&format!("{{\"number\":\"44770{n:07}\",\"at\":1768939200}}\r\n"))
            }
        }
    }
    assert!(questions.len() > 20 * PIECE);
    let (text, code) = asked(&opened, questions, 4);
    assert_eq!(code, ExitCode::FAILURE);
    let answers = lines(&text);
    assert_eq!(answers.len(), 20_000 - 20);
    for (at, n) in (0..20_000u32).filter(|n| n % 1000 != 8).enumerate() {
        match n % 1000 {
            7 => assert_eq!(answers[at]["line"], n + 1),
            _ => assert_eq!(answers[at]["number"], format!("44770{n:07}")),
        }
    }
}

#[tokio::test]
async fn a_line_without_end_is_refused_and_the_rest_answered() {
    let dir = tempfile::tempdir().expect("dir");
    let opened = opened(&sample(dir.path()).await).await;
    let good = r#"{"number":"447700900123","at":1768939200}"#;
    let long = "x".repeat(3 * LONGEST_LINE);
    let (text, code) = asked(&opened, format!("{good}\n{long}\n{good}\n"), 2);
    assert_eq!(code, ExitCode::FAILURE);
    let answers = lines(&text);
    assert_eq!(answers.len(), 3);
    assert_eq!(
        (answers[1]["line"].as_u64(), &answers[1]["error"]),
        (Some(2), &"longer than 1 MiB".into())
    );
    assert_eq!(answers[0], answers[2]);
    // The last line may lack its end, and be too long as well.
    assert_eq!(lines(&asked(&opened, format!("{good}\n{good}"), 2).0).len(), 2);
    assert_eq!(lines(&asked(&opened, long, 2).0)[0]["line"], 1);
    assert_eq!(asked(&opened, "", 2), (String::new(), ExitCode::SUCCESS));
}

/// Bytes as another program sends them: nothing, until it wants to.
struct Pipe(std::sync::mpsc::Receiver<Vec<u8>>);

impl Read for Pipe {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        match self.0.recv() {
            Ok(bytes) if bytes.is_empty() => Err(std::io::Error::other("pulled out")),
            Ok(bytes) => {
                into[..bytes.len()].copy_from_slice(&bytes);
                Ok(bytes.len())
            }
            Err(_) => Ok(0),
        }
    }
}

/// Hears answers as they come, until it has had enough.
struct Hears(Sender<Vec<u8>>, usize);

impl Write for Hears {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.1 == 0 {
            return Err(std::io::ErrorKind::BrokenPipe.into());
        }
        self.1 -= 1;
        self.0.send(bytes.to_vec()).map_err(|_| std::io::ErrorKind::BrokenPipe)?;
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn an_answer_does_not_wait_for_the_next_question() {
    let dir = tempfile::tempdir().expect("dir");
    let opened = opened(&sample(dir.path()).await).await;
    let patience = Duration::from_secs(30);
    std::thread::scope(|scope| {
        let ((ask, questions), (told, answers)) = (channel(), channel());
        let opened = &opened;
        let running = scope.spawn(move || answer_all(opened, Pipe(questions), Hears(told, 100), 2));
        for n in 0..3 {
            // A line may come in pieces.
            ask.send(br#"{"number":"44770"#.to_vec()).expect("it reads");
            ask.send(format!("090012{n}\"}}\n").into_bytes()).expect("it reads");
            let answer = answers.recv_timeout(patience).expect("answered while the pipe is open");
            let answer = String::from_utf8(answer).expect("text");
            assert!(answer.contains(&format!("090012{n}\"")), "{answer}");
        }
        ask.send(Vec::new()).expect("it reads");
        let failed = running.join().expect("ends").expect_err("reading failed");
        assert!(matches!(failed, Failure::Failed(line) if line.contains("pulled out")));
    });
}

#[tokio::test]
async fn when_nobody_reads_the_answers_it_ends_although_questions_may_come() {
    let dir = tempfile::tempdir().expect("dir");
    let opened = opened(&sample(dir.path()).await).await;
    let ((ask, questions), (told, _answers)) = (channel(), channel());
    ask.send(b"{\"number\":\"1\"}\n".to_vec()).expect("it reads");
    let began = Instant::now();
    let ended = answer_all(&opened, Pipe(questions), Hears(told, 0), 2);
    assert!(matches!(ended, Err(Failure::NobodyReads)));
    assert!(began.elapsed() < Duration::from_secs(20));
    drop(ask);
}
