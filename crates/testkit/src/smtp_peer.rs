//! A mail server for tests: it listens on 127.0.0.1, speaks SMTP by the book, and keeps what it took.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

/// What a peer asks of its clients.
#[derive(Default)]
pub struct SmtpScript {
    /// Offers `STARTTLS`, and takes no mail without.
    pub tls: Option<Arc<ServerConfig>>,
    /// What `AUTH PLAIN` must bring, in base64; without, nobody need log in.
    pub login: Option<String>,
}

/// A mail that a peer took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceivedMail {
    /// Addresses of the envelope.
    pub from: String,
    pub to: Vec<String>,
    /// Headers and body as they were meant, with LF.
    pub content: String,
    pub was_encrypted: bool,
}

impl ReceivedMail {
    /// The value of the header `name`, which must be there once.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        let (head, _) = self.content.split_once("\n\n").expect("a mail has a body");
        let values: Vec<&str> =
            head.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).collect();
        assert_eq!(values.len(), 1, "{name} in {head}");
        values[0]
    }
}

struct State {
    script: SmtpScript,
    /// By the command's word, `.` for the end of a mail; an empty answer is silence.
    answers: Mutex<BTreeMap<String, String>>,
    received: watch::Sender<Vec<ReceivedMail>>,
    /// The last command's word.
    asked: watch::Sender<String>,
}

/// Stops when it is dropped.
pub struct SmtpPeer {
    address: SocketAddr,
    state: Arc<State>,
    serving: JoinHandle<()>,
}

impl SmtpPeer {
    /// # Panics
    /// When this machine lets nobody listen.
    pub async fn start(script: SmtpScript) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("listens");
        let address = listener.local_addr().expect("an address");
        let answers = Mutex::default();
        let (received, asked) = (watch::Sender::default(), watch::Sender::default());
        let state = Arc::new(State { script, answers, received, asked });
        let serving = tokio::spawn({
            let state = Arc::clone(&state);
            async move {
                while let Ok((stream, _)) = listener.accept().await {
                    let state = Arc::clone(&state);
                    // Clients that go away in the middle are what tests want.
                    tokio::spawn(async move { drop(serve(&state, stream).await) });
                }
            }
        });
        Self { address, state, serving }
    }

    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// From now on answers this to commands that begin with `word`, `.` being the end of a mail. Empty: never answers.
    pub fn answer(&self, word: &str, answer: &str) {
        let mut answers = self.state.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.insert(word.to_owned(), answer.to_owned());
    }

    /// As by the book again.
    pub fn answer_as_usual(&self) {
        self.state.answers.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Everything that was taken, or read to its end and then not answered.
    #[must_use]
    pub fn received(&self) -> Vec<ReceivedMail> {
        self.state.received.borrow().clone()
    }

    /// Waits until so many mails came in all.
    pub async fn wait_for(&self, count: usize) {
        let mut received = self.state.received.subscribe();
        let enough = received.wait_for(|mails| mails.len() >= count).await;
        drop(enough);
    }

    /// Waits until a command with this word was the last that came.
    pub async fn wait_until_asked(&self, word: &str) {
        let mut asked = self.state.asked.subscribe();
        let found = asked.wait_for(|last| last == word).await;
        drop(found);
    }
}

impl Drop for SmtpPeer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(state: &State, stream: TcpStream) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    stream.write_all(b"220 peer ESMTP\r\n").await?;
    if talk(state, &mut stream, false).await? == After::StartTls
        && let Some(tls) = &state.script.tls
    {
        let stream = TlsAcceptor::from(Arc::clone(tls)).accept(stream.into_inner()).await?;
        talk(state, &mut BufReader::new(stream), true).await?;
    }
    Ok(())
}

#[derive(PartialEq, Eq)]
enum After {
    End,
    StartTls,
}

async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
    state: &State,
    stream: &mut BufReader<S>,
    is_encrypted: bool,
) -> io::Result<After> {
    let (mut from, mut to) = (String::new(), Vec::new());
    let mut is_known = state.script.login.is_none();
    while let Some(line) = read_line(stream).await? {
        let word = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
        state.asked.send_replace(word.clone());
        if let Some(answer) = changed(state, &word) {
            say(stream, &answer).await?;
            continue;
        }
        let may_send = is_known && (is_encrypted || state.script.tls.is_none());
        let answer = match word.as_str() {
            "EHLO" if state.script.tls.is_some() && !is_encrypted => {
                "250-peer\r\n250-8BITMIME\r\n250 STARTTLS"
            }
            "EHLO" => "250-peer\r\n250-8BITMIME\r\n250 AUTH PLAIN",
            "STARTTLS" => {
                say(stream, "220 go ahead").await?;
                return Ok(After::StartTls);
            }
            "AUTH" => {
                is_known = state.script.login.as_deref() == line.strip_prefix("AUTH PLAIN ");
                if is_known { "235 welcome" } else { "535 5.7.8 no such user or password" }
            }
            "QUIT" => {
                say(stream, "221 bye").await?;
                return Ok(After::End);
            }
            _ if !may_send => "530 5.7.0 not yet",
            "MAIL" => {
                from = address(&line);
                to.clear();
                "250 sender ok"
            }
            "RCPT" => {
                to.push(address(&line));
                "250 recipient ok"
            }
            "DATA" => {
                say(stream, "354 go ahead").await?;
                let Some(content) = read_content(stream).await? else { return Ok(After::End) };
                let answer = changed(state, ".");
                // Silence: it was taken, and nobody is told.
                if answer.as_ref().is_none_or(String::is_empty) {
                    let mail = ReceivedMail {
                        from: from.clone(),
                        to: to.clone(),
                        content,
                        was_encrypted: is_encrypted,
                    };
                    state.received.send_modify(|received| received.push(mail));
                }
                say(stream, answer.as_deref().unwrap_or("250 taken")).await?;
                continue;
            }
            _ => "502 no such command",
        };
        say(stream, answer).await?;
    }
    Ok(After::End)
}

fn changed(state: &State, word: &str) -> Option<String> {
    state.answers.lock().unwrap_or_else(PoisonError::into_inner).get(word).cloned()
}

/// Nothing is said when there is nothing to say.
async fn say<S: AsyncWrite + Unpin>(stream: &mut S, answer: &str) -> io::Result<()> {
    if answer.is_empty() {
        return Ok(());
    }
    stream.write_all(format!("{answer}\r\n").as_bytes()).await?;
    stream.flush().await
}

fn address(line: &str) -> String {
    let inside = line.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
    inside.map_or_else(String::new, |(address, _)| address.to_owned())
}

/// A line must end with CR LF and be no longer than SMTP allows; `None` at the end.
async fn read_line<S: AsyncRead + Unpin>(stream: &mut BufReader<S>) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    if stream.read_until(b'\n', &mut line).await? == 0 {
        return Ok(None);
    }
    let wrong = || io::Error::new(io::ErrorKind::InvalidData, "no line of SMTP");
    let line = line.strip_suffix(b"\r\n").filter(|line| line.len() <= 998).ok_or_else(wrong)?;
    String::from_utf8(line.to_vec()).map(Some).map_err(|_| wrong())
}

async fn read_content<S: AsyncRead + Unpin>(
    stream: &mut BufReader<S>,
) -> io::Result<Option<String>> {
    let mut content = String::new();
    while let Some(line) = read_line(stream).await? {
        if line == "." {
            return Ok(Some(content));
        }
        content.push_str(line.strip_prefix('.').unwrap_or(&line));
        content.push('\n');
    }
    Ok(None)
}
