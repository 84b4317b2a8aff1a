-- Joint photometry: stars whose PSFs overlap are fitted together, so that none takes another's light.
--
-- A fit needs all positions of an image at once, so they travel as lists: one call for each exposure.

-- Helper: positions as lists, in order, of which there is one row even where there are no positions.
CREATE OR REPLACE MACRO position_lists(exposure_id, positions, id := NULL, ra := NULL, "dec" := NULL) AS TABLE
    SELECT list({id: p.id, ra: p.ra, "dec": p."dec", at_ra: p.at_ra, at_dec: p.at_dec} ORDER BY p.place) AS places
    FROM (SELECT *, row_number() OVER () AS place
          FROM positions_at(exposure_id, positions, id := id, ra := ra, "dec" := "dec")) p;

-- Forced photometry with the columns of forced_photometry and those of the joint fit, psfFlux_joint
-- and its kin.  neighbours names a table, view or CTE of further sources, which are fitted but give
-- no rows; those at a position are that position.
CREATE OR REPLACE MACRO forced_photometry_joint(
    exposure_id, positions, neighbours := NULL, id := NULL, ra := NULL, "dec" := NULL
) AS TABLE
    SELECT m.place.id AS id, m.place.ra AS ra, m.place."dec" AS "dec", unnest(m.measured)
    FROM (
        SELECT
            unnest(measured_places.places) AS place,
            unnest("forced_photometry_joint: open this database with forcedsql.connect() or 'forcedsql shell'"(
                exposure_id,
                list_transform(measured_places.places, lambda s: s.at_ra),
                list_transform(measured_places.places, lambda s: s.at_dec),
                list_transform(other_places.places, lambda s: s.at_ra),
                list_transform(other_places.places, lambda s: s.at_dec))) AS measured
        FROM position_lists(exposure_id, positions, id := id, ra := ra, "dec" := "dec") measured_places,
             position_lists(exposure_id, coalesce(neighbours, positions)) other_places
    ) m;
