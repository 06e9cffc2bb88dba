//! The command line: `confab serve …`, `confab doctor`, `confab move`, `confab replay`, `confab help`, `confab --version`.

use crate::config::{Given, Settings};
use clap::error::ErrorKind;
use clap::{Parser, Subcommand};
use std::ffi::OsString;
use std::path::PathBuf;

/// What the arguments ask for.
#[derive(Debug)]
pub enum Outcome {
    /// Do this.
    Run(Command),
    /// Only print this: help, or the version.
    Print(String),
}

/// A command, with settings that are complete and valid.
#[derive(Debug)]
pub enum Command {
    /// Serve until told to stop.
    Serve(Box<Settings>),
    /// Recount everything that is derived, change nothing.
    Doctor(Box<Settings>),
    /// Copy everything from one store to another.
    Move {
        /// The store of a stopped server.
        from: chat::StoreUrl,
        /// An empty one.
        to: chat::StoreUrl,
    },
    /// Submit again what could not be stored.
    Replay(chat::BusUrl),
    /// Store again what the bus still has.
    ReplayAll {
        /// Where messages were submitted.
        bus: chat::BusUrl,
        /// A restored store of stopped servers.
        store: chat::StoreUrl,
    },
}

/// Self-hosted team chat.
#[derive(Parser, Debug)]
#[command(name = "confab", version, subcommand_required = true, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Verb,
}

#[derive(Subcommand, Debug)]
enum Verb {
    /// Serve until SIGTERM or Ctrl-C.
    ///
    /// A flag beats its environment variable, that beats the file of --config, that beats the default.
    Serve {
        /// TOML file with the same names as the flags [env: CONFAB_CONFIG]
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        #[command(flatten)]
        given: Given,
    },
    /// Recount everything that is derived from the rows of the store; say what does not agree.
    ///
    /// Changes nothing, and works while a server runs. Exit code 0: everything agrees; 1: something does not; 2: the
    /// store cannot be read.
    Doctor {
        /// TOML file with the same names as the flags [env: CONFAB_CONFIG]
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        #[command(flatten)]
        given: Given,
    },
    /// Copy everything from the store of a stopped server to an empty one.
    ///
    /// Interrupted, it goes on where it was when it is run again. At the end it counts and hashes each table on both sides
    /// and prints what it found; the source stays as it is.
    Move {
        /// sqlite://PATH or postgres://USER:PASSWORD@HOST:PORT/DATABASE
        #[arg(long, value_name = "URL")]
        from: String,
        /// The same; it must hold nothing
        #[arg(long, value_name = "URL")]
        to: String,
    },
    /// Submit the dead letters of a bus again, after what kept them from being stored was mended.
    ///
    /// Prints each with its reason. What was stored meanwhile is known by its nonce and not stored twice; what still cannot
    /// be stored comes back among the dead letters.
    ///
    /// With --all: after a database was restored from a backup, stores in it what people wrote since, as far as Kafka still has
    /// it. The servers must be stopped. What the database has stays as it is.
    Replay {
        /// kafka://HOST, nats://HOST or redis://HOST, as the servers have it
        #[arg(long, value_name = "URL")]
        bus: String,
        /// Everything that was submitted and is still there, into --store; Kafka only
        #[arg(long)]
        all: bool,
        /// The restored database: sqlite://PATH or postgres://USER:PASSWORD@HOST:PORT/DATABASE
        #[arg(long, value_name = "URL")]
        store: Option<String>,
    },
}

/// Reads the arguments and, through `environment`, the variables behind them.
///
/// # Errors
/// One sentence that names what is wrong and what is accepted.
pub fn parse(
    arguments: impl IntoIterator<Item = OsString>,
    environment: impl Fn(&str) -> Option<String>,
) -> Result<Outcome, String> {
    match Arguments::try_parse_from(arguments) {
        Ok(Arguments { command }) => {
            let (config, given, command): (_, _, fn(Box<Settings>) -> Command) = match command {
                Verb::Serve { config, given } => (config, given, Command::Serve),
                Verb::Doctor { config, given } => (config, given, Command::Doctor),
                Verb::Move { from, to } => {
                    // Not what was given: it may hold a password.
                    let from = from.parse().map_err(|accepts| format!("from: {accepts}"))?;
                    let to = to.parse().map_err(|accepts| format!("to: {accepts}"))?;
                    return Ok(Outcome::Run(Command::Move { from, to }));
                }
                Verb::Replay { bus, all, store } => {
                    let bus = bus.parse().map_err(|accepts| format!("bus: {accepts}"))?;
                    let store = store.map(|store| store.parse()).transpose();
                    return match (all, store.map_err(|accepts| format!("store: {accepts}"))?) {
                        (true, Some(store)) => Ok(Outcome::Run(Command::ReplayAll { bus, store })),
                        (true, None) => Err("store: --all needs --store, the restored database".to_owned()),
                        (false, Some(_)) => Err("store: goes with --all only".to_owned()),
                        (false, None) => Ok(Outcome::Run(Command::Replay(bus))),
                    };
                }
            };
            let file = config.or_else(|| environment("CONFAB_CONFIG").map(PathBuf::from));
            let file =
                file.map(|path| Given::from_file(&path)).transpose().map_err(|error| error.to_string())?;
            let given = given.or(Given::from_environment(environment)).or(file.unwrap_or_default());
            let settings = Settings::try_from(given).map_err(|error| error.to_string())?;
            Ok(Outcome::Run(command(Box::new(settings))))
        }
        Err(error) => match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Ok(Outcome::Print(error.to_string())),
            ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
                Err("a command is missing; `confab serve` serves, `confab help` explains".to_owned())
            }
            _ => {
                // Clap's message has several paragraphs; the first line says it.
                let text = error.to_string();
                let line = text.lines().next().unwrap_or_default();
                let line = line.strip_prefix("error: ").unwrap_or(line);
                Err(format!("{line}; `confab help serve` lists what is accepted"))
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(arguments: &[&str], environment: &[(&str, &str)]) -> Result<Outcome, String> {
        let arguments = std::iter::once("confab").chain(arguments.iter().copied()).map(OsString::from);
        parse(arguments, |name| {
            environment.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        })
    }

    fn settings(arguments: &[&str], environment: &[(&str, &str)]) -> Settings {
        match run(arguments, environment) {
            Ok(Outcome::Run(Command::Serve(settings))) => *settings,
            other => panic!("expected settings, got {other:?}"),
        }
    }

    #[test]
    fn a_flag_beats_the_environment_beats_the_file_beats_the_default() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("confab.toml");
        std::fs::write(&file, "listen = \"127.0.0.1:3\"\n").unwrap();
        let file = file.to_str().unwrap();
        let port =
            |arguments: &[&str], environment: &[(&str, &str)]| settings(arguments, environment).listen.port();
        assert_eq!(port(&["serve"], &[]), 3000);
        assert_eq!(port(&["serve", "--config", file], &[]), 3);
        assert_eq!(port(&["serve"], &[("CONFAB_CONFIG", file)]), 3);
        let two = ("CONFAB_LISTEN", "127.0.0.1:2");
        assert_eq!(port(&["serve", "--config", file], &[two]), 2);
        assert_eq!(port(&["serve", "--config", file, "--listen", "127.0.0.1:1"], &[two]), 1);
    }

    #[test]
    fn help_and_version_are_printed() {
        for ask in [&["help"][..], &["--version"], &["help", "serve"], &["serve", "--help"]] {
            assert!(matches!(run(ask, &[]), Ok(Outcome::Print(_))), "{ask:?}");
        }
    }

    #[test]
    fn mistakes_are_one_sentence() {
        for mistake in [&[][..], &["srve"], &["serve", "--lisen", "x"], &["serve", "--listen", "nowhere"]] {
            let sentence = run(mistake, &[]).map(|_| ()).unwrap_err();
            assert!(!sentence.contains('\n'), "{sentence}");
        }
        let sentence = run(&["serve", "--lisen", "x"], &[]).map(|_| ()).unwrap_err();
        assert!(sentence.contains("--lisen"), "{sentence}");
    }
}
