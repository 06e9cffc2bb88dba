//! `confab`: arguments and wiring.

use server::cli::{Command, Outcome};
use server::{Settings, cli, log, run};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::process::ExitCode;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};

/// Small allocations of many threads are what a chat server does all day; the system's allocator is slower at
/// that and gives memory back later.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A setting is wrong: nothing was started, nothing was created.
const BAD_SETTING: u8 = 2;

fn main() -> ExitCode {
    let command = match cli::parse(std::env::args_os(), |name| std::env::var(name).ok()) {
        Ok(Outcome::Run(command)) => command,
        Ok(Outcome::Print(text)) => {
            say(&text);
            return ExitCode::SUCCESS;
        }
        Err(error) => return fail(&error, BAD_SETTING),
    };
    match command {
        Command::Serve(settings) => serve(*settings),
        Command::Doctor(settings) => doctor(&settings),
        Command::Move { from, to } => transfer(&from, &to),
        Command::Replay(bus) => replay(&bus),
        Command::ReplayAll { bus, store } => replay_all(&bus, &store),
    }
}

/// The runtime of sockets, requests and pages with a thread for each core, and the chat's own with one: its tasks commit and
/// deliver one after the other anyway, and must not stand in line behind ten thousand sockets that write.
fn runtimes() -> io::Result<(Runtime, Runtime)> {
    let edge = Builder::new_multi_thread().thread_name("confab-edge").enable_all().build()?;
    let chat =
        Builder::new_multi_thread().worker_threads(1).thread_name("confab-chat").enable_all().build()?;
    Ok((edge, chat))
}

fn serve(settings: Settings) -> ExitCode {
    log::start(settings.log_format);
    let (edge, chat) = match runtimes() {
        Ok(both) => both,
        Err(error) => return fail(&format!("the runtimes did not start: {error}"), 1),
    };
    let outcome = edge.block_on(async {
        let listen = settings.listen;
        let listener = match TcpListener::bind(listen).await {
            Ok(listener) => listener,
            Err(error) => {
                let sentence =
                    format!("listen: accepts a free address of this machine, got `{listen}` ({error})");
                return Err((sentence, BAD_SETTING));
            }
        };
        let shutdown = run::signals().map_err(|error| (format!("signals: {error}"), 1))?;
        // A folder or a store that cannot be used is a setting that does not fit this machine.
        run(listener, settings, chat.handle(), ready, shutdown)
            .await
            .map_err(|error| (error.to_string(), BAD_SETTING))
    });
    // `run` has closed the chat. Whatever is still running has had its time to finish; what waits for the other runtime is
    // dropped with its own.
    edge.shutdown_background();
    chat.shutdown_background();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err((sentence, code)) => fail(&sentence, code),
    }
}

fn doctor(settings: &Settings) -> ExitCode {
    let runtime = match Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("the runtime did not start: {error}"), 1),
    };
    match runtime.block_on(chat::Chat::examine(&settings.chat)) {
        Ok(report) => {
            say(&format!("{}\n", report.looked_at));
            for finding in &report.findings {
                say(&format!("{finding}\n"));
            }
            if report.findings.is_empty() {
                say("Everything agrees.\n");
                return ExitCode::SUCCESS;
            }
            ExitCode::FAILURE
        }
        Err(error) => fail(&error.to_string(), BAD_SETTING),
    }
}

fn transfer(from: &chat::StoreUrl, to: &chat::StoreUrl) -> ExitCode {
    tell(chat::Chat::transfer(from, to), "Both sides are the same.")
}

fn replay(bus: &chat::BusUrl) -> ExitCode {
    tell(chat::Chat::replay(bus), "No dead letters are left.")
}

fn replay_all(bus: &chat::BusUrl, store: &chat::StoreUrl) -> ExitCode {
    tell(chat::Chat::replay_all(bus, store), "The servers can be started.")
}

/// Says line by line what was done, and at last that it was.
fn tell(doing: impl Future<Output = Result<Vec<String>, chat::OpenError>>, done: &str) -> ExitCode {
    let runtime = match Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("the runtime did not start: {error}"), 1),
    };
    match runtime.block_on(doing) {
        Ok(lines) => {
            for line in &lines {
                say(&format!("{line}\n"));
            }
            say(&format!("{done}\n"));
            ExitCode::SUCCESS
        }
        Err(error) => fail(&error.to_string(), BAD_SETTING),
    }
}

/// The one line programs wait for.
fn ready(address: SocketAddr) {
    say(&format!("confab: listening on http://{address}\n"));
}

fn say(text: &str) {
    let mut out = io::stdout().lock();
    // Nobody reads our output: that is their choice, not a failure.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

fn fail(sentence: &str, code: u8) -> ExitCode {
    let _ = writeln!(io::stderr().lock(), "confab: {sentence}");
    ExitCode::from(code)
}
