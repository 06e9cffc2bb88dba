//! Fills a running server, over its public interface, with a believable team: Loopline, a small bicycle-sharing
//! company. Used for screenshots, for trying out and for measurements.
//!
//! [`people`] is who, [`threads`] is what they talk about, [`script`] makes a demo of both from a seed, [`voice`]
//! is one person's live connection. This file plays the script.
//!
//! Nonces are derived from the seed: playing a script twice adds nothing.

pub mod people;
pub mod script;
pub mod threads;
mod voice;

use crate::{Client, Error, Person};
use futures::future::try_join_all;
use people::{TEAM, Teammate};
use protocol::{Code, ConversationId, Kind, Nonce};
use script::{Scene, Size};
use voice::{Said, Voice};

/// Everybody's password. It protects nothing: the demo is public.
pub const PASSWORD: &str = "ride-with-loopline";

/// What a demo did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Accounts that were opened; the others existed.
    pub accounts: usize,
    /// Messages that were stored.
    pub stored: usize,
    /// Messages that had been stored by an earlier run.
    pub known: usize,
}

/// Plays the script of a seed on the server at `base`.
pub async fn play(base: &str, seed: u64, size: Size) -> Result<Report, Error> {
    let scenes = script::write(seed, size);
    let nobody = Client::new(base)?;
    let team = try_join_all(TEAM[..size.people].iter().map(|mate| arrive(&nobody, mate))).await?;
    let accounts = team.iter().filter(|(_, new)| *new).count();
    let team: Vec<Person> = team.into_iter().map(|(person, _)| person).collect();

    let rooms = try_join_all(scenes.iter().map(|scene| room(&team, scene))).await?;
    let mut voices = Vec::with_capacity(team.len());
    for person in &team {
        voices.push(Voice::of(person).await?);
    }
    let talks =
        scenes.iter().zip(&rooms).map(|(scene, &conversation)| talk(seed, scene, conversation, &voices));
    let counts = try_join_all(talks).await?;
    let marks = scenes.iter().zip(&rooms).map(|(scene, &conversation)| read(&team, scene, conversation));
    try_join_all(marks).await?;
    for voice in voices {
        voice.fall_silent().await?;
    }
    Ok(Report {
        accounts,
        stored: counts.iter().map(|(stored, _)| stored).sum(),
        known: counts.iter().map(|(_, known)| known).sum(),
    })
}

/// Opens an account, or signs in where there is one. The flag says whether it is new.
async fn arrive(nobody: &Client, mate: &Teammate) -> Result<(Person, bool), Error> {
    match nobody.register(mate.username, PASSWORD, Some(mate.name)).await {
        Ok((client, user)) => Ok((Person { client, user }, true)),
        Err(error) if error.code() == Some(Code::Conflict) => {
            let (client, user) = nobody.sign_in(mate.username, PASSWORD).await?;
            Ok((Person { client, user }, false))
        }
        Err(error) => Err(error),
    }
}

/// The conversation of a scene: the one that is there, or a new one.
async fn room(team: &[Person], scene: &Scene) -> Result<ConversationId, Error> {
    let founder = &team[scene.members[0]];
    let others: Vec<_> = scene.members[1..].iter().map(|&member| team[member].id()).collect();
    let Some(title) = scene.title() else { return Ok(founder.client.direct(others[0]).await?.id) };
    let mine = founder.client.conversations().await?.conversations;
    let there =
        mine.iter().find(|conversation| conversation.kind == Kind::Group && conversation.title == title);
    match there {
        Some(conversation) => Ok(conversation.id),
        None => Ok(founder.client.group(title, &others).await?.id),
    }
}

/// Says every line in order: the next one after the last one's `ack`. Counts what was stored and what was known.
async fn talk(
    seed: u64,
    scene: &Scene,
    conversation: ConversationId,
    voices: &[Voice],
) -> Result<(usize, usize), Error> {
    let (mut stored, mut known) = (0, 0);
    for (number, (speaker, words)) in scene.lines.iter().enumerate() {
        let nonce = format!("demo-{seed}-{}-{number:06}", scene.room);
        let nonce = Nonce::try_from(nonce).map_err(|error| Error::Unreadable(format!("a nonce: {error}")))?;
        match voices[*speaker].say(conversation, nonce, crate::client::text(words)).await? {
            Said::Stored => stored += 1,
            Said::Known => known += 1,
        }
    }
    Ok((stored, known))
}

/// Moves read marks so that unread counts vary.
async fn read(team: &[Person], scene: &Scene, conversation: ConversationId) -> Result<(), Error> {
    for (&member, &unseen) in scene.members.iter().zip(&scene.unseen) {
        let seen = scene.lines.len() - unseen;
        if seen > 0 {
            team[member].client.read(conversation, seen as u64).await?;
        }
    }
    Ok(())
}
