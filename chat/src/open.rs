//! Turns settings into running parts. The one file that names concrete back ends.

use crate::accounts::{Passwords, Throttle, Tickets};
use crate::bus::channel::channel;
use crate::bus::intake::{Intake, Kept, Work};
use crate::bus::relay::Relay;
use crate::bus::sealed::Seal;
use crate::bus::wire::Link;
use crate::bus::{self, Bus, Ear};
use crate::deliver::{self, Deliver};
use crate::doctor::Report;
use crate::hub::Hub;
use crate::ingest::{self, Answers, Ingest};
use crate::metrics::{Metrics, Polled};
use crate::persist::{self, QUEUE, Writer};
use crate::presence::{self, Leases, Presences};
use crate::rates::Rates;
use crate::settings::{BusUrl, CacheUrl, IngestMode, PresenceUrl, Settings, StoreUrl};
use crate::store::Stores;
use crate::store::cached::memory::Memory;
use crate::store::cached::{self, Cache, Trust};
use crate::store::postgres::{self, Postgres};
use crate::store::sqlite::{self, Sqlite};
use crate::store::transfer::{self, Tables};
use crate::watch::{self, Pace, RINGS};
use crate::work::Worker;
use crate::{Chat, Inner, Running, replay};
use std::fmt;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::{Mutex, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// A channel keeps nothing.
const NO_QUEUE: &str = "accepts `kafka://HOST`, `nats://HOST` or `redis://HOST` where ingest is `queued`";

/// Why the parts could not be started, as one sentence.
#[derive(Debug)]
pub struct OpenError(String);

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for OpenError {}

/// Creates the data folder, for its owner's eyes only.
fn make_folder(data: &Path) -> Result<(), OpenError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(data)
        .map_err(|error| OpenError(format!("data: cannot use the folder {}: {error}", data.display())))
}

/// Creates or opens a file that is its owner's alone from its first byte.
fn own_file(file: &Path) -> std::io::Result<File> {
    OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(file)
}

/// Where the store's file is.
fn store_file(file: Option<&Path>, data: &Path) -> PathBuf {
    file.map_or_else(|| data.join("confab.db"), Path::to_path_buf)
}

/// Opens the store's file for this process alone: the lock stands beside it, whatever folder it is in, because two
/// servers must not write one database.
fn claim(file: &Path) -> Result<File, OpenError> {
    let failed = |error: std::io::Error| OpenError(format!("store: cannot open {}: {error}", file.display()));
    let mut beside = file.as_os_str().to_owned();
    beside.push(".lock");
    let lock = own_file(Path::new(&beside)).map_err(failed)?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(OpenError(format!("store: another confab is using {}", file.display())));
        }
        Err(TryLockError::Error(error)) => return Err(failed(error)),
    }
    own_file(file).map_err(failed)?;
    Ok(lock)
}

/// The store, and the lock of its file where it is one.
async fn open_store(url: &StoreUrl, data: &Path) -> Result<(Stores, Option<File>), OpenError> {
    let failed = |error| OpenError(format!("store: {error}"));
    match url {
        StoreUrl::Sqlite(file) => {
            let file = store_file(file.as_deref(), data);
            let lock = claim(&file)?;
            Ok((Sqlite::open(&file).await.map_err(failed)?, Some(lock)))
        }
        StoreUrl::Postgres(url) => Ok((Postgres::open(url.as_str()).await.map_err(failed)?, None)),
    }
}

/// The same, refused where only a part of the data has arrived in it.
async fn open_whole_store(url: &StoreUrl, data: &Path) -> Result<(Stores, Option<File>), OpenError> {
    let (stores, lock) = open_store(url, data).await?;
    match stores.database.is_whole().await {
        Ok(true) => Ok((stores, lock)),
        Ok(false) => {
            Err(OpenError("store: a transfer into it was not finished; run `confab move` again".to_owned()))
        }
        Err(error) => Err(OpenError(format!("store: {error}"))),
    }
}

/// What carries doorbells to other nodes, where there may be others.
async fn link(bus: &BusUrl) -> Result<Option<Link>, OpenError> {
    let link: Result<Link, String> = match bus {
        BusUrl::Channel => return Ok(None),
        #[cfg(feature = "kafka")]
        BusUrl::Kafka(address) => bus::kafka::wire(address).await,
        #[cfg(feature = "nats")]
        BusUrl::Nats(address) => bus::nats::wire(address).await,
        #[cfg(feature = "redis")]
        BusUrl::Redis(address) => bus::redis::wire(address).await,
    };
    link.map(Some).map_err(|error| OpenError(format!("bus: {error}")))
}

/// Who is at which node, where nodes share that.
fn leases(shared: &PresenceUrl) -> Result<Option<Arc<dyn Leases>>, OpenError> {
    match shared {
        PresenceUrl::Here => Ok(None),
        #[cfg(feature = "redis")]
        PresenceUrl::Redis(address) => {
            let leases = presence::redis::Redis::open(address);
            leases
                .map(|leases| Some(Arc::new(leases) as _))
                .map_err(|error| OpenError(format!("presence: {error}")))
        }
    }
}

/// Puts the cache before the store, where there is one; what hears for it.
fn cache(
    url: &CacheUrl,
    stores: &mut Stores,
    metrics: &Arc<Metrics>,
) -> Result<Option<Arc<Trust>>, OpenError> {
    let cache: Arc<dyn Cache> = match url {
        CacheUrl::Off => return Ok(None),
        CacheUrl::Memory => Arc::new(Memory::default()),
        #[cfg(feature = "redis")]
        CacheUrl::Redis(address) => {
            let (epoch, key) = (stores.database.epoch(), stores.database.key());
            let cache = cached::redis::Redis::open(address, epoch, &key);
            Arc::new(cache.map_err(|error| OpenError(format!("cache: {error}")))?)
        }
    };
    Ok(Some(cached::cached(stores, cache, metrics.clone())))
}

/// Where what is queued goes.
pub(crate) async fn intake(bus: &BusUrl) -> Result<Box<dyn Intake>, OpenError> {
    let intake: Result<Box<dyn Intake>, String> = match bus {
        BusUrl::Channel => Err(NO_QUEUE.to_owned()),
        #[cfg(feature = "kafka")]
        BusUrl::Kafka(address) => bus::kafka::intake(address).await,
        #[cfg(feature = "nats")]
        BusUrl::Nats(address) => bus::nats::intake(address).await,
        #[cfg(feature = "redis")]
        BusUrl::Redis(address) => bus::redis::intake(address).await,
    };
    intake.map_err(|error| OpenError(format!("bus: {error}")))
}

/// Where it comes from again, under a name that no other worker has.
async fn work(bus: &BusUrl) -> Result<Box<dyn Work>, OpenError> {
    let name = format!("{:016x}", rand::random::<u64>());
    let work: Result<Box<dyn Work>, String> = match bus {
        BusUrl::Channel => Err(NO_QUEUE.to_owned()),
        #[cfg(feature = "kafka")]
        BusUrl::Kafka(address) => bus::kafka::work(address, &name).await,
        #[cfg(feature = "nats")]
        BusUrl::Nats(address) => bus::nats::work(address, &name).await,
        #[cfg(feature = "redis")]
        BusUrl::Redis(address) => bus::redis::work(address, &name).await,
    };
    work.map_err(|error| OpenError(format!("bus: {error}")))
}

/// What was submitted and is still there, where the broker keeps what is done.
async fn kept(bus: &BusUrl) -> Result<Kept, OpenError> {
    match bus {
        #[cfg(feature = "kafka")]
        BusUrl::Kafka(address) => {
            bus::kafka::kept(address).await.map_err(|error| OpenError(format!("bus: {error}")))
        }
        _ => Err(OpenError(
            "bus: accepts `kafka://HOST` with --all, because the others forget what is stored".to_owned(),
        )),
    }
}

/// A store's tables, brought to this version, and the lock of its file where it is one.
async fn tables(url: &StoreUrl, must_exist: bool) -> Result<(Box<dyn Tables>, Option<File>), OpenError> {
    let failed = |error| OpenError(format!("move: {error}"));
    match url {
        StoreUrl::Sqlite(file) => {
            let file = store_file(file.as_deref(), Path::new("."));
            if must_exist && !file.is_file() {
                return Err(OpenError(format!("move: there is no database at {}", file.display())));
            }
            let lock = claim(&file)?;
            Sqlite::open(&file).await.map_err(failed)?.database.close().await;
            Ok((sqlite::tables(&file).await.map_err(failed)?, Some(lock)))
        }
        StoreUrl::Postgres(url) => {
            postgres::prepare(url.as_str()).await.map_err(failed)?;
            Ok((postgres::tables(url.as_str()).await.map_err(failed)?, None))
        }
    }
}

impl Chat {
    /// Recounts a store without changing it, whether a server is using it or not.
    ///
    /// # Errors
    /// A sentence, where the store is not there or cannot be read.
    pub async fn examine(settings: &Settings) -> Result<Report, OpenError> {
        let examined = match &settings.store {
            StoreUrl::Sqlite(file) => {
                let file = store_file(file.as_deref(), &settings.data);
                if !file.is_file() {
                    return Err(OpenError(format!("store: there is no database at {}", file.display())));
                }
                sqlite::examine(&file).await
            }
            StoreUrl::Postgres(url) => postgres::examine(url.as_str()).await,
        };
        examined.map_err(|error| OpenError(format!("store: {error}")))
    }

    /// Copies everything from the store of a stopped server to an empty one; where that was interrupted, goes on. Says of
    /// each table what arrived.
    ///
    /// # Errors
    /// A sentence, where one of them is in use, the target holds something else, or both are not the same at the end.
    pub async fn transfer(from: &StoreUrl, to: &StoreUrl) -> Result<Vec<String>, OpenError> {
        let failed = |error| OpenError(format!("move: {error}"));
        let (from, _from_lock) = tables(from, true).await?;
        let (to, _to_lock) = tables(to, false).await?;
        let moved = transfer::transfer(from, to).await.map_err(failed)?;
        let told = moved.iter().map(|moved| {
            let hash: String = moved.hash.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("{:<12} {:>10} rows  sha256 {hash}", moved.table, moved.rows)
        });
        Ok(told.collect())
    }

    /// Submits again what workers buried among the dead letters of a bus. Says of each why it was there.
    ///
    /// # Errors
    /// A sentence, where the broker cannot be reached, or keeps nothing.
    pub async fn replay(bus: &BusUrl) -> Result<Vec<String>, OpenError> {
        let intake = intake(bus).await?;
        let replayed = ingest::replay(&*intake).await;
        intake.close().await;
        replayed.map_err(|error| OpenError(format!("bus: {error}")))
    }

    /// Stores again, in a database that no server uses, everything that was submitted and is still at the broker: after a
    /// restore, what people wrote since the backup. What is there stays as it is. The database gets another epoch, because clients
    /// may have what it has not. Says what became of the messages.
    ///
    /// # Errors
    /// A sentence, where a server uses the database, the broker cannot be reached, or keeps nothing.
    pub async fn replay_all(bus: &BusUrl, store: &StoreUrl) -> Result<Vec<String>, OpenError> {
        if let StoreUrl::Sqlite(Some(file)) = store
            && !file.is_file()
        {
            return Err(OpenError(format!("store: there is no database at {}", file.display())));
        }
        let kept = kept(bus).await?;
        let (stores, _lock) = open_whole_store(store, Path::new(".")).await?;
        let failed = |error| OpenError(format!("store: {error}"));
        let database = &stores.database;
        let replayed = async {
            if !database.claim(true).await.map_err(failed)? {
                return Err(OpenError("store: a server uses this database; stop it first".to_owned()));
            }
            // First, so that it is so too where this does not come to its end.
            database.renew().await.map_err(failed)?;
            replay::all(kept, &stores).await.map_err(|stopped| OpenError(stopped.to_string()))
        };
        let replayed = replayed.await;
        database.close().await;
        replayed
    }

    /// Opens the store, creating and migrating it as needed, and starts the writer and the delivery.
    ///
    /// # Errors
    /// A sentence that names the setting: a folder that cannot be used or is in use, a store that cannot be opened.
    pub async fn open(settings: Settings) -> Result<Self, OpenError> {
        let alone = settings.bus == BusUrl::Channel;
        let chat = Self::open_with(settings, |bus| bus, Pace::default()).await?;
        match chat.inner.stores.database.claim(alone).await {
            Ok(true) => Ok(chat),
            Ok(false) => {
                chat.shutdown().await;
                let sentence = if alone {
                    "bus: accepts `kafka://HOST`, `nats://HOST` or `redis://HOST` here, because another node uses this database"
                } else {
                    "bus: another node uses this database with bus = channel; give every node the same bus"
                };
                Err(OpenError(sentence.to_owned()))
            }
            Err(error) => {
                chat.shutdown().await;
                Err(OpenError(format!("store: {error}")))
            }
        }
    }

    /// The same with something put in front of the bus, for tests.
    pub(crate) async fn open_with(
        settings: Settings,
        around: impl FnOnce(Arc<dyn Bus>) -> Arc<dyn Bus>,
        pace: Pace,
    ) -> Result<Self, OpenError> {
        make_folder(&settings.data)?;
        let (mut stores, lock) = open_whole_store(&settings.store, &settings.data).await?;
        let key = stores.database.key();
        let metrics = Arc::new(Metrics::default());
        let trust = cache(&settings.cache, &mut stores, &metrics)?;
        let ear = trust.clone().map(|trust| trust as Arc<dyn Ear>);
        let (local, subscription) = channel(ear.clone());
        let bus: Arc<dyn Bus> = match link(&settings.bus).await? {
            None => Arc::new(local),
            Some(link) => Arc::new(Relay::start(local, link, &key, metrics.clone())),
        };
        let bus = around(bus);
        if let Some(trust) = trust {
            trust.hear_by(&bus);
        }
        let tickets = Arc::new(Tickets::new(&key));
        let hub = Arc::new(Hub::new(metrics.clone()));
        let (jobs, queued) = mpsc::channel(QUEUE);
        let writer = tokio::spawn(persist::run(queued, stores.clone(), bus.clone(), metrics.clone()));
        let (rings, rung) = mpsc::channel(RINGS);
        let answers = Arc::new(Answers::default());
        let presences = Arc::new(Presences::new(hub.clone(), bus.clone(), leases(&settings.presence)?));
        let deliver = Deliver {
            hub: hub.clone(),
            stores: stores.clone(),
            tickets: tickets.clone(),
            answers: answers.clone(),
            presences: presences.clone(),
            ear,
        };
        let delivery = tokio::spawn(deliver::run(subscription, rung, deliver));
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let (watched, conversations) = (hub.clone(), stores.conversations.clone());
        tasks.spawn(watch::run(watched, conversations, rings, pace, stop.clone()));
        tasks.spawn(presences.clone().run(stop.clone()));
        let (mut queue, mut worker, mut ingest) = (None, None, Ingest::Direct);
        if settings.ingest == IngestMode::Queued {
            let seal = Seal::new(&key, "submitted");
            let intake: Arc<dyn Intake> = intake(&settings.bus).await?.into();
            let (posts, waiting) = ingest::Queue::new(intake.clone());
            queue = Some(tokio::spawn(ingest::run(waiting, intake, seal.clone(), answers, metrics.clone())));
            ingest = Ingest::Queued(posts);
            if settings.roles.worker {
                let (work, database) = (work(&settings.bus).await?, stores.database.clone());
                let here = Worker { work, jobs: jobs.clone(), database, seal, metrics: metrics.clone() };
                worker = Some(tokio::spawn(here.run(stop.clone())));
            }
        }
        Ok(Self {
            inner: Arc::new(Inner {
                registration: settings.registration,
                stores,
                bus,
                hub,
                presences,
                writer: Writer::new(jobs),
                ingest,
                rates: Rates::new(),
                metrics,
                polled: Polled::default(),
                passwords: Passwords::new(),
                throttle: Throttle::new(),
                tickets,
                tasks,
                notes: Arc::new(Semaphore::new(1)),
                running: Mutex::new(Some(Running { queue, worker, writer, delivery })),
                stop,
                _lock: lock,
            }),
        })
    }
}
