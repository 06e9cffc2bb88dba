//! The people of a run, their devices and their conversations.

use crate::history::{History, What};
use crate::recorder::{Config, Device, Identity};
use crate::scene::PASSWORD;
use crate::{Client, Error};
use futures::future::try_join_all;
use protocol::{ConversationId, Kind, UserId};
use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

/// How many there are of everything.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// People, at least four.
    pub people: usize,
    /// Devices of all people, at least one each.
    pub devices: usize,
    /// Groups beside the one of everybody; people come and go in each of them.
    pub groups: usize,
    /// Conversations of two.
    pub pairs: usize,
}

impl Default for Size {
    fn default() -> Self {
        Self { people: 12, devices: 18, groups: 3, pairs: 6 }
    }
}

/// Every so many devices one takes in little at once and speaks to the server directly.
const SLOW_EACH: usize = 6;
/// Bytes it takes in.
const SLOW_BUFFER: u32 = 4 * 1024;

/// Somebody.
#[derive(Debug)]
pub struct Person {
    /// Their name to sign in with.
    pub username: String,
    /// Who they are.
    pub user: UserId,
    /// Their session over REST, without a device.
    pub client: Client,
    /// Places of their devices in [`Team::devices`].
    pub devices: Vec<usize>,
}

/// A conversation.
#[derive(Debug)]
pub struct Room {
    /// Which one.
    pub conversation: ConversationId,
    /// Its first members, places in [`Team::people`]; the founder of a group stands first.
    pub members: Vec<usize>,
    /// Whether people come and go.
    pub revolving: bool,
}

/// Everybody and everything.
#[derive(Debug)]
pub struct Team {
    /// The people.
    pub people: Vec<Person>,
    /// Their devices.
    pub devices: Vec<Device>,
    /// Whose each device is: a place in [`Team::people`].
    pub owners: Vec<usize>,
    /// Devices that take in little at once.
    pub slow: Vec<usize>,
    /// The conversations; the first is the group of everybody.
    pub rooms: Vec<Room>,
}

impl Team {
    /// Registers people, founds conversations and starts the devices: most behind the proxy at `through`, the slow ones
    /// directly.
    pub async fn gather(
        size: Size,
        nobody: &Client,
        through: &str,
        history: &History,
        random: &mut StdRng,
    ) -> Result<Self, Error> {
        let registering = (0..size.people).map(|place| async move {
            let username = format!("person{place:02}");
            let (client, user) = nobody.register(&username, PASSWORD, None).await?;
            Ok::<_, Error>(Person { username, user: user.id, client, devices: Vec::new() })
        });
        let people = try_join_all(registering).await?;
        let mut team = Self { people, devices: vec![], owners: vec![], slow: vec![], rooms: vec![] };
        team.found(size, history, random).await?;
        for place in 0..size.devices.max(size.people) {
            let owner = place % size.people;
            let person = &mut team.people[owner];
            let (client, _) = nobody.sign_in(&person.username, PASSWORD).await?;
            person.devices.push(place);
            let name = format!("{}/{}", person.username, person.devices.len());
            let slow = place % SLOW_EACH == SLOW_EACH - 1;
            let mut config = Config::quick(if slow { nobody.base() } else { through });
            if slow {
                config.receive_buffer = Some(SLOW_BUFFER);
                team.slow.push(place);
            }
            let identity = Identity { name, user: person.user, client };
            team.devices.push(Device::spawn(config, identity, history.clone()));
            team.owners.push(owner);
        }
        Ok(team)
    }

    async fn found(&mut self, size: Size, history: &History, random: &mut StdRng) -> Result<(), Error> {
        let everybody: Vec<usize> = (0..size.people).collect();
        self.group("everybody", everybody.clone(), false, history).await?;
        for number in 0..size.groups {
            let mut members = everybody.clone();
            members.shuffle(random);
            members.truncate((size.people / 2).max(3));
            self.group(&format!("group {number}"), members, true, history).await?;
        }
        for number in 0..size.pairs {
            let one = number % size.people;
            let other = (one + random.random_range(1..size.people)) % size.people;
            let conversation = self.people[one].client.direct(self.people[other].user).await?.id;
            if self.rooms.iter().all(|room| room.conversation != conversation) {
                self.founded(conversation, vec![one, other], false, Kind::Direct, history).await;
            }
        }
        Ok(())
    }

    async fn group(
        &mut self,
        title: &str,
        members: Vec<usize>,
        revolving: bool,
        history: &History,
    ) -> Result<(), Error> {
        let others: Vec<UserId> = members[1..].iter().map(|&place| self.people[place].user).collect();
        let conversation = self.people[members[0]].client.group(title, &others).await?.id;
        self.founded(conversation, members, revolving, Kind::Group, history).await;
        Ok(())
    }

    async fn founded(
        &mut self,
        conversation: ConversationId,
        members: Vec<usize>,
        revolving: bool,
        kind: Kind,
        history: &History,
    ) {
        let users = members.iter().map(|&place| self.people[place].user).collect();
        history.note(What::Founded { conversation, kind, members: users }).await;
        self.rooms.push(Room { conversation, members, revolving });
    }

    /// Messages acknowledged so far, on all devices.
    pub fn acked(&self) -> u64 {
        self.devices.iter().map(|device| device.status().acked).sum()
    }
}
