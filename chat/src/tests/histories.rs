//! Random histories against the real store: what a device that follows the log has is what a fresh one reads, and every
//! count is what the rows say. A failing seed is printed and runs again by itself.

use super::*;
use crate::Act;
use protocol::rest::{PatchConversation, PatchSettings};
use protocol::{Change, Emoji, History, Message, Role};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::collections::{BTreeMap, BTreeSet};

/// Histories a run on files, which cost less, and on Postgres; each has [`STEPS`] steps by [`PEOPLE`] people in one group.
const SEEDS: [u64; 2] = [40, 10];
const STEPS: usize = 120;
const PEOPLE: usize = 5;

/// A device that knows the group only by its first look and the log.
#[derive(Clone, Debug, PartialEq)]
struct Device {
    rev: u64,
    floor: u64,
    title: String,
    public: bool,
    members: BTreeMap<UserId, Role>,
    messages: BTreeMap<u64, Message>,
}

impl Device {
    /// Everything a fresh device reads.
    async fn fresh(scene: &Scene, who: Identity, id: ConversationId) -> Option<Self> {
        let object = scene.chat.conversation(who, id).await.ok()?;
        let mut messages = BTreeMap::new();
        let mut after = 0;
        let rev = loop {
            let page = scene.chat.history(who, id, Span::After(after), 7).await.unwrap();
            let Some(last) = page.messages.last() else { break page.head_rev };
            after = last.seq;
            messages.extend(page.messages.into_iter().map(|message| (message.seq, message)));
        };
        let floor = messages.keys().next().map_or(object.head_seq, |first| first - 1);
        let members = object.members.iter().map(|member| (member.user, member.role)).collect();
        assert_eq!(rev, object.head_rev);
        Some(Self { rev, floor, title: object.title, public: object.public, members, messages })
    }

    /// Follows the log to its end, a few changes at a time.
    async fn follow(&mut self, scene: &Scene, who: Identity, id: ConversationId, limit: u32) {
        loop {
            let page = scene.chat.changes(who, id, self.rev, limit).await.unwrap();
            assert_eq!(page.from, self.rev);
            for change in &page.changes {
                self.apply(change);
            }
            assert_eq!(self.rev, page.to);
            if !page.more {
                return;
            }
        }
    }

    fn apply(&mut self, change: &Change) {
        assert_eq!(change.rev, self.rev + 1, "the log has no holes");
        self.rev = change.rev;
        if let Some(message) = change.kind.message() {
            assert!(message.rev >= change.rev && message.seq > self.floor);
            self.messages.insert(message.seq, message.clone());
            return;
        }
        match &change.kind {
            ChangeKind::Joined { user, .. } => {
                self.members.insert(*user, Role::Member);
            }
            ChangeKind::Left { user, .. } => {
                self.members.remove(user);
            }
            ChangeKind::Role { user, role, .. } => {
                self.members.insert(*user, *role);
            }
            ChangeKind::Renamed { title, .. } => self.title.clone_from(title),
            ChangeKind::Access { public, .. } => self.public = *public,
            // A change of a message from before they joined.
            _ => {}
        }
    }
}

/// Somebody with two devices.
struct Somebody {
    who: Identity,
    devices: [Option<Device>; 2],
}

struct Story {
    scene: Scene,
    id: ConversationId,
    people: Vec<Somebody>,
    random: StdRng,
    /// Highest mark each person ever had, while a member.
    marks: BTreeMap<UserId, u64>,
}

impl Story {
    async fn begin(seed: u64) -> Self {
        let scene = Scene::new().await;
        let people = scene.people::<PEOPLE>().await;
        let id = scene.group(people[0], &people[1..3]).await;
        let people = people.map(|who| Somebody { who, devices: [None, None] }).into();
        Self { scene, id, people, random: StdRng::seed_from_u64(seed), marks: BTreeMap::new() }
    }

    /// Usernames are ids here: long ones, but names all the same where they fit; `@all` always does.
    fn words(&mut self) -> String {
        match self.random.random_range(0..6) {
            0 => "@all look".to_owned(),
            1 => format!("@{} look", self.somebody_name()),
            2 => format!("@{} and @{}.", self.somebody_name(), self.somebody_name()),
            n => format!("words {n} {}", self.random.random_range(0..1000)),
        }
    }

    fn somebody_name(&mut self) -> String {
        let one = self.random.random_range(0..self.people.len());
        name_of(self.people[one].who)
    }

    async fn any_message(&mut self, who: Identity) -> Option<Message> {
        let page = self.scene.chat.history(who, self.id, Span::Newest, 12).await.ok()?;
        let count = page.messages.len();
        (count > 0).then(|| page.messages[self.random.random_range(0..count)].clone())
    }

    async fn step(&mut self) {
        let (n, m) = (self.random.random_range(0..PEOPLE), self.random.random_range(0..PEOPLE));
        let (who, other) = (self.people[n].who, self.people[m].who);
        let (chat, id) = (self.scene.chat.clone(), self.id);
        // A refusal is a fine answer to a random wish; what it must not do is leave a trace, and the end would show it.
        match self.random.random_range(0..20) {
            0..=6 => {
                let words = self.words();
                let reply_to = self.any_message(who).await.map(|message| message.id);
                let mut new = message(&words);
                new.reply_to = reply_to.filter(|_| words.len().is_multiple_of(2));
                let _ = chat.post(who, id, new).await;
            }
            7..=8 => {
                let words = self.words();
                if let Some(message) = self.any_message(who).await {
                    let body = Body::Text { text: words.parse().unwrap() };
                    let _ = chat.act(who, message.id, Some(Nonce::generate()), Act::Edit(body)).await;
                }
            }
            9 => {
                if let Some(message) = self.any_message(who).await {
                    let _ = chat.act(who, message.id, None, Act::Recall).await;
                }
            }
            10..=11 => {
                let emoji: Emoji = ["👍", "🎉", "❤️"][n % 3].parse().unwrap();
                let on = self.random.random_bool(0.7);
                if let Some(message) = self.any_message(who).await {
                    let _ = chat.act(who, message.id, Some(Nonce::generate()), Act::React(emoji, on)).await;
                }
            }
            12 => {
                let on = self.random.random_bool(0.7);
                if let Some(message) = self.any_message(who).await {
                    let _ = chat.act(who, message.id, None, Act::Pin(on)).await;
                }
            }
            13..=14 => {
                let head = chat.conversation(who, id).await.map_or(0, |object| object.head_seq);
                let seq = self.random.random_range(0..=head + 2);
                if let Ok(mark) = chat.read(who, id, seq, None).await {
                    let before = self.marks.entry(who.user).or_default();
                    assert!(mark.read_seq >= *before && mark.read_seq <= head, "a mark never moves back");
                    *before = mark.read_seq;
                }
            }
            15 => {
                let head = chat.conversation(who, id).await.map_or(0, |object| object.head_seq);
                let seq = self.random.random_range(0..=head + 1);
                let _ = chat.mark_unread(who, id, seq, None).await;
            }
            16 => drop(chat.add_member(who, id, other.user).await),
            17 => {
                if chat.remove_member(who, id, other.user).await.is_ok() {
                    self.people[m].devices = [None, None];
                    self.marks.remove(&other.user);
                }
            }
            18 => {
                let role = [Role::Member, Role::Admin, Role::Owner][self.random.random_range(0..3)];
                let _ = chat.set_role(who, id, other.user, role).await;
            }
            _ => {
                let draft = Some(self.words());
                let patch = PatchSettings { draft, ..PatchSettings::default() };
                let _ = chat.set(who, id, patch, None).await;
                let title = Some(format!("Title {}", self.random.random_range(0..9)));
                let history = Some(if self.random.random_bool(0.5) { History::All } else { History::Join });
                let public = Some(self.random.random_bool(0.5));
                let _ = chat.patch(who, id, PatchConversation { title, public, history }).await;
            }
        }
        // Some device looks at the log, at its own pace.
        let device = self.random.random_range(0..2);
        let limit = self.random.random_range(1..9);
        match &mut self.people[m].devices[device] {
            Some(device) => device.follow(&self.scene, other, id, limit).await,
            none => *none = Device::fresh(&self.scene, other, id).await,
        }
    }

    /// Both devices of everybody have what a fresh one reads, and the counts are what the rows say.
    async fn end(&mut self) {
        for somebody in &mut self.people {
            let who = somebody.who;
            let fresh = Device::fresh(&self.scene, who, self.id).await;
            for device in somebody.devices.iter_mut().flatten() {
                device.follow(&self.scene, who, self.id, 50).await;
                let mut expected = fresh.clone().expect("a device of a member");
                // A device that came before the first message knows no floor; it has none to know.
                expected.floor = device.floor;
                assert_eq!(*device, expected);
            }
            let Some(fresh) = fresh else { continue };
            let object = self.scene.chat.conversation(who, self.id).await.unwrap();
            let kept = object.settings.unread_from.map_or(u64::MAX, |seq| seq - 1);
            let mark = object.read_seq.min(kept);
            let unread: Vec<_> = fresh
                .messages
                .values()
                .filter(|message| message.seq > mark && message.sender != who.user && !message.recalled)
                .collect();
            let mentions = unread.iter().filter(|message| message.names(who.user)).count() as u64;
            assert_eq!((object.unread, object.mentions), (unread.len() as u64, mentions));
            let listed = self.scene.chat.conversations(who).await.unwrap().conversations;
            assert_eq!(listed, std::slice::from_ref(&object), "the list says the same");
            let all = self.scene.chat.unread_all(who).await.unwrap();
            let told = all.group_unreads.first();
            assert_eq!(told.map_or(0, |told| told.unread), object.unread);
            let newest: BTreeSet<u64> = unread.iter().rev().take(50).map(|message| message.seq).collect();
            let listed: BTreeSet<u64> =
                told.iter().flat_map(|told| &told.messages).map(|message| message.seq).collect();
            assert_eq!(listed, newest);
        }
        let report = Chat::examine(&settings(&self.scene.folder)).await.unwrap();
        assert_eq!(report.findings, Vec::<String>::new());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_follows_the_log_has_what_a_fresh_device_reads() {
    let only = std::env::var("CONFAB_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
    let seeds = SEEDS[usize::from(postgres().is_some())];
    for seed in only.map_or(0..seeds, |seed: u64| seed..seed + 1) {
        let told = OnPanic(seed);
        let mut story = Story::begin(seed).await;
        for _ in 0..STEPS {
            story.step().await;
        }
        story.end().await;
        story.scene.chat.shutdown().await;
        drop(told);
    }
}

/// Names the seed of a history that failed.
struct OnPanic(u64);

impl Drop for OnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("this was seed {}: CONFAB_TEST_SEED={} runs it alone", self.0, self.0);
        }
    }
}
