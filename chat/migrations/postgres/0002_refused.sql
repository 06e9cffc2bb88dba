-- Messages that a broker delivered and that were refused, by their ids: they stay refused when they come again.
CREATE TABLE refused (
    id     UUID NOT NULL PRIMARY KEY,
    reason BIGINT NOT NULL                          -- 1 no such conversation for the sender, 2 what it answers is not there
);
