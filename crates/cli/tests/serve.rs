//! `holdfast serve` as a process: what it refuses, and how it stops.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

const CONFIGURATION: &str = r#"
[server]
listen = "127.0.0.1:0"
public_url = "https://backup.example.com"
tls = "none"
[metastore]
sqlite = "control.db"
[objects]
folder = "objects"
[keys]
root_key_command = ["cat", "root.key"]
[[issuers]]
issuer = "https://login.example.com/v2.0"
audiences = ["api://holdfast"]
[[tenants]]
id = "11111111-2222-3333-4444-555555555555"
client_id = "0d9c1b5e-4d54-4b06-9d0c-8d1f5f3f6a21"
client_secret_env = "TEST_CLIENT_SECRET"
"#;

fn holdfast(folder: &Path, arguments: &[&str], configuration: &str) -> Command {
    let file = folder.join("holdfast.toml");
    std::fs::write(&file, configuration).expect("written");
    std::fs::write(folder.join("root.key"), "42".repeat(32)).expect("written");
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
    command
        .args(arguments)
        .arg("--config")
        .arg(file)
        .current_dir(folder)
        .env("TEST_CLIENT_SECRET", "secret")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// By the shell's own `kill`: a program of that name is not everywhere.
fn send_signal(name: &str, child: &Child) {
    let command = format!("kill -s {name} {}", child.id());
    assert!(Command::new("sh").args(["-c", &command]).status().expect("runs").success());
}

/// Looks again and again, not for ever.
fn until(mut holds: impl FnMut() -> bool) {
    for _ in 0..100_000 {
        if holds() {
            return;
        }
        std::thread::yield_now();
    }
    panic!("it did not come to be");
}

struct Running {
    child: Child,
    address: String,
}

impl Running {
    fn start(folder: &Path) -> Self {
        let mut child = holdfast(folder, &["serve"], CONFIGURATION).spawn().expect("starts");
        let mut line = String::new();
        let output = child.stdout.take().expect("it is piped");
        BufReader::new(output).read_line(&mut line).expect("a line");
        let address = line.trim().rsplit(' ').next().unwrap_or_default().to_owned();
        assert!(address.starts_with("127.0.0.1:"), "{line}");
        Self { child, address }
    }

    fn connect(&self) -> std::io::Result<TcpStream> {
        TcpStream::connect(&self.address)
    }

    fn get(&self, path: &str) -> String {
        let mut stream = self.connect().expect("connects");
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            .expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("answers");
        answer
    }

    fn signal(&self, name: &str) {
        send_signal(name, &self.child);
    }

    fn ended(mut self) -> Option<i32> {
        self.child.wait().expect("it is ours").code()
    }
}

#[test]
fn it_serves_and_ends_with_0_when_told_to_stop() {
    let folder = tempfile::tempdir().expect("a folder");
    for signal in ["TERM", "INT"] {
        let running = Running::start(folder.path());
        assert!(running.get("/healthz").starts_with("HTTP/1.1 200"));
        assert!(running.get("/metrics").contains("holdfast_build_info"));
        let answer = running.get("/v1.0/solutions/backupRestore");
        assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
        running.signal(signal);
        assert_eq!(running.ended(), Some(0));
    }
}

#[test]
fn a_worker_shares_the_metastore_and_ends_with_0_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let serving = Running::start(folder.path());
    let mut worker = holdfast(folder.path(), &["worker"], CONFIGURATION).spawn().expect("starts");
    let mut line = String::new();
    BufReader::new(worker.stdout.take().expect("it is piped"))
        .read_line(&mut line)
        .expect("a line");
    assert_eq!(line, "Holdfast works on jobs\n");
    until(|| serving.get("/readyz").starts_with("HTTP/1.1 200"));
    send_signal("TERM", &worker);
    assert_eq!(worker.wait().expect("it is ours").code(), Some(0));
    serving.signal("TERM");
    assert_eq!(serving.ended(), Some(0));
}

#[test]
fn the_key_of_an_unknown_unit_is_asked_for_by_configuration() {
    let folder = tempfile::tempdir().expect("a folder");
    let unit = "6b0f1c0e-7b4b-4c9a-8b43-0f6f4f0c2a77";
    let said = || {
        let arguments = ["repository-key", unit];
        let output = holdfast(folder.path(), &arguments, CONFIGURATION).output().expect("runs");
        assert_eq!(output.status.code(), Some(3));
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    assert!(said().contains("there is no folder"), "nothing is made by asking");
    let running = Running::start(folder.path());
    running.signal("TERM");
    assert_eq!(running.ended(), Some(0));
    assert!(said().contains(&format!("there is no unit {unit}")));
}

#[test]
fn a_request_in_hand_is_waited_for_until_a_second_signal() {
    let folder = tempfile::tempdir().expect("a folder");
    let running = Running::start(folder.path());
    let mut stream = running.connect().expect("connects");
    // The rest of its body never comes.
    write!(
        stream,
        "POST /v1.0/solutions/backupRestore/enable HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{{"
    )
    .expect("sent");
    // It was refused, and counted; its answer waits for the body.
    until(|| running.get("/metrics").contains("status=\"4xx\"} 1\n"));
    running.signal("TERM");
    until(|| running.connect().is_err());
    let mut running = running;
    assert!(running.child.try_wait().expect("it is ours").is_none(), "it waits");
    running.signal("TERM");
    assert_eq!(running.ended(), Some(3));
}

#[test]
fn a_wrong_configuration_is_refused_with_its_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let check = |old: &str, new: &str, expected: &str| {
        let text = CONFIGURATION.replacen(old, new, 1);
        assert_ne!(text, CONFIGURATION, "{old} is in it");
        let output = holdfast(folder.path(), &["serve"], &text).output().expect("runs");
        assert_eq!(output.status.code(), Some(2), "{new}");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains(expected), "{said}");
    };
    check("listen =", "listens =", "holdfast.toml, line 2: server.listen is missing");
    check("127.0.0.1:0", "0.0.0.0:0", "line 5: server.tls: ");
    check("control.db", "absent/control.db", "line 7: metastore.sqlite: ");
    check("\"cat\", \"root.key\"", "\"cat\", \"absent.key\"", "line 11: keys.root_key_command: ");
    check("\"cat\", \"root.key\"", "\"echo\", \"short\"", "line 11: keys.root_key_command: ");
    check("TEST_CLIENT_SECRET", "ABSENT_SECRET", "the variable ABSENT_SECRET is not set");
}
