//! Sending: every batch is one pipeline of `PUBLISH`, in one write, and is answered as a whole.

use super::connection::{Connection, accepted};
use super::{Names, Server, listen};
use crate::bus::wire::{HEARD, Link, PATIENCE, Parcel, Wire, WireError};
use ::redis::Pipeline;
use async_trait::async_trait;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};

struct Sender {
    connection: Connection,
    names: Names,
    listening: Arc<AtomicBool>,
    /// Held while something is sent, so that closing can wait for it.
    sending: Mutex<()>,
    hearing: CancellationToken,
    _ends_with_this: DropGuard,
}

/// Begins to listen and to connect, and waits for the first try to listen.
pub(super) async fn open(server: Server) -> Link {
    let (sender, heard) = mpsc::channel(HEARD);
    let (tried, first_try) = oneshot::channel();
    let listening = Arc::new(AtomicBool::new(false));
    let hearing = CancellationToken::new();
    let listen = listen::listen(server.clone(), sender, Arc::clone(&listening), tried);
    tokio::spawn(hearing.clone().run_until_cancelled_owned(listen));
    let names = server.names.clone();
    let connection = Connection::new(server);
    // An error only tells that the try is over.
    let _tried = first_try.await;
    let ends = hearing.clone().drop_guard();
    let wire =
        Sender { connection, names, listening, sending: Mutex::default(), hearing, _ends_with_this: ends };
    Link { wire: Box::new(wire), heard }
}

#[async_trait]
impl Wire for Sender {
    async fn send(&self, parcels: Vec<Parcel>) -> Result<(), WireError> {
        if parcels.is_empty() {
            return Ok(());
        }
        let mut pipeline = Pipeline::with_capacity(parcels.len());
        for parcel in &parcels {
            pipeline.cmd("PUBLISH").arg(self.names.channel(parcel.subject)).arg(&*parcel.sealed);
        }
        let _sending = self.sending.lock().await;
        self.connection.run(&pipeline).await?.iter().try_for_each(accepted)
    }

    fn is_up(&self) -> bool {
        self.connection.is_up() && self.listening.load(Ordering::Relaxed)
    }

    async fn close(&self) {
        let sent = timeout(PATIENCE, self.sending.lock()).await;
        self.connection.close();
        self.hearing.cancel();
        drop(sent);
    }
}
