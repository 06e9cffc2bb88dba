//! D. A queue worker apart from the gateway: it stores what was sent, moves the conversation's last message, counts the
//! sender as having read, and the gateway pushes, not to the sender. A client knows what it needs to play a sound.

use crate::cluster::{Cluster, at, heard, hears, people, posted, until};
use harness::Person;
use protocol::rest::PatchSettings;
use protocol::{Conversation, ConversationId, Message, ServerFrame, Timestamp};

/// A day far from now.
const FAR: i64 = 4_102_444_800_000;

/// What a client of somebody plays a sound for: what others say in a conversation that they do not look at and have not
/// silenced. All of it stands in the message and in the conversation as the server tells it.
fn rings(
    message: &Message,
    me: &Person,
    conversation: &Conversation,
    open: ConversationId,
    now: Timestamp,
) -> bool {
    let silent = conversation.settings.muted_until.is_some_and(|until| until > now);
    message.sender != me.id() && message.conversation != open && !silent
}

#[tokio::test]
async fn scenario_d_a_worker_apart_from_the_gateway_with_read_state_and_sound() {
    let Some(cluster) = Cluster::on("kafka").await else { return };
    let gateway = cluster.node(&["--ingest", "queued", "--roles", "gateway"]).await;
    let [ada, ben, cleo] = people(&gateway, ["ada", "ben", "cleo"]).await;
    let group = ada.client.group("Depot", &[ben.id(), cleo.id()]).await.unwrap().id;
    let direct = ada.client.direct(ben.id()).await.unwrap().id;
    let quiet = ada.client.group("Quiet", &[ben.id()]).await.unwrap().id;
    let silence =
        PatchSettings { muted_until: Some(Timestamp::from_millis(FAR)), ..PatchSettings::default() };
    ben.client.set(quiet, &silence).await.unwrap();
    let (mut adas, mut bens) = (ada.socket().await.unwrap(), ben.socket().await.unwrap());
    let mut on_bens_phone = ben.second_device().await.unwrap().socket().await.unwrap();
    let mut cleos = cleo.socket().await.unwrap();

    // Nobody works yet: the gateway has it accepted, and says no more than that.
    let nonce = adas.post(direct, "is anybody working?").await.unwrap();
    let accepted = |frame: &ServerFrame| {
        matches!(frame, ServerFrame::Accepted { nonce: of } if *of == nonce).then_some(())
    };
    adas.until("it is accepted", accepted).await.unwrap();
    assert_eq!(ada.client.conversation(direct).await.unwrap().head_seq, 0, "and not stored");
    assert_eq!(heard(&mut bens).await, []);

    // The worker comes, and stores it; the gateway pushes it, and acknowledges.
    let worker = cluster.node(&["--ingest", "queued", "--roles", "worker"]).await;
    until("it is stored", || async {
        ada.client.conversation(direct).await.is_ok_and(|it| it.head_seq == 1)
    })
    .await;
    let (stored, duplicate) = adas.ack(&nonce).await.unwrap();
    assert_eq!((stored.seq, duplicate), (1, false));
    let pushed = hears(&mut bens, direct, "is anybody working?").await;
    assert_eq!(pushed.id, stored.id);

    // To a group: to everybody but the sender.
    let said = adas.say(group, "to all of you").await.unwrap();
    for socket in [&mut bens, &mut cleos] {
        assert_eq!(hears(socket, group, "to all of you").await.id, said.id);
    }
    assert_eq!(heard(&mut adas).await, [], "the sender has the ack");

    // Read state: who wrote has read, the others have not; the conversation's last message moved, and it with it.
    for (person, room, unread) in
        [(&ada, direct, 0), (&ada, group, 0), (&ben, direct, 1), (&ben, group, 1), (&cleo, group, 1)]
    {
        let seen = person.client.conversation(room).await.unwrap();
        let read = if unread == 0 { 1 } else { 0 };
        assert_eq!((seen.read_seq, seen.unread), (read, unread), "{}", person.user.username);
    }
    let listed = async |person: &Person| -> Vec<_> {
        let all = person.client.conversations().await.unwrap().conversations;
        all.into_iter().map(|it| (it.id, it.last_message.map(|last| last.id))).collect()
    };
    assert_eq!(listed(&ben).await[..2], [(group, Some(said.id)), (direct, Some(stored.id))]);
    let answer = bens.say(direct, "I am").await.unwrap();
    assert_eq!(listed(&ben).await[..2], [(direct, Some(answer.id)), (group, Some(said.id))]);
    assert_eq!(hears(&mut adas, direct, "I am").await.id, answer.id);
    let own = ben.client.conversation(direct).await.unwrap();
    assert_eq!((own.read_seq, own.unread), (2, 0), "who answers has read");
    let marks = |it: &Conversation| -> Vec<_> { it.members.iter().map(|member| member.read_seq).collect() };
    let mut seen = marks(&ada.client.conversation(direct).await.unwrap());
    seen.sort_unstable();
    assert_eq!(seen, [1, 2], "and the other side sees it");

    // Ben looks at the group. What rings on his phone: not the group, not what he wrote, not what he silenced.
    let answered = |frame: &ServerFrame| posted(frame).filter(|it| it.id == answer.id).map(|_| ());
    on_bens_phone.until("his own answer", answered).await.unwrap();
    adas.say(group, "you see this").await.unwrap();
    adas.say(quiet, "hush").await.unwrap();
    adas.say(direct, "and this rings").await.unwrap();
    bens.say(direct, "mine").await.unwrap();
    let now = Timestamp::from_millis(FAR / 2);
    let mut rang = Vec::new();
    for text in ["you see this", "hush", "and this rings", "mine"] {
        let told = on_bens_phone.until(text, |frame| posted(frame).cloned()).await.unwrap();
        assert_eq!(told.body.text(), Some(text));
        let conversation = ben.client.conversation(told.conversation).await.unwrap();
        if rings(&told, &ben, &conversation, group, now) {
            rang.push(text);
        }
    }
    assert_eq!(rang, ["and this rings"]);
    drop(worker);
    // A gateway elsewhere tells the same.
    let other = cluster.node(&["--ingest", "queued", "--roles", "gateway"]).await;
    let there = at(&ben, &other).client.conversation(quiet).await.unwrap();
    assert_eq!((there.unread, there.settings.muted_until), (1, Some(Timestamp::from_millis(FAR))));
}
