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
use tokio::sync::{Mutex, mpsc};
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

/// Creates the data folder, for its owner's eyes only, and locks it: two servers must not write one file.
fn claim(data: &Path) -> Result<File, OpenError> {
    let failed =
        |error: std::io::Error| OpenError(format!("data: cannot use the folder {}: {error}", data.display()));
    DirBuilder::new().recursive(true).mode(0o700).create(data).map_err(failed)?;
    let lock = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(data.join("confab.lock"))
        .map_err(failed)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => {
            Err(OpenError(format!("data: another confab is using the folder {}", data.display())))
        }
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

/// The file of a store URL. Created here, so that it is its owner's alone from its first byte.
fn store_file(settings: &Settings) -> Result<PathBuf, OpenError> {
    let StoreUrl::Sqlite(file) = &settings.store;
    let file = file.clone().unwrap_or_else(|| settings.data.join("confab.db"));
    OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&file)
        .map_err(|error| OpenError(format!("store: cannot open {}: {error}", file.display())))?;
    Ok(file)
}

impl Chat {
    /// Opens the store, creating and migrating it as needed, and starts the writer and the delivery.
    ///
    /// # Errors
    /// A sentence that names the setting: a folder that cannot be used or is in use, a store that cannot be opened.
    pub async fn open(settings: Settings) -> Result<Self, OpenError> {
        let lock = claim(&settings.data)?;
        let file = store_file(&settings)?;
        let stores: Stores =
            Sqlite::open(&file).await.map_err(|error| OpenError(format!("store: {error}")))?;
        let BusUrl::Channel = settings.bus;
        let (bus, subscription) = channel();
        let bus = Arc::new(bus);
        let hub = Arc::new(Hub::new());
        let (jobs, queue) = mpsc::channel(QUEUE);
        let writer = tokio::spawn(persist::run(queue, stores.clone(), bus.clone()));
        let delivery = tokio::spawn(deliver::run(subscription, hub.clone(), stores.clone()));
        let passwords = Passwords::new();
        passwords.warm_up().await.map_err(|error| OpenError(format!("passwords: {error}")))?;
        Ok(Self {
            inner: Arc::new(Inner {
                registration: settings.registration,
                stores,
                bus,
                hub,
                writer: Writer::new(jobs),
                passwords,
                throttle: Throttle::new(),
                tickets: Tickets::default(),
                tasks: TaskTracker::new(),
                running: Mutex::new(Some((writer, delivery))),
                _lock: lock,
            }),
        })
    }
}
