//! Lunch, travel, birthdays.

use super::Language::{Arabic, Chinese, English, German, Japanese, Spanish};
use super::{Thread, thread};

pub(super) const THREADS: &[Thread] = &[
    thread(
        English,
        &[
            (0, "Lunch at {time}? I'm thinking of the place with the dumplings."),
            (1, "In!"),
            (2, "Me too, keep a seat by the window."),
            (0, "Table for {m}, under \"the bike people\"."),
            (1, "They know us as \"the loud table\" but ok"),
        ],
    ),
    thread(
        English,
        &[
            (0, "It's {name}'s birthday on {day}. Cake ideas?"),
            (1, "Carrot."),
            (2, "Anything but carrot."),
            (0, "One carrot, one not carrot. I'm a diplomat."),
            (1, "Card is on my desk, please sign it secretly 🤫"),
        ],
    ),
    thread(
        English,
        &[
            (
                0,
                "The heating on the second floor is off until {day}. Wear a jumper or come down to us, we have {m} free desks and a cat.",
            ),
            (1, "Since when do we have a cat?"),
            (0, "Since this morning. He came with the delivery."),
            (2, "Moving down immediately 🐈"),
        ],
    ),
    thread(
        English,
        &[
            (0, "Please remember to enter your days off for the summer by {day}. I have {m} of 20 so far."),
            (1, "Done. Is the week of the fair still blocked?"),
            (0, "For the street team yes, everybody else is free."),
            (1, "👍"),
        ],
    ),
    thread(
        English,
        &[
            (0, "Who left a bicycle in the lift?"),
            (1, "Which kind?"),
            (0, "Ours. {bike}."),
            (2, "It was raining, and it looked so sad."),
            (0, "It blocks the door and the door blocks my groceries."),
            (2, "Coming!"),
        ],
    ),
    thread(
        English,
        &[
            (0, "Sunday ride: meet at {station} at {time}, about {n} km, one hill, one ice cream."),
            (1, "What's the pace?"),
            (0, "Ice cream pace."),
            (1, "My favourite. I'll bring the pump."),
            (2, "I'd come if someone lends me a road bike, size 54."),
            (1, "Have one, it's yours for the day."),
        ],
    ),
    thread(
        English,
        &[
            (0, "Welcome to our new colleague! First day today, workshop side, please say hello."),
            (1, "Hello! 👋 Coffee machine tip: press twice, wait, press again."),
            (2, "Welcome! Ask anything, especially the things that seem obvious."),
            (3, "Thank you all! First question: which of the three doors is the real one?"),
            (1, "The blue one. The other two are a long story."),
        ],
    ),
    thread(
        English,
        &[
            (
                0,
                "Monthly numbers for everybody, short version: {n},000 trips (best {month} ever), {m} new stations, riders' rating 4.7, and for the first time more than half of the trips replaced a car or a taxi, by the riders' own answers. We lost money on Mondays and earned it back by Thursday. Two things I'm proud of that are not in any table: nobody was hurt, and four people who left us for other jobs wrote this month to ask whether they can come back. Thank you. Questions on {day} at {time}, with cake.",
            ),
            (1, "🎉🎉🎉"),
            (2, "Which cake"),
            (0, "The answer to that question decides attendance, so: chocolate."),
            (2, "Attending."),
        ],
    ),
    thread(
        English,
        &[
            (0, "The plant next to the printer is not a bin for tea bags."),
            (1, "But it grows so well 🌱"),
            (0, "…that is a fair point and I hate it."),
        ],
    ),
    thread(
        English,
        &[
            (0, "Train to Sevilla: I can book {m} seats at the old price until tonight. Names please!"),
            (1, "Me, window."),
            (2, "Me, next to the bikes."),
            (
                0,
                "Booked. Leaving on {day} at {time}, platform 7. Tickets: https://travel.loopline.example/sevilla",
            ),
        ],
    ),
    thread(
        Spanish,
        &[
            (0, "¿Alguien se apunta a unas tapas el {day}?"),
            (1, "¡Yo! ¿Dónde?"),
            (0, "En el bar de la esquina, a las {time}."),
            (1, "Reservo mesa para {m}, por si acaso."),
            (0, "Siempre somos más de los que decimos 😅"),
        ],
    ),
    thread(
        German,
        &[
            (0, "Wer kommt am {day} mit zum Flohmarkt?"),
            (1, "Ich! Suche noch eine Lampe fürs Büro."),
            (0, "Und ich einen Stuhl, der nicht quietscht."),
            (1, "Treffpunkt um {time} am Haupteingang?"),
            (0, "Abgemacht. Wer zuerst da ist, holt Brötchen 🥐"),
        ],
    ),
    thread(
        Chinese,
        &[
            (0, "周末有人一起骑车吗？沿着河走，大概 {n} 公里。"),
            (1, "几点出发？"),
            (0, "早上 {time}，在 {station} 集合。"),
            (1, "算我一个，我带水果 🍊"),
        ],
    ),
    thread(
        Japanese,
        &[
            (0, "金曜日の飲み会、何人来られますか？"),
            (1, "行きます！"),
            (0, "では{m}人で予約しますね。"),
            (1, "ありがとうございます🍻 楽しみです。"),
        ],
    ),
    thread(
        Arabic,
        &[
            (0, "من يريد قهوة؟ أنا نازلة الآن."),
            (1, "أنا، بدون سكر لو سمحتِ ☕"),
            (0, "وجدت كعكة التمر أيضاً، أحضرت {m} قطع."),
            (1, "أنتِ أفضل زميلة في الشركة 😄"),
        ],
    ),
];
