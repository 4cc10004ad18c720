//! A blocking client of FreeSWITCH's inbound event socket: just enough to ask and to be told.
//!
//! Written on its own and not over `fsx-wire`, so that a mistake in our protocol code cannot hide
//! by being made on both sides.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

/// How long FreeSWITCH may take over one command.
const LIMIT: Duration = Duration::from_secs(20);

/// One frame: its headers and its body.
#[derive(Debug, Default)]
pub struct Frame {
    /// Headers as sent.
    pub headers: BTreeMap<String, String>,
    /// Body, empty where there is none.
    pub body: String,
}

/// A logged-in connection.
#[derive(Debug)]
pub struct Esl {
    stream: BufReader<TcpStream>,
}

impl Esl {
    /// Connects and logs in.
    ///
    /// # Errors
    /// Nobody listens yet, or it hung up, or the password is wrong.
    pub fn connect(port: u16, password: &str) -> std::io::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(LIMIT))?;
        stream.set_write_timeout(Some(LIMIT))?;
        stream.set_nodelay(true)?;
        let mut esl = Self { stream: BufReader::new(stream) };
        esl.frame()?; // auth/request
        let reply = esl.command(&format!("auth {password}"))?;
        let text = reply.headers.get("Reply-Text").map_or("", String::as_str);
        if text.starts_with("+OK") {
            Ok(esl)
        } else {
            Err(std::io::Error::other(format!("refused: {text}")))
        }
    }

    /// Sends one command and reads its reply. Events that arrive in between would be taken for it:
    /// subscribe on a connection of its own.
    ///
    /// # Errors
    /// The connection broke.
    pub fn command(&mut self, line: &str) -> std::io::Result<Frame> {
        self.stream.get_mut().write_all(format!("{line}\n\n").as_bytes())?;
        self.frame()
    }

    /// Runs an API command and gives its output.
    ///
    /// # Errors
    /// The connection broke.
    pub fn api(&mut self, command: &str) -> std::io::Result<String> {
        Ok(self.command(&format!("api {command}"))?.body)
    }

    /// Reads the next frame.
    ///
    /// # Errors
    /// The connection broke, or nothing came in time.
    pub fn frame(&mut self) -> std::io::Result<Frame> {
        let mut frame = Frame::default();
        loop {
            let mut line = String::new();
            if self.stream.read_line(&mut line)? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            match line.trim_end().split_once(':') {
                Some((name, value)) => {
                    frame.headers.insert(name.to_owned(), value.trim_start().to_owned());
                }
                // Blank lines before the first header are leftovers of a body.
                None if frame.headers.is_empty() => {}
                None => break,
            }
        }
        let length = frame.headers.get("Content-Length").and_then(|n| n.parse().ok()).unwrap_or(0);
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        frame.body = String::from_utf8_lossy(&body).into_owned();
        Ok(frame)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn speaks_the_protocol_of_the_manual() {
        let server = TcpListener::bind("127.0.0.1:0").expect("bind");
        let port = server.local_addr().expect("address").port();
        let peer = std::thread::spawn(move || {
            let (mut peer, _) = server.accept().expect("accept");
            peer.write_all(b"Content-Type: auth/request\n\n").expect("write");
            let mut heard = [0; 13];
            peer.read_exact(&mut heard).expect("read");
            assert_eq!(&heard, b"auth ClueC0n\n");
            peer.write_all(b"\nContent-Type: command/reply\nReply-Text: +OK accepted\n\n")
                .expect("write");
            peer.write_all(b"Content-Type: api/response\nContent-Length: 9\n\nline\ntwo\n")
                .expect("write");
            let mut rest = Vec::new();
            let _ = peer.read_to_end(&mut rest);
            rest
        });
        let mut esl = Esl::connect(port, "ClueC0n").expect("login");
        assert_eq!(esl.api("status").expect("api"), "line\ntwo\n");
        drop(esl);
        assert_eq!(peer.join().expect("peer"), b"\napi status\n\n");
    }
}
