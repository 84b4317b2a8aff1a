-- Forced photometry: every row of a table of positions gives one row, in the same order.
--
-- The functions that these macros call are made by forcedsql for its own connections.  They go
-- by names that say so, because that is what a shell without them prints.  Each is called in a
-- subquery of its own, whose result is taken apart outside: DuckDB evaluates it once that way.

-- Helper: ', "column" AS name' where a column is named, and nothing otherwise.
CREATE OR REPLACE MACRO select_as(column_name, name) AS
    CASE WHEN column_name IS NULL THEN ''
         ELSE ', "' || replace(column_name, '"', '""') || '" AS ' || name END;

-- Helper: a table to select from.  query_table() takes any name, qualified ones and their quoted
-- parts too, but no quotes inside of those: such names are written as SQL has them, "like ""this""",
-- and anything else with a quote in it is one name as it stands.
CREATE OR REPLACE MACRO table_of(table_name) AS
    CASE WHEN NOT contains(table_name, '"') THEN 'query_table(''' || replace(table_name, '''', '''''') || ''')'
         WHEN regexp_full_match(table_name, '("([^"]|"")+"|\w+)([.]("([^"]|"")+"|\w+))*') THEN table_name
         ELSE '"' || replace(table_name, '"', '""') || '"' END;

-- Helper: FROM a table whose columns are as they were, with one called __none before them.
CREATE OR REPLACE MACRO from_table(table_name) AS
    ' FROM (SELECT NULL AS __none, * FROM ' || table_of(table_name) || ')';

-- Helper: was a column found beside __none?  Types are known when a query is planned, and so the
-- branches of a CASE that are not taken cost nothing.
CREATE OR REPLACE MACRO found_column(value) AS
    typeof(value) <> '"NULL"';

-- Helper: was none found?  A column that is NULL throughout may have no type, and counts as one.
CREATE OR REPLACE MACRO no_column(__none_and_others) AS
    typeof(__none_and_others) = typeof(row(NULL));

-- id, ra and dec of a table, view or CTE.  They are found by their usual names, the first of
-- objectId, sourceId, diaObjectId, id; ra, coord_ra; dec, coord_dec; or are named as arguments.
-- Coordinates are degrees.  In DuckDB 1.5 the argument is written with quotes: "dec" := ...
-- Proper motions pm_ra (with cos dec) and pm_dec in mas/yr, parallax in mas and ref_epoch as a
-- Julian year are NULL where there are none (pmra and pmdec are names of them too).
CREATE OR REPLACE MACRO positions_of(positions, id := NULL, ra := NULL, "dec" := NULL) AS TABLE
    WITH __named AS (
        FROM query('SELECT *' || select_as(id, '__id') || select_as(ra, '__ra') || select_as("dec", '__dec')
                   || from_table(positions))
    ),
    __candidates AS (
        SELECT
            coalesce(*COLUMNS('(?i)^(__none|__id)$')) AS id_given,
            coalesce(*COLUMNS('(?i)^(__none|objectId)$')) AS object_id,
            coalesce(*COLUMNS('(?i)^(__none|sourceId)$')) AS source_id,
            coalesce(*COLUMNS('(?i)^(__none|diaObjectId)$')) AS dia_object_id,
            coalesce(*COLUMNS('(?i)^(__none|id)$')) AS plain_id,
            row(*COLUMNS('(?i)^(__none|__ra|ra|coord_ra)$')) AS any_ra,
            coalesce(*COLUMNS('(?i)^(__none|__ra)$')) AS ra_given,
            coalesce(*COLUMNS('(?i)^(__none|ra)$')) AS plain_ra,
            coalesce(*COLUMNS('(?i)^(__none|coord_ra)$')) AS coord_ra,
            row(*COLUMNS('(?i)^(__none|__dec|dec|coord_dec)$')) AS any_dec,
            coalesce(*COLUMNS('(?i)^(__none|__dec)$')) AS dec_given,
            coalesce(*COLUMNS('(?i)^(__none|dec)$')) AS plain_dec,
            coalesce(*COLUMNS('(?i)^(__none|coord_dec)$')) AS coord_dec,
            coalesce(*COLUMNS('(?i)^(__none|pm_ra)$')) AS pm_ra,
            coalesce(*COLUMNS('(?i)^(__none|pmra)$')) AS pmra,
            coalesce(*COLUMNS('(?i)^(__none|pm_dec)$')) AS pm_dec,
            coalesce(*COLUMNS('(?i)^(__none|pmdec)$')) AS pmdec,
            coalesce(*COLUMNS('(?i)^(__none|parallax)$')) AS parallax,
            coalesce(*COLUMNS('(?i)^(__none|ref_epoch)$')) AS ref_epoch
        FROM __named
    )
    SELECT
        CASE WHEN found_column(id_given) THEN id_given
             WHEN found_column(object_id) THEN object_id
             WHEN found_column(source_id) THEN source_id
             WHEN found_column(dia_object_id) THEN dia_object_id
             WHEN found_column(plain_id) THEN plain_id
             END AS id,
        CASE WHEN found_column(ra_given) THEN ra_given
             WHEN found_column(plain_ra) THEN plain_ra
             WHEN found_column(coord_ra) THEN coord_ra
             WHEN no_column(any_ra) THEN error('the positions have no column ra or coord_ra; name it: ra := ...')
             END::DOUBLE AS ra,
        CASE WHEN found_column(dec_given) THEN dec_given
             WHEN found_column(plain_dec) THEN plain_dec
             WHEN found_column(coord_dec) THEN coord_dec
             WHEN no_column(any_dec) THEN error('the positions have no column dec or coord_dec; name it: "dec" := ...')
             END::DOUBLE AS "dec",
        CASE WHEN found_column(pm_ra) THEN pm_ra
             WHEN found_column(pmra) THEN pmra
             END::DOUBLE AS pm_ra,
        CASE WHEN found_column(pm_dec) THEN pm_dec
             WHEN found_column(pmdec) THEN pmdec
             END::DOUBLE AS pm_dec,
        CASE WHEN found_column(parallax) THEN parallax END::DOUBLE AS parallax,
        CASE WHEN found_column(ref_epoch) THEN ref_epoch
             WHEN pm_ra <> 0 OR pmra <> 0 OR pm_dec <> 0 OR pmdec <> 0
             THEN error('the positions have proper motions but no column ref_epoch; add the Julian year '
                        'at which they hold (SELECT *, 2016.0 AS ref_epoch) or leave the motions out')
             END::DOUBLE AS ref_epoch
    FROM __candidates;

-- The same, and at_ra and at_dec: where a source is seen in the middle of an exposure.
CREATE OR REPLACE MACRO positions_at(exposure_id, positions, id := NULL, ra := NULL, "dec" := NULL) AS TABLE
    SELECT
        m.id,
        m.ra,
        m."dec",
        CASE WHEN m.moved IS NULL THEN m.ra ELSE m.moved.ra END AS at_ra,
        CASE WHEN m.moved IS NULL THEN m."dec" ELSE m.moved."dec" END AS at_dec
    FROM (
        SELECT
            p.*,
            CASE WHEN p.pm_ra <> 0 OR p.pm_dec <> 0 OR p.parallax <> 0 THEN
                "move_position: open this database with forcedsql.connect() or 'forcedsql shell'"(
                    exposure_id, p.ra, p."dec", p.pm_ra, p.pm_dec, p.parallax, p.ref_epoch)
            END AS moved
        FROM positions_of(positions, id := id, ra := ra, "dec" := "dec") p
    ) m;

-- Helper: tells what positions are to be measured, and gives the number of this announcement.  They
-- are then measured many at a time, though a function is handed 2,048 rows at most.  Of a table with
-- more than a million rows the first million is announced; the others are measured as they come.
CREATE OR REPLACE MACRO announced_positions(positions, id := NULL, ra := NULL, "dec" := NULL) AS TABLE
    SELECT max(a.number)
    FROM (
        SELECT
            "announced_positions: open this database with forcedsql.connect() or 'forcedsql shell'"(
                list(p.number), list(p.ra), list(p."dec")) AS number
        FROM (
            SELECT row_number() OVER () AS number, q.ra, q."dec"
            FROM positions_of(positions, id := id, ra := ra, "dec" := "dec") q
            LIMIT 1048576
        ) p
    ) a;

-- Forced photometry with columns named as in the DP1 Source table.
CREATE OR REPLACE MACRO forced_photometry(exposure_id, positions, id := NULL, ra := NULL, "dec" := NULL) AS TABLE
    SELECT
        p.id,
        p.ra,
        p."dec",
        unnest(p.measured)
    FROM (
        SELECT
            m.*,
            "forced_photometry: open this database with forcedsql.connect() or 'forcedsql shell'"(
                exposure_id,
                m.at_ra,
                m.at_dec,
                (FROM announced_positions(positions, id := id, ra := ra, "dec" := "dec"))) AS measured
        FROM positions_at(exposure_id, positions, id := id, ra := ra, "dec" := "dec") m
    ) p;

-- The same with the columns of the LSST driver (ForcedMeasurementDriverTask): coordinates in
-- radians, slot_* aliases, and no parents or children.
CREATE OR REPLACE MACRO forced_measurement(exposure_id, positions, id := NULL, ra := NULL, "dec" := NULL) AS TABLE
    SELECT
        radians(p.ra) AS coord_ra,
        radians(p."dec") AS coord_dec,
        0::BIGINT AS parent,
        p.id AS objectId,
        0::BIGINT AS parentObjectId,
        0::INTEGER AS deblend_nChild,
        unnest(p.measured)
    FROM (
        SELECT
            m.*,
            "forced_measurement: open this database with forcedsql.connect() or 'forcedsql shell'"(
                exposure_id,
                m.at_ra,
                m.at_dec,
                (FROM announced_positions(positions, id := id, ra := ra, "dec" := "dec"))) AS measured
        FROM positions_at(exposure_id, positions, id := id, ra := ra, "dec" := "dec") m
    ) p;
