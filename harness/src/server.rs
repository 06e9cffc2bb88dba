//! A `confab` of one's own: started on a free port in a new folder, killed, stopped and started again.

use crate::{Client, DEADLINE, Error};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// What the ready line says before the address.
pub const READY: &str = "confab: listening on ";

/// Attempts to get a particular port again: between a server's end and its next start somebody else may hold it.
const STARTS: usize = 3;

/// A running server. Dropped: killed, and its folder removed.
#[derive(Debug)]
pub struct Server {
    binary: PathBuf,
    /// Everything after the binary's name; `{listen}` stands for the address.
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    /// Holds the data folder and the log; removed with this value.
    home: TempDir,
    base: String,
    child: Option<Child>,
    /// Every line of standard output so far. Locked only to push or to copy.
    printed: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Starts the binary on a free port with a new data folder and waits for the ready line.
    pub async fn start(binary: impl Into<PathBuf>) -> Result<Self, Error> {
        Self::start_with(binary, &[]).await
    }

    /// Starts it with more flags.
    pub async fn start_with(binary: impl Into<PathBuf>, flags: &[&str]) -> Result<Self, Error> {
        let usual = ["serve", "--listen", "{listen}", "--data", "data"];
        let arguments: Vec<&str> = usual.iter().chain(flags).copied().collect();
        Self::start_as(binary, TempDir::new()?, &arguments, &[]).await
    }

    /// Starts it in a folder of the caller's with exactly these arguments and variables; a `{listen}` among them
    /// becomes a free port at first and the same port later.
    pub async fn start_as(
        binary: impl Into<PathBuf>,
        home: TempDir,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Result<Self, Error> {
        let own = |text: &&str| (*text).to_owned();
        let mut server = Self {
            binary: binary.into(),
            arguments: arguments.iter().map(own).collect(),
            environment: environment.iter().map(|(name, value)| (own(name), own(value))).collect(),
            home,
            base: String::new(),
            child: None,
            printed: Arc::default(),
        };
        server.launch("127.0.0.1:0").await?;
        Ok(server)
    }

    /// Where it listens: `http://127.0.0.1:PORT`.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// A client of it, signed in as nobody.
    pub fn client(&self) -> Result<Client, Error> {
        Client::new(&self.base)
    }

    /// The folder it runs in.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// Its data folder, where it was started with the usual flags.
    pub fn data(&self) -> PathBuf {
        self.home.path().join("data")
    }

    /// Its process, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Everything it has written to standard error.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    /// Every line it has written to standard output.
    pub fn printed(&self) -> Vec<String> {
        self.printed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn log_path(&self) -> PathBuf {
        self.home.path().join("stderr.log")
    }

    /// SIGKILL: it gets no chance to finish anything.
    pub fn kill9(&mut self) -> Result<(), Error> {
        if let Some(mut child) = self.child.take() {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }

    /// SIGTERM, as a service manager stops it. Returns at once; [`exit`](Self::exit) waits.
    pub fn sigterm(&self) -> Result<(), Error> {
        self.signal("TERM")
    }

    /// Any signal by its name without `SIG`: `STOP` freezes it, `CONT` lets it go on.
    pub fn signal(&self, name: &str) -> Result<(), Error> {
        let child = self.child.as_ref().ok_or_else(|| Error::Process("not running".into()))?;
        let status = Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status()?;
        if status.success() { Ok(()) } else { Err(Error::Process(format!("SIG{name} could not be sent"))) }
    }

    /// Waits for its end, within the deadline; past that it is killed and the wait has failed.
    pub async fn exit(&mut self) -> Result<ExitStatus, Error> {
        let mut child = self.child.take().ok_or_else(|| Error::Process("not running".into()))?;
        let pid = child.id().to_string();
        // The standard library can only wait in a blocking way; nothing else may reap the child.
        let mut waiting = tokio::task::spawn_blocking(move || child.wait());
        match timeout(DEADLINE, &mut waiting).await {
            Ok(Ok(status)) => Ok(status?),
            Ok(Err(error)) => Err(Error::Process(error.to_string())),
            Err(_) => {
                Command::new("kill").args(["-KILL", &pid]).status()?;
                Err(Error::Deadline(format!("the server's end after SIGTERM; its log:\n{}", self.log())))
            }
        }
    }

    /// Starts it again on the same data and the same port.
    pub async fn start_again(&mut self) -> Result<(), Error> {
        self.kill9()?;
        let listen = self.base.trim_start_matches("http://").to_owned();
        let mut result = Ok(());
        for _ in 0..STARTS {
            result = self.launch(&listen).await;
            if result.is_ok() {
                break;
            }
        }
        result
    }

    async fn launch(&mut self, listen: &str) -> Result<(), Error> {
        let log = std::fs::File::options().create(true).append(true).open(self.log_path())?;
        let mut child = command(&self.binary)
            .args(self.arguments.iter().map(|argument| argument.replace("{listen}", listen)))
            .envs(self.environment.iter().map(|(name, value)| (name, value.replace("{listen}", listen))))
            .current_dir(self.home.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()?;
        let stdout = child.stdout.take();
        self.child = Some(child);
        let stdout = stdout.ok_or_else(|| Error::Process("no standard output".into()))?;

        let (ready, line) = oneshot::channel();
        let printed = Arc::clone(&self.printed);
        // Reads to the end of the output, so that the server never meets a closed pipe; ends with the process.
        std::thread::spawn(move || {
            let mut ready = Some(ready);
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                printed.lock().unwrap_or_else(PoisonError::into_inner).push(line.clone());
                if let (Some(address), true) = (line.strip_prefix(READY), ready.is_some()) {
                    ready.take().map(|ready| ready.send(address.to_owned()));
                }
            }
        });
        match timeout(DEADLINE, line).await {
            Ok(Ok(address)) => {
                self.base = address;
                Ok(())
            }
            Ok(Err(_)) => {
                let status = self.child.take().map(|mut child| child.wait()).transpose()?;
                Err(Error::Process(format!(
                    "ended before its ready line ({status:?}); its log:\n{}",
                    self.log()
                )))
            }
            Err(_) => {
                self.kill9()?;
                Err(Error::Deadline(format!("the ready line; the server's log:\n{}", self.log())))
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Err(error) = self.kill9() {
            eprintln!("the server could not be killed: {error}");
        }
        if std::thread::panicking() {
            eprintln!("the server's log:\n{}", self.log());
        }
    }
}

/// The binary, without settings from the environment the tests run in.
pub fn command(binary: &Path) -> Command {
    let mut command = Command::new(binary);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("CONFAB_") {
            command.env_remove(name);
        }
    }
    command
}
