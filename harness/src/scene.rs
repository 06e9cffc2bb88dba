//! A server with people in it: where most tests begin.

use crate::{Client, Error, Handshake, Hello, Server, Socket};
use futures::future::try_join_all;
use protocol::{User, UserId};
use std::path::PathBuf;

/// The password of everybody in a scene.
pub const PASSWORD: &str = "a long enough one";

/// A new server and its people, registered in the order of their names.
#[derive(Debug)]
pub struct Scene<const N: usize> {
    /// The server.
    pub server: Server,
    /// The people.
    pub people: [Person; N],
}

/// Somebody with an account and one session.
#[derive(Clone, Debug)]
pub struct Person {
    /// Their session over REST.
    pub client: Client,
    /// Who they are.
    pub user: User,
}

impl<const N: usize> Scene<N> {
    /// Starts the binary and registers everybody.
    pub async fn open(binary: impl Into<PathBuf>, names: [&str; N]) -> Result<Self, Error> {
        let server = Server::start(binary).await?;
        let nobody = server.client()?;
        let people = try_join_all(names.map(|name| Person::register(&nobody, name))).await?;
        let people = people.try_into().map_err(|_| Error::Unreadable("as many people as names".into()))?;
        Ok(Self { server, people })
    }
}

impl Person {
    /// Opens an account on the server a client speaks to.
    pub async fn register(client: &Client, username: &str) -> Result<Self, Error> {
        let (client, user) = client.register(username, PASSWORD, None).await?;
        Ok(Self { client, user })
    }

    /// Their id.
    pub fn id(&self) -> UserId {
        self.user.id
    }

    /// A further session of the same person.
    pub async fn second_device(&self) -> Result<Self, Error> {
        let (client, user) = self.client.anonymous().sign_in(&self.user.username, PASSWORD).await?;
        Ok(Self { client, user })
    }

    /// A socket that has not said hello.
    pub async fn connect(&self) -> Result<Socket, Error> {
        Socket::open(self.client.base(), Handshake::bearer(self.client.token())).await
    }

    /// A live socket of a client that had nothing.
    pub async fn live(&self) -> Result<(Socket, Hello), Error> {
        let mut socket = self.connect().await?;
        let hello = socket.hello().await?;
        Ok((socket, hello))
    }

    /// A live socket, where what it was told in the beginning does not matter.
    pub async fn socket(&self) -> Result<Socket, Error> {
        Ok(self.live().await?.0)
    }
}
