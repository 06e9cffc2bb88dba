//! Turns settings into running parts. The one file that names concrete back ends.

use crate::accounts::{Passwords, Throttle, Tickets};
use crate::bus::channel::channel;
use crate::hub::Hub;
use crate::persist::{self, QUEUE, Writer};
use crate::settings::{BusUrl, Settings, StoreUrl};
use crate::store::Stores;
use crate::store::sqlite::Sqlite;
use crate::{Chat, Inner, deliver};
use std::fmt;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::{Mutex, Semaphore, mpsc};
use tokio_util::task::TaskTracker;

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

/// Opens the store's file for this process alone: the lock stands beside it, whatever folder it is in, because two
/// servers must not write one database.
fn claim(settings: &Settings) -> Result<(PathBuf, File), OpenError> {
    let StoreUrl::Sqlite(file) = &settings.store;
    let file = file.clone().unwrap_or_else(|| settings.data.join("confab.db"));
    let failed = |error: std::io::Error| OpenError(format!("store: cannot open {}: {error}", file.display()));
    let mut beside = file.clone().into_os_string();
    beside.push(".lock");
    let lock = own_file(Path::new(&beside)).map_err(failed)?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(OpenError(format!("store: another confab is using {}", file.display())));
        }
        Err(TryLockError::Error(error)) => return Err(failed(error)),
    }
    own_file(&file).map_err(failed)?;
    Ok((file, lock))
}

impl Chat {
    /// Opens the store, creating and migrating it as needed, and starts the writer and the delivery.
    ///
    /// # Errors
    /// A sentence that names the setting: a folder that cannot be used or is in use, a store that cannot be opened.
    pub async fn open(settings: Settings) -> Result<Self, OpenError> {
        make_folder(&settings.data)?;
        let (file, lock) = claim(&settings)?;
        let stores: Stores =
            Sqlite::open(&file).await.map_err(|error| OpenError(format!("store: {error}")))?;
        let BusUrl::Channel = settings.bus;
        let (bus, subscription) = channel();
        let bus = Arc::new(bus);
        let hub = Arc::new(Hub::new());
        let (jobs, queue) = mpsc::channel(QUEUE);
        let writer = tokio::spawn(persist::run(queue, stores.clone(), bus.clone()));
        let delivery = tokio::spawn(deliver::run(subscription, hub.clone(), stores.clone()));
        Ok(Self {
            inner: Arc::new(Inner {
                registration: settings.registration,
                stores,
                bus,
                hub,
                writer: Writer::new(jobs),
                passwords: Passwords::new(),
                throttle: Throttle::new(),
                tickets: Tickets::default(),
                tasks: TaskTracker::new(),
                notes: Arc::new(Semaphore::new(1)),
                running: Mutex::new(Some((writer, delivery))),
                _lock: lock,
            }),
        })
    }
}
