//! Mending bicycles.

use super::Language::{Chinese, English, German, Spanish};
use super::{Thread, thread};

pub(super) const THREADS: &[Thread] = &[
    thread(
        English,
        &[
            (0, "{bike} is back with the same noise. That's the third time."),
            (1, "The clicking under load?"),
            (0, "Yes, only in second gear. Chain is new, cassette is new."),
            (1, "Then it's the freehub. We had a batch with dry pawls, delivered in March."),
            (0, "Opened it: dry as a biscuit. Greased, silent now."),
            (1, "I'll list the others from that batch, should be {n} bikes. Let's do two a day."),
        ],
    ),
    thread(
        English,
        &[
            (0, "Stock before I order: {n} inner tubes, {m} brake pads, 4 saddles, no valves at all."),
            (1, "Chains?"),
            (0, "Enough for a month."),
            (
                1,
                "Then please: 200 tubes, 60 pads, 10 saddles, a bag of valves. And gloves, the small ones are gone.",
            ),
            (0, "Ordered. Delivery on {day}, somebody must be here before {time} to sign."),
            (2, "I'll be here."),
        ],
    ),
    thread(
        English,
        &[
            (
                0,
                "Proposal for the repair tags, because half of them say \"broken\" and nothing else:\n- red: do not ride (brakes, frame, steering)\n- yellow: ride to the workshop at walking pace\n- white: comfort (bell, basket, noise)\nand always *one sentence* on what was seen.",
            ),
            (
                1,
                "I like it. Could we print the three questions on the back? Where, since when, can you reproduce it?",
            ),
            (0, "Yes. First print run {n} of each colour."),
            (1, "My favourite tag today: \"makes sound like angry duck\"."),
            (0, "That is a perfect bug report. Bottom bracket 🦆"),
        ],
    ),
    thread(
        English,
        &[
            (0, "Brake test of the new pads, wet, 25 km/h, 80 kg:"),
            (
                0,
                "```\npad      run 1   run 2   run 3\nold      6.8 m   7.1 m   7.0 m\nnew A    5.9 m   6.0 m   5.8 m\nnew B    5.2 m   5.1 m   8.9 m\n```",
            ),
            (1, "What happened to B in run 3?"),
            (
                0,
                "Glazed over. It cools down and is fine again, but I would not want to be the one on the hill at {street}.",
            ),
            (1, "A then. Two metres shorter wouldn't help anybody if it is only sometimes."),
            (2, "Agreed, A. I'll tell {name} for the budget."),
        ],
    ),
    thread(
        English,
        &[
            (0, "Who took the torque wrench?"),
            (1, "It's at the calibration service until {day}."),
            (0, "And the second one?"),
            (1, "…is the one I'm holding. Sorry. Coming."),
        ],
    ),
    thread(
        English,
        &[
            (0, "We're at {n} bikes waiting. Two of us for that is not a plan, it's a prayer."),
            (1, "I can come over on {day} and do tyres all day."),
            (2, "Me too after {time}."),
            (0, "You're heroes. Pizza is on the company, I asked."),
            (0, "Evening report: {m} done, tomorrow we are below thirty. 🍕 was worth it."),
        ],
    ),
    thread(
        English,
        &[
            (
                0,
                "Lesson of the week, written down so that we don't learn it twice: the clicking stem on the spring bikes is NOT the stem. It's the lower headset race that was pressed in a fraction of a degree off at the factory. You can tighten the stem as much as you like, it will be quiet for a day and then come back, and each time you strip a little more of the thread. How to see it: take the wheel out, look along the steerer against the light, there's a thin bright crescent on the left side. What to do: press the race out, clean the seat, press it in again with the long tool (not the short one!), grease, done, twenty minutes. I marked the serial range on the board. If you find one outside of the range, tell me, then it's the whole series and we talk to the maker.",
            ),
            (1, "That explains {bike}!! Thank you."),
            (2, "Found one outside the range: {bike2}."),
            (0, "Ugh. OK, I'll write to them."),
        ],
    ),
    thread(
        German,
        &[
            (0, "Bei {bike} ist die Felge durch, man sieht schon das Gewebe."),
            (1, "Sofort raus. Wie viele Kilometer hat das Rad?"),
            (0, "Laut System {n}00. Eigentlich zu wenig für so einen Verschleiß."),
            (1, "Bremsbelag war bestimmt voller Sand, das ist eines von der Strandlinie."),
            (0, "Dann sollten wir die Strandräder alle vier Wochen reinholen statt alle acht."),
            (1, "Einverstanden. Ich trage es in den Plan ein."),
        ],
    ),
    thread(
        German,
        &[
            (0, "Der Kompressor pfeift wieder."),
            (1, "Dichtung oder Ventil?"),
            (0, "Klingt nach Dichtung. Haben wir noch eine?"),
            (1, "Schublade drei, hinten links, unter den Reflektoren."),
            (0, "Gefunden, läuft. Danke!"),
        ],
    ),
    thread(
        Spanish,
        &[
            (0, "¿Alguien ha visto la llave del 15?"),
            (1, "La tengo yo, estoy con {bike}."),
            (0, "¿Otra vez esa? ¿Qué le pasa ahora?"),
            (1, "El cambio trasero. Creo que el cable está oxidado por dentro."),
            (0, "Cámbialo entero, funda incluida, y así no vuelve en un mes."),
            (1, "Cambiado. Va como la seda ✨"),
        ],
    ),
    thread(
        Chinese,
        &[
            (0, "{bike} 的后轮花鼓有异响，拆开看了，轴承缺油。"),
            (1, "是三月份那一批吗？"),
            (0, "对，同一批。库里还有多少轴承？"),
            (1, "大概 {n} 个，够用两周。"),
            (0, "那我先把这批车都拉回来检查一遍，省得半路坏在外面。"),
            (1, "同意，我跟调度说一声，每天拉 {m} 辆。"),
        ],
    ),
];
