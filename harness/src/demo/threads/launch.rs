//! The next city.

use super::Language::{English, Spanish};
use super::{Thread, thread};

pub(super) const THREADS: &[Thread] = &[
    thread(
        English,
        &[
            (0, "Sevilla: the city council voted. {n} stations, first {m} before Easter! 🎉"),
            (1, "YES"),
            (2, "Congratulations everyone. How many bikes is that?"),
            (0, "Six hundred to start with, two hundred of them electric."),
            (1, "So we need a second workshop down there, not a corner in a garage."),
            (0, "Inés has two candidates, one near {street}. Visit on {day}."),
        ],
    ),
    thread(
        English,
        &[
            (
                0,
                "Budget for the launch, rounded: bikes {n}0 k, stations {m}0 k, people 140 k, and 35 k that I call \"surprises\".",
            ),
            (1, "Last time the surprises were 60."),
            (0, "Last time we shipped the locks twice."),
            (1, "Fair. Could we put 45 and be happy later?"),
            (0, "45. And I keep a list of what eats them."),
        ],
    ),
    thread(
        English,
        &[
            (0, "Draft of the press note: https://files.loopline.example/press/sevilla-draft"),
            (1, "Strong opening. I'd move the price up, that's the first thing the papers ask."),
            (2, "\"Revolution\" → please no. It's bicycles. The nice thing about them is that they are old."),
            (0, "\"A city made for riding gets the bikes for it.\" Better?"),
            (2, "Much."),
            (1, "Send it on {day} at {time}, not earlier, the council wants to be first."),
        ],
    ),
    thread(
        English,
        &[
            (0, "Who comes to the opening?"),
            (1, "Me, with the van, from {day} on."),
            (2, "Me, if somebody waters my tomatoes."),
            (0, "Tomatoes are covered, {name} volunteered."),
            (2, "Then I'm in 🍅"),
        ],
    ),
    thread(
        English,
        &[
            (
                0,
                "Where we stand, four weeks out. Done: contracts, {m} of {n} station permits, the app in Spanish, the first container of bikes is on the water. Open: the remaining permits (two depend on the cathedral's architect, who is charming and in no hurry), hiring two mechanics, and the payment provider's Spanish invoices, which still say VAT where they must say IVA. Risks: if the container is late by more than nine days we open with a third of the bikes; I would rather open late than open empty. What I need from you: everybody who has been part of an opening, write down the one thing you'd do differently, one sentence, by {day}. I'll turn it into a checklist and buy churros.",
            ),
            (1, "One sentence: test the locks in the heat, not in the office."),
            (2, "One sentence: print twice as many helmets flyers, half as many of everything else."),
            (1, "Also churros are how you get me to write things down."),
        ],
    ),
    thread(
        English,
        &[
            (0, "Container is through customs!"),
            (1, "All {n} bikes?"),
            (0, "All. Plus one that isn't ours. It's pink, has streamers, and no papers."),
            (1, "That's the mascot now."),
        ],
    ),
    thread(
        Spanish,
        &[
            (0, "El taller de la calle Feria es perfecto: {n} metros, puerta grande y hasta un patio."),
            (1, "¿Y el precio?"),
            (0, "Un poco más de lo previsto, pero incluye la luz."),
            (1, "¿Cuándo se puede entrar?"),
            (0, "El {day}. Si decimos que sí hoy, nos guardan también el local de al lado."),
            (1, "Pues sí. Yo llevo las herramientas, tú el café."),
        ],
    ),
    thread(
        Spanish,
        &[
            (0, "Ya tenemos {m} permisos de {n}."),
            (1, "¿Falta el de la catedral?"),
            (0, "Ese y el de {station}. El arquitecto quiere ver un color menos chillón."),
            (1, "¿Turquesa oscuro?"),
            (0, "Le ha gustado. Dice que combina con los azulejos 😌"),
        ],
    ),
    thread(
        Spanish,
        &[
            (
                0,
                "Resumen de la reunión con los vecinos: vinieron más de cuarenta personas, y la mitad estaba a favor desde el principio. Les preocupa sobre todo el ruido de la furgoneta por la mañana y que las bicis queden tiradas en las aceras. Les hemos prometido no mover nada antes de las siete en el casco antiguo y un teléfono que contesta una persona. Una señora preguntó si habrá bicis para gente bajita; le dije que sí y me dio un abrazo.",
            ),
            (1, "Qué bien. Lo del teléfono hay que cumplirlo de verdad."),
            (0, "Sí. Lo llevo yo las primeras semanas."),
        ],
    ),
];
