//! Who says what, in order: a pure function of the seed, so that the same demo can be filled in twice.

use super::people::{ROOMS, Room, TEAM};
use super::threads::{Language, Thread, about, asides};
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{RngExt, SeedableRng};

/// What to fill a server with.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// People, 2 to 20.
    pub people: usize,
    /// Conversations, 1 to 12.
    pub conversations: usize,
    /// Messages in all of them together.
    pub messages: usize,
}

/// One conversation and everything said in it.
#[derive(Debug)]
pub struct Scene {
    /// Which room of [`ROOMS`] it is.
    pub room: usize,
    /// Indices into [`TEAM`]; the first founds it.
    pub members: Vec<usize>,
    /// Speaker (an index into [`TEAM`]) and words, in order.
    pub lines: Vec<(usize, String)>,
    /// How many of the newest messages each member has not seen, in the order of `members`.
    pub unseen: Vec<usize>,
}

impl Scene {
    /// A group's title; `None` for a conversation of two.
    pub fn title(&self) -> Option<&'static str> {
        ROOMS[self.room].title
    }
}

/// Writes the whole demo.
pub fn write(seed: u64, size: Size) -> Vec<Scene> {
    let rooms: Vec<(usize, &Room, Vec<usize>)> = ROOMS
        .iter()
        .enumerate()
        .map(|(index, room)| {
            (index, room, room.members.iter().copied().filter(|&member| member < size.people).collect())
        })
        .filter(|(_, _, members): &(_, _, Vec<usize>)| members.len() >= 2)
        .take(size.conversations)
        .collect();
    let weights: usize = rooms.iter().map(|(_, room, _)| room.weight).sum();
    let mut left = size.messages;
    let mut scenes: Vec<Scene> = Vec::with_capacity(rooms.len());
    for (place, (index, room, members)) in rooms.iter().enumerate() {
        let last = place + 1 == rooms.len();
        let share = if last { left } else { (size.messages * room.weight / weights).min(left) };
        left -= share;
        // Every room has its own generator, so that one more room leaves the others as they are.
        let mut random = StdRng::seed_from_u64(seed ^ ((*index as u64 + 1) << 48));
        let lines = talk(&mut random, room, members, share);
        let unseen = members.iter().map(|_| unseen(&mut random, share)).collect();
        scenes.push(Scene { room: *index, members: members.clone(), lines, unseen });
    }
    scenes
}

/// Most people are up to date, some are a little behind, a few were away.
fn unseen(random: &mut StdRng, messages: usize) -> usize {
    match random.random_range(0..100) {
        0..55 => 0,
        55..85 => random.random_range(1..=9).min(messages),
        85..95 => random.random_range(10..=60).min(messages),
        _ => messages,
    }
}

/// Threads one after another, none repeated before all were used, with asides between their lines.
fn talk(random: &mut StdRng, room: &Room, members: &[usize], messages: usize) -> Vec<(usize, String)> {
    let fitting: Vec<&Thread> = room
        .subjects
        .iter()
        .flat_map(|&subject| about(subject))
        .filter(|thread| speakers(members, thread.language).len() >= thread.voices())
        .collect();
    let mut lines = Vec::with_capacity(messages);
    let mut bag: Vec<&Thread> = Vec::new();
    let mut told: Option<&Thread> = None;
    while lines.len() < messages {
        let thread = match bag.pop() {
            Some(thread) => thread,
            None => {
                bag = fitting.clone();
                bag.shuffle(random);
                // The one just told must not be told again at once.
                if bag.len() > 1 && bag.last().zip(told).is_some_and(|(&next, told)| std::ptr::eq(next, told))
                {
                    bag.rotate_right(1);
                }
                continue;
            }
        };
        told = Some(thread);
        let mut cast = speakers(members, thread.language);
        cast.shuffle(random);
        cast.truncate(thread.voices());
        let blanks = Blanks::draw(random, thread.language, &cast);
        for &(speaker, words) in thread.lines {
            let speaker = cast[speaker];
            let words = blanks.fill(words);
            match two_parts(&words).filter(|_| random.random_bool(0.3)) {
                Some((first, second)) => {
                    lines.extend([(speaker, first.to_owned()), (speaker, second.to_owned())]);
                }
                None => lines.push((speaker, words)),
            }
            let others: Vec<usize> = cast.iter().copied().filter(|&somebody| somebody != speaker).collect();
            if random.random_bool(0.12)
                && let Some(&aside) = asides(thread.language).choose(random)
                && let Some(&somebody) = others.choose(random)
            {
                lines.push((somebody, aside.to_owned()));
            }
        }
    }
    lines.truncate(messages);
    lines
}

/// People often press Enter after a sentence: its end, where a short plain line has two.
fn two_parts(words: &str) -> Option<(&str, &str)> {
    let plain = words.chars().count() < 300 && !words.contains(['\n', '`', '"', '“', '*', '>']);
    let ends = [". ", "! ", "? ", "。", "？"];
    let end = ends.iter().filter_map(|end| words.find(end).map(|at| at + end.trim_end().len())).min();
    let (first, second) = words.split_at(end.filter(|_| plain)?);
    (!second.trim().is_empty()).then(|| (first, second.trim()))
}

fn speakers(members: &[usize], language: Language) -> Vec<usize> {
    let speaks = |&member: &usize| language == Language::English || TEAM[member].language == Some(language);
    members.iter().copied().filter(speaks).collect()
}

/// What stands in the braces of one thread.
#[derive(Debug)]
pub struct Blanks(Vec<(&'static str, String)>);

const STATIONS: [&str; 16] = [
    "Harbour Square",
    "Old Mill",
    "University Library",
    "Lindenplatz",
    "North Station",
    "Botanical Garden",
    "Fish Market",
    "Rope Walk",
    "City Hospital",
    "Kanalstraße",
    "Observatory Hill",
    "Opera",
    "Ferry Pier",
    "Market Hall",
    "Stadium West",
    "Glass Works",
];
const STREETS: [&str; 8] = [
    "Canal Street",
    "Mill Road",
    "Quay 4",
    "Tanner's Lane",
    "Station Avenue",
    "Elm Street",
    "Dyke Road",
    "Long Row",
];

fn days(language: Language) -> [&'static str; 5] {
    match language {
        Language::English | Language::Arabic => ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday"],
        Language::Spanish => ["lunes", "martes", "miércoles", "jueves", "viernes"],
        Language::German => ["Montag", "Dienstag", "Mittwoch", "Donnerstag", "Freitag"],
        Language::Chinese => ["周一", "周二", "周三", "周四", "周五"],
        Language::Japanese => ["月曜日", "火曜日", "水曜日", "木曜日", "金曜日"],
    }
}

impl Blanks {
    fn draw(random: &mut StdRng, language: Language, cast: &[usize]) -> Self {
        let away: Vec<&str> =
            (0..TEAM.len()).filter(|it| !cast.contains(it)).map(|it| TEAM[it].short).collect();
        let stations: Vec<_> = STATIONS.sample(random, 3).copied().collect();
        let day = random.random_range(0..5);
        let bike = random.random_range(1000..9900);
        let (hour, quarter) = (random.random_range(7..19), random.random_range(0..4) * 15);
        let months = ["January", "March", "April", "June", "September", "October"];
        let pick = |random: &mut StdRng, from: &[&'static str]| {
            from.choose(random).copied().unwrap_or_default().to_owned()
        };
        Self(vec![
            ("{station}", stations[0].to_owned()),
            ("{station2}", stations[1].to_owned()),
            ("{station3}", stations[2].to_owned()),
            ("{street}", pick(random, &STREETS)),
            ("{bike}", format!("#{bike}")),
            ("{bikeno}", bike.to_string()),
            ("{bike2}", format!("#{}", random.random_range(1000..9900))),
            ("{n}", random.random_range(18..75).to_string()),
            ("{m}", random.random_range(6..18).to_string()),
            ("{day}", days(language)[day].to_owned()),
            ("{weekday}", ["一", "二", "三", "四", "五"][day].to_owned()),
            ("{time}", format!("{hour}:{quarter:02}")),
            ("{ver}", format!("2.{}.{}", random.random_range(11..30), random.random_range(0..6))),
            ("{pr}", format!("#{}", random.random_range(1200..2400))),
            ("{name}", pick(random, &away)),
            ("{month}", pick(random, &months)),
        ])
    }

    fn fill(&self, words: &str) -> String {
        let filled = |text: String, (blank, with): &(&str, String)| {
            if text.contains(blank) { text.replace(blank, with) } else { text }
        };
        self.0.iter().fold(words.to_owned(), filled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::Text;
    use std::collections::BTreeSet;

    const WHOLE: Size = Size { people: 20, conversations: 12, messages: 5000 };

    #[test]
    fn the_same_seed_writes_the_same_demo() {
        let (one, other) = (write(7, WHOLE), write(7, WHOLE));
        for (one, other) in one.iter().zip(&other) {
            assert_eq!((&one.lines, &one.unseen), (&other.lines, &other.unseen));
        }
        assert_ne!(write(8, WHOLE)[0].lines, one[0].lines);
    }

    #[test]
    fn it_has_the_size_that_was_asked_for() {
        let scenes = write(1, WHOLE);
        assert_eq!(scenes.len(), 12);
        assert_eq!(scenes.iter().map(|scene| scene.lines.len()).sum::<usize>(), 5000);
        let people: BTreeSet<_> = scenes.iter().flat_map(|scene| &scene.members).collect();
        assert_eq!(people.len(), 20);

        let small = write(1, Size { people: 3, conversations: 2, messages: 10 });
        assert_eq!(small.len(), 2);
        assert_eq!(small.iter().map(|scene| scene.lines.len()).sum::<usize>(), 10);
        assert!(small.iter().flat_map(|scene| &scene.members).all(|&member| member < 3));
    }

    #[test]
    fn every_line_is_a_message_by_a_member_with_no_blank_left() {
        for scene in write(3, WHOLE) {
            for (speaker, words) in &scene.lines {
                assert!(scene.members.contains(speaker));
                assert!(Text::try_from(words.clone()).is_ok());
                for blank in ["{n}", "{m}", "{station", "{bike", "{day}", "{time}", "{pr}", "{ver}", "{name}"]
                {
                    assert!(!words.contains(blank), "{words}");
                }
            }
        }
    }

    #[test]
    fn it_speaks_in_several_scripts_and_lengths() {
        let scenes = write(1, WHOLE);
        let all: Vec<&str> =
            scenes.iter().flat_map(|scene| &scene.lines).map(|(_, words)| words.as_str()).collect();
        for script in ['的', 'す', 'ا', 'ñ', 'ü', '🔋', '`'] {
            assert!(all.iter().any(|words| words.contains(script)), "{script}");
        }
        assert!(all.iter().any(|words| words.chars().count() <= 2));
        assert!(all.iter().any(|words| words.chars().count() > 600));
        assert!(all.iter().any(|words| words.contains("https://")));
    }
}
