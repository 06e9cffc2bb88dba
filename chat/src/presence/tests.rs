//! Who is told what, and when, on a clock that stands still until everybody waits.

use super::*;
use crate::Identity;
use crate::hub::Floor;
use crate::store;
use async_trait::async_trait;
use protocol::SessionId;
use protocol::limits::QUEUE_FRAMES;
use tokio::time::sleep;

/// A bus without a way: what is whispered is there.
struct Direct(Arc<Hub>);

#[async_trait]
impl Bus for Direct {
    async fn publish(&self, _stored: Stored) {}

    fn whisper(&self, stored: Stored) -> bool {
        moment(&self.0, stored);
        true
    }

    fn is_up(&self) -> bool {
        true
    }

    fn whole_since(&self) -> Option<Instant> {
        None
    }

    async fn close(&self) {}
}

/// A store that nobody asks: there are no other nodes.
struct Nobody;

#[async_trait]
impl Hello for Nobody {
    async fn start(&self, _: SessionId, _: UserId) -> store::Result<Option<store::Start>> {
        unreachable!()
    }

    async fn heads(&self, _: UserId) -> store::Result<Vec<store::Head>> {
        unreachable!()
    }

    async fn whole(&self, _: UserId, _: &[ConversationId]) -> store::Result<Vec<protocol::Conversation>> {
        unreachable!()
    }

    async fn company(&self, _: UserId, _: usize) -> store::Result<Vec<UserId>> {
        unreachable!()
    }
}

struct Scene {
    hub: Arc<Hub>,
    presences: Arc<Presences>,
}

impl Scene {
    fn new() -> Self {
        let hub = Arc::new(Hub::new(Arc::default()));
        let presences = Arc::new(Presences::new(hub.clone(), Arc::new(Direct(hub.clone())), None));
        tokio::spawn(presences.clone().run(CancellationToken::new()));
        Self { hub, presences }
    }

    fn come(&self, who: Identity, rooms: &[ConversationId]) -> Arc<Socket> {
        let socket = self.hub.attach(who);
        rooms.iter().for_each(|room| self.hub.subscribe(&socket, *room, Floor::default()));
        self.presences.came(&socket);
        socket
    }

    fn go(&self, socket: &Arc<Socket>) {
        let rooms = socket.rooms();
        self.hub.detach(socket);
        self.presences.gone(socket, rooms);
    }
}

fn somebody() -> Identity {
    Identity { user: UserId::generate(), session: SessionId::generate() }
}

fn heard(socket: &Socket) -> Vec<ServerFrame> {
    let mut raw = Vec::new();
    socket.drain(&mut raw);
    raw.iter().map(|frame| serde_json::from_slice(frame).unwrap()).collect()
}

/// States told of one person.
fn states(socket: &Socket, of: Identity) -> Vec<Presence> {
    heard(socket)
        .into_iter()
        .filter_map(|frame| match frame {
            ServerFrame::Presence { user, state, last_seen } if user == of.user => {
                assert_eq!(last_seen.is_some(), state == Presence::Offline);
                Some(state)
            }
            _ => None,
        })
        .collect()
}

#[tokio::test(start_paused = true)]
async fn people_appear_step_away_and_disappear_once_for_each_who_shares_a_conversation() {
    let scene = Scene::new();
    let rooms = [ConversationId::generate(), ConversationId::generate()];
    let (ada, ben, eve) = (somebody(), somebody(), somebody());
    let (bens, eves) = (scene.come(ben, &rooms), scene.come(eve, &[ConversationId::generate()]));
    sleep(SETTLE * 2).await;
    heard(&bens);

    let adas = scene.come(ada, &rooms);
    assert_eq!(scene.presences.of(ada.user), Presence::Online, "who asks is not made to wait");
    sleep(SETTLE - EVERY).await;
    assert_eq!(states(&bens, ada), []);
    sleep(EVERY * 3).await;
    assert_eq!(states(&bens, ada), [Presence::Online], "once, though they share two conversations");
    assert_eq!(states(&adas, ada), [], "not to themselves");

    scene.presences.step(&adas, Presence::Away);
    sleep(SETTLE + EVERY * 2).await;
    assert_eq!(states(&bens, ada), [Presence::Away]);
    assert_eq!(scene.presences.of(ada.user), Presence::Away);
    scene.presences.step(&adas, Presence::Online);
    scene.presences.step(&adas, Presence::Away);
    sleep(SETTLE + EVERY * 2).await;
    assert_eq!(states(&bens, ada), [], "it is as it was told");

    scene.go(&adas);
    sleep(LEAVE - EVERY).await;
    assert_eq!((states(&bens, ada), scene.presences.of(ada.user)), (vec![], Presence::Away));
    sleep(EVERY * 3).await;
    assert_eq!(states(&bens, ada), [Presence::Offline]);
    assert_eq!(scene.presences.of(ada.user), Presence::Offline);
    assert_eq!(heard(&eves), [], "strangers hear nothing");
    assert_eq!(scene.presences.people().told.len(), 2, "nothing is kept of who is gone");
}

#[tokio::test(start_paused = true)]
async fn a_page_that_is_loaded_again_is_no_news() {
    let scene = Scene::new();
    let room = [ConversationId::generate()];
    let (ada, ben) = (somebody(), somebody());
    let bens = scene.come(ben, &room);
    let mut adas = scene.come(ada, &room);
    sleep(LEAVE).await;
    assert_eq!(states(&bens, ada), [Presence::Online]);
    for _ in 0..10 {
        scene.go(&adas);
        sleep(LEAVE - EVERY).await;
        adas = scene.come(ada, &room);
    }
    sleep(LEAVE * 2).await;
    assert_eq!(states(&bens, ada), []);
    // Shorter than the time until it is told: whoever asked meanwhile is told of the end.
    let cleo = somebody();
    let short = scene.come(cleo, &room);
    assert_eq!(scene.presences.of(cleo.user), Presence::Online);
    scene.go(&short);
    sleep(LEAVE + EVERY * 2).await;
    assert_eq!(states(&bens, cleo), [Presence::Offline]);
}

#[tokio::test(start_paused = true)]
async fn a_person_is_away_when_all_their_devices_are() {
    let scene = Scene::new();
    let room = [ConversationId::generate()];
    let (ada, ben) = (somebody(), somebody());
    let bens = scene.come(ben, &room);
    let (laptop, phone) = (scene.come(ada, &room), scene.come(ada, &room));
    sleep(LEAVE).await;
    assert_eq!(states(&bens, ada), [Presence::Online]);
    scene.presences.step(&laptop, Presence::Away);
    sleep(LEAVE).await;
    assert_eq!(states(&bens, ada), []);
    scene.go(&phone);
    sleep(LEAVE).await;
    assert_eq!(states(&bens, ada), [Presence::Away]);
    // A device that has not said hello is not there yet, and going it is no loss.
    let greeting = scene.hub.attach(ada);
    sleep(LEAVE).await;
    assert_eq!(states(&bens, ada), []);
    scene.go(&laptop);
    sleep(LEAVE * 2).await;
    assert_eq!(states(&bens, ada), [Presence::Offline]);
    scene.go(&greeting);
    sleep(LEAVE * 2).await;
    assert_eq!(states(&bens, ada), []);
}

#[tokio::test(start_paused = true)]
async fn a_storm_loses_nothing_for_those_who_read() {
    let scene = Scene::new();
    let reader = scene.come(somebody(), &[]);
    let mut expected = 0;
    for _ in 0..20 {
        let room = ConversationId::generate();
        scene.hub.subscribe(&reader, room, Floor::default());
        for _ in 0..50 {
            scene.come(somebody(), &[room]);
            expected += 1;
        }
    }
    let mut seen = 0;
    for _ in 0..1_000 {
        sleep(EVERY / 2).await;
        seen += heard(&reader).len();
    }
    assert_eq!(seen, expected);
    let ServerFrame::Present { online, away } = scene.presences.present(&reader, &Nobody).await else {
        panic!()
    };
    assert_eq!((online.len(), away.len()), (PRESENT, 0));
}

#[tokio::test(start_paused = true)]
async fn writing_is_told_to_the_others_now_and_then() {
    let scene = Scene::new();
    let (room, other) = (ConversationId::generate(), ConversationId::generate());
    let (ada, ben) = (somebody(), somebody());
    let (laptop, phone) = (scene.come(ada, &[room]), scene.come(ada, &[room]));
    let bens = scene.come(ben, &[room, other]);
    sleep(LEAVE).await;
    for socket in [&laptop, &phone, &bens] {
        heard(socket);
    }

    let typing = ServerFrame::Typing { conversation: room, user: ada.user };
    scene.presences.typing(&laptop, room);
    scene.presences.typing(&laptop, room);
    scene.presences.typing(&phone, room);
    scene.presences.typing(&laptop, other);
    assert_eq!(heard(&bens), std::slice::from_ref(&typing), "once, and not where they are no member");
    assert_eq!((heard(&laptop), heard(&phone)), (vec![], vec![]), "never echoed");
    sleep(TYPING_EVERY).await;
    scene.presences.typing(&laptop, room);
    assert_eq!(heard(&bens), [typing]);

    // Who was removed neither hears nor is heard.
    scene.hub.unsubscribe(&bens, room);
    sleep(TYPING_EVERY).await;
    scene.presences.typing(&laptop, room);
    scene.presences.typing(&bens, room);
    assert_eq!((heard(&bens), heard(&laptop)), (vec![], vec![]));
}

#[tokio::test(start_paused = true)]
async fn crowds_and_full_queues_get_none() {
    let scene = Scene::new();
    let room = ConversationId::generate();
    let (ada, ben) = (scene.come(somebody(), &[room]), scene.come(somebody(), &[room]));
    for _ in 0..QUEUE_FRAMES / 2 {
        ben.push(&ServerFrame::Live {});
    }
    scene.presences.typing(&ada, room);
    assert_eq!(heard(&ben).len(), QUEUE_FRAMES / 2, "what may be lost goes first");
    let crowd: Vec<_> = (2..=crate::hub::CROWD).map(|_| scene.come(somebody(), &[room])).collect();
    sleep(TYPING_EVERY).await;
    scene.presences.typing(&ada, room);
    assert!(heard(&ben).iter().all(|frame| !matches!(frame, ServerFrame::Typing { .. })));
    assert_eq!(
        scene.presences.present(&ada, &Nobody).await,
        ServerFrame::Present { online: vec![], away: vec![] }
    );
    drop(crowd);
}
