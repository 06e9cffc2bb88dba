//! Read marks and what is unread after them.

use harness::{Person, Scene};
use protocol::{ClientFrame, Message, ServerFrame};

const CONFAB: &str = env!("CARGO_BIN_EXE_confab");

fn seqs(messages: &[Message]) -> Vec<u64> {
    messages.iter().map(|message| message.seq).collect()
}

#[tokio::test]
async fn a_read_mark_moves_forward_only_and_never_past_the_head() {
    let Scene { server: _server, people: [ada, ben] } = Scene::open(CONFAB, ["ada", "ben"]).await.unwrap();
    let room = ada.client.direct(ben.id()).await.unwrap().id;
    for number in 1..=10 {
        ada.client.post(room, &number.to_string()).await.unwrap();
    }
    let read = async |seq: u64| {
        let mark = ben.client.read(room, seq).await.unwrap();
        (mark.read_seq, mark.unread)
    };
    assert_eq!(read(4).await, (4, 6));
    assert_eq!(read(2).await, (4, 6));
    assert_eq!(read(0).await, (4, 6));
    assert_eq!(read(u64::from(u32::MAX)).await, (10, 0));
    assert_eq!(read(i64::MAX as u64).await, (10, 0));
    assert_eq!(read(1).await, (10, 0));
    ada.client.post(room, "11").await.unwrap();
    let seen = ben.client.conversation(room).await.unwrap();
    assert_eq!((seen.read_seq, seen.unread, seen.head_seq), (10, 1, 11));
    let at_adas = ada.client.conversation(room).await.unwrap();
    assert_eq!(at_adas.members.iter().find(|member| member.user == ben.id()).unwrap().read_seq, 10);
    assert_eq!((at_adas.read_seq, at_adas.unread), (11, 0), "writing is reading");
}

#[tokio::test]
async fn a_read_mark_reaches_the_others_and_the_readers_other_devices() {
    let Scene { server: _server, people: [ada, ben] } = Scene::open(CONFAB, ["ada", "ben"]).await.unwrap();
    let room = ada.client.direct(ben.id()).await.unwrap().id;
    for number in 1..=3 {
        ada.client.post(room, &number.to_string()).await.unwrap();
    }
    let phone = ben.second_device().await.unwrap();
    let mut at_adas = ada.socket().await.unwrap();
    let (mut at_bens, mut on_bens_phone) = (ben.socket().await.unwrap(), phone.socket().await.unwrap());
    let rev = ada.client.conversation(room).await.unwrap().head_rev;
    at_bens.frame(&ClientFrame::Read { conversation: room, seq: 2 }).await.unwrap();
    let mark = |frame: &ServerFrame| match frame {
        ServerFrame::Read { conversation, user, seq, unread, .. } => {
            Some((*conversation, *user, *seq, *unread))
        }
        _ => None,
    };
    assert_eq!(at_adas.until("the mark", mark).await.unwrap(), (room, ben.id(), 2, None));
    assert_eq!(on_bens_phone.until("the mark", mark).await.unwrap(), (room, ben.id(), 2, Some(1)));
    // A mark that does not move is not told; the next one that does is.
    at_bens.frame(&ClientFrame::Read { conversation: room, seq: 1 }).await.unwrap();
    ben.client.read(room, 3).await.unwrap();
    assert_eq!(at_adas.until("the mark", mark).await.unwrap(), (room, ben.id(), 3, None));
    assert_eq!(on_bens_phone.until("the mark", mark).await.unwrap(), (room, ben.id(), 3, Some(0)));
    assert_eq!(ada.client.conversation(room).await.unwrap().head_rev, rev, "a read mark is no change");
}

#[tokio::test]
async fn all_unread_is_told_at_once_private_and_group_apart() {
    let Scene { server: _server, people: [ada, ben] } = Scene::open(CONFAB, ["ada", "ben"]).await.unwrap();
    let direct = ada.client.direct(ben.id()).await.unwrap().id;
    let group = ada.client.group("Depot", &[ben.id()]).await.unwrap().id;
    let quiet = ada.client.group("Quiet", &[ben.id()]).await.unwrap().id;
    ada.client.post(quiet, "read").await.unwrap();
    ben.client.read(quiet, 1).await.unwrap();
    let mut socket = ada.socket().await.unwrap();
    for number in 1..=60 {
        socket.post(group, &format!("in the group {number}")).await.unwrap();
    }
    socket.say(direct, "just us").await.unwrap();
    socket.settle().await.unwrap();

    let all = ben.client.unread_all().await.unwrap();
    assert_eq!(all.private_unreads.len(), 1);
    let private = &all.private_unreads[0];
    assert_eq!((private.conversation, private.unread, seqs(&private.messages)), (direct, 1, vec![1]));
    assert_eq!(all.group_unreads.len(), 1);
    let grouped = &all.group_unreads[0];
    assert_eq!((grouped.conversation, grouped.unread, grouped.mentions), (group, 60, 0));
    assert_eq!(seqs(&grouped.messages), (11..=60).collect::<Vec<_>>(), "the newest fifty, ascending");

    assert_eq!(ada.client.unread_all().await.unwrap().group_unreads, [], "my own are never unread");
    ben.client.read(group, 60).await.unwrap();
    ben.client.read(direct, 1).await.unwrap();
    let all = ben.client.unread_all().await.unwrap();
    assert_eq!((all.private_unreads, all.group_unreads), (vec![], vec![]));
}

/// Counts by the definition: after my mark, not mine.
fn unread_by_definition(history: &[Message], me: &Person, mark: u64) -> u64 {
    history.iter().filter(|message| message.seq > mark && message.sender != me.id()).count() as u64
}

#[tokio::test]
async fn unread_is_right_after_every_order_of_send_read_and_leave() {
    let Scene { server: _server, people: [ada, ben, cleo] } =
        Scene::open(CONFAB, ["ada", "ben", "cleo"]).await.unwrap();
    let room = ada.client.group("Depot", &[ben.id(), cleo.id()]).await.unwrap().id;
    let people = [&ada, &ben, &cleo];
    let mut marks = [0_u64; 3];
    let mut inside = [true; 3];
    let mut dice = 0x2545_f491_4f6c_dd1d_u64; // xorshift: the same orders every time
    let mut roll = |sides: u64| {
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        dice % sides
    };
    let mut head = 0;
    for step in 0..80 {
        let who = roll(3) as usize;
        let person = people[who];
        match roll(10) {
            0..5 if inside[who] => {
                head = person.client.post(room, &format!("step {step}")).await.unwrap().message.seq;
                marks[who] = head;
            }
            5..9 if inside[who] => {
                let to = roll(head + 3);
                let mark = person.client.read(room, to).await.unwrap();
                marks[who] = marks[who].max(to.min(head));
                assert_eq!(mark.read_seq, marks[who]);
            }
            9 if who != 0 && inside[who] => {
                person.client.remove(room, person.id()).await.unwrap();
                inside[who] = false;
                assert_eq!(person.client.conversation(room).await.unwrap_err().status(), Some(404));
                assert_eq!(person.client.unread_all().await.unwrap().group_unreads, []);
            }
            _ if !inside[who] => {
                ada.client.add(room, person.id()).await.unwrap();
                inside[who] = true;
                // Where somebody begins who comes back is the server's business; that it counts from there is not.
                marks[who] = person.client.conversation(room).await.unwrap().read_seq;
            }
            _ => {}
        }
        let history = ada.client.whole_history(room).await.unwrap();
        assert_eq!(seqs(&history), (1..=head).collect::<Vec<_>>());
        for (who, person) in people.into_iter().enumerate().filter(|(who, _)| inside[*who]) {
            let seen = person.client.conversation(room).await.unwrap();
            let unread = unread_by_definition(&history, person, marks[who]);
            assert_eq!(
                (seen.read_seq, seen.unread, seen.head_seq),
                (marks[who], unread, head),
                "step {step}"
            );
            let told: u64 =
                person.client.unread_all().await.unwrap().group_unreads.iter().map(|it| it.unread).sum();
            assert_eq!(told, unread, "step {step}");
        }
    }
}
