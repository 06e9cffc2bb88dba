//! What the software should be.

use super::Language::{English, Japanese};
use super::{Thread, thread};

pub(super) const THREADS: &[Thread] = &[
    thread(
        English,
        &[
            (0, "Interviews are done: {m} riders, half of them have been with us for more than a year."),
            (1, "What did they say first?"),
            (
                0,
                "\"Will there be a bike when I come back?\" Nobody asked for a feature. Everybody asked for certainty.",
            ),
            (1, "So: show how sure we are. \"Probably 3 bikes at 18:00\" rather than \"5 bikes now\"."),
            (0, "Exactly. I'd try it at {station} and {station2} first."),
            (2, "The forecast is good enough there, 9 out of 10 within one bike."),
            (0, "Then let's draw it."),
        ],
    ),
    thread(
        English,
        &[
            (0, "First sketches for the return screen are up: https://design.loopline.example/return-flow"),
            (1, "The second is the calmest. The first has three buttons that all look like the answer."),
            (2, "I like the second too, but where did the price go?"),
            (0, "Below the fold. Wrong?"),
            (2, "People look for the price *first*. In tests {n} % scrolled up and down searching for it."),
            (0, "Then price on top, big, and the thank-you small. Humbling 😄"),
            (1, "Looks right to me now."),
        ],
    ),
    thread(
        English,
        &[
            (0, "Dark mode contrast: the grey on the map fails, 3.2:1. Needs 4.5."),
            (1, "What if we take the lighter one from the list rows?"),
            (0, "5.1:1, passes. And it looks less sad."),
            (1, "Less sad is in the brand book, I think."),
        ],
    ),
    thread(
        English,
        &[
            (0, "Should a reserved bike be kept for 10 or 15 minutes?"),
            (1, "Data: {n} % of those who come at all come within 8 minutes."),
            (0, "So 10 is enough?"),
            (
                2,
                "Ten for everyone, and one tap to extend by five. Parents with a child seat need longer and they are our most loyal riders.",
            ),
            (0, "Good. One extension, no charge."),
            (1, "I'll measure whether it gets abused."),
        ],
    ),
    thread(
        English,
        &[
            (0, "What's left before {ver}?"),
            (
                1,
                "- [x] price on top\n- [x] extend a reservation\n- [ ] receipts in five languages\n- [ ] the empty state of \"my trips\"\n- [ ] screen reader pass, {day}",
            ),
            (0, "The empty state is a gift: new riders see it first. What does it say now?"),
            (1, "\"No data.\""),
            (0, "😬"),
            (2, "\"Your first trip will show up here. The nearest bike is at {station}.\""),
            (0, "That one, with a button."),
        ],
    ),
    thread(
        English,
        &[
            (
                0,
                "A thought after today's meeting, no answer needed right now. We keep discussing whether the monthly pass should cost {m} or {n}, and each of us brings a spreadsheet. But the riders I spoke to don't compare the pass with our single trips, they compare it with *not thinking about it*. One of them said she pays because then she never has to look at the price again. If that is what we sell, the number matters less than the promise around it: no surprise fees, pause it with one tap, and a message when it would have been cheaper without. That last one sounds crazy in a business plan. I believe it would do more for us than any discount.",
            ),
            (1, "I was against it for the first ten seconds and then I wasn't."),
            (1, "Let's try it in one city for a quarter."),
            (0, "Deal. I'll write it down properly by {day}."),
        ],
    ),
    thread(
        Japanese,
        &[
            (0, "返却画面のアイコン、新しい案を置きました。"),
            (1, "見ました。二番目が一番わかりやすいです。"),
            (0, "色が見えにくい方のために、形も変えてあります。"),
            (1, "素晴らしいです。小さいサイズでも大丈夫そうですか？"),
            (0, "16pxでも判別できました👍"),
        ],
    ),
];
