//! Two devices of mine and everybody else, by chance: whatever is cut, lost, reset or done at once, in the end every
//! screen shows what the server has.

use super::server::Server;
use super::*;
use proptest::prelude::*;
use protocol::Message;
use protocol::rest::PatchSettings;
use uuid::Uuid;

/// Histories tried by every run, each of up to 120 steps.
const SEEDS: u32 = 500;

#[derive(Clone, Debug)]
enum Step {
    Send,
    Edit(usize),
    Recall(usize),
    React(usize, bool),
    Pin(usize, bool),
    Pinned(bool),
    Draft,
    Unread(u64),
    Read,
    /// Somebody else.
    Theirs(usize),
    TheyEdit(usize),
    TheyRecall(usize),
    TheyReact(usize, bool),
    Rename,
    /// I, on a device that is not here.
    Elsewhere,
    /// Requests reach the server.
    Up,
    /// Some of the server's frames reach the tab.
    Down(usize),
    /// The next frame is lost, as a lost doorbell would lose it.
    Lose,
    Ping,
    Cut,
    Connect,
    Older,
    Reset,
}

fn step() -> impl Strategy<Value = Step> {
    let which = || 0_usize..12;
    prop_oneof![
        4 => Just(Step::Send),
        1 => which().prop_map(Step::Edit),
        1 => which().prop_map(Step::Recall),
        2 => (which(), any::<bool>()).prop_map(|(which, on)| Step::React(which, on)),
        1 => (which(), any::<bool>()).prop_map(|(which, on)| Step::Pin(which, on)),
        1 => any::<bool>().prop_map(Step::Pinned),
        1 => Just(Step::Draft),
        1 => (1_u64..12).prop_map(Step::Unread),
        2 => Just(Step::Read),
        3 => (1_usize..5).prop_map(Step::Theirs),
        1 => which().prop_map(Step::TheyEdit),
        1 => which().prop_map(Step::TheyRecall),
        1 => (which(), any::<bool>()).prop_map(|(which, on)| Step::TheyReact(which, on)),
        1 => Just(Step::Rename),
        1 => Just(Step::Elsewhere),
        6 => Just(Step::Up),
        9 => (1_usize..6).prop_map(Step::Down),
        1 => Just(Step::Lose),
        1 => Just(Step::Ping),
        1 => Just(Step::Cut),
        3 => Just(Step::Connect),
        1 => Just(Step::Older),
        1 => Just(Step::Reset),
    ]
}

struct Device {
    world: World,
    connected: bool,
    flight: Vec<ServerFrame>,
    written: usize,
}

impl Device {
    /// One of mine (or of theirs) that this device shows, counted from the newest.
    fn shown(&self, id: ConversationId, which: usize, mine: bool) -> Option<Message> {
        let TimelineState::Ready(window) = self.world.timeline(id) else { return None };
        let messages = window.rows.iter().rev().filter_map(|row| match row {
            Row::Message(message) if (message.sender == user(ME)) == mine => Some(Message::clone(message)),
            _ => None,
        });
        messages.skip(which).find(|message| !message.recalled)
    }

    fn cut(&mut self, server: &mut Server, now: u64) {
        self.world.disconnected();
        // Frames on their way up are lost with the connection, questions over HTTP are not.
        for request in self.world.take_requests() {
            if !matches!(request, Request::Frame(_)) {
                server.perform(request, &mut self.world, at(now));
            }
        }
        server.listen(false);
        self.flight.clear();
        self.connected = false;
    }
}

fn do_step(step: &Step, on: usize, device: &mut Device, server: &mut Server, now: u64) {
    let id = server.id;
    let world = &mut device.world;
    let fresh = Uuid::from_u128(u128::from(now) << 8 | on as u128).to_string();
    let any_of = |server: &Server, which: usize| server.log.len().checked_sub(1 + which);
    let act = |device: &mut Device, act: Act| {
        assert!(device.world.act(id, nonce(&fresh), act, at(now)));
    };
    match step {
        Step::Send => {
            let text = format!("mine {on} {}", device.written);
            assert!(world.act(id, nonce(&text), words(&text), at(now)));
            device.written += 1;
        }
        Step::Edit(which) => {
            if let Some(message) = device.shown(id, *which, true) {
                act(
                    device,
                    Act::Edit { message: message.id, text: format!("edited {now}").parse().unwrap() },
                );
            }
        }
        Step::Recall(which) => {
            if let Some(message) = device.shown(id, *which, which % 2 == 0) {
                act(device, Act::Recall { message: message.id });
            }
        }
        Step::React(which, on) => {
            if let Some(message) = device.shown(id, *which, false) {
                act(device, Act::React { message: message.id, emoji: "👍".parse().unwrap(), on: *on });
            }
        }
        Step::Pin(which, on) => {
            if let Some(message) = device.shown(id, *which, false) {
                act(device, Act::Pin { message: message.id, on: *on });
            }
        }
        Step::Pinned(pinned) => {
            world.set(id, PatchSettings { pinned: Some(*pinned), ..PatchSettings::default() }, at(now));
        }
        Step::Draft => world.set_draft(id, format!("draft {now}"), at(now)),
        Step::Unread(seq) => world.mark_unread(id, *seq, at(now)),
        Step::Read => {
            let head = world.inbox.get(id).unwrap().conversation().head_seq;
            world.mark_read(id, head, at(now));
        }
        Step::Theirs(count) => (0..*count).for_each(|number| {
            server.post(2, if number % 3 == 0 { "theirs @me" } else { "theirs" });
        }),
        Step::TheyEdit(which) => {
            if let Some(index) = any_of(server, *which).filter(|index| server.log[*index].sender != user(ME))
            {
                server.edit(
                    index,
                    if now.is_multiple_of(200) { "theirs, again @me" } else { "theirs, again" },
                    None,
                );
            }
        }
        Step::TheyRecall(which) => {
            if let Some(index) = any_of(server, *which).filter(|index| server.log[*index].sender != user(ME))
            {
                server.recall(index, None);
            }
        }
        Step::TheyReact(which, on) => {
            if let Some(index) = any_of(server, *which) {
                server.react(index, 2, *on, None);
            }
        }
        Step::Rename => server.rename(&format!("Title {now}")),
        Step::Elsewhere => server.post(ME, "elsewhere"),
        Step::Up => {
            for request in world.take_requests() {
                server.perform(request, world, at(now));
            }
        }
        Step::Down(count) => {
            device.flight.extend(server.sent());
            for frame in device.flight.drain(..(*count).min(device.flight.len())) {
                world.frame(frame, at(now));
            }
        }
        Step::Lose => {
            device.flight.extend(server.sent());
            if matches!(device.flight.first(), Some(ServerFrame::Event { .. })) {
                device.flight.remove(0);
            }
        }
        Step::Ping if device.connected => {
            device.flight.extend(server.sent());
            device.flight.extend(server.answer(ClientFrame::Ping { n: now }));
        }
        Step::Cut => device.cut(server, now),
        Step::Connect if !device.connected => {
            let hello = world.hello();
            device.flight.extend(server.answer(hello));
            server.listen(true);
            device.connected = true;
        }
        Step::Older => world.show_older(id),
        Step::Reset if device.connected => {
            device.flight.push(ServerFrame::Reset { conversation: id, reason: String::new() });
        }
        Step::Connect | Step::Ping | Step::Reset => {}
    }
    device.world.clock(now);
    device.world.tick(at(now));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(SEEDS))]

    /// Each of my messages is stored once and in order, and in the end every page shows exactly the log as it is now,
    /// and counts exactly what is unread.
    #[test]
    fn every_page_ends_as_the_log(steps in proptest::collection::vec((0_usize..2, step()), 1..120)) {
        let mut server = Server::new();
        for number in 0..5 {
            server.post(2, &format!("before {number}"));
        }
        let device = |_| Device { world: tab(&server), connected: false, flight: Vec::new(), written: 0 };
        let mut devices = [0, 1].map(device);
        let mut now = 0;
        for (on, step) in steps {
            now += 100;
            server.on = on;
            do_step(&step, on, &mut devices[on], &mut server, now);
            for device in &devices {
                if let TimelineState::Ready(window) = device.world.timeline(server.id) {
                    let keys: HashSet<_> = window.rows.iter().map(Row::key).collect();
                    prop_assert_eq!(keys.len(), window.rows.len(), "a row twice");
                }
            }
        }
        // Everybody comes back until nobody has anything to say: what one brings is news to the other.
        for _ in 0..3 {
            for (on, device) in devices.iter_mut().enumerate() {
                server.on = on;
                device.cut(&mut server, now);
                connect(&mut device.world, &mut server);
                for n in 0..2 {
                    for frame in server.answer(ClientFrame::Ping { n }) {
                        device.world.frame(frame, at(now));
                    }
                }
                settle(&mut device.world, &mut server);
                device.connected = true;
            }
        }
        for (on, device) in devices.iter_mut().enumerate() {
            server.on = on;
            settle(&mut device.world, &mut server);
            let (world, id) = (&mut device.world, server.id);
            prop_assert!(world.is_complete());
            let mine = server.log.iter().filter_map(|message| message.nonce.as_ref().map(Nonce::as_str));
            let mine: Vec<_> = mine.filter(|nonce| nonce.starts_with(&format!("mine {on} "))).collect();
            let written: Vec<_> = (0..device.written).map(|number| format!("mine {on} {number}")).collect();
            prop_assert_eq!(mine, written);
            prop_assert_eq!(world.outbox.waiting(), 0);
            world.show_newest(id);
            settle(world, &mut server);
            let TimelineState::Ready(window) = world.timeline(id) else { panic!("not loaded") };
            let (mut messages, mut lines) = (Vec::new(), Vec::new());
            for row in &window.rows {
                match row {
                    Row::Message(message) => messages.push(Message::clone(message)),
                    Row::Line(change) => lines.push(change.rev),
                    Row::Pending(pending) => panic!("left over: {pending:?}"),
                }
            }
            prop_assert!(!messages.is_empty());
            prop_assert!(server.log.ends_with(&messages), "{:?} is not the end of {:?}", messages, server.log);
            prop_assert!(server.lines().ends_with(&lines), "{:?} is not the end of {:?}", lines, server.lines());
            if window.at_start {
                prop_assert_eq!(lines, server.lines());
            }
            prop_assert!(!world.inbox.get(id).unwrap().is_estimated());
            prop_assert_eq!(world.conversation(id).unwrap(), server.object());
        }
    }
}
