-- What can happen to a message after it was posted, what only one member sees, and who may find a group.

-- mentions: 16 bytes a person, in order of the text. reactions: the protocol's JSON, NULL: none.
ALTER TABLE message ADD COLUMN mentions BLOB;
ALTER TABLE message ADD COLUMN mentions_all INTEGER NOT NULL DEFAULT 0;
ALTER TABLE message ADD COLUMN reactions TEXT;
ALTER TABLE message ADD COLUMN pinned INTEGER NOT NULL DEFAULT 0;
CREATE INDEX message_pinned ON message (conversation, seq) WHERE pinned;

ALTER TABLE conversation ADD COLUMN public INTEGER NOT NULL DEFAULT 0;
ALTER TABLE conversation ADD COLUMN history INTEGER NOT NULL DEFAULT 0;  -- 0 from the join, 1 all
CREATE INDEX conversation_public ON conversation (member_count) WHERE public;

ALTER TABLE member ADD COLUMN muted_until INTEGER;
ALTER TABLE member ADD COLUMN pinned INTEGER NOT NULL DEFAULT 0;
ALTER TABLE member ADD COLUMN archived INTEGER NOT NULL DEFAULT 0;
ALTER TABLE member ADD COLUMN draft TEXT NOT NULL DEFAULT '';
ALTER TABLE member ADD COLUMN unread_from INTEGER;                       -- cleared by the next read

-- kind: 1 joined, 2 left, 3 renamed, 4 role, 5 edited, 6 recalled, 7 reacted, 8 pinned, 9 access.
-- target: the message a change is about; NULL: the change stands in the timeline by itself.
ALTER TABLE change ADD COLUMN target INTEGER;
ALTER TABLE change ADD COLUMN public INTEGER;
ALTER TABLE change ADD COLUMN history INTEGER;
CREATE INDEX change_line ON change (conversation, seq) WHERE target IS NULL;

-- Who is named where, so that unread mentions are counted and never kept. Account of 16 zero bytes: everybody.
CREATE TABLE mention (
    account      BLOB NOT NULL,
    conversation BLOB NOT NULL,
    seq          INTEGER NOT NULL,
    sender       BLOB NOT NULL,
    PRIMARY KEY (account, conversation, seq)
) STRICT, WITHOUT ROWID;

-- What a message said before. Taken away with the message's words.
CREATE TABLE edit (
    conversation BLOB NOT NULL,
    seq          INTEGER NOT NULL,
    since        INTEGER NOT NULL,              -- when it began to say so
    body         TEXT NOT NULL,
    PRIMARY KEY (conversation, seq, since)
) STRICT, WITHOUT ROWID;

-- Nonces of requests other than new messages, kept for ever like those.
CREATE TABLE request (
    nonce        TEXT NOT NULL,
    sender       BLOB NOT NULL,
    digest       INTEGER NOT NULL,
    conversation BLOB NOT NULL,
    seq          INTEGER,                       -- the message it was about; NULL: the founding of the conversation
    PRIMARY KEY (nonce, sender)
) STRICT, WITHOUT ROWID;
