//! Devices that record, a server that is killed under them, and the judgement on what they saw.

use harness::check::{self, Rule};
use harness::history::{self, History, Seen, What, compose};
use harness::recorder::request::Request;
use harness::recorder::truth::{change_membership, record_rest};
use harness::recorder::{Config, Device, Identity};
use harness::{Person, Scene};
use protocol::limits::{PAGE, SYNC_CHANGES};
use protocol::{ConversationId, Kind};
use std::time::Duration;

const CONFAB: &str = env!("CARGO_BIN_EXE_confab");
const PATIENCE: Duration = Duration::from_secs(30);

/// Starts a device of somebody, on a session of its own.
async fn device(person: &Person, number: u32, history: &History) -> Device {
    let own = person.second_device().await.expect("a second sign-in");
    let name = format!("{}/{number}", person.user.username);
    let identity = Identity { name, user: person.id(), client: own.client };
    Device::spawn(Config::quick(person.client.base()), identity, history.clone())
}

/// Waits until everybody is at rest, then records every truth but the rows.
async fn settle(devices: &[Device], people: &[Person], history: &History) {
    // Twice: the first round ends when a device's own messages are out, which moves the others' heads.
    for _ in 0..2 {
        let waits = devices.iter().map(|device| device.quiesce(PATIENCE));
        for rest in futures::future::join_all(waits).await {
            let rest = rest.expect("the rest answers");
            assert!(rest.complete, "{rest:?}");
        }
    }
    for device in devices {
        device.record_screen().await.expect("a screen to record");
    }
    for person in people {
        record_rest(&person.client, person.id(), history).await.expect("an answer to record");
    }
}

#[tokio::test]
async fn what_devices_record_around_a_kill_is_judged_good_and_a_lie_is_found() {
    let Scene { mut server, people } = Scene::open(CONFAB, ["ada", "ben", "cleo"]).await.unwrap();
    let [ada, ben, cleo] = &people;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.jsonl");
    let (history, writer) = History::begin(&path).unwrap();
    let room = ada.client.group("Room", &[ben.id()]).await.unwrap().id;
    history
        .note(What::Founded { conversation: room, kind: Kind::Group, members: vec![ada.id(), ben.id()] })
        .await;
    let devices = [
        device(ada, 1, &history).await,
        device(ada, 2, &history).await,
        device(ben, 1, &history).await,
        device(cleo, 1, &history).await,
    ];
    let [one, two, bens, cleos] = &devices;
    for device in &devices {
        device.until("the first connection", PATIENCE, |status| status.live).await.unwrap();
    }

    let mut counter = 0;
    let mut say = async |device: &Device, room: ConversationId| {
        counter += 1;
        let text = compose(device.name(), counter, "on the way");
        (device.send(room, text.clone()).await.unwrap(), text)
    };
    for _ in 0..20 {
        say(one, room).await;
        say(bens, room).await;
    }
    one.until("some answers", PATIENCE, |status| status.acked >= 5).await.unwrap();
    assert!(change_membership(&ada.client, ada.id(), &history, room, cleo.id(), true).await);
    cleos.until("the newcomer hears", PATIENCE, |status| status.applied > 0).await.unwrap();
    // One reader hangs, one connection dies, then the server does.
    two.stall(true).await.unwrap();
    bens.cut(false).await.unwrap();
    server.kill9().unwrap();
    server.start_again().await.unwrap();
    let (nonce, text) = say(one, room).await;
    one.until("everything to be sent", PATIENCE, |status| status.unsent == 0).await.unwrap();
    two.stall(false).await.unwrap();
    // Another device sends the same once more.
    two.repeat(nonce, room, Request::Send { text, reply_to: None }).await.unwrap();
    two.until("the repeated message's answer", PATIENCE, |status| status.duplicates == 1).await.unwrap();
    // What was said is edited, taken back and answered with an emoji.
    let mine = one.recent(|recent| recent.sender == ada.id());
    let [first, second] = [mine[0].message, mine[1].message];
    let text = compose(one.name(), 1_000, "other words");
    one.request(room, Request::Edit { message: first, text }).await.unwrap();
    two.request(room, Request::Recall { message: second }).await.unwrap();
    let emoji = "👍".parse().unwrap();
    bens.request(room, Request::React { message: first, emoji, on: true }).await.unwrap();
    for device in [one, two, bens] {
        device.until("the acts to be answered", PATIENCE, |status| status.unsent == 0).await.unwrap();
    }
    bens.read(room, None).await.unwrap();
    assert!(change_membership(&ada.client, ada.id(), &history, room, cleo.id(), false).await);
    say(one, room).await;
    settle(&devices, &people, &history).await;
    assert!(one.status().connections > 1 && two.status().connections > 1);
    for device in devices {
        device.stop().await.unwrap();
    }
    drop(history);
    writer.finish().await.unwrap();

    let mut parsed = history::read(&path).unwrap();
    let report = check::check(&parsed);
    assert!(report.is_clean(), "{report}");
    assert_eq!((report.totals.sent, report.totals.acked), (42, 42), "{report}");
    assert_eq!((report.totals.acts, report.totals.acts_acked), (3, 3), "{report}");
    assert!(report.totals.absorbed >= 1 && report.totals.screens == 3, "{report}");

    // The same history with a lie in it: the judge is not simply content.
    let bens_screen = parsed
        .records
        .iter()
        .position(|record| matches!(record.what, What::Screen(_)) && record.client == "ben/1");
    let truth = parsed.records[bens_screen.unwrap()].clone();
    let mut lie = |bend: fn(&mut Vec<Seen>)| {
        let mut bent = truth.clone();
        let What::Screen(screen) = &mut bent.what else { unreachable!("it was found by that") };
        bend(&mut screen.messages);
        parsed.records[bens_screen.unwrap()] = bent;
        check::check(&parsed).broken()
    };
    assert_eq!(lie(|messages| drop(messages.remove(7))), [Rule::C1]);
    assert_eq!(lie(|messages| messages.iter_mut().for_each(|seen| seen.reactions.clear())), [Rule::C1]);
    assert_eq!(lie(|messages| messages[0].pinned = true), [Rule::C5]);
    assert_eq!(lie(|messages| messages.iter_mut().for_each(|seen| seen.edited = false)), [Rule::C10]);
}

#[tokio::test]
async fn a_device_that_was_away_too_long_starts_over_from_a_page() {
    const AWAY: u64 = SYNC_CHANGES + 1;
    let Scene { server: _server, people } = Scene::open(CONFAB, ["ada", "ben"]).await.unwrap();
    let [ada, ben] = &people;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.jsonl");
    let (history, writer) = History::begin(&path).unwrap();
    let room = ada.client.direct(ben.id()).await.unwrap().id;
    let device = device(ben, 1, &history).await;
    device.until("the first connection", PATIENCE, |status| status.live).await.unwrap();
    device.cut(true).await.unwrap();
    device.until("the cut", PATIENCE, |status| !status.live).await.unwrap();
    let mut socket = ada.socket().await.unwrap();
    for n in 0..AWAY {
        socket.say(room, &compose("ada/1", n, "meanwhile")).await.unwrap();
    }
    device.resume().await.unwrap();
    let rest = device.quiesce(PATIENCE).await.unwrap();
    assert!(rest.complete, "{rest:?}");
    device.record_screen().await.expect("a screen to record");
    device.stop().await.unwrap();
    drop(history);
    writer.finish().await.unwrap();

    let records = history::read(&path).unwrap().records;
    assert!(records.iter().any(|record| record.what == What::Reset { conversation: room }));
    let screen = records.iter().find_map(|record| match &record.what {
        What::Screen(truth) => Some(truth),
        _ => None,
    });
    let screen = screen.unwrap();
    assert_eq!((screen.head_seq, screen.from_seq), (AWAY, AWAY - u64::from(PAGE)));
    assert_eq!(screen.messages.len() as u64, u64::from(PAGE));
}
