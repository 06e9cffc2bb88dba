//! A server of a test's own, to be killed.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

/// See the module. It ends with the test.
pub(super) struct Server {
    folder: tempfile::TempDir,
    port: u16,
    process: Option<Child>,
}

impl Server {
    /// Starts one; none where the tests against NATS are not run.
    pub(super) async fn start() -> Option<Self> {
        Self::start_with("").await
    }

    /// The same, with more settings.
    pub(super) async fn start_with(more: &str) -> Option<Self> {
        super::address()?;
        // Below those that systems give to outgoing connections; drawn, because it is free for others while the server is
        // killed.
        let port =
            std::iter::repeat_with(|| rand::random_range(20_000..32_000)).find(|port| free(*port)).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let settings = format!(
            "listen: \"127.0.0.1:{port}\"\nserver_name: \"own\"\njetstream {{ store_dir: {:?}, sync_interval: always }}\n{more}",
            folder.path().join("data")
        );
        std::fs::write(folder.path().join("nats.conf"), settings).unwrap();
        let mut server = Self { folder, port, process: None };
        server.run().await;
        Some(server)
    }

    pub(super) fn url(&self) -> String {
        format!("nats://{}", self.host())
    }

    pub(super) fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Starts it, with its data, and waits until it answers.
    pub(super) async fn run(&mut self) {
        let log = std::fs::File::create(self.folder.path().join("log")).unwrap();
        let mut command = Command::new(program());
        command
            .arg("-c")
            .arg(self.folder.path().join("nats.conf"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        self.process = Some(command.spawn().expect("nats-server is there: scripts/tools services"));
        let begun = Instant::now();
        loop {
            if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port)).await
                && stream.read(&mut [0; 16]).await.is_ok_and(|read| read > 0)
            {
                return;
            }
            assert!(begun.elapsed() < Duration::from_secs(20), "nats-server does not start");
            tokio::task::yield_now().await;
        }
    }

    fn signal(&self, signal: &str) {
        let process = self.process.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args([signal, &process]).status().unwrap().success());
    }

    /// As a machine that hangs.
    pub(super) fn stop(&self) {
        self.signal("-STOP");
    }

    pub(super) fn go_on(&self) {
        self.signal("-CONT");
    }

    pub(super) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The server's program: that of the tools cache, or that of the system.
fn program() -> PathBuf {
    let tools = std::env::var_os("CONFAB_TOOLS").map(PathBuf::from);
    let kept = tools.map(|tools| tools.join("bin/nats-server")).filter(|program| program.exists());
    kept.unwrap_or_else(|| "nats-server".into())
}

fn free(port: u16) -> bool {
    TcpListener::bind(("127.0.0.1", port)).is_ok()
}
