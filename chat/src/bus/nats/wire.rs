//! Doorbells over core subjects.

use super::super::address::Address;
use super::super::wire::{Event, HEARD, Heard, Link, PATIENCE, Parcel, Subject, Wire, WireError};
use super::connection::{Connection, News};
use super::{failed, replicas, system};
use async_nats::Subscriber;
use async_trait::async_trait;
use futures::StreamExt;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// See the module.
struct NatsWire {
    connection: Arc<Connection>,
    prefix: String,
    closing: CancellationToken,
    /// Taken when it is closed.
    notes: Mutex<Option<mpsc::Sender<Event>>>,
    noting: Mutex<Option<JoinHandle<()>>>,
}

/// Begins to hear.
pub(super) async fn open(address: &Address) -> Result<Link, String> {
    let connection = Arc::new(Connection::open(address, &address.prefix).await?);
    let subscriber = connection
        .client
        .subscribe(format!("{}.>", address.prefix))
        .await
        .map_err(|error| format!("accepts a prefix that NATS takes: {error}"))?;
    let mut known = News::default();
    if connection.is_up() {
        let news = *connection.news().borrow();
        if connection.round_trip().await {
            known = news;
        }
    }
    let (tell, heard) = mpsc::channel(HEARD);
    let closing = CancellationToken::new();
    let hearing = hear(connection.clone(), subscriber, tell, known);
    let closed = closing.clone();
    tokio::spawn(async move { closed.run_until_cancelled(hearing).await });
    let (notes, noting) = system::start(connection.clone(), address.prefix.clone(), replicas(address)?);
    let noting = Mutex::new(Some(tokio::spawn(noting)));
    let prefix = address.prefix.clone();
    let wire = Box::new(NatsWire { connection, prefix, closing, notes: Mutex::new(Some(notes)), noting });
    Ok(Link { wire, heard })
}

/// Tells what arrives, and a gap when it listens again or something was dropped.
async fn hear(
    connection: Arc<Connection>,
    mut subscriber: Subscriber,
    tell: mpsc::Sender<Heard>,
    mut known: News,
) {
    let mut news = connection.news();
    loop {
        let now = *news.borrow_and_update();
        if now.up && (now.connects, now.dropped) != (known.connects, known.dropped) {
            // Not before the server has seen the subscription: what is stored until then would be missed unseen.
            if now.connects == known.connects || connection.round_trip().await {
                known = now;
                if tell.send(Heard::Gap).await.is_err() {
                    return;
                }
            } else {
                continue;
            }
        }
        tokio::select! {
            message = subscriber.next() => {
                let Some(message) = message else { return };
                if tell.send(Heard::Sealed(message.payload)).await.is_err() {
                    return;
                }
            }
            changed = news.changed() => if changed.is_err() { return },
        }
    }
}

impl NatsWire {
    fn subject(&self, subject: Subject) -> String {
        let prefix = &self.prefix;
        match subject {
            Subject::Direct(conversation) => format!("{prefix}.direct.{conversation}"),
            Subject::Group(conversation) => format!("{prefix}.group.{conversation}"),
            Subject::User(user) => format!("{prefix}.user.{user}"),
            Subject::Nodes => format!("{prefix}.nodes"),
        }
    }

    /// One flush for all. What the client took stays with it when this is given up: it is bounded, and goes out late.
    async fn hand_over(&self, parcels: Vec<Parcel>) -> Result<(), WireError> {
        let connects = self.connection.connects();
        for parcel in parcels {
            self.connection
                .client
                .publish(self.subject(parcel.subject), parcel.sealed)
                .await
                .map_err(failed)?;
        }
        self.connection.client.flush().await.map_err(failed)?;
        // The client answers a flush after it connected anew as well, without what it had before.
        if self.connection.is_up() && self.connection.connects() == connects {
            Ok(())
        } else {
            Err(failed("the connection was lost meanwhile"))
        }
    }
}

#[async_trait]
impl Wire for NatsWire {
    async fn send(&self, parcels: Vec<Parcel>) -> Result<(), WireError> {
        if !self.is_up() {
            return Err(failed("not connected"));
        }
        timeout(PATIENCE, self.hand_over(parcels)).await.unwrap_or_else(|_| Err(failed("too slow")))
    }

    fn note(&self, event: Event) {
        if let Some(notes) = &*self.notes.lock().unwrap_or_else(PoisonError::into_inner) {
            // When full, it is lost.
            let _kept = notes.try_send(event);
        }
    }

    fn is_up(&self) -> bool {
        self.connection.is_up()
    }

    async fn close(&self) {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).take();
        let noting = self.noting.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut noting) = noting
            && timeout(PATIENCE, &mut noting).await.is_err()
        {
            noting.abort();
        }
        self.connection.close().await;
        self.closing.cancel();
    }
}

impl Drop for NatsWire {
    fn drop(&mut self) {
        self.closing.cancel();
    }
}
