//! The command line, the environment, the settings file, and the ready line.

use harness::server::{READY, command};
use harness::{Person, Server};
use protocol::Code;
use std::path::Path;
use std::process::Output;
use tempfile::TempDir;

const CONFAB: &str = env!("CARGO_BIN_EXE_confab");

/// Runs the binary to its end in a folder.
fn run(home: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    command(Path::new(CONFAB))
        .args(arguments)
        .envs(environment.iter().copied())
        .current_dir(home)
        .output()
        .expect("the binary starts")
}

/// Asserts that a setting is refused as the contract says: exit code 2, one sentence that names it, nothing done.
fn assert_refused(names: &[&str], home: &TempDir, output: &Output) {
    let (out, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(2), "{names:?}: {error}");
    assert_eq!(out, "", "{names:?}: nothing on standard output");
    assert_eq!(error.trim_end().lines().count(), 1, "{names:?}: one sentence: {error}");
    assert!(names.iter().any(|name| error.contains(name)), "one of {names:?} in: {error}");
    let left: Vec<_> = std::fs::read_dir(home.path()).expect("the folder is there").flatten().collect();
    assert!(left.iter().all(|entry| entry.file_name() == "settings.toml"), "{names:?} left {left:?}");
}

#[test]
fn a_bad_setting_is_one_sentence_and_nothing_more() {
    let cases = [
        ("listen", "nonsense"),
        ("listen", "127.0.0.1:99999"),
        ("public-url", "chat.example"),
        ("public-url", "ftp://chat.example"),
        ("public-url", "https://chat.example/path?query"),
        ("store", "mysql://localhost/chat"),
        ("store", "nonsense"),
        ("bus", "carrier-pigeon"),
        ("ingest", "sometimes"),
        ("registration", "maybe"),
        ("roles", "juggler"),
        ("discovery", "notice-board"),
        ("discovery", "consul://user:hunter2@h"),
        ("discovery", "static:somewhere"),
        ("node", "north by north-west"),
        ("log-format", "xml"),
    ];
    for (name, value) in cases {
        let flag = format!("--{name}");
        let variable = format!("CONFAB_{}", name.to_uppercase().replace('-', "_"));
        let names = [flag.as_str(), variable.as_str(), name];

        let home = TempDir::new().unwrap();
        let output = run(home.path(), &["serve", &flag, value], &[]);
        assert_refused(&names, &home, &output);
        let sentence = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(sentence.contains("accept"), "{name}: says what it accepts: {sentence}");

        let output = run(home.path(), &["serve"], &[(&variable, value)]);
        assert_refused(&names, &home, &output);

        std::fs::write(home.path().join("settings.toml"), format!("{name} = \"{value}\"\n")).unwrap();
        let output = run(home.path(), &["serve", "--config", "settings.toml"], &[]);
        assert_refused(&names, &home, &output);
    }
}

#[test]
fn what_does_not_exist_or_does_not_go_together_is_refused_with_a_sentence() {
    let cases = [
        ("bus", "amqp://localhost"),
        ("ingest", "queued"),
        ("roles", "worker"),
        ("cache", "memcached://localhost"),
        ("files", "s3://bucket"),
    ];
    for (name, value) in cases {
        let home = TempDir::new().unwrap();
        let output = run(home.path(), &["serve", &format!("--{name}"), value], &[]);
        assert_refused(&[&format!("--{name}"), name], &home, &output);
    }
}

#[test]
fn a_database_nobody_answers_for_is_named_without_its_password() {
    let home = TempDir::new().unwrap();
    // Port 9 is nobody's on a machine without old services.
    let store = "postgres://confab:hunter2@127.0.0.1:9/confab";
    let output = run(home.path(), &["serve", "--store", store], &[]);
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.lines().last().is_some_and(|line| line.starts_with("confab: store: ")), "{error}");
    assert!(!error.contains("hunter2"), "{error}");
}

#[test]
fn a_settings_file_is_checked_as_a_whole() {
    let home = TempDir::new().unwrap();
    let output = run(home.path(), &["serve", "--config", "missing.toml"], &[]);
    assert_refused(&["missing.toml"], &home, &output);
    for (text, name) in
        [("lisen = \"127.0.0.1:0\"\n", "lisen"), ("listen = 5\n", "listen"), ("listen = \n", "settings.toml")]
    {
        std::fs::write(home.path().join("settings.toml"), text).unwrap();
        let output = run(home.path(), &["serve", "--config", "settings.toml"], &[]);
        assert_refused(&[name], &home, &output);
    }
}

#[test]
fn an_unknown_flag_or_command_is_refused() {
    let home = TempDir::new().unwrap();
    for arguments in [&["serve", "--lisen", "127.0.0.1:0"][..], &["dance"], &["serve", "extra"]] {
        let output = run(home.path(), arguments, &[]);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{arguments:?}");
        assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);
    }
}

#[test]
fn version_and_help_are_answers_not_errors() {
    let home = TempDir::new().unwrap();
    let output = run(home.path(), &["--version"], &[]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(
        String::from_utf8_lossy(&output.stdout).trim_end(),
        concat!("confab ", env!("CARGO_PKG_VERSION"))
    );
    for arguments in [&["help"][..], &["--help"], &["help", "serve"], &["serve", "--help"]] {
        let output = run(home.path(), arguments, &[]);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        let words = if arguments.contains(&"serve") { "--listen" } else { "serve" };
        assert!(String::from_utf8_lossy(&output.stdout).contains(words), "{arguments:?}");
    }
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn the_ready_line_is_alone_and_true() {
    let server = Server::start(CONFAB).await.unwrap();
    let port = server.base().strip_prefix("http://127.0.0.1:").expect("the address it listens on");
    assert_ne!(port.parse::<u16>().unwrap(), 0);
    assert_eq!(server.printed(), [format!("{READY}{}", server.base())]);
    assert_eq!(server.client().unwrap().get("/health/live").await.unwrap().status, 200);
    assert_eq!(server.printed().len(), 1);
}

#[tokio::test]
async fn a_taken_port_is_an_error_that_says_so() {
    let server = Server::start(CONFAB).await.unwrap();
    let home = TempDir::new().unwrap();
    let listen = server.base().trim_start_matches("http://");
    let output = run(home.path(), &["serve", "--listen", listen], &[]);
    assert!(!output.status.success());
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.stdout.is_empty() && error.contains(listen), "{error}");
}

#[tokio::test]
async fn everything_lives_in_the_data_folder_and_is_the_owners_own() {
    let home = TempDir::new().unwrap();
    let server = Server::start_as(CONFAB, home, &["serve", "--listen", "{listen}"], &[]).await.unwrap();
    Person::register(&server.client().unwrap(), "ada").await.unwrap();
    let data = server.home().join("confab-data");
    assert!(data.join("confab.db").is_file());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        for path in [data.clone(), data.join("confab.db")] {
            let mode = std::fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o077, 0, "{} is {:o}", path.display(), mode & 0o777);
        }
    }
    let names: Vec<_> =
        std::fs::read_dir(server.home()).unwrap().flatten().map(|entry| entry.file_name()).collect();
    assert!(names.iter().all(|name| name == "confab-data" || name == "stderr.log"), "{names:?}");
}

/// Whether a server started so takes new accounts.
async fn takes_accounts(file: &str, environment: &[(&str, &str)], flags: &[&str]) -> bool {
    let home = TempDir::new().expect("a folder");
    std::fs::write(home.path().join("settings.toml"), file).expect("a settings file");
    let arguments: Vec<&str> =
        ["serve", "--config", "settings.toml", "--listen", "{listen}"].iter().chain(flags).copied().collect();
    let server = Server::start_as(CONFAB, home, &arguments, environment).await.expect("it starts");
    match Person::register(&server.client().expect("a client"), "ada").await {
        Ok(_) => true,
        Err(error) => {
            assert_eq!(error.code(), Some(Code::Forbidden), "{error}");
            false
        }
    }
}

#[tokio::test]
async fn flag_beats_environment_beats_file_beats_default() {
    let (closed, open) = ("registration = \"closed\"\n", "registration = \"open\"\n");
    let variable = |value| [("CONFAB_REGISTRATION", value)];
    assert!(takes_accounts("", &[], &[]).await, "the default is open");
    assert!(!takes_accounts(closed, &[], &[]).await);
    assert!(takes_accounts(closed, &variable("open"), &[]).await);
    assert!(!takes_accounts(open, &variable("closed"), &[]).await);
    assert!(takes_accounts(closed, &variable("closed"), &["--registration", "open"]).await);
    assert!(!takes_accounts(open, &variable("open"), &["--registration", "closed"]).await);
}

#[tokio::test]
async fn a_server_needs_no_flags_at_all() {
    let home = TempDir::new().unwrap();
    std::fs::write(home.path().join("settings.toml"), "data = \"from-file\"\nlog-format = \"json\"\n")
        .unwrap();
    let environment = [("CONFAB_LISTEN", "{listen}"), ("CONFAB_CONFIG", "settings.toml")];
    let server = Server::start_as(CONFAB, home, &["serve"], &environment).await.unwrap();
    assert!(server.home().join("from-file").join("confab.db").is_file());
    assert_eq!(server.client().unwrap().get("/health/live").await.unwrap().status, 200);
    for line in server.log().lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    }
}
