-- What an engine has learned, to be taken up again at its next start: advice for planning, no part of the books. Unlike
-- every other row these are replaced.

create table memories (
    name  text primary key,
    value blob not null
) without rowid;
