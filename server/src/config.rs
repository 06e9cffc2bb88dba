//! Settings: what was given by flag, environment and file, merged, checked, turned into what the server needs.

use crate::discovery::DiscoveryUrl;
use crate::discovery::name::NodeName;
use crate::log::Format;
use crate::origin::PublicUrl;
use chat::{BusUrl, CacheUrl, IngestMode, PresenceUrl, Registration, Roles, StoreUrl};
use serde::Deserialize;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

/// A settings file is a page of text; more is a mistake, and is not read into memory.
const FILE_BYTES: u64 = 64 * 1024;

/// Complete and valid settings of `confab serve`.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where to accept connections; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The address people type. It decides which `Origin` is ours, and whether cookies are for https only.
    pub public_url: Option<PublicUrl>,
    /// Where measurements are served, where they are.
    pub metrics_listen: Option<SocketAddr>,
    /// How log lines look.
    pub log_format: Format,
    /// How this node finds the others; none: there are no others.
    pub discovery: Option<DiscoveryUrl>,
    /// What it is called; none: after its machine and port.
    pub node: Option<NodeName>,
    /// Everything below the network edge.
    pub chat: chat::Settings,
}

/// Settings as text, from one source or several merged. Every source has the same names.
#[derive(clap::Args, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Given {
    /// Address and port to accept connections on; port 0 takes a free one [env: CONFAB_LISTEN] [default: 127.0.0.1:3000]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Option<String>,
    /// Folder of everything that is stored [env: CONFAB_DATA] [default: ./confab-data]
    #[arg(long, value_name = "FOLDER")]
    pub data: Option<String>,
    /// Address people type, such as https://chat.example.org [env: CONFAB_PUBLIC_URL]
    #[arg(long, value_name = "URL")]
    pub public_url: Option<String>,
    /// Database: sqlite://PATH or postgres://USER:PASSWORD@HOST:PORT/DATABASE [env: CONFAB_STORE] [default: sqlite://DATA/confab.db]
    #[arg(long, value_name = "URL")]
    pub store: Option<String>,
    /// How nodes hear of new messages [env: CONFAB_BUS] [default: channel]
    #[arg(long, value_name = "URL")]
    pub bus: Option<String>,
    /// Store messages directly, or queue them first [env: CONFAB_INGEST] [default: direct]
    #[arg(long, value_name = "direct|queued")]
    pub ingest: Option<String>,
    /// What this process does [env: CONFAB_ROLES] [default: gateway,worker]
    #[arg(long, value_name = "ROLES")]
    pub roles: Option<String>,
    /// Where is cached what is read most: memory, redis://HOST[:PORT][/DB], off [env: CONFAB_CACHE] [default: memory]
    #[arg(long, value_name = "URL")]
    pub cache: Option<String>,
    /// Where nodes share who is at which of them: redis://HOST [env: CONFAB_PRESENCE] [default: each knows its own]
    #[arg(long, value_name = "URL")]
    pub presence: Option<String>,
    /// Where files are kept; not in this version [env: CONFAB_FILES]
    #[arg(long, value_name = "URL")]
    pub files: Option<String>,
    /// How nodes find each other: consul://HOST:PORT[?service=NAME&address=HOST:PORT&token=TOKEN] or
    /// static:http://HOST:PORT,… [env: CONFAB_DISCOVERY]
    #[arg(long, value_name = "URL")]
    pub discovery: Option<String>,
    /// Name of this node, different from all others [env: CONFAB_NODE] [default: HOST-PORT]
    #[arg(long, value_name = "NAME")]
    pub node: Option<String>,
    /// Who may create an account [env: CONFAB_REGISTRATION] [default: open]
    #[arg(long, value_name = "open|invite|closed")]
    pub registration: Option<String>,
    /// Where measurements are served at /metrics, to whoever can reach it; off unless given [env: CONFAB_METRICS_LISTEN]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub metrics_listen: Option<String>,
    /// How log lines look [env: CONFAB_LOG_FORMAT] [default: text]
    #[arg(long, value_name = "text|json")]
    pub log_format: Option<String>,
}

impl Given {
    /// What the variables `CONFAB_*` say.
    pub fn from_environment(variable: impl Fn(&str) -> Option<String>) -> Self {
        Self {
            listen: variable("CONFAB_LISTEN"),
            data: variable("CONFAB_DATA"),
            public_url: variable("CONFAB_PUBLIC_URL"),
            store: variable("CONFAB_STORE"),
            bus: variable("CONFAB_BUS"),
            ingest: variable("CONFAB_INGEST"),
            roles: variable("CONFAB_ROLES"),
            cache: variable("CONFAB_CACHE"),
            presence: variable("CONFAB_PRESENCE"),
            files: variable("CONFAB_FILES"),
            discovery: variable("CONFAB_DISCOVERY"),
            node: variable("CONFAB_NODE"),
            registration: variable("CONFAB_REGISTRATION"),
            metrics_listen: variable("CONFAB_METRICS_LISTEN"),
            log_format: variable("CONFAB_LOG_FORMAT"),
        }
    }

    /// What a TOML file says.
    ///
    /// # Errors
    /// When it cannot be read, is no TOML, or names a setting that does not exist.
    pub fn from_file(path: &Path) -> Result<Self, SettingError> {
        let error = |cause: String| SettingError {
            name: "config",
            accepts: format!(
                "accepts a TOML file with the names of the flags, got `{}` ({cause})",
                path.display()
            ),
        };
        let size = std::fs::metadata(path).map_err(|cause| error(cause.to_string()))?.len();
        if size > FILE_BYTES {
            return Err(error(format!("larger than {} KiB", FILE_BYTES / 1024)));
        }
        let text = std::fs::read_to_string(path).map_err(|cause| error(cause.to_string()))?;
        toml::from_str(&text).map_err(|cause| {
            let start = cause.span().map_or(0, |span| span.start);
            let before = text.get(..start).unwrap_or_default();
            let line = before.matches('\n').count();
            // The name only: the value may be a secret.
            let setting =
                text.lines().nth(line).and_then(|line| line.split_once('=')).map_or("", |(name, _)| name);
            let message = cause.message().lines().collect::<Vec<_>>().join(" ");
            error(format!("line {}, `{}`: {message}", line + 1, setting.trim()))
        })
    }

    /// These settings, and the weaker ones where these are silent.
    #[must_use]
    pub fn or(self, weaker: Self) -> Self {
        Self {
            listen: self.listen.or(weaker.listen),
            data: self.data.or(weaker.data),
            public_url: self.public_url.or(weaker.public_url),
            store: self.store.or(weaker.store),
            bus: self.bus.or(weaker.bus),
            ingest: self.ingest.or(weaker.ingest),
            roles: self.roles.or(weaker.roles),
            cache: self.cache.or(weaker.cache),
            presence: self.presence.or(weaker.presence),
            files: self.files.or(weaker.files),
            discovery: self.discovery.or(weaker.discovery),
            node: self.node.or(weaker.node),
            registration: self.registration.or(weaker.registration),
            metrics_listen: self.metrics_listen.or(weaker.metrics_listen),
            log_format: self.log_format.or(weaker.log_format),
        }
    }
}

/// A setting that was refused: its name, and what it accepts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingError {
    name: &'static str,
    accepts: String,
}

impl SettingError {
    fn new(name: &'static str, accepts: impl fmt::Display, got: &str) -> Self {
        Self { name, accepts: format!("{accepts}, got `{}`", shown(got)) }
    }
}

impl fmt::Display for SettingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.accepts)
    }
}

impl std::error::Error for SettingError {}

/// A value as an error may show it: of an address only the scheme, because the rest may hold a password.
fn shown(value: &str) -> String {
    if let Some((scheme, _)) = value.split_once("://") {
        return format!("{}://…", scheme.escape_debug());
    }
    let short: String = value.chars().take(60).collect();
    short.escape_debug().to_string()
}

impl TryFrom<Given> for Settings {
    type Error = SettingError;

    fn try_from(given: Given) -> Result<Self, SettingError> {
        if let Some(value) = &given.files {
            return Err(SettingError::new("files", "accepts nothing in this version, leave it out", value));
        }
        let bus = given.bus.as_deref().map_or(Ok(BusUrl::Channel), |text| parsed("bus", text))?;
        let ingest = given.ingest.as_deref().map_or(Ok(bus.usual_ingest()), |text| parsed("ingest", text))?;
        if ingest == IngestMode::Queued && bus == BusUrl::Channel {
            let accepts = "accepts `queued` only with a bus that keeps what is queued: kafka, nats or redis";
            return Err(SettingError::new("ingest", accepts, "queued"));
        }
        let roles = given.roles.as_deref().map_or(Ok(Roles::default()), |text| parsed("roles", text))?;
        if ingest == IngestMode::Direct && roles != Roles::default() {
            let accepts = "accepts `gateway,worker` where ingest is `direct`: who takes a message stores it";
            return Err(SettingError::new("roles", accepts, given.roles.as_deref().unwrap_or_default()));
        }
        let address = |name, example: &str, text: &str| {
            let accepts = format!("accepts an address and a port such as `{example}`");
            text.parse().map_err(|_| SettingError::new(name, accepts, text))
        };
        let listen = match given.listen.as_deref() {
            None => SocketAddr::from((Ipv4Addr::LOCALHOST, 3000)),
            Some(text) => address("listen", "127.0.0.1:3000", text)?,
        };
        let discovery =
            given.discovery.as_deref().map(|text| Ok((parsed("discovery", text)?, text))).transpose()?;
        if let Some((DiscoveryUrl::Consul(consul), text)) = &discovery
            && listen.ip().is_unspecified()
            && !consul.says_where()
        {
            let accepts = format!(
                "accepts `consul://HOST:PORT?address=HOST` with --listen {listen}, which does not say where others reach this node"
            );
            return Err(SettingError::new("discovery", accepts, text));
        }
        let metrics_listen = given.metrics_listen.as_deref();
        let metrics_listen =
            metrics_listen.map(|text| address("metrics-listen", "127.0.0.1:9090", text)).transpose()?;
        let data = match given.data.as_deref() {
            None => PathBuf::from("./confab-data"),
            Some("") => return Err(SettingError::new("data", "accepts a folder", "")),
            Some(text) => PathBuf::from(text),
        };
        Ok(Self {
            listen,
            metrics_listen,
            public_url: given.public_url.as_deref().map(|text| parsed("public-url", text)).transpose()?,
            log_format: given
                .log_format
                .as_deref()
                .map_or(Ok(Format::Text), |text| parsed("log-format", text))?,
            discovery: discovery.map(|(discovery, _)| discovery),
            node: given.node.as_deref().map(|text| parsed("node", text)).transpose()?,
            chat: chat::Settings {
                store: given
                    .store
                    .as_deref()
                    .map_or(Ok(StoreUrl::Sqlite(None)), |text| parsed("store", text))?,
                bus,
                ingest,
                roles,
                presence: given
                    .presence
                    .as_deref()
                    .map_or(Ok(PresenceUrl::Here), |text| parsed("presence", text))?,
                cache: given.cache.as_deref().map_or(Ok(CacheUrl::Memory), |text| parsed("cache", text))?,
                registration: given
                    .registration
                    .as_deref()
                    .map_or(Ok(Registration::Open), |text| parsed("registration", text))?,
                data,
            },
        })
    }
}

fn parsed<T: std::str::FromStr<Err = String>>(name: &'static str, text: &str) -> Result<T, SettingError> {
    text.parse().map_err(|accepts| SettingError::new(name, accepts, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(toml: &str) -> String {
        Settings::try_from(toml::from_str::<Given>(toml).unwrap()).map(|_| ()).unwrap_err().to_string()
    }

    #[test]
    fn a_refusal_names_the_setting_and_what_it_accepts() {
        for (toml, name) in [
            ("listen = \"3000\"", "listen: accepts"),
            ("data = \"\"", "data: accepts"),
            ("public-url = \"chat.example.org\"", "public-url: accepts"),
            ("store = \"mysql://u:secret@h/d\"", "store: accepts"),
            ("bus = \"amqp://u:secret@h\"", "bus: accepts"),
            ("bus = \"redis://u:secret@h?nonsense=1\"", "bus: accepts"),
            ("ingest = \"queued\"", "ingest: accepts `queued` only with"),
            ("ingest = \"slowly\"", "ingest: accepts `direct` or `queued`"),
            ("roles = \"gateway\"", "roles: accepts `gateway,worker` where"),
            ("bus = \"kafka://h\"\nroles = \"gateway,cook\"", "roles: accepts `gateway`"),
            (
                "cache = \"memcached://u:secret@h\"",
                "cache: accepts `memory`, `off`, `redis://HOST` or `rediss://HOST`",
            ),
            ("presence = \"postgres://h\"", "presence: accepts `redis://HOST` or `rediss://HOST`"),
            ("files = \"s3://b\"", "files: accepts nothing"),
            ("discovery = \"consul://u:secret@h\"", "discovery: accepts `consul://HOST[:PORT]"),
            ("discovery = \"static:http://u:secret@h\"", "discovery: accepts `static:http"),
            ("discovery = \"consul://h?token=secret\"\nlisten = \"0.0.0.0:1\"", "discovery: accepts `consul"),
            ("node = \"a b\"", "node: accepts a name"),
            ("metrics-listen = \"9090\"", "metrics-listen: accepts an address and a port"),
            ("registration = \"maybe\"", "registration: accepts"),
            ("log-format = \"xml\"", "log-format: accepts"),
        ] {
            let sentence = refused(toml);
            assert!(sentence.starts_with(name), "{toml}: {sentence}");
            assert!(!sentence.contains('\n') && !sentence.contains("secret"), "{sentence}");
        }
    }

    #[test]
    fn what_exists_is_accepted() {
        let given: Given = toml::from_str(
            "listen = \"[::1]:0\"\nroles = \"worker, gateway\"\ningest = \"direct\"\nbus = \"channel\"\n\
             public-url = \"https://chat.example.org\"\nlog-format = \"json\"\nregistration = \"closed\"",
        )
        .unwrap();
        let settings = Settings::try_from(given).unwrap();
        assert_eq!(settings.listen.port(), 0);
        assert_eq!(settings.log_format, Format::Json);
        assert!(settings.public_url.unwrap().secure());
        let given: Given = toml::from_str(
            "listen = \"0.0.0.0:3000\"\nnode = \"north\"\ndiscovery = \"consul://h?token=hunter2&address=10.0.0.5\"",
        )
        .unwrap();
        let settings = Settings::try_from(given).unwrap();
        assert_eq!(settings.node.as_ref().unwrap().as_str(), "north");
        assert!(settings.discovery.is_some() && !format!("{settings:?}").contains("hunter2"));
    }

    #[test]
    fn kafka_queues_and_the_others_do_not_unless_told() {
        let chat = |toml: &str| Settings::try_from(toml::from_str::<Given>(toml).unwrap()).unwrap().chat;
        let kafka = chat("bus = \"kafka://h\"\nroles = \"gateway\"");
        assert_eq!((kafka.ingest, kafka.roles), (IngestMode::Queued, Roles { gateway: true, worker: false }));
        assert_eq!(chat("bus = \"redis://u:p@h\"").ingest, IngestMode::Direct);
        assert_eq!(chat("bus = \"nats://h\"\ningest = \"queued\"").ingest, IngestMode::Queued);
    }

    #[test]
    fn the_address_of_a_database_is_kept_and_not_shown() {
        let given: Given =
            toml::from_str("store = \"postgres://confab:secret@db.example.org/confab?sslmode=verify-full\"")
                .unwrap();
        let settings = Settings::try_from(given).unwrap();
        assert!(matches!(settings.chat.store, StoreUrl::Postgres(_)));
        assert!(!format!("{settings:?}").contains("secret"));
    }

    #[test]
    fn a_file_with_a_mistake_names_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("confab.toml");
        std::fs::write(&file, "listen = \"127.0.0.1:1\"\nlisen = \"x\"\n").unwrap();
        let sentence = Given::from_file(&file).unwrap_err().to_string();
        assert!(sentence.contains("line 2") && sentence.contains("lisen"), "{sentence}");
        std::fs::write(&file, "\n\nlisten = 5\n").unwrap();
        let sentence = Given::from_file(&file).unwrap_err().to_string();
        assert!(sentence.contains("line 3, `listen`") && sentence.contains("confab.toml"), "{sentence}");
        assert!(!sentence.contains('\n'), "{sentence}");
        assert!(Given::from_file(&folder.path().join("none.toml")).is_err());
    }

    #[test]
    fn every_setting_has_a_variable() {
        let all = Given::from_environment(|name| Some(name.to_owned()));
        assert_eq!(all.public_url.as_deref(), Some("CONFAB_PUBLIC_URL"));
        assert_eq!(all.clone().or(Given::default()), all);
        assert_eq!(Given::default().or(all.clone()), all);
    }
}
