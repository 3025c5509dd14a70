//! What can be searched.

pub(super) const TABLES: &str = "
    -- Words of messages. It has no content of its own: the logs have it. A rowid is a room's number and a position
    -- counted down, so a search of one room touches nothing of another and meets the newest first. Words are made
    -- by `store::search`; this tokenizer only parts them.
    CREATE VIRTUAL TABLE words USING fts5(
        text, -- words in their order; then how they begin, who wrote them, whether there is a file, and in which block
        content='', columnsize=0, tokenize='ascii'
    );
    -- What is taken out is gone from the file, not only marked.
    INSERT INTO words (words, rank) VALUES ('secure-delete', 1);
    -- A question seeks in every segment: two of a size become one at once.
    INSERT INTO words (words, rank) VALUES ('automerge', 2);

    -- Rooms with words.
    CREATE TABLE searched (
        number INTEGER NOT NULL PRIMARY KEY,
        room BLOB NOT NULL UNIQUE,
        since INTEGER NOT NULL -- entries before it are not in there yet; zero: all are
    ) STRICT;
    CREATE INDEX searched_partly ON searched (number) WHERE since > 0;
    INSERT INTO searched (room, since) SELECT room, head + 1 FROM rooms WHERE head > 0;

    -- By which rules the words were made; one row.
    CREATE TABLE words_version (version TEXT NOT NULL) STRICT;
";
